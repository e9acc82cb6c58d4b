/** Changing and deleting a message where it stands. Without script, its link leads to a form. */

import { post } from "./forms.js";

export function startEditing(page) {
  const list = document.getElementById("messages");
  if (!list) return {};
  list.addEventListener("click", (event) => {
    const link = event.target.closest(".change");
    if (!link || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    open(link.closest(".message"), page);
  });
  return {};
}

function open(message, page) {
  if (message.querySelector(".edit")) return;
  const id = message.id.replace("message-", "");
  const edit = document.getElementById("edit-message").content.firstElementChild.cloneNode(true);
  const form = edit.querySelector("form");
  const text = form.elements.content;
  const close = () => {
    message.removeAttribute("data-editing");
    edit.remove();
    message.querySelector(".change")?.focus({ preventScroll: true });
  };

  form.action = `/messages/${id}`;
  form.elements.version.value = message.dataset.version;
  text.value = message.querySelector(".content").textContent;
  form.querySelector("[data-cancel]").addEventListener("click", close);
  form.addEventListener("posted", close);
  form.querySelector("[data-delete]").addEventListener("click", async ({ currentTarget: button }) => {
    if (!("sure" in button.dataset)) {
      button.dataset.sure = "";
      button.textContent = "Delete for good?";
      return;
    }
    const { problem } = await post(`/messages/${id}/delete`, new URLSearchParams());
    if (problem) page.tell(problem);
    else close();
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    event.stopPropagation();
  });

  message.setAttribute("data-editing", "");
  message.querySelector(".bubble").append(edit);
  text.style.height = `${Math.min(text.scrollHeight + 2, 300)}px`;
  text.focus();
}
