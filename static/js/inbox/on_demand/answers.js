/** A warning before two answer. */

import { serverNow } from "../clock.js";
import { byId, children, find, findAll } from "../dom.js";
import { readMessage } from "../messages.js";
import { isolated, plainText } from "../text.js";
import { recentLabel } from "../times.js";

/**
 * Whether a colleague has answered since the reply was begun, or is typing an answer, in words.
 *
 * @type {(user: string, since: number) => string}
 */
export function whoAnswers(user, since) {
  for (const reply of findAll(byId("thread"), '#messages > [data-type="outgoing"][data-private="false"]').reverse()) {
    const { sender, at } = readMessage(reply);
    if (at.getTime() < since) break;
    if (sender !== `user:${user}`) return `${plainText(find(reply, ".name bdi"))} answered ${whenLabel(at)}`;
  }
  const typist = children(byId("typing")).find(({ dataset }) => dataset.user && dataset.user !== user && dataset.private === "false");
  return typist ? `${isolated(typist.textContent ?? "")} is typing an answer` : "";
}

/** How long ago somebody answered, after their name. @param {Date} at */
export function whenLabel(at) {
  const age = recentLabel(at, serverNow());
  if (age === "now") return "just now";
  return age.endsWith(" min") ? `${age} ago` : `(${age})`;
}
