/** Sends how far the thread was read. */

/** @import { OpenConversation, Part } from "./types" */

import { byId } from "./dom.js";
import { newestId } from "./messages.js";

const IN_SIGHT = 400; // ms

/** @implements {Part} */
export class Reading {
  #page;
  #list;
  #scrolling;
  #upTo;
  #timer = 0;

  /**
   * @param {OpenConversation} page
   * @param {HTMLElement} list
   * @param {import("./scrolling.js").Scrolling} scrolling
   */
  constructor(page, list, scrolling) {
    this.#page = page;
    this.#list = list;
    this.#scrolling = scrolling;
    this.#upTo = Number(list.dataset.read);
    byId("thread-scroll").addEventListener("scroll", this.changed, { passive: true });
    document.addEventListener("visibilitychange", this.changed, { signal: page.closed });
  }

  get upTo() {
    return this.#upTo;
  }

  isBeingRead() {
    return document.visibilityState === "visible" && this.#scrolling.isAtBottom;
  }

  changed = () => {
    if (this.isBeingRead() && newestId(this.#list) > this.#upTo) this.#timer ||= setTimeout(() => this.#send(), IN_SIGHT);
  };

  connected = this.changed;

  async #send() {
    if (this.#page.closed.aborted) return;
    this.#timer = 0;
    const id = newestId(this.#list);
    if (!this.isBeingRead() || id <= this.#upTo) return;
    const before = this.#upTo;
    this.#upTo = id;
    try {
      await this.#page.connector.perform(`conversation:${this.#page.conversation}`, "read", { message_id: id });
    } catch {
      this.#upTo = before; // the next occasion is soon
    }
  }
}
