/** Other viewers of a conversation, on its row and above its thread, from the registry #viewing. */

/** @import { Page, Part } from "./types" */

import { byId, children, find, findAll } from "./dom.js";
import { isolated } from "./text.js";

/**
 * @param {Page} page
 * @returns {Part}
 */
export function startViewers(page) {
  const { user } = page;
  const registry = byId("viewing");

  /** @type {(id?: string) => HTMLElement[]} */
  const others = (id) => {
    const entry = document.getElementById(`viewing-${id}`);
    return entry ? children(entry).filter(({ dataset }) => dataset.user !== user) : [];
  };
  /** @param {HTMLElement} row */
  const markRow = (row) => fill(find(row, ".viewers"), others(row.dataset.conversation));
  const markThread = () => {
    const head = byId("thread-viewers");
    if (head) fill(head, others(page.conversation));
  };
  const read = () => {
    findAll(document, "#conversations > .row").forEach(markRow);
    markThread();
  };
  new MutationObserver(read).observe(registry, { childList: true });

  return {
    changed: (arrived) => arrived.filter((element) => element.matches(".row")).forEach(markRow),
    opened: markThread,
    disconnected: () => registry.replaceChildren(),
  };
}

/** @type {(place: HTMLElement, avatars: HTMLElement[]) => void} */
function fill(place, avatars) {
  const ids = avatars.map(({ dataset }) => dataset.user).join();
  if (place.dataset.users === ids) return;
  place.dataset.users = ids;
  place.hidden = avatars.length === 0;
  const names = avatars.map(({ title }) => isolated(title));
  place.title = names.length ? `${together(names)} ${names.length > 1 ? "are" : "is"} looking at this` : "";
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", place.title);
  place.replaceChildren(...avatars.map((avatar) => avatar.cloneNode(true)));
}

/** @param {string[]} names */
export function together(names) {
  if (names.length <= 2) return names.join(" and ");
  if (names.length === 3) return `${names[0]}, ${names[1]} and ${names[2]}`;
  return `${names[0]}, ${names[1]} and ${names.length - 2} others`;
}
