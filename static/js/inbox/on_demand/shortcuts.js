/** /shortcuts of canned replies. What completes them is loaded with the first one. */

/** @import { Source, Typed } from "../types" */

/**
 * At the beginning, or after white space: a path or a fraction is none.
 *
 * @type {(text: string, caret: number) => Typed}
 */
export function shortcutAt(text, caret) {
  const match = /(?<!\S)\/([\p{L}\p{N}_-]*)$/u.exec(text.slice(0, caret));
  return match ? { from: match.index, query: match[1] } : null;
}

/** @returns {Source} */
export function shortcuts() {
  /** @type {typeof import("./canned_replies.js") | null} */
  let replies = null;
  return {
    label: "Canned replies",
    typed: shortcutAt,
    find: (query) => replies?.find(query) ?? load().then(({ find }) => find(query)),
    inserted: (text, from, option) => replies?.inserted(text, from, option),
  };

  async function load() {
    replies = await import("./canned_replies.js");
    return replies;
  }
}
