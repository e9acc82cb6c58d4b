/** The inbox page: live changes, the composer, and what depends on who looks and where (local times, scroll position). */

import { connect } from "./connector.js";
import { apply } from "./turbo.js";

const NEAR_BOTTOM = 80; // px
const SEND_TIMEOUT = 20_000;
const GROUP_WITHIN = 5 * 60_000;
const RELOADS_APART = 30_000;
const WORTH_SHOWING_LAG = 3; // s
const DAY = 86_400_000;

/** A random UUID (RFC 9562, version 4). `crypto.randomUUID` exists in secure contexts only; an intranet may have plain HTTP. */
export function uuid(crypto = globalThis.crypto) {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/**
 * What to send. After an attempt that failed, perhaps only on its way back, the same text keeps its `client_id`, so that the
 * server can tell a retry from a second message.
 *
 * @param {{content: string, private: boolean, client_id: string} | null} failed
 * @param {{content: string, private: boolean}} message
 */
export function attempt(failed, message, newId = uuid) {
  const again = failed?.content === message.content && failed?.private === message.private;
  return { ...message, client_id: again ? failed.client_id : newId() };
}

/** Whether Enter (pressed as `event` tells) sends. An Enter that ends an input method's composition does not. */
export function sends(event, touch = false) {
  return event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229 && !touch;
}

/** Whether message `next` needs no name of its own below `previous`. */
export function continues(previous, next) {
  return (
    previous.sender !== "" &&
    previous.sender === next.sender &&
    previous.type === next.type &&
    previous.private === next.private &&
    Math.abs(next.at - previous.at) <= GROUP_WITHIN &&
    sameDay(previous.at, next.at)
  );
}

/** "Today", "Yesterday", or the date in the reader's words. */
export function dayLabel(date, now = new Date(), locale = undefined) {
  const days = Math.round((midnight(now) - midnight(date)) / DAY);
  if (days === 0 || days === 1) {
    const words = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-days, "day");
    return words.charAt(0).toLocaleUpperCase(locale) + words.slice(1);
  }
  return date.toLocaleDateString(locale, { weekday: "short", day: "numeric", month: "short", ...yearUnlessThis(date, now) });
}

/** As short as it can be for a list: the time today, the weekday this week, else the date. */
export function recentLabel(date, now = new Date(), locale = undefined) {
  if (sameDay(date, now)) return clockLabel(date, locale);
  const days = (midnight(now) - midnight(date)) / DAY;
  if (days > 0 && days < 6.5) return date.toLocaleDateString(locale, { weekday: "short" });
  return date.toLocaleDateString(locale, { day: "numeric", month: "short", ...yearUnlessThis(date, now) });
}

export function clockLabel(date, locale = undefined) {
  return date.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
}

function yearUnlessThis(date, now) {
  return date.getFullYear() === now.getFullYear() ? {} : { year: "numeric" };
}

function midnight(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate());
}

function sameDay(one, other) {
  return midnight(one).getTime() === midnight(other).getTime();
}

// ---- From here on: the page -------------------------------------------------------------------------------------

const LABELS = { clock: clockLabel, recent: recentLabel, day: dayLabel };

if (typeof document !== "undefined") start();

function start() {
  const page = {
    ...document.body.dataset,
    csrf: meta("csrf-token"),
    list: document.getElementById("conversations"),
    messages: document.getElementById("messages"),
    thread: document.getElementById("thread-scroll"),
    newer: document.getElementById("newer"),
    facts: document.getElementById("thread-facts"),
    live: document.getElementById("live"),
    notice: document.getElementById("notice"),
    composer: document.getElementById("composer"),
    isLive: false,
  };
  tidy(page);
  if (page.thread) keepAtBottom(page);
  if (page.composer) startComposer(page);
  page.notice.querySelector("button").addEventListener("click", () => location.reload());
  startStreams(page);
  setInterval(() => localTimes(document), 60_000); // "Today" ends at midnight
}

function meta(name) {
  return document.querySelector(`meta[name="${name}"]`)?.content ?? "";
}

// ---- Live

function startStreams(page) {
  const { account, user, conversation } = page;
  const live = connect({ account, user, cursor: meta("stream-cursor"), format: "turbo" });
  const onFragment = (html) => show(page, html);
  const onClosed = (closing) => over(page, closing);
  indicate(page, "connecting", "Connecting…");
  live.subscribe(`account:${account}`, {
    onFragment,
    onClosed,
    onConnected: () => backLive(page),
    onPing: ({ lag }) =>
      lag >= WORTH_SHOWING_LAG ? indicate(page, "late", `${Math.round(lag)} s behind`) : indicate(page, "live", "Live"),
    onDisconnected: () => indicate(page, "reconnecting", "Reconnecting…"),
    onReset: () => startOver(page),
  });
  if (conversation) live.subscribe(`conversation:${conversation}`, { onFragment, onClosed });
}

function backLive(page) {
  indicate(page, "live", "Live");
  if (page.composer?.querySelector("#composer-problem.good")) explain(page.composer, "", false); // "Sent. It will appear…"
}

function show(page, html) {
  const wasAtBottom = page.thread && atBottom(page.thread);
  const height = page.thread?.scrollHeight;
  const arrived = apply(html);
  tidy(page, arrived);
  if (page.thread) follow(page, wasAtBottom, page.thread.scrollHeight - height, arrived);
}

function indicate(page, state, text) {
  page.isLive = state === "live";
  page.live.hidden = false;
  page.live.dataset.state = state;
  const label = page.live.querySelector("[data-text]");
  if (label.textContent !== text) label.textContent = text;
}

function over(page, { reason }) {
  if (reason === "signed_out") {
    indicate(page, "over", "Signed out. ");
    const link = document.createElement("a");
    link.href = `/login?next=${encodeURIComponent(location.pathname)}`;
    link.textContent = "Sign in";
    page.live.querySelector("[data-text]").append(link);
  } else {
    indicate(page, "over", "Not live");
    notify(page, reason === "forbidden" ? "You no longer have access to this." : "Live updates have stopped.");
  }
}

/** What was missed can't be replayed. A page that would lose a text, or that has only just been reloaded for this, asks first. */
function startOver(page) {
  const last = Number(sessionStorage.getItem("reloaded-at"));
  if (draftOf(page).trim() !== "" || Date.now() - last < RELOADS_APART) {
    notify(page, "Some changes could not be shown.");
  } else {
    sessionStorage.setItem("reloaded-at", String(Date.now()));
    location.reload();
  }
}

function notify(page, text) {
  page.notice.querySelector("[data-text]").textContent = text;
  page.notice.hidden = false;
}

// ---- What fragments leave open, because they are the same for everyone

function tidy(page, arrived = null) {
  localTimes(document);
  markSelected(page);
  if (page.messages) groupMessages(page.messages);
  for (const element of arrived ?? []) element.classList.add("just-arrived");
}

function localTimes(root) {
  for (const time of root.querySelectorAll("time[data-show]")) {
    const date = new Date(time.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    const text = LABELS[time.dataset.show](date);
    if (time.textContent !== text) time.textContent = text;
    time.title = date.toLocaleString();
  }
}

function markSelected(page) {
  const row = page.conversation && document.getElementById(`conversation-${page.conversation}`);
  if (!row) return;
  row.querySelector("a").setAttribute("aria-current", "page");
  page.facts?.replaceChildren(...row.querySelector(".facts").cloneNode(true).childNodes);
}

/** Puts a line between days, and takes the name from messages that continue the one above. Touches only what has to change. */
function groupMessages(list) {
  let previous = null;
  for (const element of list.querySelectorAll(":scope > .message")) {
    const message = read(element);
    const startsDay = !previous || !sameDay(previous.at, message.at);
    const line = element.previousElementSibling?.matches(".day") ? element.previousElementSibling : null;
    if (startsDay && !line) element.before(dayLine(element));
    if (!startsDay && line) line.remove();
    element.toggleAttribute("data-continues", !startsDay && continues(previous, message));
    previous = message;
  }
}

function read(element) {
  const { sender = "", type, private: isPrivate } = element.dataset;
  return { sender, type, private: isPrivate, at: new Date(element.querySelector("time").dateTime) };
}

function dayLine(element) {
  const line = document.createElement("li");
  const time = document.createElement("time");
  line.className = "day";
  time.dateTime = element.querySelector("time").dateTime;
  time.dataset.show = "day";
  time.textContent = dayLabel(new Date(time.dateTime));
  line.append(time);
  return line;
}

// ---- Scrolling. The thread is laid out from its end (column-reverse): 0 is the bottom, also without this script.

function atBottom(thread) {
  return thread.scrollTop > -NEAR_BOTTOM;
}

function keepAtBottom(page) {
  const toBottom = () => (page.thread.scrollTop = 0);
  page.newer.addEventListener("click", () => {
    toBottom();
    page.thread.focus({ preventScroll: true });
  });
  page.thread.addEventListener("scroll", () => {
    if (atBottom(page.thread)) page.newer.hidden = true;
  });
}

function follow(page, wasAtBottom, grownBy, arrived) {
  if (wasAtBottom) {
    page.thread.scrollTop = 0;
  } else {
    page.thread.scrollTop -= grownBy;
    if (arrived.some((element) => element.matches("#messages > .message:last-child"))) page.newer.hidden = false;
  }
}

// ---- The composer

function draftOf(page) {
  return page.composer?.elements.content.value ?? "";
}

function startComposer(page) {
  const form = page.composer;
  const text = form.elements.content;
  const touch = matchMedia("(hover: none) and (pointer: coarse)");
  let failed = null;
  let sending = false;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (sending || text.value.trim() === "") return;
    sending = true;
    form.setAttribute("aria-busy", "true");
    const message = attempt(failed, { content: text.value, private: form.elements.private.checked });
    form.elements.client_id.value = message.client_id;
    const problem = await post(form.action, page.csrf, message);
    failed = problem ? message : null;
    explain(form, problem ?? (page.isLive ? "" : "Sent. It will appear here when the connection is back."), !problem);
    if (!problem) sent(page, text, message);
    sending = false;
    form.removeAttribute("aria-busy");
  });
  text.addEventListener("keydown", (event) => {
    if (!sends(event, touch.matches)) return;
    event.preventDefault();
    form.requestSubmit();
  });
  text.addEventListener("input", () => grow(text));
  form.querySelector("#keys").hidden = touch.matches;
  grow(text);
}

function sent(page, text, message) {
  if (text.value === message.content) text.value = ""; // else: the next message is being written already
  page.thread.scrollTop = 0;
  grow(text);
}

/** Sends `message`; returns null, or the reason why it failed in words for the one who wrote it. */
async function post(url, csrf, message) {
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRF-Token": csrf },
      body: JSON.stringify(message),
      signal: AbortSignal.timeout(SEND_TIMEOUT),
    });
    return answer.ok ? null : await reason(answer);
  } catch {
    return "No answer from the server. Your text is still here; send it again, and it will arrive once.";
  }
}

async function reason(answer) {
  if (answer.status === 401) return "You are signed out. Sign in again to send this.";
  const problem = await answer.json().catch(() => ({}));
  return problem.detail || problem.title || `The server refused this (${answer.status}).`;
}

function explain(form, text, good) {
  const line = form.querySelector("#composer-problem");
  line.textContent = text;
  line.classList.toggle("good", good);
}

function grow(text) {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`; // and its borders
}
