/** @import { Page, Part, Row, View } from "./types" */

import { byId, children, find, findAll, focus } from "./dom.js";
import { loadMore } from "./paging.js";
import { startSteadyList } from "./steady_list.js";

const MANY = 200; // rows

/**
 * With `q`, rows stay or go by the rest of the view; none is added: only the server can search.
 *
 * @type {(row: Row, view: View) => boolean}
 */
export function belongs(row, view) {
  if (view.q && !row.isListed) return false;
  if (view.sort === "waiting" && !row.waiting) return false;
  if (!view.status.includes(/** @type {string} */ (row.status))) return false;
  if (view.inbox && row.inbox !== view.inbox) return false;
  if (view.label && !row.labels?.split(" ").includes(view.label)) return false;
  if (view.assignee === "none") return row.assignee === "";
  return !view.assignee || row.assignee === (view.assignee === "me" ? view.user : view.assignee);
}

/**
 * Whether one row stands before another.
 *
 * @type {(one: Partial<Row>, other: Partial<Row>, sort: string) => boolean}
 */
export function precedes(one, other, sort) {
  const at = (/** @type {Partial<Row>} */ row) => (sort === "waiting" ? row.waiting : row.at) ?? "";
  const difference = at(one) === at(other) ? Number(one.conversation) - Number(other.conversation) : at(one) < at(other) ? -1 : 1;
  return sort === "newest" ? difference > 0 : difference < 0;
}

/**
 * @param {Page} page
 * @returns {Part}
 */
export function startList(page) {
  const list = byId("conversations");
  const scroller = /** @type {HTMLElement} */ (list.closest(".list"));
  const view = {
    status: page.viewStatus, assignee: page.viewAssignee, inbox: page.viewInbox, label: page.viewLabel, q: page.viewQ,
    sort: page.viewSort, user: page.user,
  };
  let isLoading = false;

  /** @param {HTMLElement} row */
  const settle = (row) => {
    const isListed = "listed" in row.dataset;
    delete row.dataset.listed;
    if (!belongs({ ...row.dataset, isListed }, view)) return remove(row);
    place(list, row, view.sort);
    const isBelow = !isListed && row === list.lastElementChild && scroller.querySelector(":scope > .more");
    if (isBelow) remove(row); // its place is further down, not loaded
  };
  /** @param {Document} loaded */
  const insert = (loaded) => {
    const rows = findAll(loaded, "#conversations > .row").filter(({ id }) => !document.getElementById(id));
    rows.forEach((row) => place(list, row, view.sort));
    isLoading = true; // the server chose them
    const numbers = loaded.getElementById("unread-numbers");
    page.notify(numbers ? [numbers, ...rows] : rows);
    isLoading = false;
  };

  const steady = startSteadyList(list, settle);
  const load = () => loadMore({ scroller, record: page.record, insert });

  load();
  find(scroller, ".search").addEventListener("change", ({ target }) => {
    if (target instanceof HTMLSelectElement) target.form?.requestSubmit();
  });
  scroller.addEventListener("change", ({ target }) => {
    if (/** @type {HTMLInputElement} */ (target).type === "checkbox") import("./on_demand/bulk.js").then(({ select }) => select(page)).catch(() => {});
  });
  list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  return {
    beforeChange: steady.beforeChange,
    refreshed: (loaded) => {
      renewChoices(scroller, loaded);
      list.replaceChildren(...findAll(loaded, "#conversations > .row"));
      scroller.querySelector(":scope > .more")?.remove();
      scroller.append(...findAll(loaded, ".list > .more"));
      load();
      isLoading = true;
      page.notify(["unread-numbers"].flatMap((id) => loaded.getElementById(id) ?? []).concat(children(list)));
      isLoading = false;
    },
    opened: () => {
      findAll(list, "[aria-current]").forEach((link) => link.removeAttribute("aria-current"));
      const row = document.getElementById(`conversation-${page.conversation}`);
      if (!row) return;
      mark(row, page);
      row.scrollIntoView({ block: "nearest" });
    },
    carry: (old, row) => {
      if (old.matches(".row")) row.dataset.listed = "";
    },
    changed: (arrived) => {
      for (const row of arrived.filter((element) => element.matches(".row"))) {
        mark(row, page);
        if (row.parentElement === list && !isLoading && !steady.holds(row)) settle(row);
      }
      steady.keep();
      if (list.childElementCount > MANY) import("./on_demand/trimming.js").then(({ trim }) => trim(page, list, load)).catch(() => {});
    },
  };
}

/**
 * The inboxes and labels to choose from, as they are now.
 *
 * @type {(scroller: HTMLElement, loaded: Document) => void}
 */
function renewChoices(scroller, loaded) {
  findAll(scroller, ".search select").forEach((select) => select.remove());
  find(scroller, ".search").append(...findAll(loaded, ".search select"));
}

/** @type {(row: HTMLElement, page: Page) => void} */
function mark(row, { conversation, viewQuery }) {
  const link = find(row, "a");
  if (!link.hash) link.search = viewQuery;
  if (row.dataset.conversation === conversation) link.setAttribute("aria-current", "page");
}

/**
 * Moves a row to its place in the list's order.
 *
 * @type {(list: HTMLElement, row: HTMLElement, sort: string) => void}
 */
function place(list, row, sort) {
  const next = children(list).find((other) => other !== row && precedes(row.dataset, other.dataset, sort)) ?? null;
  if (row.parentElement === list && row.nextElementSibling === next) return;
  const focused = document.activeElement;
  list.insertBefore(row, next);
  if (row.contains(focused)) focus(focused);
}

/** @param {HTMLElement} row */
function remove(row) {
  if (row.contains(document.activeElement)) {
    focus((row.nextElementSibling ?? row.previousElementSibling)?.querySelector("a"));
  }
  row.remove();
}
