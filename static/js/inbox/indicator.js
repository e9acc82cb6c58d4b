/** Says, quietly, whether the page is live; and since when it is not. */

const WORTH_SHOWING_LAG = 3; // s
const WORDS = { connecting: "Connecting…", live: "Live", late: "Behind", reconnecting: "Reconnecting…", offline: "Offline" };

/** What goes beside the word: by how much the page is behind, or since when it hears nothing. */
export function detail(state, { lag = 0, seconds = 0 }) {
  if (state === "late") return `by ${Math.round(lag)} s`;
  if (state === "reconnecting" || state === "offline") return seconds >= 3 ? `for ${duration(seconds)}` : "";
  return "";
}

function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}

export function startIndicator() {
  const place = document.getElementById("live");
  const notice = document.getElementById("notice");
  const word = place.querySelector("[data-text]");
  let state = "";
  let lag = 0;
  let since = Date.now();

  const refresh = () => {
    const more = detail(state, { lag, seconds: (Date.now() - since) / 1000 });
    place.querySelector("[data-more]").textContent = more;
  };
  const show = (next, text = WORDS[next]) => {
    const wasDeaf = state === "reconnecting" || state === "offline";
    if (!(wasDeaf && (next === "reconnecting" || next === "offline")) && next !== state) since = Date.now();
    state = next;
    place.hidden = false;
    place.dataset.state = state;
    document.body.toggleAttribute("data-stale", state !== "live"); // what was known may be so no more
    if (word.textContent !== text) word.textContent = text;
    refresh();
  };
  const warn = (text) => {
    notice.querySelector("[data-text]").textContent = text;
    notice.hidden = false;
  };

  notice.querySelector("button").addEventListener("click", () => location.reload());
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
      show(lag >= WORTH_SHOWING_LAG ? "late" : "live");
    },
    over: ({ reason }) => {
      if (reason === "signed_out") return show("over", "Signed out. ") ?? word.append(signIn());
      show("over", "Not live");
      warn(reason === "forbidden" ? "You no longer have access to this." : "Live updates have stopped.");
    },
  };
}

function signIn() {
  const link = document.createElement("a");
  link.href = `/login?next=${encodeURIComponent(location.pathname)}`;
  link.textContent = "Sign in";
  return link;
}
