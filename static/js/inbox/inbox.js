/**
 * The inbox page. Fragments arrive, are applied, and each part of the page makes of them what depends on who looks. A part
 * may have: `before()` a change, `changed(arrived)` after one, `carry(old, incoming)` when an element takes another's place,
 * `connected()`, `disconnected()`.
 */

import { startComposer } from "./composer.js";
import { connect } from "../connector/connector.js";
import { startEditing } from "./editing.js";
import { startForms } from "./forms.js";
import { startIndicator } from "./indicator.js";
import { startKeys } from "./keys.js";
import { startList } from "./list.js";
import { startMenus } from "./menus.js";
import { startNotifications } from "./notifications.js";
import { startOutgoing } from "./outgoing.js";
import { startPresence } from "./presence.js";
import { startReading } from "./reading.js";
import { startScrolling } from "./scrolling.js";
import { startSeen } from "./seen.js";
import { startSettings } from "./settings.js";
import { startSnooze } from "./snooze.js";
import { startThread } from "./thread.js";
import { startTimes } from "./times.js";
import { apply } from "../connector/turbo.js";
import { startTyping } from "./typing.js";
import { startUnread } from "./unread.js";
import { startViewers } from "./viewers.js";

const RELOADS_APART = 30_000; // ms
const TOLD_FOR = 8_000; // ms
const ARRIVES_FOR = 2_000; // ms, longer than any of it is animated

function start() {
  const page = { ...document.body.dataset };
  const parts = [];
  const each = (name, ...values) => parts.forEach((part) => part[name]?.(...values));
  const indicator = startIndicator();
  page.live = connect({ account: page.account, user: page.user, cursor: meta("stream-cursor"), format: "turbo" });
  page.isLive = () => indicator.isLive;
  page.changed = (arrived) => each("changed", arrived);
  page.arrive = arrive;
  page.show = (html) => {
    each("before");
    const arrived = apply(html, { carry: (old, incoming) => each("carry", old, incoming) });
    arrive(arrived);
    each("changed", arrived);
  };
  const recordings = new Set();
  page.hear = (html, { id }) => {
    page.show(html);
    if (id) recordings.forEach((heard) => heard.push(html));
  };
  page.record = () => record(recordings, page.show);
  page.isBeingRead = () => page.reading.isBeingRead();
  page.tell = tell;

  page.scrolling = startScrolling(page);
  page.reading = startReading(page);
  page.outgoing = startOutgoing(page);
  page.composer = startComposer(page);
  page.thread = startThread(page);
  parts.push(indicator, startTimes(), startPresence(page), startList(page), startViewers(page), startUnread());
  parts.push(page.thread, startSeen(), page.outgoing, startForms(page), startTyping(page), startNotifications(page), page.scrolling, page.reading);
  page.thread.markOwn?.();
  startEditing(page);
  startMenus();
  startSettings();
  startSnooze();
  startKeys(page);
  listen(page, indicator, each);
}

function meta(name) {
  return document.querySelector(`meta[name="${name}"]`)?.content ?? "";
}

/** A page that is asked for now may be made before what is heard from now on: what this returns shows that once more. */
function record(recordings, show) {
  const heard = [];
  recordings.add(heard);
  return () => {
    recordings.delete(heard);
    heard.forEach(show);
  };
}

function arrive(elements) {
  elements.forEach((element) => element.classList.add("just-arrived"));
  setTimeout(() => elements.forEach((element) => element.classList.remove("just-arrived")), ARRIVES_FOR);
}

function listen({ live, account, conversation, hear }, indicator, each) {
  const onClosed = (closing) => indicator.over(closing);
  live.subscribe(`account:${account}`, {
    onFragment: hear,
    onClosed,
    onConnected: () => each("connected"),
    onPing: ({ lag }) => indicator.ping(lag),
    onDisconnected: () => each("disconnected"),
    onReset: () => startOver(indicator),
  });
  live.subscribe(`presence:${account}`, { onFragment: hear });
  if (conversation) live.subscribe(`conversation:${conversation}`, { onFragment: hear, onClosed });
}

/** What was missed can't be replayed. A page that has only just been reloaded for this asks first; drafts are kept. */
function startOver(indicator) {
  const last = Number(sessionStorage.getItem("reloaded-at"));
  if (Date.now() - last < RELOADS_APART || document.querySelector("[data-editing]")) {
    indicator.warn("Some changes could not be shown.");
  } else {
    sessionStorage.setItem("reloaded-at", String(Date.now()));
    location.reload();
  }
}

/** Says what went wrong, where everyone finds it. */
function tell(text) {
  const toast = document.getElementById("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => (toast.hidden = true), TOLD_FOR);
}

start();
