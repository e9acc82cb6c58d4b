/** Shows whether the page is live. */

import { byId, find } from "./dom.js";

const MIN_LAG = 3; // s
/** @type {Record<string, string>} */
const WORDS = { connecting: "Connecting…", live: "Live", late: "Behind", reconnecting: "Reconnecting…", offline: "Offline" };

/** @type {(state: string, numbers: {lag?: number, seconds?: number}) => string} */
export function detail(state, { lag = 0, seconds = 0 }) {
  if (state === "late") return `by ${Math.round(lag)} s`;
  if (isInterrupted(state)) return seconds >= 3 ? `for ${duration(seconds)}` : "";
  return "";
}

/** @param {string} state */
function isInterrupted(state) {
  return state === "reconnecting" || state === "offline";
}

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}

/** @returns {import("./types").Indicator} */
export function startIndicator() {
  const place = byId("live");
  const notice = byId("notice");
  const word = find(place, "[data-text]");
  let state = "";
  let lag = 0;
  let since = Date.now();

  const refresh = () => {
    find(place, "[data-more]").textContent = detail(state, { lag, seconds: (Date.now() - since) / 1000 });
  };
  /** @param {string} next */
  const show = (next, text = WORDS[next]) => {
    if (next !== state && !(isInterrupted(state) && isInterrupted(next))) since = Date.now();
    state = next;
    place.hidden = false;
    place.dataset.state = state;
    document.body.toggleAttribute("data-stale", state !== "live");
    if (word.textContent !== text) word.textContent = text;
    refresh();
  };
  /** @param {string} text */
  const warn = (text) => {
    find(notice, "[data-text]").textContent = text;
    notice.hidden = false;
  };

  find(notice, "button").addEventListener("click", () => location.reload());
  addEventListener("offline", () => show("offline"));
  addEventListener("online", () => state === "offline" && show("reconnecting"));
  setInterval(refresh, 1_000);
  show("connecting");

  return {
    get isLive() {
      return state === "live" || state === "late";
    },
    warn,
    connected: () => show("live"),
    disconnected: () => show(navigator.onLine ? "reconnecting" : "offline"),
    ping: (seconds) => {
      lag = seconds;
      show(lag >= MIN_LAG ? "late" : "live");
    },
    ended: ({ reason }) => {
      if (reason === "signed_out") {
        show("ended", "Signed out. ");
        word.append(signIn());
      } else {
        show("ended", "Not live");
        warn(reason === "forbidden" ? "You no longer have access to this." : "Live updates have stopped.");
      }
    },
  };
}

function signIn() {
  const link = document.createElement("a");
  link.href = `/login?next=${encodeURIComponent(location.pathname)}`;
  link.textContent = "Sign in";
  return link;
}
