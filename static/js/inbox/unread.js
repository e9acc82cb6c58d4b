/** Numbers of what is unread, on rows and views. They come as one element, in the page and then by `unread.changed`. */

/**
 * @typedef {object} Numbers
 * @property {Record<string, number>} conversations  by conversation; one that is missing is as it was before
 * @property {Record<string, number>} views          `mine`, `unassigned`, `all`
 */

/** @type {Numbers} */
const known = { conversations: {}, views: {} };

/** @param {Numbers} numbers */
export function setUnread({ conversations, views }) {
  Object.assign(known.conversations, conversations);
  Object.assign(known.views, views);
  document.querySelectorAll("#conversations > .row").forEach(markRow);
  for (const badge of document.querySelectorAll(".badge[data-view]")) show(badge, known.views[badge.dataset.view] ?? 0);
}

function markRow(row) {
  const count = known.conversations[row.dataset.conversation] ?? 0;
  show(row.querySelector(".badge"), count);
  row.toggleAttribute("data-unread", count > 0);
}

/** Puts a number on a badge, which is not there for none. */
export function show(badge, count) {
  badge.hidden = count === 0;
  badge.textContent = count > 99 ? "99+" : String(count || "");
  badge.dataset.count = String(count);
  if (count > 0) badge.append(hidden(" unread"));
}

function hidden(text) {
  const span = document.createElement("span");
  span.className = "hidden";
  span.textContent = text;
  return span;
}

/** @param {HTMLElement} element */
function read({ dataset }) {
  setUnread({ conversations: JSON.parse(dataset.conversations), views: JSON.parse(dataset.views) });
}

export function startUnread() {
  read(document.getElementById("unread-numbers"));
  return {
    changed(arrived) {
      arrived.filter((element) => element.id === "unread-numbers").forEach(read);
      arrived.filter((element) => element.matches(".row")).forEach(markRow);
    },
  };
}
