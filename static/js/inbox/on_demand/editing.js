/** Editing and deleting in place. Without script, the link leads to a form. */

/** @import { Composer, Editing, OpenConversation } from "../types" */

import { byId, children, clone, field, find, findAll, focus } from "../dom.js";
import { post } from "../forms.js";
import { messageId, messagesIn } from "../messages.js";
import { fetchSource } from "./source.js";

/**
 * What is being written survives a reload, and what others do to the message.
 *
 * @type {(page: OpenConversation, list: HTMLElement, composer: Composer | null) => Editing}
 */
export function startEditing(page, list, composer) {
  /** @param {HTMLElement} message */
  const keyOf = (message) => `edit.${messageId(message)}`;

  /** @param {HTMLElement} message */
  const begin = async (message) => {
    if (message.querySelector(".edit")) return;
    // A customer's words can be deleted only.
    const source = message.dataset.editable === "false" ? { content: "", version: "" } : await fetchSource(message, page.conversation);
    if (!source) return page.alert("The message could not be loaded to be edited. Try again.");
    const present = document.getElementById(message.id); // it may have been replaced meanwhile
    if (!present || present.querySelector(".edit")) return;
    open(present, source).focus();
    keepInSight(find(present, ".edit"));
  };

  /** @type {(message: HTMLElement, source: {content: string, version: string}) => HTMLElement} what is to have the focus */
  const open = (message, { content, version }) => {
    const edit = clone(byId("edit-message"));
    const form = find(edit, "form");
    /** @type {HTMLTextAreaElement} */
    const text = field(form, "content");
    const discard = () => {
      page.drafts.keep(keyOf(message), null);
      const present = /** @type {HTMLElement} */ (edit.closest(".message"));
      present.removeAttribute("data-editing");
      edit.remove();
      focus(present.querySelector(".change"));
    };
    const keep = () => page.drafts.keep(keyOf(message), { content: text.value, version: field(form, "version").value });

    form.action = `/messages/${messageId(message)}`;
    field(form, "version").value = version;
    text.value = content;
    find(form, "[data-cancel]").addEventListener("click", discard);
    form.addEventListener("posted", discard);
    form.addEventListener("refused", (event) => {
      const { current } = /** @type {CustomEvent} */ (event).detail.body ?? {};
      if (!current) return;
      event.preventDefault();
      conflict(edit, { version: String(current.version), isDeleted: !current.content && !current.attachments.length });
    });
    find(form, "[data-to-composer]").addEventListener("click", () => {
      composer?.insert(text.value);
      discard();
    });
    const button = find(form, "[data-delete]");
    button.addEventListener("click", async () => {
      if (!isConfirmed(button)) return;
      const { problem } = await post(page.session, `/messages/${messageId(message)}/delete`, new URLSearchParams());
      if (problem) page.alert(problem);
      else discard();
    });
    text.addEventListener("input", () => {
      keep();
      grow(text);
    });
    text.addEventListener("keydown", (event) => {
      if (event.key === "Escape") text.value === content ? discard() : text.blur();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
      if (event.key !== "Tab") event.stopPropagation();
    });
    const isEditable = message.dataset.editable !== "false";
    message.toggleAttribute("data-editing", isEditable);
    findAll(form, "textarea, .primary").forEach((element) => (element.hidden = !isEditable));
    find(message, ".bubble").append(edit);
    grow(text);
    return isEditable ? text : button;
  };

  /** Edits that a reload has interrupted. @param {HTMLElement[]} messages */
  const reopen = (messages) => {
    for (const message of messages) {
      const kept = page.drafts.texts(keyOf(message));
      if (!kept || message.querySelector(".edit")) continue;
      const version = String(kept.version);
      open(message, { content: String(kept.content), version });
      const isDeleted = message.matches(".deleted");
      if (isDeleted || message.dataset.version !== version) conflict(find(message, ".edit"), { version: message.dataset.version ?? "", isDeleted });
    }
  };

  reopen(messagesIn(list));

  /** @type {(() => void)[]} */
  let refocus = [];
  return {
    begin,
    carry: (old, incoming) => {
      /** @type {HTMLElement | null} */
      const edit = old.matches(".message") ? old.querySelector(".edit") : null;
      if (!edit) return;
      const text = /** @type {HTMLTextAreaElement} */ (find(edit, "textarea"));
      const { selectionStart, selectionEnd } = text;
      if (document.activeElement === text) {
        refocus.push(() => {
          focus(text);
          text.setSelectionRange(selectionStart, selectionEnd);
        });
      }
      find(incoming, ".bubble").append(edit);
      incoming.setAttribute("data-editing", "");
      if (find(edit, "form").ariaBusy !== "true") conflict(edit, { version: incoming.dataset.version ?? "", isDeleted: incoming.matches(".deleted") });
    },
    changed: (arrived) => {
      const edit = document.activeElement?.closest(".edit");
      const scroller = byId("thread-scroll");
      if (edit && edit.getBoundingClientRect().bottom > scroller.getBoundingClientRect().top) keepInSight(edit);
      refocus.forEach((again) => again());
      refocus = [];
      reopen(arrived.filter((element) => element.matches("#messages > .message")));
      arrived.filter((element) => element.matches("#messages")).forEach((messages) => reopen(children(messages)));
    },
  };
}

/**
 * Once the thread has settled: what grows in it does so upwards, and it follows its newest message.
 *
 * @param {Element} edit
 */
function keepInSight(edit) {
  requestAnimationFrame(() => requestAnimationFrame(() => edit.scrollIntoView({ block: "nearest" })));
}

/**
 * The message was changed or deleted while its text was edited: both texts are shown.
 *
 * @type {(edit: HTMLElement, present: {version: string, isDeleted: boolean}) => void}
 */
function conflict(edit, { version, isDeleted }) {
  const form = find(edit, "form");
  field(form, "version").value = version;
  edit.closest(".message")?.setAttribute("data-conflict", "");
  find(edit, ".problem").textContent = isDeleted
    ? "This message was deleted meanwhile. Your text is kept here."
    : "This message was changed meanwhile: it now says what stands above. Save to replace that by your text.";
  find(edit, "[data-cancel]").textContent = isDeleted ? "Discard my text" : "Keep theirs";
  find(edit, "[data-to-composer]").hidden = !isDeleted;
  findAll(edit, ".primary, [data-delete]").forEach((button) => (button.hidden = isDeleted));
}

/** @param {HTMLTextAreaElement} text */
function grow(text) {
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight + 2, 300)}px`;
}

/** @param {HTMLElement} button */
function isConfirmed(button) {
  if ("sure" in button.dataset) return true;
  button.dataset.sure = "";
  button.textContent = "Delete for good?";
  return false;
}
