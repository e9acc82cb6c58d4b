/** Quotes a message in what is being written. */

/** @import { Page } from "./types" */

import { closest, field } from "./dom.js";
import { messageId } from "./messages.js";

/** @type {(page: Page, list: HTMLElement) => void} */
export function startQuoting(page, list) {
  /** @type {HTMLFormElement | null} */
  const form = document.querySelector("form#composer");
  if (!form) return;
  list.dataset.quotable = "";
  list.addEventListener("click", async (event) => {
    const message = closest(event, ".quote")?.closest(".message");
    if (!message) return;
    /** @type {HTMLTextAreaElement} */
    const text = field(form, "content");
    text.focus(); // at once: a phone shows its keyboard only in the event
    const source = await fetchSource(page.conversation, messageId(message));
    if (source) insert(text, source);
    else page.alert("The message could not be quoted.");
  });
}

/**
 * Returns "" if that fails, or if the message was deleted.
 *
 * @type {(conversation: string, id: number) => Promise<string>}
 */
async function fetchSource(conversation, id) {
  try {
    const answer = await fetch(`/conversations/${conversation}/messages?after=${id - 1}&limit=1`, { headers: { Accept: "application/json" } });
    const { messages } = await answer.json();
    return messages[0].id === id ? messages[0].content : "";
  } catch {
    return "";
  }
}

/**
 * In lines of its own, with the caret below it.
 *
 * @type {(text: HTMLTextAreaElement, source: string) => void}
 */
function insert(text, source) {
  const { value, selectionEnd: at } = text;
  const isInLine = at > 0 && value[at - 1] !== "\n";
  text.setRangeText(`${isInLine ? "\n" : ""}${quoted(source)}\n\n`, at, at, "end");
  text.dispatchEvent(new Event("input", { bubbles: true }));
}

/** @param {string} source */
function quoted(source) {
  return source.trimEnd().split(/\r\n?|\n/).map((line) => `> ${line}`).join("\n");
}
