/** @import { Callbacks } from "../connector/connector" */
/** @import { Streams } from "./streams.js" */
/** @import { Composer, OpenConversation, Page, Part } from "./types" */

import { startComposer } from "./composer.js";
import { byId, find, focus } from "./dom.js";
import { startMessageActions } from "./message_actions.js";
import { Outgoing } from "./outgoing.js";
import { Reading } from "./reading.js";
import { Scrolling } from "./scrolling.js";
import { startSeen } from "./seen.js";
import { isBlank } from "./text.js";
import { Thread } from "./thread.js";
import { startTyping } from "./typing.js";
import { startVersion } from "./version.js";
import { pageWith } from "./visits.js";

/** @typedef {Required<Pick<Callbacks, "onFragment" | "onClosed">>} StreamCallbacks */

/** The open conversation, or none: its parts among the page's, its stream, and its elements. */
export class Conversation {
  #page;
  #parts;
  #streams;
  #callbacks;
  #closing = new AbortController();
  #count = 0; // of its parts, the last of the page's
  /** @type {Composer | null} */
  composer = null;

  /**
   * @param {Page} page
   * @param {{parts: Part[], streams: Streams} & StreamCallbacks} options
   */
  constructor(page, { parts, streams, ...callbacks }) {
    this.#page = page;
    this.#parts = parts;
    this.#streams = streams;
    this.#callbacks = callbacks;
    this.#start(cursorOf(document));
  }

  /** Puts the conversation of a loaded page in its place. @param {Document} loaded */
  replaceBy(loaded) {
    this.#close();
    document.title = loaded.title;
    document.body.dataset.conversation = loaded.body.dataset.conversation;
    const thread = byId("thread");
    thread.replaceChildren(...find(loaded, "#thread").childNodes);
    document.getElementById("contact")?.remove();
    const contact = loaded.getElementById("contact");
    if (contact) thread.after(contact);
    this.#start(cursorOf(loaded));
    this.#parts.forEach((part) => part.opened?.());
    this.#page.notify(contact ? [thread, contact] : [thread]);
    focus(document.getElementById("thread-scroll") ?? thread);
  }

  #close() {
    this.#closing.abort();
    this.#streams.remove(`conversation:${this.#page.conversation}`);
    this.#parts.splice(this.#parts.length - this.#count);
  }

  /** @param {string} cursor  from which its stream continues */
  #start(cursor) {
    const { conversation } = this.#page;
    this.#closing = new AbortController();
    const { parts, composer } = startParts({ ...this.#page, conversation, closed: this.#closing.signal });
    this.#count = parts.length;
    this.#parts.push(...parts);
    this.composer = composer;
    if (parts.length === 0) return;
    const { onFragment, onClosed } = this.#callbacks;
    this.#streams.add(`conversation:${conversation}`, {
      onFragment,
      onClosed: (closing) => {
        if (closing.reason === "forbidden") this.#forbidden(conversation);
        else if (closing.reason !== "signed_out") onClosed(closing);
      },
    }, cursor);
  }

  /** What the user wrote stays theirs. @param {string} conversation */
  #forbidden(conversation) {
    const { accountName, drafts, unsent } = this.#page;
    const { reply, note } = drafts.read(conversation);
    const written = [reply, note, ...unsent.of(conversation).map(({ content }) => content)].filter((text) => !isBlank(text));
    this.replaceBy(pageWith(`${accountName} · rtapp`, byId("no-access"), conversation));
    const thread = byId("thread");
    find(thread, "textarea").value = written.join("\n\n");
    find(thread, "label").hidden = written.length === 0;
  }
}

/** Where the streams of a page begin. @param {Document} page */
export function cursorOf(page) {
  return page.querySelector('meta[name="stream-cursor"]')?.getAttribute("content") ?? "";
}

/** None without a thread. @type {(page: OpenConversation) => {parts: Part[], composer: Composer | null}} */
function startParts(page) {
  const list = byId("messages");
  if (!list) return { parts: [], composer: null };
  const scrolling = new Scrolling(list, page.user);
  const reading = new Reading(page, list, scrolling);
  const outgoing = new Outgoing(page);
  const thread = new Thread(page, list, scrolling, reading);
  const composer = startComposer(page, thread);
  const actions = startMessageActions(page, list, composer);
  const snooze = () => import("./on_demand/snooze.js").then(({ startSnooze }) => startSnooze());
  const labels = () => import("./on_demand/labels.js").then(({ startLabels }) => startLabels());
  byId("status-menu").addEventListener("toggle", snooze, { once: true });
  byId("labels-menu").addEventListener("toggle", labels, { once: true });
  return {
    parts: [thread, actions, startVersion(page), startSeen(list), outgoing, startTyping(page), scrolling, reading],
    composer,
  };
}
