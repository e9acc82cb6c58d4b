/** Completes @names of colleagues in a private note. Mentioned colleagues are notified. */

/** @import { Mention } from "./types" */

import { byId, children } from "./dom.js";
import { bdi } from "./text.js";

const MAX_NAMES = 6;

/** @type {(text: string, caret: number) => Mention} */
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

/**
 * @param {HTMLTextAreaElement} text
 * @param {() => boolean} isNote
 */
export function startMentions(text, isNote) {
  const list = byId("mentions");
  const names = children(byId("people")).map(({ textContent }) => textContent ?? "");
  /** @type {Mention} */
  let mention = null;
  let chosen = 0;

  const close = () => {
    mention = null;
    list.hidden = true;
    list.replaceChildren();
    text.removeAttribute("aria-activedescendant");
  };
  /** @param {number} index */
  const choose = (index) => {
    chosen = (index + list.children.length) % list.children.length;
    children(list).forEach((option, n) => option.setAttribute("aria-selected", String(n === chosen)));
    text.setAttribute("aria-activedescendant", `mention-${chosen}`);
  };
  const accept = () => {
    const name = list.children[chosen].textContent;
    if (mention) text.setRangeText(`@${name} `, mention.from, text.selectionStart, "end");
    close();
    text.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const update = () => {
    mention = isNote() ? mentionAt(text.value, text.selectionStart) : null;
    const found = mention ? matching(names, mention.query) : [];
    if (found.length === 0) return close();
    list.replaceChildren(...found.map(option));
    list.hidden = false;
    choose(0);
  };

  text.setAttribute("aria-autocomplete", "list");
  text.setAttribute("aria-controls", "mentions");
  text.addEventListener("input", update);
  text.addEventListener("click", update);
  text.addEventListener("blur", close);
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the focus stays in the text
    const index = children(list).findIndex((item) => item.contains(/** @type {Node} */ (event.target)));
    if (index < 0) return;
    choose(index);
    accept();
  });

  /** @type {Record<string, () => void>} */
  const keys = { ArrowDown: () => choose(chosen + 1), ArrowUp: () => choose(chosen - 1), Enter: accept, Tab: accept, Escape: close };
  return {
    /**
     * Handles a key of the open list.
     *
     * @param {KeyboardEvent} event
     */
    takes: (event) => {
      if (list.hidden || event.isComposing || !Object.hasOwn(keys, event.key)) return false;
      event.preventDefault();
      event.stopPropagation();
      keys[event.key]();
      return true;
    },
  };
}

/** @type {(name: string, index: number) => HTMLElement} */
function option(name, index) {
  const item = document.createElement("li");
  item.id = `mention-${index}`;
  item.setAttribute("role", "option");
  item.append(bdi(name));
  return item;
}
