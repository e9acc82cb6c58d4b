/** Lines between days and above new messages, and groups of one sender's messages. */

import { byId } from "./dom.js";
import { messageId, nextMessage, previousMessage, readMessage } from "./messages.js";
import { dayLabel, sameDay } from "./times.js";

const GROUP_WITHIN = 5 * 60_000; // ms

/** @typedef {ReturnType<typeof readMessage>} Message */

/**
 * Whether message `next` needs no name of its own below `previous`.
 *
 * @type {(previous: Message, next: Message) => boolean}
 */
export function continues(previous, next) {
  return (
    previous.sender !== "" &&
    previous.sender === next.sender &&
    previous.type === next.type &&
    previous.private === next.private &&
    Math.abs(next.at.getTime() - previous.at.getTime()) <= GROUP_WITHIN &&
    sameDay(previous.at, next.at)
  );
}

/** @param {HTMLElement} element */
export function arrange(element) {
  const previous = previousMessage(element);
  const message = readMessage(element);
  const startsDay = !previous || !sameDay(readMessage(previous).at, message.at);
  const above = element.previousElementSibling;
  const line = above?.matches(".divider") ? above.previousElementSibling : above;
  if (startsDay && !line?.matches(".day")) element.before(dayLine(message.at));
  if (!startsDay && line?.matches(".day")) line.remove();
  const isDivided = element.previousElementSibling?.matches(".divider");
  element.toggleAttribute("data-continues", !startsDay && !isDivided && continues(readMessage(previous), message));
}

/** @param {Date} at */
function dayLine(at) {
  const line = document.createElement("li");
  const time = document.createElement("time");
  line.className = "day";
  time.dateTime = at.toISOString();
  time.dataset.show = "day";
  time.textContent = dayLabel(at);
  line.append(time);
  return line;
}

/**
 * Moves the line, unless it is above unread messages.
 *
 * @type {(message: HTMLElement, readUpTo: number) => void}
 */
export function insertNewDivider(message, readUpTo) {
  const present = byId("new-messages");
  const previous = previousMessage(message);
  if (present && previous && messageId(previous) > readUpTo) return;
  const below = present && nextMessage(present);
  present?.remove();
  if (below) arrange(below);
  const line = document.createElement("li");
  line.id = "new-messages";
  line.className = "divider";
  line.append(Object.assign(document.createElement("span"), { textContent: "New messages" }));
  message.before(line);
  arrange(message);
}
