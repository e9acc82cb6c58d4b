/** Keeps the row under the pointer, or with the focus, where it is while the list changes around it. */

import { byId, focus } from "./dom.js";

const TOP = 10; // px

/**
 * @param {HTMLElement} list
 * @param {(row: HTMLElement) => void} settle  moves a row to its place, or takes it away
 */
export function startSteadyList(list, settle) {
  const scroller = /** @type {HTMLElement} */ (list.closest(".list"));
  const above = byId("rows-above");
  /** @type {{id: string, top: number, next: Element | null} | null} before a change */
  let anchor = null;
  /** @type {Set<string>} rows whose place is elsewhere by now */
  const held = new Set();

  const hovers = matchMedia("(hover: hover)"); // a finger leaves a row hovered
  const steadyRow = () =>
    /** @type {HTMLElement | null} */ (list.querySelector(`:scope > .row:focus-within${hovers.matches ? ", :scope > .row:hover" : ""}`));

  /** Scrolls by what was added or removed above; below a short list, there is room to. */
  const keep = () => {
    const row = anchor && document.getElementById(anchor.id);
    if (!row || !anchor) return;
    const moved = row.getBoundingClientRect().top - anchor.top;
    if (moved === 0) return;
    const room = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
    if (moved > room) list.style.paddingBottom = `${moved - room + parseFloat(getComputedStyle(list).paddingBottom)}px`;
    scroller.scrollTop += moved;
    if (moved > 0) above.hidden = false;
  };
  const release = () => {
    const row = steadyRow();
    if (!row) list.style.paddingBottom = "";
    for (const id of held) {
      if (id === row?.id) continue;
      held.delete(id);
      const late = document.getElementById(id);
      if (!late) continue;
      late.dataset.listed = "";
      settle(late);
    }
  };

  const releaseSoon = () => requestAnimationFrame(release);
  // A row that was replaced under the pointer is never left: the pointer only comes to another element.
  for (const name of ["pointerover", "pointerout", "focusout"]) document.addEventListener(name, releaseSoon);
  scroller.addEventListener("scroll", () => scroller.scrollTop < TOP && (above.hidden = true), { passive: true });
  above.addEventListener("click", () => scroller.scrollTo({ top: 0 }));

  return {
    beforeChange: () => {
      const row = steadyRow();
      anchor = row && { id: row.id, top: row.getBoundingClientRect().top, next: row.nextElementSibling };
    },
    /** Whether a changed row stays for now. @param {HTMLElement} row */
    holds: (row) => {
      if (row.id !== anchor?.id) return false;
      const focused = document.activeElement;
      list.insertBefore(row, anchor.next?.parentElement === list ? anchor.next : null);
      if (row.contains(focused)) focus(focused);
      delete row.dataset.listed;
      held.add(row.id);
      return true;
    },
    keep,
  };
}
