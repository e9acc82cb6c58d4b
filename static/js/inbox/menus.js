/** Menus are `details`, closed by a click or focus elsewhere, and by Escape. */

import { find } from "./dom.js";

export function startMenus() {
  const open = () => [.../** @type {NodeListOf<HTMLDetailsElement>} */ (document.querySelectorAll("details.menu[open]"))];
  /** @param {Event} event */
  const closeOthers = ({ target }) => open().forEach((menu) => menu.contains(/** @type {Node} */ (target)) || (menu.open = false));
  document.addEventListener("pointerdown", closeOthers);
  document.addEventListener("focusin", closeOthers);
  document.addEventListener("keydown", (event) => {
    const [menu] = open();
    if (event.key !== "Escape" || !menu) return;
    event.preventDefault();
    menu.open = false;
    find(menu, "summary").focus();
  });
}
