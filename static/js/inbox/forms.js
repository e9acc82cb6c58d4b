/** Forms with `data-post` are sent without leaving the page; what they change comes over the stream. */

import { uuid } from "./uuid.js";

const TIMEOUT = 20_000;

/**
 * Posts a form's fields. Returns the answer, or the reason why it failed in words for the one who sent it.
 *
 * @returns {Promise<{answer?: object | null, problem?: string}>}
 */
export async function post(url, fields) {
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { Accept: "application/json", "X-CSRF-Token": document.querySelector('meta[name="csrf-token"]').content },
      body: fields,
      signal: AbortSignal.timeout(TIMEOUT),
    });
    const body = answer.status === 204 ? null : await answer.json().catch(() => null);
    if (answer.ok) return { answer: body };
    if (answer.status === 401) return { problem: "You are signed out. Sign in again." };
    return { problem: body?.detail ?? body?.title ?? `The server refused this (${answer.status}).` };
  } catch {
    return { problem: "No answer from the server. Nothing may have been changed." };
  }
}

export function startForms(page) {
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-post]") || event.defaultPrevented) return;
    event.preventDefault();
    if (form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    if (form.elements.client_id) form.elements.client_id.value ||= uuid();
    const { answer, problem } = await post(event.submitter?.getAttribute("formaction") ?? form.action, new URLSearchParams(new FormData(form, event.submitter)));
    form.ariaBusy = null;
    const line = form.querySelector(".problem");
    if (line) line.textContent = problem ?? "";
    else if (problem) page.tell(problem);
    if (!problem) done(form, answer);
  });
  return { changed: (arrived) => arrived.forEach(press) };
}

function done(form, answer) {
  if ("go" in form.dataset) location.assign(`/conversations/${answer.id}`);
  form.dispatchEvent(new Event("posted"));
  const menu = form.closest("details[open]");
  if (!menu || menu.id === "notifications-menu") return;
  menu.open = false;
  menu.querySelector("summary").focus();
}

/** A menu's choice follows what it shows. */
function press({ id, dataset }) {
  const value = { "thread-status": dataset.status, "thread-assignee": dataset.assignee }[id];
  if (value === undefined) return;
  for (const button of document.querySelectorAll(`details:has(#${id}) button[aria-pressed]`)) {
    button.setAttribute("aria-pressed", String(button.value === value));
  }
}
