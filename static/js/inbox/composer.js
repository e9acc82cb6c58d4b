/** @import { Composer, OpenConversation } from "./types" */

import { serverNow } from "./clock.js";
import { byId, field, find } from "./dom.js";
import { isBlank } from "./text.js";
import { TypingNotifier } from "./typing.js";

const MAX_CHARACTERS = 10_000; // as on the server
const NEAR_MAX = 1_000;

/**
 * Whether a key sends the message. An Enter that ends an input method's composition does not.
 *
 * @param {KeyboardEvent} event
 */
export function sends(event, isTouch = false) {
  return event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229 && !isTouch;
}

/**
 * The characters left, "" if there are many. Counts code points, like the server.
 *
 * @param {string} text
 */
export function roomLeft(text) {
  const left = MAX_CHARACTERS - [...text].length;
  return left <= NEAR_MAX ? `${left} character${left === 1 ? "" : "s"} left` : "";
}

/** @type {(page: OpenConversation, thread: import("./thread.js").Thread) => Composer | null} */
export function startComposer(page, thread) {
  /** @type {HTMLFormElement | null} */
  const form = document.querySelector("form#composer");
  if (!form) return null;
  const { conversation, drafts, closed } = page;
  /** @type {HTMLTextAreaElement} */
  const text = field(form, "content");
  /** @type {HTMLInputElement} */
  const note = field(form, "private");
  const toCustomer = text.placeholder;
  const touch = matchMedia("(hover: none) and (pointer: coarse)");
  const typing = new TypingNotifier((data) => page.connector.perform(`conversation:${conversation}`, "typing", data).catch(() => {}));
  /** @type {import("./on_demand/writing.js").Writing | null} */
  let writing = null;

  // A text never changes its readers: switching changes the box.
  const draft = { reply: "", note: "", private: note.checked, since: 0 };
  let isWarned = false;
  const kind = () => (draft.private ? "note" : "reply");

  const refresh = () => {
    text.placeholder = draft.private ? "Write a note for your team…" : toCustomer;
    grow(text);
    showKept(draft);
    showOther(drafts.read(conversation).other[kind()]);
    byId("left").textContent = roomLeft(text.value);
  };
  const keep = () => {
    draft[kind()] = text.value;
    if (isBlank(draft.reply)) {
      draft.since = 0;
      isWarned = false;
    } else draft.since ||= serverNow().getTime();
    drafts.write(conversation, draft);
  };
  const changed = () => {
    keep();
    refresh();
    typing.typed(text.value, draft.private);
  };
  /** @param {boolean} isPrivate */
  const change = (isPrivate) => {
    draft[kind()] = text.value;
    typing.stop();
    draft.private = note.checked = isPrivate;
    text.value = draft[kind()];
    drafts.write(conversation, draft);
    refresh();
  };
  const send = () => {
    const other = (!draft.private && !isWarned && draft.since && writing?.whoAnswers(page.user, draft.since)) || "";
    byId("composer-problem").textContent = other && `${other}. Send again to send yours too.`;
    if (other) {
      isWarned = true;
      return;
    }
    page.unsent.send(conversation, text.value, draft.private, writing?.files.take());
    typing.sent();
    text.value = "";
    text.focus();
    keep();
    refresh();
    byId("new-messages")?.remove();
    thread.toLatest();
  };
  /** What another tab or device has written. */
  const adopt = () => {
    const { reply, note: noted, other } = drafts.read(conversation);
    if (reply === draft.reply && noted === draft.note && isBlank(other.reply + other.note)) return; // written here
    Object.assign(draft, { reply, note: noted });
    if (text.value !== draft[kind()]) text.value = draft[kind()];
    refresh();
  };
  const restore = () => {
    const kept = drafts.read(conversation);
    draft[kind()] = text.value; // the browser's
    if (kept.reply || kept.note) Object.assign(draft, { reply: kept.reply, note: kept.note, private: kept.private, since: kept.since });
    note.checked = draft.private;
    text.value = draft[kind()];
  };
  /** @type {(added: string) => void} after what is there */
  const insert = (added) => {
    text.setRangeText(isBlank(text.value) ? added : `\n\n${added}`, text.value.length, text.value.length, "end");
    text.focus();
    changed();
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!isBlank(text.value) || writing?.files.count) send();
  });
  text.addEventListener("keydown", (event) => {
    if (writing?.takes(event) || !sends(event, touch.matches)) return;
    event.preventDefault();
    form.requestSubmit();
  });
  text.addEventListener("input", changed);
  note.addEventListener("change", () => change(note.checked));
  const load = () => import("./on_demand/writing.js").then(({ start }) => (writing ??= start(page, form, () => draft.private)));
  form.addEventListener("focusin", load, { once: true });
  addEventListener("dragenter", load, { once: true, signal: closed });
  text.addEventListener("blur", () => typing.stop());
  addEventListener("pagehide", () => typing.stop(), { signal: closed });
  closed.addEventListener("abort", () => typing.stop());
  drafts.listen((written) => written === conversation && adopt(), closed);
  find(byId("other-draft"), "[data-insert]").addEventListener("click", () => {
    const other = drafts.read(conversation).other[kind()];
    drafts.dropOther(conversation, kind());
    insert(other);
  });
  find(byId("other-draft"), "[data-discard]").addEventListener("click", () => {
    drafts.dropOther(conversation, kind());
    refresh();
  });

  drafts.take(conversation, JSON.parse(form.dataset.draft ?? "null") ?? { reply: "", note: "", version: 0 });
  restore();
  byId("keys").hidden = touch.matches;
  refresh();
  return {
    text,
    insert,
    write: (isPrivate) => {
      if (isPrivate !== draft.private) change(isPrivate);
      text.focus();
    },
  };
}

/** @param {{reply: string, note: string, private: boolean}} draft */
function showKept({ reply, note, private: isPrivate }) {
  byId("kept").textContent = isBlank(isPrivate ? reply : note) ? "" : `Your ${isPrivate ? "reply" : "note"} is kept.`;
}

/** @param {string} text  that another device has written meanwhile */
function showOther(text) {
  const place = byId("other-draft");
  place.hidden = isBlank(text);
  find(place, "[data-text]").textContent = text;
}

/** @param {HTMLTextAreaElement} text */
function grow(text) {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`; // with its borders
}
