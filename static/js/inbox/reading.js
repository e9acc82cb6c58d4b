/** Tells the server how far one has read: up to the newest message, once it is in sight. */

import { newestOf } from "./thread.js";

const SETTLED = 400; // ms that it must be in sight

export function startReading(page) {
  const list = document.getElementById("messages");
  if (!list) return { isBeingRead: () => false };
  let read = Number(list.dataset.read);
  let waiting = null;
  const isBeingRead = () => document.visibilityState === "visible" && page.scrolling.isAtBottom();

  const tell = async () => {
    waiting = null;
    const id = newestOf(list);
    if (!isBeingRead() || id <= read) return;
    const before = read;
    read = id;
    try {
      await page.live.perform(`conversation:${page.conversation}`, "read", { message_id: id });
    } catch {
      read = before; // the next occasion is soon enough
    }
  };
  const look = () => {
    if (isBeingRead() && newestOf(list) > read) waiting ??= setTimeout(tell, SETTLED);
  };
  document.getElementById("thread-scroll").addEventListener("scroll", look, { passive: true });
  document.addEventListener("visibilitychange", look);
  return { isBeingRead, upTo: () => read, changed: look, connected: look };
}
