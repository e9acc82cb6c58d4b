/** Buttons that open and close dialogs, in browsers without invoker commands (HTML, "The button element", `command`). */

import { byId, closest } from "../dom.js";

export function startDialogs() {
  document.addEventListener("click", (event) => {
    const button = closest(event, "button[commandfor]");
    if (!button) return;
    const dialog = /** @type {HTMLDialogElement} */ (byId(/** @type {any} */ (button.getAttribute("commandfor"))));
    if (button.getAttribute("command") === "show-modal") dialog.showModal();
    else dialog.close();
  });
}
