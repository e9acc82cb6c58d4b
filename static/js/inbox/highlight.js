const DURATION = 2_000; // ms, longer than its animations

/** @param {HTMLElement[]} elements */
export function highlight(elements) {
  elements.forEach((element) => element.classList.add("just-arrived"));
  setTimeout(() => elements.forEach((element) => element.classList.remove("just-arrived")), DURATION);
}
