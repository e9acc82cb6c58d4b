/** @import { OpenConversation, Part } from "./types" */

import { arrange, insertNewDivider } from "./arrangement.js";
import { byId, find, findAll, focus, highlight } from "./dom.js";
import { messageId, messagesIn, newestId, nextMessage } from "./messages.js";
import { loadMore, loadPage } from "./paging.js";

const SILENCE = 500; // ms
/** What is shown of the conversation, besides its messages. */
const SHOWN = ["thread-status", "thread-assignee", "thread-labels", "thread-contact", "label-choices", "contact-details", "contact-read", "people"];

/** @implements {Part} */
export class Thread {
  #page;
  #list;
  #scrolling;
  #reading;
  #scroller = byId("thread-scroll");
  #loadedUpTo;
  #isLoading = false;

  /**
   * @param {OpenConversation} page
   * @param {HTMLElement} list
   * @param {import("./scrolling.js").Scrolling} scrolling
   * @param {import("./reading.js").Reading} reading
   */
  constructor(page, list, scrolling, reading) {
    this.#page = page;
    this.#list = list;
    this.#scrolling = scrolling;
    this.#reading = reading;
    this.#loadedUpTo = newestId(list);
    for (const message of messagesIn(list)) {
      arrange(message);
      this.#markOwn(message);
    }
    this.#loadOnScroll();
    byId("newer").addEventListener("click", () => this.#jump());
  }

  async #jump() {
    await this.toLatest();
    focus(this.#scroller);
  }

  async toLatest() {
    if (!this.#hasNewest) await this.#loadNewest();
    this.#scrolling.measure();
    if (this.#hasNewest) this.#scrolling.toBottom();
  }

  /** False as long as there is a gap before the newest message. */
  get #hasNewest() {
    return this.#list.dataset.newest === "true";
  }

  // Arriving

  /** @param {HTMLElement[]} arrived */
  changed(arrived) {
    for (const element of arrived) {
      if (element.matches(".message") && element.parentElement === this.#list) this.#place(element);
    }
  }

  /** @param {HTMLElement} message */
  #place(message) {
    if (!this.#isLoading && !this.#hasNewest && messageId(message) > this.#loadedUpTo) {
      message.remove(); // it belongs below the gap
      this.#scrolling.miss();
      return;
    }
    this.#markOwn(message);
    if (message.dataset.truncated) import("./on_demand/completing.js").then(({ complete }) => complete(message, this.#page)).catch(() => {});
    if (this.#isLoading) return;
    arrange(message);
    const next = nextMessage(message);
    if (next) arrange(next);
    if (!this.#reading.isBeingRead() && this.#isNews(message)) insertNewDivider(message, this.#reading.upTo);
  }

  /** @param {HTMLElement} message */
  #isNews(message) {
    return message.nextElementSibling === null && message.dataset.type !== "activity" && !this.#isOwn(message);
  }

  /** @param {HTMLElement} message */
  #isOwn({ dataset }) {
    return dataset.sender === `user:${this.#page.user}`;
  }

  /** @param {HTMLElement} message */
  #markOwn(message) {
    const isOwn = this.#isOwn(message);
    const isChangeable = (isOwn || this.#page.role === "administrator") && message.dataset.type !== "activity";
    message.toggleAttribute("data-mine", isOwn);
    message.toggleAttribute("data-changeable", isChangeable);
  }

  /**
   * A deleted message keeps its place, its sender and its time.
   *
   * @type {(old: HTMLElement, incoming: HTMLElement) => void}
   */
  carry(old, incoming) {
    if (!old.matches(".message") || !incoming.matches(".deleted:not(.message)")) return;
    const kept = /** @type {HTMLElement} */ (old.cloneNode(true));
    find(kept, ".content").replaceWith(find(incoming, ".content"));
    findAll(kept, ".actions, .edited, .edit, .seen").forEach((element) => element.remove());
    incoming.replaceChildren(...kept.childNodes);
    for (const [name, value] of Object.entries(kept.dataset)) incoming.dataset[name] ??= value;
    incoming.classList.add("message");
  }

  // Loading

  #loadOnScroll() {
    const { record } = this.#page;
    loadMore({ scroller: this.#scroller, part: "thread", record, insert: (loaded) => this.#insertEarlier(this.#missing(loaded)) });
    loadMore({
      scroller: this.#scroller,
      place: ".later",
      part: "thread",
      record,
      insert: (loaded, isLast) => {
        this.#insertLater(this.#missing(loaded));
        if (isLast) this.#list.dataset.newest = "true";
      },
    });
  }

  /** @param {Document} loaded */
  #missing(loaded) {
    return messagesIn(find(loaded, "#messages")).filter(({ id }) => !document.getElementById(id));
  }

  /** @param {HTMLElement[]} messages */
  #insertEarlier(messages) {
    this.#insert(messages, () => this.#list.prepend(...messages));
  }

  /** @param {HTMLElement[]} messages */
  #insertLater(messages) {
    highlight(messages);
    this.#insert(messages, () => this.#list.append(...messages), true);
  }

  /** Replaces the thread: the gap may be long. */
  async #loadNewest() {
    const { conversation, viewQuery, closed } = this.#page;
    const path = `/conversations/${conversation}${viewQuery}`;
    if (await this.#load(path)) history.replaceState(null, "", path);
    else if (!closed.aborted) this.#page.alert("The newest messages could not be loaded.");
  }

  /** After missed events: what is shown of the thread, as it is now. @param {Document} loaded */
  async refreshed(loaded) {
    const { conversation } = this.#page;
    if (loaded.body.dataset.conversation !== conversation) return;
    for (const id of SHOWN) {
      const fresh = loaded.getElementById(id);
      if (fresh) document.getElementById(id)?.replaceWith(fresh);
    }
    const anchor = this.#scrolling.isAtBottom ? null : this.#scrolling.topmost();
    await this.#load(`/conversations/${conversation}${anchor ? `?message=${messageId(anchor.message)}` : ""}`);
    if (anchor) this.#scrolling.restore(anchor);
  }

  /** @param {string} path */
  async #load(path) {
    const replay = this.#page.record();
    const { loaded } = await loadPage(path, { part: "thread", signal: this.#page.closed });
    if (loaded) this.#replaceBy(loaded);
    replay();
    return loaded !== null;
  }

  /** @param {Document} loaded */
  #replaceBy(loaded) {
    findAll(this.#scroller, ".more, .later").forEach((place) => place.remove());
    this.#list.before(...findAll(loaded, ".scroll .more"));
    byId("sending").before(...findAll(loaded, ".scroll .later"));
    const list = find(loaded, "#messages");
    this.#insert(messagesIn(list), () => this.#list.replaceChildren(...list.children));
    this.#list.dataset.newest = list.dataset.newest;
    this.#loadOnScroll();
  }

  /**
   * Keeps what is being read in place, and the screen reader silent.
   *
   * @type {(messages: HTMLElement[], insert: () => void, isBelow?: boolean) => void}
   */
  #insert(messages, insert, isBelow = false) {
    const first = messagesIn(this.#list)[0];
    this.#isLoading = true;
    this.#scroller.ariaLive = "off";
    this.#scrolling.keepPosition(() => {
      insert();
      [...messages, first].filter((message) => message?.isConnected).forEach(arrange);
      this.#page.notify(messages);
    }, isBelow);
    this.#loadedUpTo = newestId(this.#list);
    this.#isLoading = false;
    setTimeout(() => (this.#scroller.ariaLive = null), SILENCE);
  }
}
