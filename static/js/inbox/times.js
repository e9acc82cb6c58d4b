/** Times as the reader says them: in their zone and words, and moving on while the page stays open. */

const MINUTE = 60_000;
const DAY = 86_400_000;
const formats = new Map(); // making one costs more than a hundred uses

function format(locale, options) {
  const key = JSON.stringify([locale, options]);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(locale, options));
  return formats.get(key);
}

export function clockLabel(date, now = new Date(), locale = undefined) {
  return format(locale, { hour: "2-digit", minute: "2-digit" }).format(date);
}

/** "Today", "Yesterday", or the date in the reader's words. */
export function dayLabel(date, now = new Date(), locale = undefined) {
  const days = Math.round((midnight(now) - midnight(date)) / DAY);
  if (days === 0 || days === 1) {
    const words = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-days, "day");
    return words.charAt(0).toLocaleUpperCase(locale) + words.slice(1);
  }
  return format(locale, { weekday: "short", day: "numeric", month: "short", ...yearUnlessThis(date, now) }).format(date);
}

/** As short as it can be for a list: minutes, the time today, the weekday this week, else the date. */
export function recentLabel(date, now = new Date(), locale = undefined) {
  const minutes = Math.floor((now - date) / MINUTE);
  if (minutes < 1 && minutes > -2) return "now"; // clocks differ a little
  if (minutes > 0 && minutes < 60) return `${minutes} min`;
  if (sameDay(date, now)) return clockLabel(date, now, locale);
  const days = (midnight(now) - midnight(date)) / DAY;
  if (days > 0 && days < 6.5) return format(locale, { weekday: "short" }).format(date);
  return format(locale, { day: "numeric", month: "short", ...yearUnlessThis(date, now) }).format(date);
}

/** A day and a time, for what is to come. */
export function momentLabel(date, now = new Date(), locale = undefined) {
  const clock = clockLabel(date, now, locale);
  if (sameDay(date, now)) return clock;
  return `${format(locale, { weekday: "short", day: "numeric", month: "short", ...yearUnlessThis(date, now) }).format(date)}, ${clock}`;
}

export function sameDay(one, other) {
  return midnight(one).getTime() === midnight(other).getTime();
}

function yearUnlessThis(date, now) {
  return date.getFullYear() === now.getFullYear() ? {} : { year: "numeric" };
}

function midnight(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate());
}

const LABELS = { clock: clockLabel, day: dayLabel, recent: recentLabel, moment: momentLabel };
const MOVING = 'time[data-show="recent"], time[data-show="day"]';

/** Writes the times in each of `roots` as the reader says them. */
export function showTimes(roots, selector = "time[data-show]") {
  const now = new Date();
  for (const root of roots) {
    for (const time of root.querySelectorAll(selector)) showTime(time, now);
  }
}

function showTime(time, now) {
  const date = new Date(time.dateTime);
  if (Number.isNaN(date.getTime())) return;
  const text = LABELS[time.dataset.show](date, now);
  if (time.textContent !== text) time.textContent = text;
  if (!time.title) time.title = format(undefined, { dateStyle: "full", timeStyle: "short" }).format(date);
}

export function startTimes() {
  showTimes([document]);
  setInterval(() => showTimes([document], MOVING), MINUTE / 2);
  return { changed: showTimes };
}
