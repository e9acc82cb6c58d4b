/** @import { Session } from "./session.js" */
/** @import { Page, Part } from "./types" */

import { byId, children, closest, find } from "./dom.js";
import { post } from "./forms.js";
import { setting } from "./settings.js";
import { show } from "./unread.js";

export const LOCK = "rtapp visible"; // shared by the visible tabs

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
      if (document.visibilityState === "visible" || !(setting("desktop") || setting("sound"))) return;
      import("./on_demand/alerting.js").then(({ notifyOnce }) => news.forEach(notifyOnce)).catch(() => {});
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
