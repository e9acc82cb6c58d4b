/** Sends how far the thread was read: up to the first message that was not on the screen of a visible page. */

/** @import { OpenConversation, Part } from "./types" */

import { byId } from "./dom.js";
import { messageId, newestId, previousMessage, unreadIn } from "./messages.js";

const DELAY = 400; // ms

/** @implements {Part} */
export class Reading {
  #page;
  #list;
  #scrolling;
  #upTo;
  #timer = 0;
  #scroller = byId("thread-scroll");
  /** @type {Set<number>} ids of unread messages that were in sight */
  #seen = new Set();

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
    this.#scroller.addEventListener("scroll", this.#scrolled, { passive: true });
    document.addEventListener("visibilitychange", this.changed, { signal: page.closed });
  }

  get upTo() {
    return this.#upTo;
  }

  isBeingRead() {
    return document.visibilityState === "visible" && this.#scrolling.isAtBottom;
  }

  #scrolled = () => {
    if (this.#isDue) this.#look();
    this.changed();
  };

  get #isDue() {
    return document.visibilityState === "visible" && newestId(this.#list) > this.#upTo;
  }

  changed = () => {
    if (this.#isDue) this.#timer ||= setTimeout(() => this.#send(), DELAY);
  };

  connected = this.changed;

  async #send() {
    this.#timer = 0;
    if (this.#page.closed.aborted || document.visibilityState !== "visible") return;
    const id = this.#readUpTo();
    if (id <= this.#upTo) return;
    const before = this.#upTo;
    this.#upTo = id;
    try {
      await this.#page.connector.perform(`conversation:${this.#page.conversation}`, "read", { message_id: id });
    } catch {
      this.#upTo = before; // the next occasion is soon
    }
  }

  /** What is unread. Notes what of it is in sight: a message is when its end is. */
  #look() {
    const { top, bottom } = this.#scroller.getBoundingClientRect();
    const found = unreadIn(this.#list, this.#upTo, this.#page.user);
    for (const message of found.unread) {
      const end = message.getBoundingClientRect().bottom;
      if (end > top && end <= bottom + 1) this.#seen.add(messageId(message));
    }
    return found;
  }

  #readUpTo() {
    const { unread, isComplete } = this.#look();
    if (!isComplete) return 0;
    const unseen = unread.find((message) => !this.#seen.has(messageId(message)));
    if (!unseen) return newestId(this.#list);
    const previous = previousMessage(unseen);
    return previous ? messageId(previous) : 0;
  }
}
