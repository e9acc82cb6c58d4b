/** The messages in the list, which also has lines between them. */

import { children, find } from "./dom.js";

/** @param {Element} message */
export function messageId({ id }) {
  return Number(id.replace("message-", ""));
}

/** @param {HTMLElement} list */
export function messagesIn(list) {
  return children(list).filter((element) => element.matches(".message"));
}

/** @param {HTMLElement} list */
export function newestId(list) {
  let last = list.lastElementChild;
  while (last && !last.matches(".message")) last = last.previousElementSibling;
  return last ? messageId(last) : 0;
}

/** @param {HTMLElement} message */
export function previousMessage(message) {
  return nearest(message, "previousElementSibling");
}

/** @param {HTMLElement} element */
export function nextMessage(element) {
  return nearest(element, "nextElementSibling");
}

/** @type {(element: HTMLElement, step: "previousElementSibling" | "nextElementSibling") => HTMLElement | null} */
function nearest(element, step) {
  let other = element[step];
  while (other && !other.matches(".message")) other = other[step];
  return /** @type {HTMLElement | null} */ (other);
}

/** @param {HTMLElement} message */
export function readMessage(message) {
  const { sender = "", type, private: isPrivate } = message.dataset;
  return { sender, type, private: isPrivate, at: new Date(find(message, "time").dateTime) };
}

/**
 * The text of a message as the server has it: what is shown may be cut, and is rendered. null if there is no answer, or if it
 * was deleted.
 *
 * @type {(message: HTMLElement, conversation: string) => Promise<{content: string, version: string} | null>}
 */
export async function fetchSource(message, conversation) {
  const id = messageId(message);
  message.ariaBusy = "true";
  try {
    const answer = await fetch(`/conversations/${conversation}/messages?after=${id - 1}&limit=1`, { headers: { Accept: "application/json" } });
    const [source] = (await answer.json()).messages;
    return source.id === id && source.content ? { content: source.content, version: String(source.version) } : null;
  } catch {
    return null;
  } finally {
    message.ariaBusy = null;
  }
}
