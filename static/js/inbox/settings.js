const DEFAULTS = { desktop: false, sound: false, keys: true, next: false };
const KEY = "rtapp.settings";

/** @typedef {keyof typeof DEFAULTS} Setting */

/** @param {Setting} name */
export function setting(name) {
  return read()[name];
}

/** @type {(name: Setting, isOn: boolean) => void} */
export function setSetting(name, isOn) {
  localStorage.setItem(KEY, JSON.stringify({ ...read(), [name]: isOn }));
}

/** @returns {typeof DEFAULTS} */
function read() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) ?? "null") };
  } catch {
    return DEFAULTS;
  }
}
