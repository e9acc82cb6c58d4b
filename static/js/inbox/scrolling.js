/**
 * Follows the newest message at the bottom, and stays at what is read elsewhere. The thread is laid out from its end
 * (column-reverse): `scrollTop` is 0 at the bottom, negative above.
 */

/** @import { Part } from "./types" */

import { byId, find } from "./dom.js";
import { messagesIn, unreadIn } from "./messages.js";

const NEAR_BOTTOM = 80; // px

/** @implements {Part} */
export class Scrolling {
  #list;
  #scroller = byId("thread-scroll");
  #button = byId("newer");
  #top = 0; // as last measured, which forces a layout: not for each event
  #wasAtBottom = true;
  /** @type {number | null} */
  #height = null; // before the changes of this frame
  #isCorrectionDue = false;
  #isInserting = false;
  #hasMissed = false;

  /**
   * @param {HTMLElement} list
   * @param {string} user  who has read up to the message in its `data-read`
   */
  constructor(list, user) {
    this.#list = list;
    this.#scroller.addEventListener("scroll", () => this.measure(), { passive: true });
    const linked = document.getElementById(location.hash.slice(1));
    if (linked?.matches(".message")) linked.scrollIntoView({ block: "center" });
    else if (!linked && !openLinked(location)) this.#toUnread(user);
    this.measure();
  }

  /** Where reading goes on, if that is further up. @param {string} user */
  #toUnread(user) {
    const [first] = unreadIn(this.#list, Number(this.#list.dataset.read), user).unread;
    if (!first || first.getBoundingClientRect().top >= this.#scroller.getBoundingClientRect().top) return;
    let frames = 4; // until what comes into sight has its real height
    const scroll = () => {
      first.scrollIntoView({ block: "start" });
      if (frames-- > 0) requestAnimationFrame(scroll);
    };
    scroll();
  }

  get isAtBottom() {
    return this.#list.dataset.newest === "true" && this.#top > -NEAR_BOTTOM;
  }

  measure() {
    this.#top = this.#scroller.scrollTop;
    this.#updateButton();
  }

  #updateButton() {
    if (this.isAtBottom) this.#hasMissed = false;
    this.#button.hidden = this.isAtBottom;
    find(this.#button, "[data-text]").textContent = this.#hasMissed ? "New messages" : "Jump to latest";
    this.#button.classList.toggle("primary", this.#hasMissed);
  }

  toBottom() {
    if (this.#top === 0) return;
    this.#scroller.scrollTop = this.#top = 0;
    this.#updateButton();
  }

  miss() {
    this.#hasMissed = true;
    this.#updateButton();
  }

  /** @type {(insert: () => void, isBelow: boolean) => void} */
  keepPosition(insert, isBelow) {
    this.#correct();
    this.#height = this.#scroller.scrollHeight;
    this.#isInserting = true;
    insert();
    this.#isInserting = false;
    this.#isCorrectionDue = isBelow;
    this.#correct();
  }

  /** The message at the top of what is seen, and its distance from there in pixels. */
  topmost() {
    const { top } = this.#scroller.getBoundingClientRect();
    const message = messagesIn(this.#list).find((element) => element.getBoundingClientRect().bottom > top);
    return message ? { message, offset: message.getBoundingClientRect().top - top } : null;
  }

  /** After the messages were replaced. @param {{message: HTMLElement, offset: number}} place */
  restore({ message, offset }) {
    const { top } = this.#scroller.getBoundingClientRect();
    const present = document.getElementById(message.id);
    if (present) this.#scroller.scrollTop += present.getBoundingClientRect().top - top - offset;
    this.measure();
  }

  beforeChange() {
    this.#wasAtBottom = this.isAtBottom;
    if (!this.#wasAtBottom) this.#height ??= this.#scroller.scrollHeight;
  }

  /** @param {HTMLElement[]} arrived */
  changed(arrived) {
    if (this.#isInserting) return;
    if (this.#wasAtBottom) {
      this.toBottom();
    } else if (arrived.some((element) => element.matches("#messages > .message:last-child"))) {
      this.#correctInNextFrame();
      this.miss();
    } else if (!this.#isCorrectionDue) {
      this.#height = null; // above, where the distance from the end stays
    }
  }

  /** Once per frame, because it forces a layout. */
  #correctInNextFrame() {
    if (!this.#isCorrectionDue) requestAnimationFrame(() => this.#isCorrectionDue && this.#correct());
    this.#isCorrectionDue = true;
  }

  /** Scrolls by what was added below. */
  #correct() {
    if (this.#isCorrectionDue) this.#scroller.scrollTop -= this.#scroller.scrollHeight - (this.#height ?? 0);
    this.#isCorrectionDue = false;
    this.#height = null;
    this.measure();
  }
}

/**
 * Loads the part of the thread around the message of a link that has its id only behind the #. Whether it is such a link.
 *
 * @param {Location} location
 */
function openLinked({ hash, search, pathname }) {
  const [, id] = /^#message-(\d+)$/.exec(hash) ?? [];
  const isElsewhere = id && new URLSearchParams(search).get("message") !== id;
  if (isElsewhere) location.replace(`${pathname}?message=${id}${hash}`);
  return isElsewhere;
}
