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
  const message = newest(list);
  return message ? messageId(message) : 0;
}

/** @param {HTMLElement} list */
function newest({ lastElementChild: last }) {
  return /** @type {HTMLElement | null} */ (last?.matches(".message") ? last : last && previousMessage(/** @type {any} */ (last)));
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
  return { sender, type, private: isPrivate, at: new Date(/** @type {HTMLTimeElement} */ (find(message, "a time")).dateTime) };
}

/**
 * What others have written after the message up to which the user has read; where they have read nothing, after the last reply.
 * Whether it is all of that: earlier messages may not be loaded.
 *
 * @type {(list: HTMLElement, upTo: number, user: string) => {unread: HTMLElement[], isComplete: boolean}}
 */
export function unreadIn(list, upTo, user) {
  const unread = [];
  for (let message = newest(list); message; message = previousMessage(message)) {
    const { type, private: isPrivate, sender } = message.dataset;
    const isReply = type === "outgoing" && isPrivate === "false";
    if (upTo ? messageId(message) <= upTo : isReply) return { unread, isComplete: true };
    if (type !== "activity" && sender !== `user:${user}` && !message.matches(".deleted")) unread.unshift(message);
  }
  return { unread, isComplete: !list.parentElement?.querySelector(".more") };
}
