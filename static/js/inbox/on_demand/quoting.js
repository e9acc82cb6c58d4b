/** Quotes a message in what is being written. */

/** @import { Page } from "../types" */

import { fetchSource } from "./source.js";

/** @type {(page: Page, message: HTMLElement, text: HTMLTextAreaElement) => Promise<void>} */
export async function quote(page, message, text) {
  const source = await fetchSource(message, page.conversation);
  if (source) insert(text, source.content || source.names);
  else page.alert("The message could not be quoted.");
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
