/** Times in the user's zone and language. */

/** @import { Label, Part } from "./types" */

import { serverNow } from "./clock.js";
import { findAll } from "./dom.js";

const MINUTE = 60_000;
const DAY = 86_400_000;
/** @type {Map<string, Intl.DateTimeFormat>} creating one costs more than a hundred uses */
const formats = new Map();

/** @type {(locale: string | undefined, options: Intl.DateTimeFormatOptions) => Intl.DateTimeFormat} */
function format(locale, options) {
  const key = JSON.stringify([locale, options]);
  const found = formats.get(key) ?? new Intl.DateTimeFormat(locale, options);
  formats.set(key, found);
  return found;
}

/** @type {Label} */
export function clockLabel(date, now, locale) {
  return format(locale, { hour: "2-digit", minute: "2-digit" }).format(date);
}

/** @type {Label} */
export function dayLabel(date, now = serverNow(), locale) {
  const days = Math.round(daysBetween(date, now));
  if (days === 0 || days === 1) {
    const words = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-days, "day");
    return words.charAt(0).toLocaleUpperCase(locale) + words.slice(1);
  }
  return format(locale, { weekday: "short", day: "numeric", month: "short", ...yearUnlessThis(date, now) }).format(date);
}

/**
 * Minutes, the time today, the weekday this week, else the date.
 *
 * @type {Label}
 */
export function recentLabel(date, now = serverNow(), locale) {
  const minutes = Math.floor((now.getTime() - date.getTime()) / MINUTE);
  if (minutes < 1 && minutes > -2) return "now"; // clocks differ a little
  if (minutes > 0 && minutes < 60) return `${minutes} min`;
  if (sameDay(date, now)) return clockLabel(date, now, locale);
  const days = daysBetween(date, now);
  if (days > 0 && days < 6.5) return format(locale, { weekday: "short" }).format(date);
  return format(locale, { day: "numeric", month: "short", ...yearUnlessThis(date, now) }).format(date);
}

/** @type {Label} */
export function momentLabel(date, now = serverNow(), locale) {
  const clock = clockLabel(date, now, locale);
  if (sameDay(date, now)) return clock;
  return `${format(locale, { weekday: "short", day: "numeric", month: "short", ...yearUnlessThis(date, now) }).format(date)}, ${clock}`;
}

/** @type {(one: Date, other: Date) => boolean} */
export function sameDay(one, other) {
  return daysBetween(one, other) === 0;
}

/** @type {(date: Date, now: Date) => Intl.DateTimeFormatOptions} */
function yearUnlessThis(date, now) {
  return date.getFullYear() === now.getFullYear() ? {} : { year: "numeric" };
}

/** @type {(from: Date, to: Date) => number} */
function daysBetween(from, to) {
  return (midnight(to) - midnight(from)) / DAY;
}

/** @param {Date} date */
function midnight(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

/** @type {Record<string, Label>} */
const LABELS = { clock: clockLabel, day: dayLabel, recent: recentLabel, moment: momentLabel };
const MOVING = 'time[data-show="recent"], time[data-show="day"]';

/** @param {ParentNode[]} roots */
export function showTimes(roots, selector = "time[data-show]") {
  const now = serverNow();
  for (const root of roots) {
    for (const time of findAll(root, selector)) showTime(/** @type {HTMLTimeElement} */ (time), now);
  }
}

/** @type {(time: HTMLTimeElement, now: Date) => void} */
function showTime(time, now) {
  const date = new Date(time.dateTime);
  if (Number.isNaN(date.getTime())) return;
  const text = LABELS[time.dataset.show ?? "day"](date, now);
  if (time.textContent !== text) time.textContent = text;
  if (!time.title) time.title = format(undefined, { dateStyle: "full", timeStyle: "short" }).format(date);
}

/** @returns {Part} */
export function startTimes() {
  showTimes([document]);
  setInterval(() => showTimes([document], MOVING), MINUTE / 2);
  return { changed: (arrived) => showTimes(arrived) };
}
