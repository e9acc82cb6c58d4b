/** @import { OpenConversation, Part, Typist } from "./types" */

import { byId, children, find } from "./dom.js";
import { isBlank, isolated } from "./text.js";
import { together } from "./viewers.js";

const REPEAT_INTERVAL = 3_000; // ms; the server's lease expires after 8 s
const ANNOUNCE_DELAY = 1_000; // ms, for screen readers: not each coming and going

/** @param {Typist[]} typists */
export function typingLine(typists) {
  if (typists.length === 0) return "";
  const note = typists.every((typist) => typist.private) ? " a note" : "";
  return `${together(typists.map(({ name }) => isolated(name)))} ${typists.length > 1 ? "are" : "is"} typing${note}…`;
}

/**
 * @param {OpenConversation} page
 * @returns {Part}
 */
export function startTyping({ user, closed }) {
  const registry = byId("typing");
  const line = byId("typing-line");
  const text = find(line, "[data-text]");
  let timer = 0;

  const read = () => {
    const others = children(registry).filter(({ dataset }) => dataset.user !== user);
    const typists = others.map(({ textContent, dataset }) => ({ name: textContent ?? "", private: dataset.private === "true" }));
    const next = typingLine(typists);
    if (text.textContent === next) return;
    text.textContent = next;
    line.toggleAttribute("data-shown", next !== "");
    clearTimeout(timer);
    timer = setTimeout(() => (byId("announcement").textContent = next), ANNOUNCE_DELAY);
  };
  new MutationObserver(read).observe(registry, { childList: true });
  closed.addEventListener("abort", () => clearTimeout(timer));
  return {
    disconnected: () => {
      registry.replaceChildren();
      byId("contact-presence").hidden = true;
    },
  };
}

/** Sends changes of `{typing, private}`, and repeats it while the user types. */
export class TypingNotifier {
  #send;
  #now;
  /** @type {{private: boolean, at: number} | null} */
  #last = null; // as long as others see the user typing

  /** @param {(data: {typing: boolean, private: boolean}) => void} send */
  constructor(send, now = () => Date.now()) {
    this.#send = send;
    this.#now = now;
  }

  /** @type {(text: string, isPrivate: boolean) => void} */
  typed(text, isPrivate) {
    if (isBlank(text)) return this.stop();
    const isDue = this.#last === null || this.#last.private !== isPrivate || this.#now() - this.#last.at >= REPEAT_INTERVAL;
    if (!isDue) return;
    this.#last = { private: isPrivate, at: this.#now() };
    this.#send({ typing: true, private: isPrivate });
  }

  stop() {
    if (this.#last === null) return;
    const { private: isPrivate } = this.#last;
    this.#last = null;
    this.#send({ typing: false, private: isPrivate });
  }

  /** The message ends the typing for others. */
  sent() {
    this.#last = null;
  }
}
