import { h } from "./dom.js";

const URLS = /https?:\/\/[^\s<>"'`]+/gi;
const TRAILING = /[.,:;!?*_]+$/;

/**
 * The text, with its addresses as links. What a link shows is where it leads.
 *
 * @type {(text: string) => (Node | string)[]}
 */
export function linked(text) {
  const parts = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(URLS)) {
    const url = addressIn(found);
    if (!URL.canParse(url)) continue;
    const link = h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow ugc" }, url);
    parts.push(text.slice(end, index), link);
    end = index + url.length;
  }
  return [...parts, text.slice(end)];
}

/**
 * Without what belongs to the sentence around it.
 *
 * @type {(found: string) => string}
 */
function addressIn(found) {
  const url = found.replace(TRAILING, "");
  const isOpen = url.endsWith(")") && !url.includes("(");
  return isOpen ? addressIn(url.slice(0, -1)) : url;
}

/** @param {string} name */
export function initials(name) {
  const [first, ...others] = name.trim().split(/\s+/);
  return [first, ...others.slice(-1)].map((word) => [...word][0] ?? "?").join("");
}

/** Times in the visitor's zone and the chat's language. */
export class Times {
  #clock;
  #date;
  #relative;

  /** @param {string} language */
  constructor(language) {
    this.#clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
    this.#date = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" });
    this.#relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  }

  /** @param {Date} date */
  clock(date) {
    return this.#clock.format(date);
  }

  /** @param {Date} date */
  day(date) {
    const days = Math.round((midnight(date) - midnight(new Date())) / 86_400_000);
    if (days > 0 || days < -1) return this.#date.format(date);
    const words = this.#relative.format(days, "day");
    return words[0].toUpperCase() + words.slice(1);
  }

  /** @param {Date} date */
  recent(date) {
    return midnight(date) === midnight(new Date()) ? this.clock(date) : this.day(date);
  }
}

/** @param {Date} date */
function midnight(date) {
  return new Date(date).setHours(0, 0, 0, 0);
}
