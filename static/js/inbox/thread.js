/** The messages: days, groups, the line above what is new, and what came too long for an event. */

import { fetched, loadMore } from "./paging.js";
import { dayLabel, sameDay } from "./times.js";

const GROUP_WITHIN = 5 * 60_000; // ms

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

export function startThread(page) {
  const list = document.getElementById("messages");
  if (!list) return {};
  const scroller = document.getElementById("thread-scroll");
  const messages = (root = list) => [...root.children].filter((element) => element.matches(".message"));
  let loadedUpTo = newestOf(list);
  let isLoading = false;

  const load = (items, put, { below = false } = {}) => {
    const first = list.querySelector(":scope > .message");
    isLoading = true;
    scroller.ariaLive = "off"; // what is old is not news
    page.scrolling.holding(() => {
      put();
      [...items, first].filter((item) => item?.isConnected).forEach(arrange);
      page.changed(items);
    }, { below });
    loadedUpTo = newestOf(list);
    isLoading = false;
    setTimeout(() => (scroller.ariaLive = null), 500);
  };
  const startPaging = () => {
    const missing = (loaded) => messages(loaded.querySelector("#messages")).filter(({ id }) => !document.getElementById(id));
    loadMore({
      scroller,
      record: page.record,
      insert: (loaded) => {
        const items = missing(loaded);
        load(items, () => list.prepend(...items));
      },
    });
    loadMore({
      scroller,
      place: ".later",
      record: page.record,
      insert: (loaded, isLast) => {
        const items = missing(loaded);
        page.arrive(items);
        load(items, () => list.append(...items), { below: true });
        if (isLast) list.dataset.newest = "true";
      },
    });
  };
  /** What lies between may be long: it is left out, and what is above the newest is loaded by scrolling, as ever. */
  const toNewest = async () => {
    const path = `${location.pathname}${page.viewQuery}`;
    const replay = page.record();
    const loaded = await fetched(path);
    if (loaded) {
      scroller.querySelectorAll(".more, .later").forEach((place) => place.remove());
      list.before(...loaded.querySelectorAll(".scroll .more"));
      load(messages(loaded.getElementById("messages")), () => list.replaceChildren(...loaded.getElementById("messages").children));
      list.dataset.newest = "true";
      startPaging();
      history.replaceState(null, "", path);
    } else {
      page.tell("The newest messages could not be loaded.");
    }
    replay();
  };

  const isBeyond = (element) => !isLoading && list.dataset.newest === "false" && idOf(element) > loadedUpTo;
  const receive = (element) => {
    arrange(element);
    const next = following(element, 1);
    if (next) arrange(next);
    if (!page.isBeingRead()) divide(element, page);
  };

  messages().forEach(arrange);
  startPaging();
  return {
    carry,
    toNewest,
    changed: (arrived) => {
      for (const element of arrived.filter((one) => one.matches(".message") && one.parentElement === list)) {
        if (isBeyond(element)) {
          element.remove(); // it comes after what lies between
          page.scrolling.miss();
        } else {
          markOwn(element, page);
          if (element.dataset.truncated) complete(element, page);
          if (!isLoading) receive(element);
        }
      }
    },
    markOwn: () => messages().forEach((element) => markOwn(element, page)),
  };
}

/** What was deleted keeps its place, its sender and its time. */
function carry(old, incoming) {
  if (!old.matches(".message") || !incoming.matches(".deleted:not(.message)")) return;
  const kept = old.cloneNode(true);
  kept.querySelector(".content").replaceWith(incoming.querySelector(".content"));
  kept.querySelectorAll(".change, .edited, .edit, .seen").forEach((element) => element.remove());
  incoming.replaceChildren(...kept.childNodes);
  for (const [name, value] of Object.entries(kept.dataset)) incoming.dataset[name] ??= value;
  incoming.classList.add("message");
}

/** Puts a line between days, and takes the name from a message that continues the one above. */
function arrange(element) {
  const previous = following(element, -1);
  const message = read(element);
  const startsDay = !previous || !sameDay(read(previous).at, message.at);
  const above = element.previousElementSibling;
  const line = above?.matches(".divider") ? above.previousElementSibling : above;
  if (startsDay && !line?.matches(".day")) element.before(dayLine(message.at));
  if (!startsDay && line?.matches(".day")) line.remove();
  const divided = element.previousElementSibling?.matches(".divider");
  element.toggleAttribute("data-continues", !startsDay && !divided && continues(read(previous), message));
}

function following(element, direction) {
  const step = direction > 0 ? "nextElementSibling" : "previousElementSibling";
  let other = element[step];
  while (other && !other.matches(".message")) other = other[step];
  return other;
}

function idOf(message) {
  return Number(message.id.replace("message-", ""));
}

/** The id of the newest message in the list, 0 if there is none. */
export function newestOf(list) {
  let last = list.lastElementChild;
  while (last && !last.matches(".message")) last = last.previousElementSibling;
  return last ? idOf(last) : 0;
}

function read(element) {
  const { sender = "", type, private: isPrivate } = element.dataset;
  return { sender, type, private: isPrivate, at: new Date(element.querySelector("time").dateTime) };
}

function dayLine(at) {
  const line = document.createElement("li");
  const time = document.createElement("time");
  line.className = "day";
  time.dateTime = at.toISOString();
  time.dataset.show = "day";
  time.textContent = dayLabel(at);
  line.append(time);
  return line;
}

/** "New messages" above the first that came while nobody looked. */
function divide(element, { user, reading }) {
  const isNews = element.nextElementSibling === null && element.dataset.type !== "activity";
  if (!isNews || element.dataset.sender === `user:${user}`) return;
  const above = document.getElementById("new-messages");
  const previous = following(element, -1);
  if (above && previous && idOf(previous) > reading.upTo()) return; // it stands above what is still new
  const below = above && following(above, 1);
  above?.remove();
  if (below) arrange(below);
  const line = document.createElement("li");
  line.id = "new-messages";
  line.className = "divider";
  line.append(Object.assign(document.createElement("span"), { textContent: "New messages" }));
  element.before(line);
  arrange(element);
}

function markOwn(element, { user, role }) {
  const isOwn = element.dataset.sender === `user:${user}`;
  element.toggleAttribute("data-mine", isOwn);
  element.toggleAttribute("data-changeable", (isOwn || role === "administrator") && element.dataset.type !== "activity");
}

/** An event carries at most 16 KiB; the rest is asked for. */
async function complete(element, { conversation }) {
  const id = idOf(element);
  try {
    const answer = await fetch(`/conversations/${conversation}/messages?after=${id - 1}&limit=1`, { headers: { Accept: "application/json" } });
    const { messages } = await answer.json();
    if (messages[0]?.id !== id) return;
    element.querySelector(".content").textContent = messages[0].content;
    delete element.dataset.truncated;
  } catch {
    // It is marked as cut, and complete after a reload.
  }
}
