/** @import { Session } from "./session.js" */
/** @import { Page, Part } from "./types" */

import { byId, children, closest, find } from "./dom.js";
import { post } from "./forms.js";
import { setting } from "./settings.js";
import { plainText } from "./text.js";
import { show } from "./unread.js";

const LOCK = "rtapp visible"; // shared by the visible tabs
const LOCK_DURATION = 10_000; // ms; hidden tabs are slow

/** @type {(title: string, count: number) => string} */
export function titled(title, count) {
  const plain = title.replace(/^\(\d+\+?\) /, "");
  return count > 0 ? `(${count > 99 ? "99+" : count}) ${plain}` : plain;
}

/**
 * @param {Page} page
 * @returns {Part}
 */
export function startNotifications(page) {
  const list = byId("notifications");
  const badge = byId("notification-count");
  const unlistedOf = () => Number(badge.dataset.count) - list.querySelectorAll(".unread").length;
  let unlisted = unlistedOf();
  const unread = () => children(list).filter(isUnread);

  const count = () => {
    const number = unread().length + Math.max(0, unlisted);
    show(badge, number);
    document.title = titled(document.title, number);
  };
  const readInSight = () => {
    if (document.visibilityState !== "visible") return;
    unread().filter(({ dataset }) => dataset.conversation === page.conversation).forEach((item) => markRead(page.session, item));
  };

  new MutationObserver(count).observe(list, { childList: true, subtree: true });
  list.addEventListener("click", (event) => {
    const item = closest(event, ".notification");
    if (item && isUnread(item)) markRead(page.session, item);
  });
  document.addEventListener("visibilitychange", readInSight);
  holdLockWhileVisible();
  count();
  readInSight();
  return {
    /** A replayed notification must not be shown twice. */
    carry: (old, incoming) => {
      if (old.matches(".notification")) incoming.dataset.replayed = "";
    },
    refreshed: (loaded) => {
      badge.dataset.count = find(loaded, "#notification-count").dataset.count;
      list.replaceChildren(...find(loaded, "#notifications").children);
      unlisted = unlistedOf();
      count();
    },
    opened: () => {
      count();
      readInSight();
    },
    changed: (arrived) => {
      const news = arrived.filter((element) => element.matches(".notification:not([data-replayed])") && isUnread(element));
      if (news.length === 0) return;
      readInSight();
      news.forEach(notifyOnce);
    },
  };
}

/** @param {HTMLElement} item */
function isUnread(item) {
  return item.querySelector(".unread") !== null;
}

/** @type {(session: Session, item: HTMLElement) => void} */
function markRead(session, { dataset }) {
  post(session, `/notifications/${dataset.notification}/read`, new URLSearchParams());
}

function holdLockWhileVisible() {
  let release = () => {};
  const update = () => {
    release();
    if (document.visibilityState !== "visible") return;
    navigator.locks?.request(LOCK, { mode: "shared" }, () => new Promise((resolve) => (release = () => resolve(null))));
  };
  document.addEventListener("visibilitychange", update);
  addEventListener("pagehide", () => release());
  addEventListener("pageshow", ({ persisted }) => persisted && update());
  update();
}

/**
 * Notifies in one tab, if none is visible.
 *
 * @param {HTMLElement} item
 */
async function notifyOnce(item) {
  if (document.visibilityState === "visible" || !(setting("desktop") || setting("sound"))) return;
  if (!navigator.locks) return notify(item);
  const { held } = await navigator.locks.query();
  if (held?.some(({ name }) => name === LOCK)) return;
  navigator.locks.request(`rtapp ${item.id}`, { ifAvailable: true }, (lock) => {
    if (lock === null) return undefined;
    notify(item);
    return new Promise((resolve) => setTimeout(resolve, LOCK_DURATION));
  });
}

/** @param {HTMLElement} item */
function notify(item) {
  if (setting("sound")) beep();
  if (!setting("desktop") || globalThis.Notification?.permission !== "granted") return;
  const shown = new Notification(plainText(find(item, ".summary")), { tag: item.id });
  shown.onclick = () => {
    window.focus();
    location.assign(find(item, "a").href);
  };
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
