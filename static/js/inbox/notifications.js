/** @import { Session } from "./session.js" */
/** @import { Alerts, Page } from "./types" */

import { byId, children, closest, find } from "./dom.js";
import { post } from "./forms.js";
import { setting } from "./settings.js";
import { capped, show } from "./unread.js";

const ROWS = 100;
export const LOCK = "rtapp visible"; // shared by the visible tabs

/** @type {(title: string, count: number) => string} */
export function titled(title, count) {
  const plain = title.replace(/^\(\d+\+?\) /, "");
  return count > 0 ? `(${capped(count)}) ${plain}` : plain;
}

/**
 * Of how many conversations besides the user's own there are unread messages that concern them. What happens in their own is
 * a notification.
 *
 * @type {(views: Record<string, number>, alerts: string) => number}
 */
export function concerning({ mine = 0, unassigned = 0, all = 0 }, alerts) {
  if (alerts === "mine") return 0;
  return alerts === "inboxes" ? Math.max(unassigned, all - mine) : unassigned;
}

/** Whether it is one of these conversations. @type {(row: {assignee?: string}, user: string, alerts: string) => boolean} */
export function concerns({ assignee }, user, alerts) {
  return assignee === "" ? alerts !== "mine" : alerts === "inboxes" && assignee !== user;
}

/**
 * @param {Page} page
 * @returns {Alerts}
 */
export function startNotifications(page) {
  const list = byId("notifications");
  const badge = byId("notification-count");
  const icon = /** @type {HTMLLinkElement} */ (find(document, "link[rel=icon]"));
  const { href } = icon;
  /** @type {Map<string, HTMLElement>} the latest rows by conversation, also those that are not in the list */
  const rows = new Map();
  /** @type {Record<string, number>} */
  let views = {};
  let { alerts } = page;
  const unlistedOf = () => Number(badge.dataset.count) - list.querySelectorAll(".unread").length;
  let unlisted = unlistedOf();
  const unread = () => children(list).filter(isUnread);

  const count = () => {
    const news = concerning(views, alerts);
    const number = unread().length + Math.max(0, unlisted) + news;
    show(badge, number);
    showNews(news, alerts);
    document.title = titled(document.title, number);
    icon.href = (number && icon.dataset.alert) || href;
  };
  const readInSight = () => {
    if (document.visibilityState !== "visible") return;
    unread().filter(({ dataset }) => dataset.conversation === page.conversation).forEach((item) => markRead(page.session, item));
  };

  /** In one tab, if none is visible. @param {HTMLElement[]} news  notifications, or rows of the list */
  const alert = (news) => {
    if (document.visibilityState === "visible" || !(setting("desktop") || setting("sound"))) return;
    import("./on_demand/alerting.js").then(({ notifyOnce }) => news.forEach(notifyOnce)).catch(() => {});
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
    choose: (choice) => {
      alerts = choice;
      count();
    },
    counted: (counts, more) => {
      views = counts;
      count();
      const row = more.map((id) => rows.get(id)).findLast((each) => each && concerns(each.dataset, page.user, alerts));
      if (row) alert([row]);
    },
    changed: (arrived) => {
      for (const row of arrived.filter((element) => element.matches(".row"))) rows.set(row.dataset.conversation ?? "", row);
      if (rows.size > ROWS) rows.delete([...rows.keys()][0]);
      const news = arrived.filter((element) => element.matches(".notification:not([data-replayed])") && isUnread(element));
      if (news.length === 0) return;
      readInSight();
      alert(news);
    },
  };
}

/** @type {(count: number, alerts: string) => void} */
function showNews(count, alerts) {
  const link = byId("news");
  link.hidden = count === 0;
  const isAll = alerts === "inboxes";
  link.href = (isAll ? link.dataset.others : link.dataset.unassigned) ?? "";
  link.textContent = `Unread, ${isAll ? "not yours" : "unassigned"}: ${capped(count)}`;
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
