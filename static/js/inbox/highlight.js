const DURATION = 2_000; // ms, longer than any of the animations

/**
 * Marks elements as new for a moment.
 *
 * @param {HTMLElement[]} elements
 */
export function highlight(elements) {
  elements.forEach((element) => element.classList.add("just-arrived"));
  setTimeout(() => elements.forEach((element) => element.classList.remove("just-arrived")), DURATION);
}
