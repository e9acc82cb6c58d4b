/** Editing and deleting in place. Without script, the link leads to a form. */

/** @import { Page } from "./types" */

import { byId, clone, closest, field, find, focus } from "./dom.js";
import { post } from "./forms.js";
import { messageId } from "./messages.js";

/**
 * @param {Page} page
 * @param {HTMLElement} list
 */
export function startEditing(page, list) {
  list.addEventListener("click", (event) => {
    const message = closest(event, ".change")?.closest(".message");
    if (!message || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    open(/** @type {HTMLElement} */ (message), page);
  });
}

/** @type {(message: HTMLElement, page: Page) => void} */
function open(message, page) {
  if (message.querySelector(".edit")) return;
  const id = messageId(message);
  const edit = clone(byId("edit-message"));
  const form = find(edit, "form");
  /** @type {HTMLTextAreaElement} */
  const text = field(form, "content");
  const close = () => {
    message.removeAttribute("data-editing");
    edit.remove();
    focus(message.querySelector(".change"));
  };

  form.action = `/messages/${id}`;
  field(form, "version").value = message.dataset.version;
  text.value = find(message, ".content").textContent ?? "";
  find(form, "[data-cancel]").addEventListener("click", close);
  form.addEventListener("posted", close);
  const button = find(form, "[data-delete]");
  button.addEventListener("click", async () => {
    if (!isConfirmed(button)) return;
    const { problem } = await post(page.session, `/messages/${id}/delete`, new URLSearchParams());
    if (problem) page.alert(problem);
    else close();
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    event.stopPropagation();
  });

  message.setAttribute("data-editing", "");
  find(message, ".bubble").append(edit);
  text.style.height = `${Math.min(text.scrollHeight + 2, 300)}px`;
  text.focus();
}

/** @param {HTMLElement} button */
function isConfirmed(button) {
  if ("sure" in button.dataset) return true;
  button.dataset.sure = "";
  button.textContent = "Delete for good?";
  return false;
}
