/** @import { H } from "./types" */

/** An element. A property that it has not is an attribute. @type {H} */
export const h = (tag, properties, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name in element) /** @type {any} */ (element)[name] = value;
    else element.setAttribute(name, String(value));
  }
  element.append(.../** @type {Node[]} */ (children.flat().filter(Boolean)));
  return element;
};

/**
 * Makes `nodes` the children, and moves none that is in its place.
 *
 * @type {(parent: Element, nodes: Node[]) => void}
 */
export function place(parent, nodes) {
  const kept = new Set(nodes);
  for (const child of [...parent.childNodes]) if (!kept.has(child)) child.remove();
  let next = parent.firstChild;
  for (const node of nodes) {
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(node, next);
  }
}

/** @type {Record<string, string>} */
const PATHS = {
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  send: "M12 19V5M5 12l7-7 7 7",
  sound: "M4 10v4h4l5 4V6l-5 4zM17 9a4 4 0 010 6",
  muted: "M4 10v4h4l5 4V6l-5 4zM17 10l4 4M21 10l-4 4",
  clip: "M20 11l-8 8a5 5 0 01-7-7l8-8a3.5 3.5 0 015 5l-8 8a2 2 0 01-3-3l7-7",
};

/** @param {string} name */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.ariaHidden = "true";
  svg.append(document.createElementNS(space, "path"));
  svg.firstElementChild?.setAttribute("d", PATHS[name]);
  return svg;
}
