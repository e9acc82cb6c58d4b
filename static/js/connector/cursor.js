/** Cursors: `epoch-ms-n`. Those of one epoch are ordered, others are not comparable. */

const PATTERN = /^([A-Za-z0-9]+)-(\d{1,15})-(\d{1,9})$/;

/**
 * Negative if `one` is older, 0 if equal, positive if newer; NaN if not comparable.
 *
 * @param {string} one
 * @param {string} other
 */
export function compare(one, other) {
  const [a, b] = [PATTERN.exec(one), PATTERN.exec(other)];
  if (a === null || b === null || a[1] !== b[1]) return NaN;
  return Number(a[2]) - Number(b[2]) || Number(a[3]) - Number(b[3]);
}

/**
 * Whether the event `id` is at or before `cursor`; false if not comparable.
 *
 * @param {string} id
 * @param {string} cursor
 */
export function isCovered(id, cursor) {
  return compare(id, cursor) <= 0;
}

/**
 * The oldest of those comparable with the first; "" (from now on) without any.
 *
 * @param {string[]} cursors
 */
export function oldest(cursors) {
  return cursors.filter(Boolean).reduce((old, next) => (compare(next, old) < 0 ? next : old), cursors.find(Boolean) ?? "");
}
