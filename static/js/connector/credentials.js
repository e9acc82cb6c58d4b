/** @import { CredentialsOptions } from "./types" */

import { readSession } from "./session.js";

/** What authorises the requests of a tab: the session with its CSRF token, or a visitor's token. */
export class Credentials {
  #options;
  /** @type {string | undefined} */
  #token;
  #csrf;
  /** @type {Promise<boolean> | null} */
  #renewal = null;

  /** @param {CredentialsOptions} [options] */
  constructor(options = {}) {
    this.#options = options;
    this.#csrf = options.csrf;
  }

  /** A visitor's token, for the address of a stream. */
  get token() {
    return this.#token;
  }

  /** Whether the page has not been asked for the token yet. */
  get isMissing() {
    return this.#options.token !== undefined && this.#token === undefined;
  }

  /** What an action sends. Another one later was renewed. */
  get secret() {
    return this.#options.token ? (this.#token ?? "") : (this.#csrf ?? metaOf()?.content ?? "");
  }

  /** @returns {Record<string, string>} */
  get headers() {
    return this.#options.token ? { Authorization: `Bearer ${this.secret}` } : { "X-CSRF-Token": this.secret };
  }

  /**
   * Called when the server has refused `secret`. Whether another attempt makes sense: false is final. Throws if that could
   * not be found out now.
   */
  async renew(secret = this.secret) {
    if (this.secret !== secret) return true; // renewed meanwhile
    this.#renewal ??= this.#renew().finally(() => (this.#renewal = null));
    return this.#renewal;
  }

  async #renew() {
    const { token, renew } = this.#options;
    if (token) return this.#take(await token());
    if (renew) return (await renew()) === true;
    return this.#renewSession();
  }

  /** @param {unknown} token */
  #take(token) {
    const isNew = typeof token === "string" && token !== "" && token !== this.#token;
    if (isNew) this.#token = /** @type {string} */ (token);
    return isNew;
  }

  /** A page does not go on as another user than it was rendered for. */
  async #renewSession() {
    const { user, fetch } = this.#options;
    if (user === undefined) return false;
    const session = await readSession(fetch);
    if (session?.user !== String(user)) return false;
    const meta = metaOf();
    if (this.#csrf === undefined && meta) meta.content = session.csrf;
    else this.#csrf = session.csrf;
    return true;
  }
}

/** @returns {HTMLMetaElement | null | undefined} */
function metaOf() {
  return /** @type {any} */ (globalThis.document?.querySelector('meta[name="csrf-token"]'));
}
