/** Numbers of what is unread, on rows and views. */

/**
 * @typedef {object} Numbers
 * @property {Record<string, number>} conversations  by conversation; one that is missing has nothing unread
 * @property {Record<string, number>} views          `mine`, `unassigned`, `all`
 */

/** @type {Numbers} */
let known = { conversations: {}, views: {} };

/** @param {Numbers} numbers */
export function setUnread(numbers) {
  known = numbers;
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

export function startUnread() {
  return { changed: (arrived) => arrived.filter((element) => element.matches(".row")).forEach(markRow) };
}
