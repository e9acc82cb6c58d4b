/** @import { AnyCredentials, CredentialsOptions } from "./types" */

import { readSession } from "./session.js";

/**
 * What authorises the requests of a tab: the session, with its CSRF token. visitor/token_credentials.js has a visitor's.
 *
 * @implements {AnyCredentials}
 */
export class Credentials {
  #options;
  #csrf;
  /** @type {Promise<boolean> | null} */
  #renewal = null;
  isMissing = false; // it is in a cookie

  /** @param {CredentialsOptions} [options] */
  constructor(options = {}) {
    this.#options = options;
    this.#csrf = options.csrf;
  }

  /** What an action sends. Another one later was renewed. */
  get secret() {
    return this.#csrf ?? metaOf()?.content ?? "";
  }

  /** @returns {Record<string, string>} */
  get headers() {
    return { "X-CSRF-Token": this.secret };
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
    const { renew } = this.#options;
    if (renew) return (await renew()) === true;
    return this.#renewSession();
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
