/** Single keys, which can be switched off (WCAG 2.1.4). */

/** @import { Composer, Page } from "./types" */

import { byId, closest, findAll, focus } from "./dom.js";
import { setting } from "./settings.js";

/** @type {Record<string, string>} */
const COMMANDS = {
  j: "next", ArrowDown: "next", k: "previous", ArrowUp: "previous",
  "/": "search", x: "select", r: "reply", n: "note", e: "resolve", a: "take", "?": "help", Escape: "leave",
}; // prettier-ignore
const FIELDS = "input, textarea, select, [contenteditable]";

/**
 * @param {KeyboardEvent} event
 * @param {{inField: boolean, inList: boolean}} target
 */
export function commandOf({ key, ctrlKey, metaKey, altKey, isComposing }, target, isOn = true) {
  if ((ctrlKey || metaKey) && key === "k") return "palette";
  if (ctrlKey || metaKey || altKey || isComposing) return undefined;
  if (key === "Escape") return "leave";
  if (!isOn || target.inField) return undefined;
  if (key.startsWith("Arrow") && !target.inList) return undefined; // arrows scroll there
  return Object.hasOwn(COMMANDS, key) ? COMMANDS[key] : undefined;
}

/** @type {(page: Page, composer: () => Composer | null) => void} `composer`: the open conversation's */
export function startKeys(page, composer) {
  /** @type {Record<string, () => unknown>} a command that returns false leaves the key to the browser */
  const commands = {
    next: () => focusRow(1),
    previous: () => focusRow(-1),
    palette: () => {
      byId("palette").showModal(); // at once: what is typed next is for it
      import("./on_demand/palette.js").then(({ fillPalette }) => fillPalette(page));
    },
    select: () => click(".row:focus-within .pick input"),
    search: () => byId("search").focus(),
    reply: () => composer()?.write(false),
    note: () => composer()?.write(true),
    resolve: () => {
      const isResolved = byId("thread-status")?.dataset.status === "resolved";
      click(`#status-menu button[value="${isResolved ? "open" : "resolved"}"]`);
    },
    take: () => click(`#assignee-menu button[value="${page.user}"]`),
    help: () => byId("keys-help").showModal(),
    leave: leaveField,
  };
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || closest(event, "dialog")) return;
    const inField = closest(event, "details.menu[open]") !== null || closest(event, FIELDS) === event.target;
    const command = commandOf(event, { inField, inList: closest(event, "#conversations") !== null }, setting("keys"));
    if (command === undefined || commands[command]() === false) return;
    event.preventDefault();
  });
}

/** @param {number} step */
function focusRow(step) {
  const rows = findAll(document, "#conversations > .row > a");
  const focused = rows.findIndex((row) => row === document.activeElement);
  const from = focused >= 0 ? focused : rows.findIndex((row) => row.ariaCurrent);
  rows[Math.max(0, Math.min(rows.length - 1, from + step))]?.focus();
}

/** @param {string} selector */
function click(selector) {
  /** @type {HTMLElement | null} */ (document.querySelector(selector))?.click();
}

function leaveField() {
  const field = /** @type {HTMLElement} */ (document.activeElement);
  if (!field.matches(FIELDS)) return false;
  field.blur();
  focus(byId("thread-scroll"));
  return true;
}
