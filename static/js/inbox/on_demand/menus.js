/**
 * Menus are `details`, closed by a click or focus elsewhere, and by Escape. Arrow keys, Home and End move between their
 * entries (ARIA Authoring Practices, "Disclosure Navigation").
 */

import { closest, find, findAll } from "../dom.js";

const ENTRIES = ".panel :is(button, a[href], input):not([hidden], [type=hidden])";
/** @type {Record<string, (at: number, count: number) => number>} */
const STEPS = {
  ArrowDown: (at, count) => (at + 1) % count,
  ArrowUp: (at, count) => (at <= 0 ? count : at) - 1,
  Home: () => 0,
  End: (_, count) => count - 1,
};

export function startMenus() {
  const open = () => [.../** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll("details.menu[open]"))];
  /** @param {Event} event */
  const closeOthers = (event) => {
    if (closest(event, "dialog")) return; // the button that opened it is in the menu, and gets the focus back
    const { target } = event;
    open().forEach((menu) => menu.contains(/** @type {Node} */ (target)) || (menu.open = false));
  };
  document.addEventListener("pointerdown", closeOthers);
  document.addEventListener("focusin", closeOthers);
  document.addEventListener("keydown", (event) => {
    const [menu] = open();
    if (!menu || event.defaultPrevented || closest(event, "dialog")) return;
    if (event.key === "Escape") {
      menu.open = false;
      find(menu, "summary").focus();
    } else if (!Object.hasOwn(STEPS, event.key) || !move(menu, STEPS[event.key])) {
      return;
    }
    event.preventDefault();
  });
}

/** @type {(menu: HTMLElement, step: (at: number, count: number) => number) => boolean} */
function move(menu, step) {
  const entries = findAll(menu, ENTRIES).filter((entry) => entry.checkVisibility());
  const focused = /** @type {HTMLElement} */ (document.activeElement);
  const isInText = focused.matches("input:not([type=checkbox])");
  if (entries.length === 0 || isInText || !menu.contains(focused)) return false;
  entries[step(entries.indexOf(focused), entries.length)].focus();
  return true;
}
