/** Where one writes: keys, drafts, the note switch, and how much room is left. */

import { Drafts } from "./drafts.js";
import { startMentions } from "./mentions.js";
import { Teller } from "./typing.js";

const LIMIT = 10_000; // characters, as the server has it
const NEAR = 1_000; // characters left from which on that is said

/** Whether Enter (pressed as `event` tells) sends. An Enter that ends an input method's composition does not. */
export function sends(event, touch = false) {
  return event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229 && !touch;
}

/** "950 characters left", when that is worth knowing; else "". Characters as the server counts them. */
export function roomLeft(text) {
  const left = LIMIT - [...text].length;
  return left <= NEAR ? `${left} character${left === 1 ? "" : "s"} left` : "";
}

export function startComposer(page) {
  const form = document.querySelector("form#composer");
  if (!form) return {};
  const text = form.elements.content;
  const note = form.elements.private;
  const toCustomer = text.placeholder;
  const touch = matchMedia("(hover: none) and (pointer: coarse)");
  const drafts = new Drafts(localStorage, page.user);
  const tell = (data) => page.live.perform(`conversation:${page.conversation}`, "typing", data).catch(() => {});
  const teller = new Teller(tell);
  const mentions = startMentions(text, () => note.checked);

  const refresh = () => {
    text.placeholder = note.checked ? "Write a note for your team…" : toCustomer;
    grow(text);
    form.querySelector("#left").textContent = roomLeft(text.value);
    form.querySelector("#left").hidden = roomLeft(text.value) === "";
  };
  const changed = () => {
    refresh();
    drafts.write(page.conversation, { content: text.value, private: note.checked });
    teller.typed(text.value, note.checked);
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (text.value.trim() === "") return;
    page.outgoing.send(text.value, note.checked);
    teller.sent();
    text.value = "";
    drafts.write(page.conversation, { content: "" });
    refresh();
    document.getElementById("new-messages")?.remove();
    page.scrolling.toLatest();
  });
  text.addEventListener("keydown", (event) => {
    if (mentions.takes(event) || !sends(event, touch.matches)) return;
    event.preventDefault();
    form.requestSubmit();
  });
  text.addEventListener("input", changed);
  note.addEventListener("change", changed);
  text.addEventListener("blur", () => teller.stop());
  addEventListener("pagehide", () => teller.stop());
  document.querySelector('form[action="/logout"]').addEventListener("submit", () => drafts.forget());

  const draft = drafts.read(page.conversation);
  text.value ||= draft.content;
  if (draft.content) note.checked = draft.private;
  form.querySelector("#keys").hidden = touch.matches;
  refresh();
  return {
    write: (isPrivate) => {
      note.checked = isPrivate;
      refresh();
      text.focus();
    },
  };
}

function grow(text) {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`; // and its borders
}
