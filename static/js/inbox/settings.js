import { byId } from "./dom.js";

const DEFAULTS = { desktop: false, sound: false, keys: true };
const KEY = "rtapp.settings";

/** @typedef {keyof typeof DEFAULTS} Setting */

/** @param {Setting} name */
export function setting(name) {
  return read()[name];
}

/** @returns {typeof DEFAULTS} */
function read() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) ?? "null") };
  } catch {
    return DEFAULTS;
  }
}

export function startSettings() {
  const place = byId("settings");
  place.hidden = false;
  /** @type {NodeListOf<HTMLInputElement>} */
  const boxes = place.querySelectorAll("[data-setting]");
  for (const box of boxes) {
    const name = /** @type {Setting} */ (box.dataset.setting);
    box.checked = setting(name);
    box.addEventListener("change", async () => {
      if (name === "desktop" && box.checked) box.checked = await mayNotify();
      localStorage.setItem(KEY, JSON.stringify({ ...read(), [name]: box.checked }));
    });
  }
}

async function mayNotify() {
  if (!("Notification" in globalThis)) return false;
  return (await Notification.requestPermission()) === "granted";
}
