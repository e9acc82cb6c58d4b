/** The inbox page: applies fragments, and notifies its parts. */

/** @import { Callbacks } from "../connector/connector" */
/** @import { Indicator, Page, Part } from "./types" */

import { connect } from "../connector/connector.js";
import { apply } from "../connector/turbo.js";
import { startConversation } from "./conversation.js";
import { byId } from "./dom.js";
import { startForms } from "./forms.js";
import { highlight } from "./highlight.js";
import { startIndicator } from "./indicator.js";
import { startKeys } from "./keys.js";
import { startList } from "./list.js";
import { startMenus } from "./menus.js";
import { startNotifications } from "./notifications.js";
import { startPresence } from "./presence.js";
import { Session } from "./session.js";
import { startSettings } from "./settings.js";
import { startSnooze } from "./snooze.js";
import { Streams } from "./streams.js";
import { startTimes } from "./times.js";
import { startUnread } from "./unread.js";
import { startViewers } from "./viewers.js";

const RELOAD_INTERVAL = 30_000; // ms
const ALERT_DURATION = 8_000; // ms

/** @type {Part[]} */
const parts = [];
/** @type {Set<string[]>} */
const recordings = new Set();

function start() {
  const indicator = startIndicator();
  /** @type {Streams} */
  let streams;
  const session = new Session(document.body.dataset.user ?? "", {
    renewed: () => streams.open(),
    replaced: (name) => {
      streams.close();
      indicator.replaced(name);
    },
  });
  const page = createPage(indicator, session);
  const conversation = startConversation(page);
  parts.push(indicator, startTimes(), startPresence(page), startList(page), startViewers(page), startUnread());
  parts.push(startForms(page), startNotifications(page), ...conversation.parts);
  startMenus();
  startSettings();
  startSnooze();
  startKeys(page, conversation.composer);
  streams = new Streams(page.connector, callbacks(page, indicator, () => signedOut(streams, session, indicator)));
  streams.open();
  startReturning(streams, session);
}

/** @type {(indicator: Indicator, session: Session) => Page} */
function createPage(indicator, session) {
  const data = /** @type {any} */ (document.body.dataset);
  const { account, user } = data;
  const cursor = document.querySelector('meta[name="stream-cursor"]')?.getAttribute("content") ?? "";
  return {
    ...data,
    connector: connect({ account, user, cursor, format: "turbo", renew: session.renew }),
    session,
    isLive: () => indicator.isLive,
    show,
    notify,
    record,
    alert: showAlert,
  };
}

/** @type {(html: string) => void} */
function show(html) {
  parts.forEach((part) => part.beforeChange?.());
  const arrived = apply(html, { carry: (old, incoming) => parts.forEach((part) => part.carry?.(old, incoming)) });
  highlight(arrived);
  notify(arrived);
}

/** @param {HTMLElement[]} arrived */
function notify(arrived) {
  parts.forEach((part) => part.changed?.(arrived));
}

/** A page that is fetched now may be older than what arrives meanwhile. */
function record() {
  /** @type {string[]} */
  const fragments = [];
  recordings.add(fragments);
  return () => {
    recordings.delete(fragments);
    fragments.forEach(show);
  };
}

/** @type {(html: string, meta: {id: string}) => void} */
function receive(html, { id }) {
  show(html);
  if (id) recordings.forEach((fragments) => fragments.push(html));
}

/** @type {(page: Page, indicator: Indicator, signedOut: () => void) => Record<string, Callbacks>} */
function callbacks({ account, conversation }, indicator, signedOut) {
  /** @type {Record<string, Callbacks>} */
  const streams = {
    [`account:${account}`]: {
      onFragment: receive,
      onClosed: (closing) => (closing.reason === "signed_out" ? signedOut() : indicator.ended(closing)),
      onConnected: ({ delayed }) => parts.forEach((part) => part.connected?.(delayed)),
      onPing: ({ lag }) => indicator.ping(lag),
      onDisconnected: ({ reason }) => parts.forEach((part) => part.disconnected?.(reason)),
      onReset: () => reload(indicator),
    },
    [`presence:${account}`]: { onFragment: receive },
  };
  if (conversation) {
    const onClosed = (/** @type {{reason: string}} */ closing) => closing.reason !== "signed_out" && indicator.ended(closing);
    streams[`conversation:${conversation}`] = { onFragment: receive, onClosed };
  }
  return streams;
}

/**
 * The leading tab has asked for the session, the others have not.
 *
 * @type {(streams: Streams, session: Session, indicator: Indicator) => Promise<void>}
 */
async function signedOut(streams, session, indicator) {
  streams.close();
  await session.renew().catch(() => {});
  if (!session.isReplaced && !streams.isOpen) indicator.ended({ reason: "signed_out" });
}

/**
 * A user who signs in again in another tab returns to this one.
 *
 * @type {(streams: Streams, session: Session) => void}
 */
function startReturning(streams, session) {
  const returned = () => {
    if (!streams.isOpen && document.visibilityState === "visible") session.renew().catch(() => {});
  };
  addEventListener("focus", returned);
  addEventListener("pageshow", returned);
  document.addEventListener("visibilitychange", returned);
}

/**
 * Reloads, but not during an edit, nor twice in a row. Drafts are kept.
 *
 * @param {Indicator} indicator
 */
function reload(indicator) {
  const last = Number(sessionStorage.getItem("reloaded-at"));
  if (Date.now() - last < RELOAD_INTERVAL || document.querySelector("[data-editing]")) {
    indicator.warn("Some changes could not be shown.");
  } else {
    sessionStorage.setItem("reloaded-at", String(Date.now()));
    location.reload();
  }
}

let alertTimer = 0;

/** @param {string} text */
function showAlert(text) {
  const toast = byId("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(alertTimer);
  alertTimer = setTimeout(() => (toast.hidden = true), ALERT_DURATION);
}

start();
