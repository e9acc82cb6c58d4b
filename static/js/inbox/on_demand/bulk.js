/** Selecting rows of the list, and one change of all of them. */

/** @import { Page } from "../types" */

import { byId, find, findAll } from "../dom.js";
import { post } from "../forms.js";
import { wakeTime } from "./snooze.js";
import { askUndo, WORDS } from "./undo.js";

const AT_ONCE = 25; // conversations of one request
const HIDDEN = "body, #bulk *, .pick *"; // what has the focus, when the mode ends

/** The state of a conversation before a change. @typedef {{status: string, snoozed_until: string | null, assignee_id: number | null, labels: number[]}} State */
/** @typedef {{id: number, version: number, before: State}} Changed */
/** @typedef {{id: number, detail: string}} Refused */
/** @typedef {[name: string, value: string][]} Fields */

/** @type {((page: Page) => void) | undefined} */
let update;

/** Called when a checkbox of the list was changed. @param {Page} page */
export function select(page) {
  update ??= startBulk();
  update(page);
}

function startBulk() {
  const list = byId("conversations");
  const form = byId("bulk");
  const mode = byId("selecting");
  const scroller = /** @type {HTMLElement} */ (list.closest(".list"));
  const count = find(form, "[data-count]");
  /** @type {Set<string>} the names of the selected rows' boxes: a row that changes is another element */
  const selected = new Set();
  /** @type {Page} */
  let page;

  const boxes = () => /** @type {HTMLInputElement[]} */ (findAll(list, ".pick input"));
  const show = () => {
    const isOn = mode.checked || selected.size > 0;
    scroller.toggleAttribute("data-selecting", isOn);
    mode.checked = isOn;
    if (form.ariaBusy !== "true") count.textContent = selected.size > 0 ? `${selected.size} selected` : "None selected";
  };
  const read = () => {
    if (!mode.checked && scroller.hasAttribute("data-selecting")) boxes().forEach((box) => (box.checked = false));
    selected.clear();
    boxes().forEach((box) => box.checked && selected.add(box.name));
    show();
  };
  const restore = () => {
    boxes().forEach((box) => (box.checked = selected.has(box.name)));
    const present = new Set(boxes().map(({ name }) => name));
    selected.forEach((name) => present.has(name) || selected.delete(name));
    show();
  };
  const end = () => {
    mode.checked = false;
    read();
    mode.focus(); // it is shown again
  };

  new MutationObserver(restore).observe(list, { childList: true });
  find(form, "[data-all]").addEventListener("click", () => {
    boxes().forEach((box) => (box.checked = true));
    read();
  });
  find(form, "[data-done]").addEventListener("click", end);
  scroller.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || event.isComposing || !mode.checked) return;
    if (document.querySelector("details.menu[open]")) return; // Escape closes that first
    event.preventDefault();
    end();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = /** @type {HTMLButtonElement} */ (event.submitter);
    if (form.ariaBusy === "true" || button.name === "") return;
    findAll(form, "details[open]").forEach((menu) => menu.removeAttribute("open"));
    const chosen = boxes().filter(({ checked }) => checked);
    if (chosen.length === 0) return page.alert("Select at least one conversation first.");
    const change = changeOf(button);
    form.ariaBusy = "true";
    const from = document.activeElement;
    const { changed, refused, problem } = await changeAll(page, change, chosen.map(({ name, value }) => [name, value]), (done) => {
      count.textContent = `${done} of ${chosen.length} …`;
    });
    form.ariaBusy = null;
    for (const { id } of changed) selected.delete(`conversations.${id}`);
    if (changed.length > 0 && selected.size === 0) mode.checked = false;
    // The event may come before the answer, and give the focus of a row that it replaced or took away to another element.
    const isHidden = document.activeElement?.matches(HIDDEN) || (from?.matches(HIDDEN) && !from.isConnected);
    restore();
    if (isHidden && !mode.checked) mode.focus();
    const words = wordsFor(button, changed.length, refused, problem);
    if (changed.length > 0) askUndo(page, words, () => undo(page, change, changed), mode);
    else page.alert(words);
  });
  return (/** @type {Page} */ present) => {
    page = present;
    read();
  };
}

/** @type {(button: HTMLButtonElement) => Fields} */
function changeOf({ name, value, dataset }) {
  // At the click: the page may have been open for hours.
  return [[name, value], ...(dataset.snooze ? /** @type {Fields} */ ([["snoozed_until", wakeTime(dataset.snooze).toISOString()]]) : [])];
}

/**
 * `conversations`: the names and values of the fields, as the rows' boxes have them.
 *
 * @type {(page: Page, change: Fields, conversations: Fields, progress: (done: number) => void) => Promise<{changed: Changed[], refused: Refused[], problem?: string}>}
 */
async function changeAll(page, change, conversations, progress) {
  /** @type {{changed: Changed[], refused: Refused[], problem?: string}} */
  const all = { changed: [], refused: [] };
  for (let from = 0; from < conversations.length && !all.problem; from += AT_ONCE) {
    const some = conversations.slice(from, from + AT_ONCE);
    const { answer, problem } = await post(page.session, `/accounts/${page.account}/bulk`, new URLSearchParams([...change, ...some]));
    all.problem = problem;
    all.changed.push(...(answer?.changed ?? []));
    all.refused.push(...(answer?.refused ?? []));
    progress(from + some.length);
  }
  return all;
}

/** @type {(button: HTMLButtonElement, changed: number, refused: Refused[], problem?: string) => string} */
function wordsFor({ name, value, textContent }, changed, refused, problem) {
  const choice = textContent?.trim();
  /** @type {Record<string, string>} */
  const done = {
    status: WORDS[value]?.toLowerCase(), assignee_id: value ? `assigned to ${choice === "Me" ? "you" : choice}` : "assigned to nobody",
    add: `labelled ${choice}`, remove: `without ${choice}`,
  }; // prettier-ignore
  const reasons = [...new Set(refused.map(({ detail }) => detail))].join(" ");
  const rest = refused.length > 0 ? `${refused.length} not changed: ${reasons}` : "";
  return [`${changed} ${done[name]}.`, rest, problem ?? ""].filter(Boolean).join(" ");
}

/**
 * Requests that restore the state before: the conversations by what each had.
 *
 * @type {(change: Fields, changed: Changed[]) => {change: Fields, conversations: Fields}[]}
 */
export function undoing([[name, value]], changed) {
  /** @type {Map<string, {change: Fields, conversations: Fields}>} */
  const requests = new Map();
  for (const { id, version, before } of changed) {
    const earlier = fieldsBefore(name, value, before);
    const key = JSON.stringify(earlier);
    const request = requests.get(key) ?? { change: earlier, conversations: [] };
    if (earlier.length > 0) requests.set(key, request);
    request.conversations.push([`conversations.${id}`, String(version)]);
  }
  return [...requests.values()];
}

/** None for a label that the conversation had, or had not. @type {(name: string, value: string, before: State) => Fields} */
function fieldsBefore(name, value, { status, snoozed_until, assignee_id, labels }) {
  if (name === "status") return [["status", status], ...(snoozed_until ? /** @type {Fields} */ ([["snoozed_until", snoozed_until]]) : [])];
  if (name === "assignee_id") return [["assignee_id", String(assignee_id ?? "")]];
  const had = labels.includes(Number(value));
  if (name === "add") return had ? [] : [["remove", value]];
  return had ? [["add", value]] : [];
}

/** @type {(page: Page, change: Fields, changed: Changed[]) => Promise<void>} */
async function undo(page, change, changed) {
  for (const { change: earlier, conversations } of undoing(change, changed)) {
    const { refused, problem } = await changeAll(page, earlier, conversations, () => {});
    const words = problem ?? refused.map(({ detail }) => detail).at(0);
    if (words) page.alert(words);
  }
}
