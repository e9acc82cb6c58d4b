/** Shows whether the page is live. */

import { byId, find } from "./dom.js";
import { LiveState } from "./live_state.js";

/** @type {Record<string, string>} */
const WORDS = { connecting: "Connecting…", live: "Live", delayed: "Live, delayed", late: "Behind", reconnecting: "Reconnecting…", offline: "Offline" };

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
  const live = new LiveState();
  let shown = "";
  let since = Date.now();

  const refresh = () => {
    const state = live.name;
    if (state !== shown) show(state);
    find(place, "[data-more]").textContent = detail(state, { lag: live.lag, seconds: (Date.now() - since) / 1000 });
  };
  /** @param {string} state */
  const show = (state) => {
    if (!(isInterrupted(shown) && isInterrupted(state))) since = Date.now();
    shown = state;
    place.hidden = false;
    place.dataset.state = state;
    place.title = place.dataset[state] ?? "";
    document.body.toggleAttribute("data-stale", state !== "live" && state !== "delayed");
    if (WORDS[state]) word.textContent = WORDS[state];
  };
  /** @type {(change: () => void) => void} */
  const update = (change) => {
    change();
    refresh();
  };
  /** @param {string} text */
  const warn = (text) => {
    find(notice, "[data-text]").textContent = text;
    notice.hidden = false;
  };

  find(notice, "button").addEventListener("click", () => location.reload());
  addEventListener("offline", () => update(() => live.offline()));
  addEventListener("online", () => update(() => live.online()));
  setInterval(refresh, 1_000);
  refresh();

  return {
    get isLive() {
      return ["live", "delayed", "late"].includes(live.name);
    },
    warn,
    connected: (isDelayed) => {
      update(() => live.connected(isDelayed));
      if ("replaced" in notice.dataset) notice.hidden = true;
      delete notice.dataset.replaced;
    },
    disconnected: (reason) => update(() => live.disconnected(reason, navigator.onLine)),
    ping: (lag) => update(() => live.ping(lag)),
    ended: ({ reason }) => {
      update(() => live.ended());
      if (reason === "signed_out") {
        word.textContent = "Signed out. ";
        word.append(signIn());
      } else {
        word.textContent = "Not live";
        warn(reason === "forbidden" ? "You no longer have access to this." : "Live updates have stopped.");
      }
    },
    replaced: (name) => {
      update(() => live.ended());
      word.textContent = "Not live";
      warn(/** @type {string} */ (notice.dataset.other).replace("…", () => name));
      notice.dataset.replaced = "";
    },
  };
}

function signIn() {
  const link = document.createElement("a");
  link.href = `/login?next=${encodeURIComponent(location.pathname)}`;
  link.textContent = "Sign in";
  return link;
}
