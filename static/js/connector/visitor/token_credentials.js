/** @import { AnyCredentials } from "../types" */

/**
 * A visitor's token.
 *
 * @implements {AnyCredentials}
 */
export class TokenCredentials {
  #ask;
  /** @type {string | undefined} */
  #token;
  /** @type {Promise<boolean> | null} */
  #renewal = null;

  /** @param {() => unknown} ask  connect()'s token() */
  constructor(ask) {
    this.#ask = ask;
  }

  /** Whether the page has not been asked for the token yet. */
  get isMissing() {
    return this.#token === undefined;
  }

  get secret() {
    return this.#token ?? "";
  }

  /** @returns {Record<string, string>} */
  get headers() {
    return { Authorization: `Bearer ${this.secret}` };
  }

  /** As of Credentials. */
  async renew(secret = this.secret) {
    if (this.secret !== secret) return true; // renewed meanwhile
    this.#renewal ??= this.#renew().finally(() => (this.#renewal = null));
    return this.#renewal;
  }

  async #renew() {
    const token = await this.#ask();
    const isNew = typeof token === "string" && token !== "" && token !== this.#token;
    if (isNew) this.#token = token;
    return isNew;
  }
}
