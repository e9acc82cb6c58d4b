/** The palette: finds conversations, people, and everything that the page has as a button or a link. */

/** @import { Page } from "../types" */

import { byId, children, find, findAll } from "../dom.js";

const FOUND = 8; // conversations of a search
const SHOWN = 12; // commands
const PAUSE = 150; // ms after the last key, before the server is asked
/** Where commands are, in their order, with the first words of those there, else those of their group. */
const PLACES = [
  ["#toast:not([hidden]) button", ""], [".list[data-selecting] #bulk .choices button"],
  [".thread-head .panel button:not([hidden])"], [".thread-head .to-contact", ""], [".topbar > button[commandfor]", ""], [".views a", "Show"],
  [".statuses a", "Show"], ["#own-status button"], ["#alerts button"], [".links a", "Manage"], [".settings [commandfor]", ""],
]; // prettier-ignore

/** @typedef {{words: string, note?: string, href?: string, run?: () => void}} Entry  `href` or `run` */
/** @typedef {{id: number, contact: {id: number, name: string, email: string | null}, last_message: {preview: string | null} | null}} Found */

/** @type {((page: Page) => void) | undefined} */
let fill;

/** Called when the dialog was opened. @param {Page} page */
export function fillPalette(page) {
  fill ??= startPalette();
  fill(page);
}

function startPalette() {
  const dialog = byId("palette");
  const input = find(dialog, "input");
  const list = find(dialog, "ul");
  const status = find(dialog, "[role=status]");
  /** @type {Page} */
  let page;
  /** @type {Entry[]} */
  let commands = [];
  let asked = new AbortController();
  let timer = 0;

  /** @param {number} index */
  const choose = (index) => {
    const options = children(list);
    if (options.length === 0) return input.removeAttribute("aria-activedescendant");
    const chosen = options[(index + options.length) % options.length];
    options.forEach((option) => (option.ariaSelected = String(option === chosen)));
    chosen.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", chosen.id);
  };
  const chosen = () => children(list).findIndex(({ ariaSelected }) => ariaSelected === "true");
  /** @param {Entry[]} entries */
  const show = (entries, index = 0) => {
    list.replaceChildren(...entries.map((entry, n) => optionOf(entry, n, () => dialog.close())));
    choose(index);
  };
  const look = async () => {
    asked.abort();
    asked = new AbortController();
    const { signal } = asked;
    const query = input.value.trim();
    const matching = commands.filter(({ words }) => matches(words, query)).slice(0, SHOWN);
    show(matching, Math.max(0, chosen())); // an arrow may have been pressed since the last letter
    status.textContent = "";
    if (query === "") return;
    const { found, problem } = await search(page, query, signal);
    if (signal.aborted) return;
    show([...matching, ...found], Math.max(0, chosen()));
    status.textContent = problem ?? (matching.length + found.length > 0 ? "" : "Nothing found.");
  };

  input.addEventListener("input", () => {
    asked.abort(); // the answer would bring back what matched the text before
    show(commands.filter(({ words }) => matches(words, input.value)).slice(0, SHOWN));
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE);
  });
  dialog.addEventListener("keydown", (event) => {
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowDown: () => choose(chosen() + 1),
      ArrowUp: () => choose(chosen() - 1),
      Enter: () => list.children[chosen()]?.querySelector("a, button")?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true })),
    };
    if (event.isComposing || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    asked.abort();
    input.value = "";
  });
  return (/** @type {Page} */ present) => {
    page = present;
    commands = commandsOf(document);
    list.replaceChildren();
    look();
  };
}

/** What the page offers. @param {ParentNode} root @returns {Entry[]} */
function commandsOf(root) {
  return PLACES.flatMap(([selector, first]) =>
    findAll(root, selector).map((element) => {
      const name = first ?? groupName(element.closest("[aria-label], [aria-labelledby]"));
      const label = element.ariaLabel ?? element.textContent?.replace(/\s+/g, " ").trim() ?? "";
      const words = name ? `${name}: ${label}` : label;
      // The page may have replaced the element meanwhile.
      const run = () => (element.isConnected ? element.click() : commandsOf(root).find((other) => other.words === words)?.run?.());
      return { words, run };
    }),
  );
}

/** @param {Element | null} group */
function groupName(group) {
  const labelled = group?.getAttribute("aria-labelledby");
  const label = labelled ? document.getElementById(labelled)?.textContent : group?.ariaLabel;
  return label?.trim() ?? "";
}

/** Whether each word of the query begins a word of the text. @type {(text: string, query: string) => boolean} */
export function matches(text, query) {
  const [words, wanted] = [wordsOf(text), wordsOf(query)];
  if (wanted.length === 0) return query.trim() === "";
  return wanted.every((each) => words.some((word) => word.startsWith(each)));
}

/** @param {string} text */
function wordsOf(text) {
  return folded(text).split(/[^\p{L}\p{N}]+/u).filter(Boolean);
}

/** @param {string} text */
function folded(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim();
}

/** @type {(page: Page, query: string, signal: AbortSignal) => Promise<{found: Entry[], problem?: string}>} */
async function search(page, query, signal) {
  const fields = new URLSearchParams({ q: query, limit: String(FOUND) });
  try {
    const answer = await fetch(`/accounts/${page.account}/conversations?${fields}`, { headers: { Accept: "application/json" }, signal });
    if (!answer.ok) return { found: [], problem: "The conversations could not be searched." };
    return { found: entriesOf(page, (await answer.json()).conversations, query) };
  } catch {
    return { found: [], problem: "The conversations could not be searched: no answer from the server." };
  }
}

/** @type {(page: {viewQuery: string}, conversations: Found[], query: string) => Entry[]} */
export function entriesOf({ viewQuery }, conversations, query) {
  const people = new Map(conversations.map(({ contact }) => [contact.id, contact]));
  return [
    ...conversations.map(({ id, contact, last_message: last }) => ({
      words: contact.name || "Unknown", note: `#${id} ${last?.preview ?? ""}`.trim(), href: `/conversations/${id}${viewQuery}`,
    })),
    ...[...people.values()].filter(({ name, email }) => matches(`${name} ${email ?? ""}`, query)).map(({ id, name, email }) => ({
      words: `Contact: ${name || "Unknown"}`, note: email ?? "", href: `/contacts/${id}`,
    })),
  ]; // prettier-ignore
}

/** @type {(entry: Entry, index: number, close: () => void) => HTMLElement} */
function optionOf({ words, note, href, run }, index, close) {
  const option = document.createElement("li");
  option.id = `palette-${index}`;
  option.setAttribute("role", "option");
  const target = document.createElement(href ? "a" : "button");
  target.tabIndex = -1;
  if (href) target.setAttribute("href", href);
  else target.setAttribute("type", "button");
  const name = document.createElement("bdi");
  name.textContent = words;
  target.append(name);
  if (note) {
    const more = document.createElement("bdi");
    more.className = "muted";
    more.textContent = note;
    target.append(" ", more);
  }
  target.addEventListener("click", () => {
    close();
    run?.();
  });
  option.append(target);
  return option;
}
