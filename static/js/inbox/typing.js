/** Who types: the line above the composer, and telling others that one does. */

import { together } from "./viewers.js";

const SAID_EVERY = 3_000; // ms; the server forgets after 8 s
const SPOKEN_AFTER = 1_000; // ms that the line must stand before a screen reader hears of it

/** "Ada is typing…"; "" if nobody is. */
export function typingLine(typists) {
  if (typists.length === 0) return "";
  const note = typists.every((typist) => typist.private) ? " a note" : "";
  return `${together(typists.map(({ name }) => name))} ${typists.length > 1 ? "are" : "is"} typing${note}…`;
}

export function startTyping({ user }) {
  const registry = document.getElementById("typing");
  if (!registry) return {};
  const line = document.getElementById("typing-line");
  const said = document.getElementById("said");
  let speaking = null;

  const read = () => {
    const others = [...registry.children].filter(({ dataset }) => dataset.user !== user);
    const typists = others.map((item) => ({ name: item.textContent, private: item.dataset.private === "true" }));
    const text = typingLine(typists);
    if (line.querySelector("[data-text]").textContent === text) return;
    line.querySelector("[data-text]").textContent = text;
    line.toggleAttribute("data-shown", text !== "");
    clearTimeout(speaking);
    speaking = setTimeout(() => (said.textContent = text), SPOKEN_AFTER); // not each coming and going
  };
  new MutationObserver(read).observe(registry, { childList: true });
  return { disconnected: () => registry.replaceChildren() };
}

/** Says `{typing, private}` when that is new, and again every few seconds as long as one types. */
export class Teller {
  #tell;
  #now;
  #said = null; // {private, at}, while others believe that one types

  constructor(tell, now = () => Date.now()) {
    this.#tell = tell;
    this.#now = now;
  }

  /** The text has changed. */
  typed(text, isPrivate) {
    if (text.trim() === "") return this.stop();
    const isNew = this.#said === null || this.#said.private !== isPrivate || this.#now() - this.#said.at >= SAID_EVERY;
    if (!isNew) return;
    this.#said = { private: isPrivate, at: this.#now() };
    this.#tell({ typing: true, private: isPrivate });
  }

  stop() {
    if (this.#said === null) return;
    const { private: isPrivate } = this.#said;
    this.#said = null;
    this.#tell({ typing: false, private: isPrivate });
  }

  /** What was typed has been sent, by which everyone knows. */
  sent() {
    this.#said = null;
  }
}
