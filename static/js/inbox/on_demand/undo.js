/** Undoes a change, for ten seconds; and goes on to the next conversation after one is resolved. */

/** @import { Page } from "../types" */

import { byId, closest, find, focus } from "../dom.js";
import { post } from "../forms.js";
import { setting } from "../settings.js";
import { isolated } from "../text.js";

const DURATION = 10_000; // ms
/** @type {Record<string, string>} */
export const WORDS = { open: "Opened", pending: "Set to pending", snoozed: "Snoozed", resolved: "Resolved", spam: "Marked as spam" };

/**
 * Offers it for ten seconds: as a button, and by the key z, as the button is far from the focus. The button takes the focus
 * with it when it goes: `back` gets it.
 *
 * @type {(page: Page, words: string, undo: () => unknown, back: HTMLElement | null) => void}
 */
export function askUndo(page, words, undo, back) {
  const run = () => {
    if (byId("toast").contains(document.activeElement)) focus(back);
    undo();
  };
  page.ask(words, "Undo", run, DURATION);
  const button = find(byId("toast"), "button");
  button.setAttribute("aria-keyshortcuts", "z");
  button.title = "Undo (z)";
  document.addEventListener("keydown", pressed);
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  const { key, ctrlKey, metaKey, altKey, defaultPrevented } = event;
  if (key !== "z" || ctrlKey || metaKey || altKey || defaultPrevented || !setting("keys")) return;
  if (closest(event, "input:not([type=checkbox]), textarea, select, dialog")) return;
  /** @type {HTMLElement | null} */
  const button = document.querySelector("#toast:not([hidden]) [aria-keyshortcuts]");
  button?.click();
}

/** A conversation as an action answers it. @typedef {{id: number, status: string, snoozed_until: string | null, assignee: {id: number, name: string} | null, version: number}} Changed */
/** @typedef {{words: string, action: string, fields: Record<string, string>}} Change  with what undoes it */

/** @type {(page: Page, before: HTMLElement, changed: Changed) => void} `before`: the head of the thread before the change */
export function offerUndo(page, before, changed) {
  const change = changeOf(stateOf(before), changed, page.user);
  if (!change) return;
  const undo = async () => {
    const fields = new URLSearchParams({ ...change.fields, version: String(changed.version) });
    const { problem } = await post(page.session, `/conversations/${changed.id}/${change.action}`, fields);
    if (problem) page.alert(problem);
  };
  askUndo(page, change.words, undo, document.querySelector("#status-menu summary"));
  const isResolved = change.action === "status" && changed.status === "resolved";
  /** @type {HTMLElement | null} */
  const next = isResolved && setting("next") ? document.querySelector(`#${before.dataset.next || "none"} a`) : null;
  if (page.conversation === String(changed.id)) next?.click();
}

/** @param {HTMLElement} head */
function stateOf(head) {
  const status = find(head, "#thread-status");
  return {
    status: status.dataset.status ?? "",
    until: status.querySelector("time")?.dateTime ?? "",
    assignee: find(head, "#thread-assignee").dataset.assignee ?? "",
  };
}

/** @type {(before: {status: string, until: string, assignee: string}, changed: Changed, user: string) => Change | null} */
export function changeOf({ status, until, assignee }, changed, user) {
  if (changed.status !== status || (changed.snoozed_until ?? "") !== until) {
    const fields = { status, ...(until && { snoozed_until: until }) };
    return { words: `${WORDS[changed.status] ?? changed.status}.`, action: "status", fields };
  }
  const id = String(changed.assignee?.id ?? "");
  if (id === assignee) return null;
  const words = id === user ? "Assigned to you." : changed.assignee ? `Assigned to ${isolated(changed.assignee.name)}.` : "Assigned to nobody.";
  return { words, action: "assignee", fields: { assignee_id: assignee } };
}
