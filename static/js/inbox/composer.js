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
  const mentions = startMentions(text, () => note.checked);

  const refresh = () => {
    text.placeholder = note.checked ? "Write a note for your team…" : toCustomer;
    grow(text);
    byId("left").textContent = roomLeft(text.value);
    byId("left").hidden = roomLeft(text.value) === "";
  };
  const keep = () => drafts.write(page.conversation, { content: text.value, private: note.checked });
  const changed = () => {
    refresh();
    keep();
    typing.typed(text.value, note.checked);
  };
  const send = () => {
    outgoing.send(text.value, note.checked);
    typing.sent();
    text.value = "";
    drafts.write(page.conversation, { content: "" });
    refresh();
    byId("new-messages")?.remove();
    thread.toLatest();
  };
  const restore = () => {
    const draft = drafts.read(page.conversation);
    text.value ||= draft.content;
    if (draft.content) note.checked = draft.private;
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
  note.addEventListener("change", changed);
  text.addEventListener("blur", () => typing.stop());
  addEventListener("pagehide", () => typing.stop());
  // They leave a page whose user was signed out in another tab, which has deleted the drafts.
  for (const id of /** @type {const} */ (["live", "notice"])) byId(id).addEventListener("click", keep, { capture: true });
  find(document, 'form[action="/logout"]').addEventListener("submit", () => drafts.clear());

  restore();
  byId("keys").hidden = touch.matches;
  refresh();
  return {
    write: (isPrivate) => {
      note.checked = isPrivate;
      refresh();
      text.focus();
    },
  };
}

/** @param {HTMLTextAreaElement} text */
function grow(text) {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`; // with its borders
}
