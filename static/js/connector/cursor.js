/**
 * Where a stream stands: `epoch-ms-n`. Opaque to everyone but this file, which only compares. Within an epoch cursors
 * are totally ordered; two epochs have nothing to do with one another.
 */

const PATTERN = /^([A-Za-z0-9]+)-(\d{1,15})-(\d{1,9})$/;

/** Negative, 0 or positive as `one` is older than, the same as or newer than `other`; NaN if nobody can tell. */
export function compare(one, other) {
  const [a, b] = [PATTERN.exec(one), PATTERN.exec(other)];
  if (a === null || b === null || a[1] !== b[1]) return NaN;
  return a[2] - b[2] || a[3] - b[3];
}

/** Whether whoever stands at `cursor` has what `id` names. What can't be compared is not known. */
export function isKnown(id, cursor) {
  return compare(id, cursor) <= 0;
}

/** The oldest of the cursors that can be compared with the first; "" (from now on) where there is none. */
export function oldest(cursors) {
  return cursors.filter(Boolean).reduce((old, next) => (compare(next, old) < 0 ? next : old), cursors.find(Boolean) ?? "");
}
