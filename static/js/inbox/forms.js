/** Forms with `data-post` are sent without leaving the page. */

/** @import { Session } from "./session.js" */
/** @import { Page, Part } from "./types" */

import { field, find, findAll } from "./dom.js";
import { randomId } from "./random_id.js";

const TIMEOUT = 20_000;

/**
 * Returns the `answer`, or the `problem` in words, with what the server answered.
 *
 * @type {(session: Session, url: string, fields: URLSearchParams) => Promise<{answer?: any, problem?: string, status?: number, body?: any}>}
 */
export async function post(session, url, fields) {
  try {
    let answer = await send(session, url, fields);
    if (answer.status === 401 && (await session.renew())) answer = await send(session, url, fields);
    const body = answer.status === 204 ? null : await answer.json().catch(() => null);
    if (answer.ok) return { answer: body };
    if (answer.status === 401) return { problem: session.problem };
    return { problem: body?.detail ?? "The server refused this. Reload the page and try again.", status: answer.status, body };
  } catch {
    return { problem: "No answer from the server. Nothing may have been changed." };
  }
}

/** @type {(session: Session, url: string, fields: URLSearchParams) => Promise<Response>} */
function send({ csrf }, url, fields) {
  fields.delete("csrf_token"); // of a form, which may be older
  return fetch(url, {
    method: "POST",
    headers: { Accept: "application/json", "X-CSRF-Token": csrf },
    body: fields,
    signal: AbortSignal.timeout(TIMEOUT),
  });
}

/**
 * @param {Page} page
 * @returns {Part}
 */
export function startForms(page) {
  document.addEventListener("submit", (event) => {
    const form = /** @type {HTMLFormElement} */ (event.target);
    const token = field(form, "csrf_token");
    if (token) token.value = page.session.csrf; // the session may have been replaced since
    if (!form.matches("form[data-post]") || event.defaultPrevented) return;
    event.preventDefault();
    if (form.ariaBusy !== "true") submit(form, event.submitter, page);
  });
  document.addEventListener("input", renew);
  findAll(document, "form[data-keep]").forEach((form) => keep(/** @type {HTMLFormElement} */ (form), page.drafts));
  return { changed: (arrived) => arrived.forEach(press) };
}

/**
 * What was changed after an unanswered attempt is another request.
 *
 * @param {Event} event
 */
function renew({ target }) {
  const form = /** @type {HTMLInputElement} */ (target).form;
  const clientId = form?.matches("form[data-post]") && field(form, "client_id");
  if (clientId) clientId.value = "";
}

/**
 * Keeps what is written into the form, under the key in `data-keep`, until it is sent.
 *
 * @type {(form: HTMLFormElement, drafts: Page["drafts"]) => void}
 */
function keep(form, drafts) {
  const key = form.dataset.keep ?? "";
  for (const [name, value] of Object.entries(drafts.texts(key) ?? {})) {
    const present = field(form, name);
    if (present && typeof value === "string") present.value = value;
  }
  const write = () => {
    const { csrf_token, client_id, ...texts } = Object.fromEntries(/** @type {any} */ (new FormData(form)));
    drafts.keep(key, texts);
  };
  form.addEventListener("input", write);
  form.addEventListener("reset", () => drafts.keep(key, null));
  form.addEventListener("posted", () => form.reset());
}

/** @type {(form: HTMLFormElement, submitter: HTMLElement | null, page: Page) => Promise<void>} */
async function submit(form, submitter, page) {
  form.ariaBusy = "true";
  const before = headOf(form);
  const clientId = field(form, "client_id");
  if (clientId) clientId.value ||= randomId();
  const fields = new URLSearchParams(/** @type {any} */ (new FormData(form, submitter)));
  const { answer, problem, status, body } = await post(page.session, submitter?.getAttribute("formaction") ?? form.action, fields);
  form.ariaBusy = null;
  const refusal = new CustomEvent("refused", { detail: { status, body }, cancelable: true });
  if (problem && !form.dispatchEvent(refusal)) return;
  const version = field(form, "version");
  if (status === 409 && version && body?.current) {
    version.value = body.current.version;
    page.ask(problem ?? "", "Do it anyway", () => form.requestSubmit(submitter));
    return;
  }
  const words = byLabel(form, body?.errors) || problem;
  const line = form.querySelector(".problem");
  if (line) line.textContent = words ?? "";
  else if (words) page.alert(words);
  if (problem) return;
  done(form, answer);
  if (before) import("./on_demand/undo.js").then(({ offerUndo }) => offerUndo(page, before, answer)).catch(() => {});
}

/** A copy of the open conversation's head, if the form is in it, with the id of the next row. @param {HTMLElement} form */
function headOf(form) {
  const head = /** @type {HTMLElement | undefined} */ (form.closest(".thread-head")?.cloneNode(true));
  /** @type {HTMLElement | null} */
  const next = document.querySelector(".row:has([aria-current]) + .row");
  if (head) head.dataset.next = next?.id;
  return head;
}

/**
 * The errors of the form's fields, by their labels. "" for errors of fields that the user does not see.
 *
 * @type {(form: HTMLFormElement, errors?: Record<string, string[]>) => string}
 */
function byLabel(form, errors = {}) {
  const sentences = Object.entries(errors).map(([name, messages]) => {
    const input = field(form, name);
    const label = input?.labels?.[0]?.firstChild?.textContent?.trim() || input?.ariaLabel;
    return label ? `${label}: ${messages.join(" and ")}.` : "";
  });
  return sentences.join(" ").trim();
}

/** @type {(form: HTMLFormElement, answer: any) => void} */
function done(form, answer) {
  if ("go" in form.dataset) location.assign(`/conversations/${answer.id}`);
  form.dispatchEvent(new CustomEvent("posted", { detail: answer }));
  /** @type {HTMLDetailsElement | null} */
  const menu = form.closest("details[open]");
  if (!menu || menu.id === "notifications-menu") return;
  menu.open = false;
  find(menu, "summary").focus();
}

/** @param {HTMLElement} value */
function press({ id, dataset }) {
  const value = id === "thread-status" ? dataset.status : id === "thread-assignee" ? dataset.assignee : undefined;
  if (value === undefined) return;
  for (const button of findAll(document, `details:has(#${id}) button[aria-pressed]`)) {
    button.setAttribute("aria-pressed", String(button.getAttribute("value") === value));
  }
}
