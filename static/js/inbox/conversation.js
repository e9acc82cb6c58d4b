/** @import { Composer, OpenConversation, Part } from "./types" */

import { startComposer } from "./composer.js";
import { byId, find } from "./dom.js";
import { startLabels } from "./labels.js";
import { startMessageActions } from "./message_actions.js";
import { Outgoing } from "./outgoing.js";
import { Reading } from "./reading.js";
import { Scrolling } from "./scrolling.js";
import { startSeen } from "./seen.js";
import { Thread } from "./thread.js";
import { startTyping } from "./typing.js";

/**
 * Starts the parts of the conversation that the page shows, if any, until it is closed.
 *
 * @type {(page: OpenConversation) => {parts: Part[], composer: Composer | null}}
 */
export function startConversation(page) {
  const list = byId("messages");
  if (!list) return { parts: [], composer: null };
  const scrolling = new Scrolling(list);
  const reading = new Reading(page, list, scrolling);
  const outgoing = new Outgoing(page);
  const thread = new Thread(page, list, scrolling, reading);
  const composer = startComposer(page, thread);
  const actions = startMessageActions(page, list, composer);
  const snooze = () => import("./on_demand/snooze.js").then(({ startSnooze }) => startSnooze());
  find(document, "#status-menu").addEventListener("toggle", snooze, { once: true });
  return {
    parts: [thread, actions, startLabels(page), startSeen(list), outgoing, startTyping(page), scrolling, reading],
    composer,
  };
}
