/** Dots beside names, from the registry #present. */

/** @import { Page, Part } from "./types" */

import { byId, children, findAll } from "./dom.js";

/**
 * @param {Page} page
 * @returns {Part}
 */
export function startPresence({ user }) {
  const registry = byId("present");
  /** @type {Map<string | undefined, string | undefined>} by user */
  let statuses = new Map();

  /** @param {HTMLElement} dot */
  const mark = (dot) => {
    if ("own" in dot.dataset) return; // its user may appear offline
    show(dot, statuses.get(dot.dataset.presence));
  };
  const read = () => {
    const before = statuses;
    statuses = new Map(children(registry).map(({ dataset }) => [dataset.user, dataset.status]));
    if (statuses.has(user)) showOwn(statuses.get(user));
    else if (before.has(user)) showOwn("offline");
    findAll(document, "[data-presence]").forEach(mark);
  };
  new MutationObserver(read).observe(registry, { childList: true });
  read();

  return {
    changed: (arrived) => arrived.forEach((element) => findAll(element, "[data-presence]").forEach(mark)),
    disconnected: () => {
      statuses = new Map();
      registry.replaceChildren();
    },
  };
}

/** @type {(dot: HTMLElement, status?: string) => void} */
function show(dot, status) {
  if ((dot.dataset.status ?? "") === (status ?? "")) return;
  if (status === undefined) {
    for (const name of ["data-status", "role", "aria-label", "title"]) dot.removeAttribute(name);
    return;
  }
  dot.dataset.status = status;
  dot.title = status;
  if (dot.ariaHidden === "true") return; // or each line repeats it
  dot.setAttribute("role", "img");
  dot.setAttribute("aria-label", dot.title);
}

/** @param {string} [status] */
function showOwn(status) {
  findAll(document, "[data-own]").forEach((dot) => (dot.dataset.status = status));
  for (const button of findAll(document, "#own-status button")) {
    button.setAttribute("aria-pressed", String(button.getAttribute("value") === status));
  }
}
