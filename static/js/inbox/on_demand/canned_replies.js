/** Completes the shortcuts of the account's canned replies, and fills in their variables. */

/** @import { CannedReply, Option, Source } from "../types" */

import { byId } from "../dom.js";
import { bdi } from "../text.js";

const MAX_REPLIES = 6;
const MAX_AGE = 60_000; // ms
const TIMEOUT = 10_000; // ms
const VARIABLE = /\{\{([^{}\n]*)\}\}/g;

/**
 * By the beginning of the shortcut, then of a word of the shortcut or the text.
 *
 * @type {(replies: CannedReply[], query: string) => CannedReply[]}
 */
export function matchingReplies(replies, query) {
  const wanted = query.toLocaleLowerCase();
  const first = replies.filter(({ shortcut }) => shortcut.startsWith(wanted));
  /** @param {CannedReply} reply */
  const fits = ({ shortcut, content }) =>
    `${shortcut} ${content}`.toLocaleLowerCase().split(/[^\p{L}\p{N}]+/u).some((word) => word.startsWith(wanted));
  const rest = replies.filter((reply) => !first.includes(reply) && fits(reply));
  return [...first, ...rest].slice(0, MAX_REPLIES);
}

/**
 * The text with its variables replaced, once: a value is text, whatever is in it. `missing` are the places, in the result, of
 * the variables without a value.
 *
 * @type {(content: string, values: Record<string, string>) => {text: string, missing: {start: number, end: number}[]}}
 */
export function filled(content, values) {
  let text = "";
  let end = 0;
  const missing = [];
  for (const match of content.matchAll(VARIABLE)) {
    text += content.slice(end, match.index);
    end = match.index + match[0].length;
    const name = match[1].trim();
    const value = Object.hasOwn(values, name) ? values[name] : "";
    if (!value) missing.push({ start: text.length, end: text.length + match[0].length });
    text += value || match[0];
  }
  return { text: text + content.slice(end), missing };
}

/** What was loaded at most MAX_AGE ago; something older while it is being loaded again. @template T */
export class Cached {
  #load;
  #now;
  /** @type {T | undefined} */
  #value;
  #loadedAt = -Infinity;
  /** @type {Promise<T> | null} */
  #loading = null;

  /**
   * @param {() => Promise<T>} load
   * @param {() => number} now  in ms
   */
  constructor(load, now = () => Date.now()) {
    this.#load = load;
    this.#now = now;
  }

  /** @returns {T | Promise<T>} */
  get() {
    const isOld = this.#now() - this.#loadedAt > MAX_AGE;
    if (isOld) this.#loading ??= this.#renew();
    if (this.#value !== undefined) {
      this.#loading?.catch(() => {}); // the older ones serve
      return this.#value;
    }
    return /** @type {Promise<T>} */ (this.#loading);
  }

  async #renew() {
    try {
      this.#value = await this.#load();
      this.#loadedAt = this.#now();
      return this.#value;
    } finally {
      this.#loading = null;
    }
  }
}

/** @type {Cached<CannedReply[]>} of the page, for each conversation */
const cached = new Cached(async () => {
  const headers = { Accept: "application/json" };
  const path = `/accounts/${document.body.dataset.account}/canned-replies`;
  const answer = await fetch(path, { headers, signal: AbortSignal.timeout(TIMEOUT) });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return (await answer.json()).canned_replies;
});

/** @type {Source["find"]} */
export function find(query) {
  /** @type {Record<string, string>} */
  const values = JSON.parse(byId("completions").dataset.values ?? "{}");
  const replies = cached.get();
  /** @param {CannedReply[]} found */
  const options = (found) => matchingReplies(found, query).map((reply) => option(reply, values));
  return Array.isArray(replies) ? options(replies) : replies.then(options);
}

/** @type {NonNullable<Source["inserted"]>} */
export function inserted(text, from, { missing = [] }) {
  if (missing.length > 0) complain(text, from, missing);
}

/** @type {(reply: CannedReply, values: Record<string, string>) => Option} */
function option({ shortcut, content }, values) {
  const { text, missing } = filled(content, values);
  return {
    text,
    missing,
    shown: () => {
      const name = document.createElement("b");
      const excerpt = document.createElement("span");
      name.textContent = `/${shortcut}`;
      excerpt.className = "muted";
      excerpt.append(bdi(text));
      return [name, " ", excerpt];
    },
  };
}

/**
 * Selects the first variable that nothing was known for, and names it as long as it is in the text.
 *
 * @type {(text: HTMLTextAreaElement, from: number, missing: {start: number, end: number}[]) => void}
 */
function complain(text, from, missing) {
  const place = byId("composer-problem");
  const names = missing.map(({ start, end }) => text.value.slice(from + start, from + end));
  const refresh = () => {
    const left = [...new Set(names)].filter((name) => text.value.includes(name));
    place.textContent = left.length ? `Nothing is known for ${left.join(" and ")}. Fill it in before you send.` : "";
    if (left.length) return;
    text.removeEventListener("input", refresh);
    text.form?.removeEventListener("submit", sent);
  };
  const sent = () => setTimeout(refresh); // once the box is emptied
  text.setSelectionRange(from + missing[0].start, from + missing[0].end);
  text.addEventListener("input", refresh);
  text.form?.addEventListener("submit", sent);
  refresh();
}
