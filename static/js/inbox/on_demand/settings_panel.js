/** The user's settings, in their menu: some of the browser, and of which messages they are alerted. */

/** @import { Alerts, Page } from "../types" */
/** @import { Setting } from "../settings.js" */

import { byId, find } from "../dom.js";
import { setSetting, setting } from "../settings.js";
import { startPush } from "./push.js";

/** @type {(notifications: Alerts, page: Page) => void} */
export function startSettings(notifications, page) {
  const place = byId("settings");
  place.hidden = false;
  /** @type {NodeListOf<HTMLInputElement>} */
  const boxes = place.querySelectorAll("[data-setting]");
  for (const box of boxes) {
    const name = /** @type {Setting} */ (box.dataset.setting);
    box.checked = setting(name);
    box.addEventListener("change", async () => {
      if (name === "desktop" && box.checked) box.checked = await mayNotify();
      setSetting(name, box.checked);
    });
  }
  startPush();
  byId("find-anything").addEventListener("click", () => findAnything(page));
  byId("alerts").addEventListener("posted", (event) => {
    const { alerts } = /** @type {CustomEvent} */ (event).detail;
    for (const button of byId("alerts").querySelectorAll("button")) button.ariaPressed = String(button.value === alerts);
    notifications.choose(alerts);
  });
}

/** The palette, for fingers: it closes the menu, to which the focus returns. @param {Page} page */
async function findAnything(page) {
  const menu = byId("me-menu");
  menu.open = false;
  find(menu, "summary").focus();
  byId("palette").showModal();
  (await import("./palette.js")).fillPalette(page);
}

async function mayNotify() {
  if (!("Notification" in globalThis)) return false;
  return (await Notification.requestPermission()) === "granted";
}
