/**
 * The inbox page. Fragments arrive, are applied, and each part of the page makes of them what depends on who looks. A part
 * may have: `before()` a change, `changed(arrived)` after one, `carry(old, incoming)` when an element takes another's place,
 * `connected()`, `disconnected()`.
 */

import { startComposer } from "./composer.js";
import { connect } from "./connector.js";
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
import { startSettings } from "./settings.js";
import { startSnooze } from "./snooze.js";
import { startThread } from "./thread.js";
import { startTimes } from "./times.js";
import { apply } from "./turbo.js";
import { startTyping } from "./typing.js";
import { startUnread } from "./unread.js";
import { startViewers } from "./viewers.js";

const RELOADS_APART = 30_000; // ms
const TOLD_FOR = 8_000; // ms

function start() {
  const page = { ...document.body.dataset };
  const parts = [];
  const each = (name, ...values) => parts.forEach((part) => part[name]?.(...values));
  const indicator = startIndicator();
  page.live = connect({ account: page.account, user: page.user, cursor: meta("stream-cursor"), format: "turbo" });
  page.isLive = () => indicator.isLive;
  page.changed = (arrived) => each("changed", arrived);
  page.isBeingRead = () => page.reading.isBeingRead();
  page.tell = tell;

  page.scrolling = startScrolling(page);
  page.reading = startReading(page);
  page.outgoing = startOutgoing(page);
  page.composer = startComposer(page);
  const thread = startThread(page);
  parts.push(indicator, startTimes(), startPresence(page), startList(page), startViewers(page), startUnread());
  parts.push(thread, page.outgoing, startForms(page), startTyping(page), startNotifications(page), page.scrolling, page.reading);
  thread.markOwn?.();
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

function listen({ live, account, conversation }, indicator, each) {
  const carry = (old, incoming) => each("carry", old, incoming);
  const onFragment = (html) => {
    each("before");
    const arrived = apply(html, { carry });
    arrived.forEach((element) => element.classList.add("just-arrived"));
    each("changed", arrived);
  };
  const onClosed = (closing) => indicator.over(closing);
  live.subscribe(`account:${account}`, {
    onFragment,
    onClosed,
    onConnected: () => each("connected"),
    onPing: ({ lag }) => indicator.ping(lag),
    onDisconnected: () => each("disconnected"),
    onReset: () => startOver(indicator),
  });
  live.subscribe(`presence:${account}`, { onFragment });
  if (conversation) live.subscribe(`conversation:${conversation}`, { onFragment, onClosed });
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

/** A page of the past is for browsers without script: what is new would seem to follow it. */
const newest = document.querySelector("#messages[data-newest=false] ~ .newest a");
if (newest) location.replace(newest.href);
else start();
