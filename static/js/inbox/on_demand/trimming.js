/**
 * Trims a list to which rows are added all day, because opening a conversation takes longer in a long one. Those far below
 * what is in sight are removed; they are loaded again when they are scrolled near.
 */

/** @import { Page } from "../types" */

import { children } from "../dom.js";

const KEPT = 100; // rows below the last one in sight, the open one, the focused one and the selected ones
const INTERVAL = 1_000; // ms between two: each measures every row
let next = 0; // ms
let timer = 0;

/** @type {(page: Page, list: HTMLElement, load: () => void) => void} `load` starts the loading at a new link */
export function trim(page, list, load) {
  clearTimeout(timer);
  const wait = next - performance.now();
  if (wait > 0) return void (timer = setTimeout(trim, wait, page, list, load));
  next = performance.now() + INTERVAL;
  const scroller = /** @type {HTMLElement} */ (list.closest(".list"));
  const more = scroller.querySelector(":scope > .more");
  if (more?.ariaBusy === "true") return; // the rows that it loads follow the present last one
  const rows = children(list);
  const { bottom } = scroller.getBoundingClientRect();
  const last = rows.findLastIndex((row) => row.getBoundingClientRect().top < bottom || row.querySelector("[aria-current], :focus, :checked"));
  const end = rows[last + KEPT];
  if (!end) return;
  rows.slice(last + KEPT + 1).forEach((row) => row.remove());
  const link = more?.querySelector("a") ?? newLink(scroller);
  link.href = addressFrom(end, page);
  if (!more) load();
}

/** By the row's time, not by its id: the row may move to the end. @type {(row: HTMLElement, page: Page) => string} */
function addressFrom({ dataset }, { account, viewQuery, viewSort }) {
  const view = new URLSearchParams(viewQuery);
  const start = viewSort === "waiting" ? dataset.waiting : dataset.at;
  if (start) view.set("start", start);
  return `/accounts/${account}/conversations?${view}`;
}

/** @param {HTMLElement} scroller */
function newLink(scroller) {
  const more = document.createElement("p");
  const link = document.createElement("a");
  more.className = "more";
  link.className = "button";
  link.textContent = "More conversations";
  more.append(link);
  scroller.append(more);
  return link;
}
