/** Whether this page's user is signed in: in another tab, the session may end or another user sign in. */

import { readSession } from "../connector/session.js";
import { find } from "./dom.js";

export class Session {
  #user;
  #hooks;
  #successor = "";

  /**
   * @param {string} user  the id of the user that the page was rendered for
   * @param {{renewed: () => void, replaced: (name: string) => void}} hooks  called when this user, or another one, is signed in
   */
  constructor(user, hooks) {
    this.#user = user;
    this.#hooks = hooks;
  }

  get csrf() {
    return find(document, 'meta[name="csrf-token"]').getAttribute("content") ?? "";
  }

  /** Whether another user is signed in. */
  get isReplaced() {
    return this.#successor !== "";
  }

  /** Why an action was refused with 401. */
  get problem() {
    if (this.#successor) return `${this.#successor} is signed in now. Reload the page.`;
    return "You are signed out. Sign in again in another tab.";
  }

  /** Whether the page may go on: its user is signed in, and it has the CSRF token. Throws without an answer. */
  renew = async () => {
    const session = await readSession();
    const isSame = session?.user === this.#user;
    this.#successor = session === null || isSame ? "" : session.name;
    if (session !== null && isSame) {
      find(document, 'meta[name="csrf-token"]').setAttribute("content", session.csrf);
      this.#hooks.renewed();
    } else if (session !== null) {
      this.#hooks.replaced(session.name);
    }
    return isSame;
  };
}
