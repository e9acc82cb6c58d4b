/** @import { Composer, Page } from "./types" */

import { byId, field, find } from "./dom.js";
import { Drafts } from "./drafts.js";
import { startMentions } from "./mentions.js";
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

/** @type {(page: Page, outgoing: import("./outgoing.js").Outgoing, thread: import("./thread.js").Thread) => Composer | null} */
export function startComposer(page, outgoing, thread) {
  /** @type {HTMLFormElement | null} */
  const form = document.querySelector("form#composer");
  if (!form) return null;
  /** @type {HTMLTextAreaElement} */
  const text = field(form, "content");
  /** @type {HTMLInputElement} */
  const note = field(form, "private");
  const toCustomer = text.placeholder;
  const touch = matchMedia("(hover: none) and (pointer: coarse)");
  const drafts = new Drafts(localStorage, page.user);
  const typing = new TypingNotifier((data) => page.connector.perform(`conversation:${page.conversation}`, "typing", data).catch(() => {}));
  const mentions = startMentions(text, () => draft.private);

  // A text never changes its readers: switching changes the box.
  const draft = { reply: "", note: "", private: note.checked };
  const kind = () => (draft.private ? "note" : "reply");

  const refresh = () => {
    text.placeholder = draft.private ? "Write a note for your team…" : toCustomer;
    grow(text);
    showKept(draft);
    byId("left").textContent = roomLeft(text.value);
    byId("left").hidden = roomLeft(text.value) === "";
  };
  const keep = () => {
    draft[kind()] = text.value;
    drafts.write(page.conversation, draft);
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
    drafts.write(page.conversation, draft);
    refresh();
  };
  const send = () => {
    outgoing.send(text.value, draft.private);
    typing.sent();
    text.value = "";
    keep();
    refresh();
    byId("new-messages")?.remove();
    thread.toLatest();
  };
  /** @param {import("./types").Draft} written  in another tab */
  const adopt = ({ reply, note: noted }) => {
    Object.assign(draft, { reply, note: noted });
    if (text.value !== draft[kind()]) text.value = draft[kind()];
    refresh();
  };
  const restore = () => {
    draft[kind()] = text.value; // the browser's
    const kept = drafts.read(page.conversation);
    if (kept.reply || kept.note) Object.assign(draft, kept);
    note.checked = draft.private;
    text.value = draft[kind()];
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!isBlank(text.value)) send();
  });
  text.addEventListener("keydown", (event) => {
    if (mentions.takes(event) || !sends(event, touch.matches)) return;
    event.preventDefault();
    form.requestSubmit();
  });
  text.addEventListener("input", changed);
  note.addEventListener("change", () => change(note.checked));
  text.addEventListener("blur", () => typing.stop());
  addEventListener("pagehide", () => typing.stop());
  addEventListener("storage", (event) => {
    const written = drafts.writtenElsewhere(event, page.conversation);
    if (written) adopt(written);
  });
  // After a sign-out in another tab, which has deleted the drafts.
  for (const id of /** @type {const} */ (["live", "notice"])) byId(id).addEventListener("click", keep, { capture: true });
  find(document, 'form[action="/logout"]').addEventListener("submit", () => drafts.clear());

  restore();
  byId("keys").hidden = touch.matches;
  refresh();
  return {
    write: (isPrivate) => {
      if (isPrivate !== draft.private) change(isPrivate);
      text.focus();
    },
  };
}

/** @param {import("./types").Draft} draft */
function showKept({ reply, note, private: isPrivate }) {
  byId("kept").textContent = isBlank(isPrivate ? reply : note) ? "" : `Your ${isPrivate ? "reply" : "note"} is kept.`;
}

/** @param {HTMLTextAreaElement} text */
function grow(text) {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`; // with its borders
}
