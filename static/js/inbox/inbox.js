/** The inbox page: applies fragments, and notifies its parts. */

/** @import { Callbacks } from "../connector/connector" */
/** @import { Indicator, Page, Part, Perform } from "./types" */

import { Backoff } from "../connector/backoff.js";
import { connect } from "../connector/connector.js";
import { apply } from "../connector/turbo.js";
import { setClock } from "./clock.js";
import { Conversation, cursorOf } from "./conversation.js";
import { byId, find, highlight } from "./dom.js";
import { Drafts } from "./drafts.js";
import { startForms } from "./forms.js";
import { startIndicator } from "./indicator.js";
import { startKeys } from "./keys.js";
import { startList } from "./list.js";
import { startMarks } from "./marks.js";
import { startNotifications } from "./notifications.js";
import { loadPage } from "./paging.js";
import { startPresence } from "./presence.js";
import { Session } from "./session.js";
import { Streams } from "./streams.js";
import { startTimes } from "./times.js";
import { startUnread } from "./unread.js";
import { Unsent } from "./unsent.js";
import { startViewers } from "./viewers.js";
import { startVisits } from "./visits.js";

const ALERT_DURATION = 8_000; // ms
const QUESTION_DURATION = 60_000; // ms
const REFRESH_INTERVAL = 3_000; // ms between two, growing
const REFRESHES = 5; // attempts without an answer

/** @type {Part[]} of the page, then of the open conversation */
const parts = [];
/** @type {Set<string[]>} */
const recordings = new Set();

function start() {
  setClock(document.querySelector('meta[name="server-time"]')?.getAttribute("content"));
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
  parts.push(indicator, startTimes(), startPresence(page), startList(page), startViewers(page));
  const notifications = startNotifications(page);
  parts.push(startForms(page), notifications, startUnread(notifications), page.drafts, page.unsent, startMarks(page));
  if (!("command" in HTMLButtonElement.prototype)) import("./on_demand/dialogs.js").then(({ startDialogs }) => startDialogs());
  const whenOpened = async () => {
    (await import("./on_demand/menus.js")).startMenus();
    (await import("./on_demand/settings_panel.js")).startSettings(notifications, page);
  };
  document.addEventListener("toggle", () => whenOpened().catch(() => {}), { capture: true, once: true });
  streams = new Streams(page.connector);
  const { account } = page;
  streams.add(`account:${account}`, accountCallbacks(indicator, () => signedOut(streams, session, indicator)));
  streams.add(`presence:${account}`, { onFragment: receive });
  const conversation = new Conversation(page, { parts, streams, onFragment: receive, onClosed: indicator.ended });
  startKeys(page, () => conversation.composer);
  startVisits(page, (loaded) => conversation.replaceBy(loaded));
  startReturning(streams, session);
  const signOutForm = /** @type {HTMLFormElement} */ (find(document, 'form[action="/logout"]'));
  signOutForm.addEventListener("submit", (event) => {
    event.preventDefault();
    import("./on_demand/signing_out.js").then(({ signOut }) => signOut(signOutForm, page)).catch(() => showAlert());
  });
  // Both lead away from this page.
  for (const id of /** @type {const} */ (["live", "notice"])) byId(id).addEventListener("click", () => page.drafts.restore(), { capture: true });
}

/** @type {(indicator: Indicator, session: Session) => Page} */
function createPage(indicator, session) {
  const data = /** @type {any} */ (document.body.dataset);
  const { account, user } = data;
  const connector = connect({ account, user, cursor: cursorOf(document), format: "turbo", renew: session.renew });
  /** @type {Perform} */
  const perform = (stream, action, fields) => connector.perform(stream, action, fields);
  return {
    ...data,
    get conversation() {
      return data.conversation;
    },
    connector,
    session,
    drafts: new Drafts(localStorage, user, perform),
    unsent: new Unsent(localStorage, user, perform),
    isLive: () => indicator.isLive,
    show,
    notify,
    record,
    alert: showAlert,
    ask,
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

/** @type {(indicator: Indicator, signedOut: () => void) => Callbacks} */
function accountCallbacks(indicator, signedOut) {
  return {
    onFragment: receive,
    onClosed: (closing) => (closing.reason === "signed_out" ? signedOut() : indicator.ended(closing)),
    onConnected: ({ delayed }) => parts.forEach((part) => part.connected?.(delayed)),
    onPing: ({ lag }) => indicator.ping(lag),
    onDisconnected: ({ reason }) => parts.forEach((part) => part.disconnected?.(reason)),
    onReset: () => refresh(indicator),
  };
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

let isRefreshing = false;
let isRefreshDue = false;

/**
 * Loads what the page shows again, because events were missed. What is being written stays.
 *
 * @param {Indicator} indicator
 */
async function refresh(indicator) {
  isRefreshDue = true;
  if (isRefreshing) return;
  isRefreshing = true;
  const backoff = new Backoff({ firstDelay: REFRESH_INTERVAL });
  for (let attempt = 1; isRefreshDue; attempt++) {
    isRefreshDue = false;
    const replay = record();
    const { loaded } = await loadPage(location.href);
    if (loaded) await Promise.all(parts.map((part) => part.refreshed?.(loaded)));
    replay();
    if (!loaded && attempt < REFRESHES) isRefreshDue = true;
    else if (!loaded) indicator.warn("Some changes could not be shown.");
    await new Promise((resolve) => setTimeout(resolve, backoff.next()));
  }
  isRefreshing = false;
}

let alertTimer = 0;

/** @type {Page["alert"]} */
function showAlert(text = "There is no answer from the server. Try again.") {
  showToast(ALERT_DURATION, text);
}

/** @type {Page["ask"]} */
function ask(text, label, run, duration = QUESTION_DURATION) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "button small", textContent: label });
  button.addEventListener("click", () => {
    byId("toast").hidden = true;
    run();
  });
  showToast(duration, text, " ", button);
}

/** @type {(duration: number, ...content: (string | Node)[]) => void} */
function showToast(duration, ...content) {
  const toast = byId("toast");
  toast.replaceChildren(...content);
  toast.hidden = false;
  clearTimeout(alertTimer);
  alertTimer = setTimeout(() => (toast.hidden = true), duration);
}

start();
