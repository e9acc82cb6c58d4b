/** Lookups of elements that the templates always have, and what is done to any element. */

const HIGHLIGHTED = 2_000; // ms, longer than the animations

/** @type {import("./types").ById} */
export const byId = (id) => /** @type {any} */ (document.getElementById(id));

/** @type {import("./types").Find} */
export const find = (/** @type {ParentNode} */ root, /** @type {string} */ selector) => /** @type {any} */ (root.querySelector(selector));

/** @type {(root: ParentNode, selector: string) => HTMLElement[]} */
export const findAll = (root, selector) => [.../** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(selector))];

/** @type {(root: ParentNode) => HTMLElement[]} */
export const children = (root) => /** @type {HTMLElement[]} */ ([...root.children]);

/** @type {(event: Event, selector: string) => HTMLElement | null} */
export const closest = ({ target }, selector) => /** @type {Element} */ (target).closest(selector);

/** @param {HTMLTemplateElement} template */
export const clone = ({ content }) => /** @type {HTMLElement} */ (document.importNode(content, true).firstElementChild);

/** @type {(form: HTMLFormElement, name: string) => any} */
export const field = (form, name) => form.elements.namedItem(name);

/** @param {Element | null} [element] */
export function focus(element) {
  /** @type {HTMLElement | null | undefined} */ (element)?.focus({ preventScroll: true });
}

/** @param {HTMLElement[]} elements */
export function highlight(elements) {
  elements.forEach((element) => element.classList.add("just-arrived"));
  setTimeout(() => elements.forEach((element) => element.classList.remove("just-arrived")), HIGHLIGHTED);
}
