/** @import { Composer, Page, Part } from "./types" */

import { startComposer } from "./composer.js";
import { byId } from "./dom.js";
import { startEditing } from "./editing.js";
import { Outgoing } from "./outgoing.js";
import { startQuoting } from "./quoting.js";
import { Reading } from "./reading.js";
import { Scrolling } from "./scrolling.js";
import { startSeen } from "./seen.js";
import { Thread } from "./thread.js";
import { startTyping } from "./typing.js";

/** @type {(page: Page) => {parts: Part[], composer: Composer | null}} */
export function startConversation(page) {
  const list = byId("messages");
  if (!list) return { parts: [], composer: null };
  const scrolling = new Scrolling(list);
  const reading = new Reading(page, list, scrolling);
  const outgoing = new Outgoing(page);
  const thread = new Thread(page, list, scrolling, reading);
  const composer = startComposer(page, outgoing, thread);
  startEditing(page, list);
  startQuoting(page, list);
  return { parts: [thread, startSeen(list), outgoing, startTyping(page), scrolling, reading], composer };
}
