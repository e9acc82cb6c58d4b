/** Unread numbers on rows and views, from the registry #unread. */

import { byId, find, findAll } from "./dom.js";

/** @typedef {Record<string, number>} Numbers */

/** @type {Numbers} by conversation; a missing one is unchanged */
const conversations = {};
/** @type {Numbers} of `mine`, `unassigned`, `all` */
const views = {};

/**
 * @param {import("./types").Alerts} alerts
 * @returns {import("./types").Part}
 */
export function startUnread(alerts) {
  /** @param {HTMLElement} element */
  const read = ({ dataset }) => {
    /** @type {Numbers} */
    const changed = JSON.parse(dataset.conversations ?? "{}");
    const more = Object.keys(changed).filter((id) => changed[id] > (conversations[id] ?? 0));
    Object.assign(conversations, changed);
    Object.assign(views, JSON.parse(dataset.views ?? "{}"));
    for (const id in changed) markRow(document.getElementById(`conversation-${id}`));
    for (const badge of findAll(document, ".badge[data-view]")) show(badge, views[badge.dataset.view ?? ""] ?? 0);
    alerts.counted(views, more);
  };
  read(byId("unread-numbers"));
  return {
    changed(arrived) {
      arrived.filter((element) => element.id === "unread-numbers").forEach(read);
      arrived.filter((element) => element.matches(".row")).forEach(markRow);
    },
  };
}

/** @param {HTMLElement | null} row  in another view, or not loaded, there is none */
function markRow(row) {
  if (!row) return;
  const count = conversations[row.dataset.conversation ?? ""] ?? 0;
  const badge = find(row, ".badge");
  if (badge.dataset.count !== String(count)) show(badge, count); // a change of each row costs style and layout
  row.toggleAttribute("data-unread", count > 0);
}

/** @param {number} count */
export const capped = (count) => (count > 99 ? "99+" : String(count || ""));

/** @type {(badge: HTMLElement, count: number) => void} */
export function show(badge, count) {
  badge.hidden = count === 0;
  badge.textContent = capped(count);
  badge.dataset.count = String(count);
  if (count > 0) badge.append(hidden(" unread"));
}

/** @param {string} text */
function hidden(text) {
  const span = document.createElement("span");
  span.className = "hidden";
  span.textContent = text;
  return span;
}
