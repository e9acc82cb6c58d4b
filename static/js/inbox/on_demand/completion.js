/** Completes what is being typed before the caret, from a list above the composer: @names, /shortcuts. */

/** @import { Option, Source, Typed } from "../types" */

import { byId, children } from "../dom.js";
import { mentions } from "./mentions.js";
import { shortcuts } from "./shortcuts.js";

/** @type {(text: HTMLTextAreaElement, isNote: () => boolean) => {takes(event: KeyboardEvent): boolean}} */
export function start(text, isNote) {
  return startCompletion(text, [mentions(isNote), shortcuts()]);
}

/**
 * The first source that recognises what is being typed has the list.
 *
 * @param {HTMLTextAreaElement} text
 * @param {Source[]} sources
 */
export function startCompletion(text, sources) {
  const list = byId("completions");
  /** @type {{source: Source, typed: NonNullable<Typed>, options: Option[]} | null} */
  let open = null;
  let chosen = 0;
  let isLoading = false;
  let isInserting = false;
  let latest = 0; // of the updates: the options of an earlier one come too late

  const close = () => {
    latest += 1;
    open = null;
    isLoading = false;
    list.hidden = true;
    list.replaceChildren();
    text.removeAttribute("aria-activedescendant");
  };
  /** @param {number} index */
  const choose = (index) => {
    chosen = (index + list.children.length) % list.children.length;
    children(list).forEach((option, n) => option.setAttribute("aria-selected", String(n === chosen)));
    list.children[chosen].scrollIntoView({ block: "nearest" });
    text.setAttribute("aria-activedescendant", `completion-${chosen}`);
  };
  const accept = () => {
    if (!open) return;
    const { source, typed, options } = open;
    const option = options[chosen];
    text.setRangeText(option.text, typed.from, text.selectionStart, "end");
    close();
    isInserting = true; // what was inserted is not being typed
    text.dispatchEvent(new Event("input", { bubbles: true }));
    isInserting = false;
    source.inserted?.(text, typed.from, option);
  };
  /** @type {(source: Source, typed: NonNullable<Typed>, options: Option[]) => void} */
  const show = (source, typed, options) => {
    if (options.length === 0) return close();
    isLoading = false;
    open = { source, typed, options };
    list.setAttribute("aria-label", source.label);
    list.replaceChildren(...options.map(element));
    list.hidden = false;
    choose(0);
  };
  /** @param {string} words */
  const showNote = (words) => {
    list.replaceChildren(note(words));
    list.hidden = false;
  };
  const update = async () => {
    if (isInserting) return;
    const found = recognised(sources, text);
    if (!found) return close();
    const { source, typed } = found;
    const options = source.find(typed.query);
    if (Array.isArray(options)) return show(source, typed, options);
    close();
    const own = latest;
    isLoading = true;
    showNote("Loading…");
    try {
      const loaded = await options;
      if (own === latest) show(source, typed, loaded);
    } catch {
      if (own !== latest) return;
      isLoading = false;
      showNote(`${source.label} could not be loaded.`);
    }
  };

  text.setAttribute("aria-autocomplete", "list");
  text.setAttribute("aria-controls", "completions");
  text.addEventListener("input", (event) => /** @type {InputEvent} */ (event).isComposing || update());
  text.addEventListener("compositionend", update);
  text.addEventListener("click", update);
  update(); // this module may have come after the first keys
  text.addEventListener("blur", close);
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the focus stays in the text
    const index = children(list).findIndex((item) => item.contains(/** @type {Node} */ (event.target)));
    if (!open || index < 0) return;
    choose(index);
    accept();
  });

  /** @type {Record<string, () => void>} */
  const keys = { ArrowDown: () => choose(chosen + 1), ArrowUp: () => choose(chosen - 1), Enter: accept, Tab: accept, Escape: close };
  return {
    /**
     * Handles a key of the open list. While it is being loaded, too: an Enter would send the shortcut itself.
     *
     * @param {KeyboardEvent} event
     */
    takes: (event) => {
      const isFree = list.hidden || (!open && !isLoading && event.key !== "Escape");
      if (isFree || isComposing(event) || !Object.hasOwn(keys, event.key)) return false;
      event.preventDefault();
      event.stopPropagation();
      if (open || event.key === "Escape") keys[event.key]();
      return true;
    },
  };
}

/** @type {(sources: Source[], text: HTMLTextAreaElement) => {source: Source, typed: NonNullable<Typed>} | null} */
function recognised(sources, { value, selectionStart }) {
  for (const source of sources) {
    const typed = source.typed(value, selectionStart);
    if (typed) return { source, typed };
  }
  return null;
}

/** An input method uses the same keys. @param {KeyboardEvent} event */
function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}

/** @type {(option: Option, index: number) => HTMLElement} */
function element({ shown }, index) {
  const item = document.createElement("li");
  item.id = `completion-${index}`;
  item.setAttribute("role", "option");
  item.append(...shown());
  return item;
}

/** @param {string} words */
function note(words) {
  const item = document.createElement("li");
  item.setAttribute("role", "presentation");
  item.className = "muted";
  item.textContent = words;
  return item;
}
