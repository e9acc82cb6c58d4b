/** The conversation list: which rows stand in this view, where, and what of a row depends on who looks. */

import { loadMore } from "./paging.js";

/**
 * Whether a conversation is one of those that the view shows. What a search finds only the server knows: there, rows stay
 * or go by the rest of the view, and none is added.
 *
 * @param {{status: string, assignee: string, inbox: string, isListed: boolean}} row
 * @param {{status: string, assignee: string, inbox: string, q: string, user: string}} view
 */
export function belongs(row, view) {
  if (view.q && !row.isListed) return false;
  if (view.status && row.status !== view.status) return false;
  if (view.inbox && row.inbox !== view.inbox) return false;
  if (view.assignee === "none") return row.assignee === "";
  return !view.assignee || row.assignee === (view.assignee === "me" ? view.user : view.assignee);
}

export function startList(page) {
  const list = document.getElementById("conversations");
  const scroller = list.closest(".list");
  const view = {
    status: page.viewStatus, assignee: page.viewAssignee, inbox: page.viewInbox, q: page.viewQ, user: page.user,
  };
  const hasMore = () => scroller.querySelector(":scope > .more") !== null;

  let isLoading = false;

  const settle = (row) => {
    const isListed = "listed" in row.dataset;
    delete row.dataset.listed;
    if (!belongs({ ...row.dataset, isListed }, view)) return leave(row);
    place(list, row);
    if (hasMore() && row === list.lastElementChild) leave(row); // it belongs further down, among those that are not loaded
  };

  loadMore({
    scroller,
    record: page.record,
    insert: (loaded) => {
      const rows = [...loaded.querySelectorAll("#conversations > .row")].filter(({ id }) => !document.getElementById(id));
      rows.forEach((row) => place(list, row));
      isLoading = true; // they belong here, or the server would not have sent them
      const numbers = loaded.getElementById("unread-numbers");
      page.changed(numbers ? [numbers, ...rows] : rows);
      isLoading = false;
    },
  });
  scroller.querySelector(".search select")?.addEventListener("change", ({ target }) => target.form.requestSubmit());
  list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  return {
    carry: (old, row) => old.matches(".row") && (row.dataset.listed = ""),
    changed: (arrived) => {
      for (const row of arrived.filter((element) => element.matches(".row"))) {
        mark(row, page);
        if (row.parentElement === list && !isLoading) settle(row);
      }
    },
  };
}

function mark(row, { conversation, viewQuery }) {
  const link = row.querySelector("a");
  link.search = viewQuery;
  if (row.dataset.conversation === conversation) link.setAttribute("aria-current", "page");
}

/** Newest activity first. Moves nothing that stands right. */
function place(list, row) {
  const isOlder = (other) => other !== row && (other.dataset.at < row.dataset.at || (other.dataset.at === row.dataset.at && Number(other.dataset.conversation) < Number(row.dataset.conversation)));
  const next = [...list.children].find(isOlder) ?? null;
  const stands = row.parentElement === list && nextRow(row) === next;
  if (stands) return;
  const focused = row.contains(document.activeElement) ? document.activeElement : null;
  list.insertBefore(row, next);
  focused?.focus({ preventScroll: true });
}

function nextRow(row) {
  return row.nextElementSibling;
}

function leave(row) {
  if (row.contains(document.activeElement)) {
    (row.nextElementSibling ?? row.previousElementSibling)?.querySelector("a").focus({ preventScroll: true });
  }
  row.remove();
}
