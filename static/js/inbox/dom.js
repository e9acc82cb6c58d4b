/** Lookups in the DOM, with the types of what the templates contain. */

/** @type {import("./types").ById} */
export const byId = (id) => /** @type {any} */ (document.getElementById(id));

/**
 * The first match, for a selector that always has one.
 *
 * @type {import("./types").Find}
 */
export const find = (/** @type {ParentNode} */ root, /** @type {string} */ selector) => /** @type {any} */ (root.querySelector(selector));

/** @type {(root: ParentNode, selector: string) => HTMLElement[]} */
export const findAll = (root, selector) => [.../** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(selector))];

/** @type {(root: ParentNode) => HTMLElement[]} */
export const children = (root) => /** @type {HTMLElement[]} */ ([...root.children]);

/**
 * The event's target, or the ancestor of it that matches.
 *
 * @type {(event: Event, selector: string) => HTMLElement | null}
 */
export const closest = ({ target }, selector) => /** @type {Element} */ (target).closest(selector);

/**
 * The content of a template, ready to be inserted.
 *
 * @param {HTMLTemplateElement} template
 */
export const clone = ({ content }) => /** @type {HTMLElement} */ (document.importNode(content, true).firstElementChild);

/** @type {(form: HTMLFormElement, name: string) => any} */
export const field = (form, name) => form.elements.namedItem(name);
