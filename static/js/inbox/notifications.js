/** What is addressed to me: the menu, the number on it and in the title; and, while nobody looks, a sound or a message. */

import { post } from "./forms.js";
import { setting } from "./settings.js";
import { show } from "./unread.js";

const TOLD_FOR = 10_000; // ms in which no other tab tells of it too: those that nobody sees are slow

/** The page's title with the number of what is unread. */
export function titled(title, count) {
  const plain = title.replace(/^\(\d+\+?\) /, "");
  return count > 0 ? `(${count > 99 ? "99+" : count}) ${plain}` : plain;
}

export function startNotifications(page) {
  const list = document.getElementById("notifications");
  const badge = document.getElementById("notification-count");
  const further = Number(badge.dataset.count) - list.querySelectorAll(".unread").length; // unread ones that are not in the list
  const unread = () => [...list.children].filter((item) => item.querySelector(".unread"));

  const count = () => {
    const number = unread().length + Math.max(0, further);
    show(badge, number);
    document.title = titled(document.title, number);
  };
  const read = (item) => post(`/notifications/${item.dataset.notification}/read`, new URLSearchParams());
  /** What happened in the conversation that one looks at need not be told. */
  const readHere = () => {
    if (document.visibilityState !== "visible") return;
    unread().filter(({ dataset }) => dataset.conversation === page.conversation).forEach(read);
  };

  new MutationObserver(count).observe(list, { childList: true, subtree: true });
  list.addEventListener("click", ({ target }) => {
    const item = target.closest(".notification");
    if (item?.querySelector(".unread")) read(item);
  });
  document.addEventListener("visibilitychange", readHere);
  holdWhileVisible();
  count();
  readHere();
  return {
    /** What the page showed already may come once more, and is no news. */
    carry: (old, incoming) => old.matches(".notification") && (incoming.dataset.known = ""),
    changed: (arrived) => {
      const news = arrived.filter((element) => element.matches(".notification:not([data-known])") && element.querySelector(".unread"));
      if (news.length === 0) return;
      readHere();
      news.forEach(tell);
    },
  };
}

const LOCK = "rtapp is looked at"; // held by each tab that can be seen

function holdWhileVisible() {
  let release = () => {};
  const look = () => {
    release();
    if (document.visibilityState !== "visible") return;
    navigator.locks?.request(LOCK, { mode: "shared" }, () => new Promise((resolve) => (release = resolve)));
  };
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", () => release());
  addEventListener("pageshow", ({ persisted }) => persisted && look());
  look();
}

/** Only where no tab can be seen, and of several tabs in the first that comes to it. */
async function tell(item) {
  if (document.visibilityState === "visible" || !(setting("desktop") || setting("sound"))) return;
  if (!navigator.locks) return say(item);
  const { held } = await navigator.locks.query();
  if (held.some(({ name }) => name === LOCK)) return;
  navigator.locks.request(`rtapp tells of ${item.id}`, { ifAvailable: true }, (lock) => {
    if (lock === null) return;
    say(item);
    return new Promise((resolve) => setTimeout(resolve, TOLD_FOR));
  });
}

function say(item) {
  if (setting("sound")) beep();
  if (!setting("desktop") || globalThis.Notification?.permission !== "granted") return;
  const shown = new Notification(item.querySelector(".told").textContent, { tag: item.id });
  shown.onclick = () => {
    window.focus();
    location.assign(item.querySelector("a").href);
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
