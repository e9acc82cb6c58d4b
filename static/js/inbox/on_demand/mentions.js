/** Completes @names of colleagues in a private note. Mentioned colleagues are notified. */

/** @import { Source, Typed } from "../types" */

import { byId, children } from "../dom.js";
import { bdi } from "../text.js";

const MAX_NAMES = 6;

/** @type {(text: string, caret: number) => Typed} */
export function mentionAt(text, caret) {
  const match = /(?<![\p{L}\p{N}_])@([\p{L}\p{N}_'-]*(?: [\p{L}\p{N}_'-]*)?)$/u.exec(text.slice(0, caret));
  return match ? { from: match.index, query: match[1] } : null;
}

/**
 * By the beginning of a word.
 *
 * @type {(names: string[], query: string) => string[]}
 */
export function matching(names, query) {
  const wanted = query.toLocaleLowerCase();
  /** @param {string} name */
  const fits = (name) => name.startsWith(wanted) || name.split(/\s+/).some((word) => word.startsWith(wanted));
  return names.filter((name) => fits(name.toLocaleLowerCase())).slice(0, MAX_NAMES);
}

/** @type {(isNote: () => boolean) => Source} */
export function mentions(isNote) {
  const names = children(byId("people")).map(({ textContent }) => textContent ?? "");
  return {
    label: "Colleagues",
    typed: (text, caret) => (isNote() ? mentionAt(text, caret) : null),
    find: (query) => matching(names, query).map((name) => ({ text: `@${name} `, shown: () => [bdi(name)] })),
  };
}
