/** Single keys, for whoever has their hands there. They can be switched off (WCAG 2.2, 2.1.4). */

import { setting } from "./settings.js";

const COMMANDS = {
  j: "next", ArrowDown: "next", k: "previous", ArrowUp: "previous",
  "/": "search", r: "reply", n: "note", e: "resolve", a: "take", "?": "help", Escape: "leave",
}; // prettier-ignore
const FIELDS = "input, textarea, select, [contenteditable]";

/** The command of a key that was pressed in `target`; undefined if it is none there. */
export function commandOf({ key, ctrlKey, metaKey, altKey, isComposing }, target, isOn = true) {
  if (ctrlKey || metaKey || altKey || isComposing) return undefined;
  if (key === "Escape") return "leave";
  if (!isOn || target.inField) return undefined;
  if (key.startsWith("Arrow") && !target.inList) return undefined; // elsewhere they scroll
  return Object.hasOwn(COMMANDS, key) ? COMMANDS[key] : undefined;
}

export function startKeys(page) {
  const rows = () => [...document.querySelectorAll("#conversations > .row > a")];
  const go = (step) => {
    const all = rows();
    const focused = all.indexOf(document.activeElement);
    const from = focused >= 0 ? focused : all.findIndex((row) => row.ariaCurrent) - (focused < 0 && step > 0 ? 0 : 0);
    all[Math.max(0, Math.min(all.length - 1, from + step))]?.focus();
  };
  const press = (selector) => document.querySelector(selector)?.click();
  const commands = {
    next: () => go(1),
    previous: () => go(-1),
    search: () => document.getElementById("search").focus(),
    reply: () => page.composer.write?.(false),
    note: () => page.composer.write?.(true),
    resolve: () => {
      const status = document.getElementById("thread-status")?.dataset.status;
      press(`#status-menu button[value="${status === "resolved" ? "open" : "resolved"}"]`);
    },
    take: () => press(`#assignee-menu button[value="${page.user}"]`),
    help: () => document.getElementById("keys-help").togglePopover(),
    leave: () => {
      if (!document.activeElement.matches(FIELDS)) return false;
      document.activeElement.blur();
      document.getElementById("thread-scroll")?.focus({ preventScroll: true });
      return true;
    },
  };
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented) return;
    const target = {
      inField: event.target.matches(FIELDS) || event.target.closest("[popover], details.menu[open]") !== null,
      inList: event.target.closest("#conversations") !== null,
    };
    const command = commandOf(event, target, setting("keys"));
    if (command === undefined || commands[command]() === false) return;
    event.preventDefault();
  });
}
