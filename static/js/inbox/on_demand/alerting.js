/** The sound of a notification, or of a customer's message in a row, and its place on the desktop. */

import { find } from "../dom.js";
import { LOCK } from "../notifications.js";
import { setting } from "../settings.js";
import { plainText } from "../text.js";

const LOCK_DURATION = 10_000; // ms; hidden tabs are slow

/**
 * Notifies in one tab, if none is visible.
 *
 * @param {HTMLElement} item
 */
export async function notifyOnce(item) {
  if (!navigator.locks) return notify(item);
  const { held } = await navigator.locks.query();
  if (held?.some(({ name }) => name === LOCK)) return;
  navigator.locks.request(`rtapp ${item.id} ${item.dataset.version}`, { ifAvailable: true }, (lock) => {
    if (lock === null) return undefined;
    notify(item);
    return new Promise((resolve) => setTimeout(resolve, LOCK_DURATION));
  });
}

/** @param {HTMLElement} item */
function notify(item) {
  if (setting("sound")) beep();
  if (!setting("desktop") || globalThis.Notification?.permission !== "granted") return;
  const shown = new Notification(textOf(item), { tag: item.id });
  shown.onclick = () => {
    window.focus();
    location.assign(find(item, "a").href);
  };
}

/** @param {HTMLElement} item */
function textOf(item) {
  if (!item.matches(".row")) return plainText(find(item, ".summary"));
  return `${plainText(find(item, ".who"))} wrote · ${plainText(find(item, ".facts .chip:not([class*=status-])"))}`;
}

function beep() {
  const context = new AudioContext();
  const tone = context.createOscillator();
  const volume = context.createGain();
  volume.gain.setValueAtTime(0.08, context.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, context.currentTime + 0.35);
  tone.frequency.value = 660;
  tone.connect(volume).connect(context.destination);
  tone.start();
  tone.stop(context.currentTime + 0.35);
  tone.onended = () => context.close();
}
