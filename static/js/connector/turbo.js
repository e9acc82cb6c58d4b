/** Applies `<turbo-stream>` elements. A replay changes nothing: what the page has is dropped. */

/**
 * Compares `data-version`s. An equal one is stale: a replayed message must not move to the end of the thread.
 *
 * @type {(present?: string, incoming?: string) => boolean}
 */
export function isStale(present, incoming) {
  const [old, fresh] = [version(present), version(incoming)];
  return old !== null && fresh !== null && fresh <= old;
}

/** @param {string} [text] */
function version(text = "") {
  return /^\d+$/.test(text) ? Number(text) : null;
}

/** @typedef {(old: HTMLElement, incoming: HTMLElement) => void} Carry */

/** @type {Record<string, (target: HTMLElement, content: DocumentFragment) => void>} */
const ACTIONS = {
  append: (target, content) => target.append(content),
  prepend: (target, content) => target.prepend(content),
  before: (target, content) => target.before(content),
  after: (target, content) => target.after(content),
  replace: (target, content) => target.replaceWith(content),
  update: (target, content) => target.replaceChildren(content),
  remove: (target) => target.remove(),
};
const NEEDS_CONTENT = new Set(["append", "prepend", "before", "after", "replace"]);
/** @type {Record<string, (target: HTMLElement) => HTMLElement | null>} */
const ADDS_TO = {
  append: (target) => target,
  prepend: (target) => target,
  before: (target) => target.parentElement,
  after: (target) => target.parentElement,
};

/** @param {string} action */
export function isAction(action) {
  return Object.hasOwn(ACTIONS, action);
}

/**
 * Applies the elements in `html`, without scripts.
 *
 * @param {string} html
 * @param {object} [options]
 * @param {Document} [options.page]
 * @param {Carry} [options.carry]  called before an element takes the place of an older one
 * @returns {HTMLElement[]} the elements that were added to the page
 */
export function apply(html, { page = document, carry = () => {} } = {}) {
  const holder = page.createElement("template");
  holder.innerHTML = html;
  const streams = children(holder.content).filter(({ localName }) => localName === "turbo-stream");
  return streams.flatMap((stream) => applyOne(stream, page, carry));
}

/** @type {(stream: HTMLElement, page: Document, carry: Carry) => HTMLElement[]} */
function applyOne(stream, page, carry) {
  const action = stream.getAttribute("action") ?? "";
  const target = page.getElementById(stream.getAttribute("target") ?? "");
  if (!target || !isAction(action)) return [];

  const content = contentOf(stream, page);
  const refocus = rememberFocus(page);
  if (action === "replace") dropStale(content, target, carry);
  if (action in ADDS_TO) dropOrReplace(content, ADDS_TO[action](target), carry);
  const arrived = children(content);
  if (arrived.length === 0 && NEEDS_CONTENT.has(action)) return [];

  ACTIONS[action](target, content);
  refocus();
  return arrived;
}

/** @type {(stream: HTMLElement, page: Document) => DocumentFragment} */
function contentOf(stream, page) {
  const template = stream.querySelector("template");
  const content = template ? page.importNode(template.content, true) : page.createDocumentFragment();
  content.querySelectorAll("script").forEach((script) => script.remove());
  return content;
}

/** @type {(content: DocumentFragment, present: HTMLElement, carry: Carry) => void} */
function dropStale(content, present, carry) {
  for (const incoming of children(content)) {
    if (incoming.id !== present.id) continue;
    if (isStale(present.dataset.version, incoming.dataset.version)) incoming.remove();
    else carry(present, incoming);
  }
}

/** @type {(content: DocumentFragment, parent: HTMLElement | null, carry: Carry) => void} */
function dropOrReplace(content, parent, carry) {
  for (const incoming of children(content)) {
    const present = incoming.id ? parent?.ownerDocument.getElementById(incoming.id) : null;
    if (!present || present.parentElement !== parent) continue;
    if (isStale(present.dataset.version, incoming.dataset.version)) {
      incoming.remove();
    } else {
      carry(present, incoming);
      present.remove();
    }
  }
}

/**
 * Returns a function that gives the focus of a removed element to its successor.
 *
 * @param {Document} page
 */
function rememberFocus(page) {
  const focused = page.activeElement;
  const id = focused?.closest("[id]")?.id;
  return () => {
    if (!id || focused?.isConnected) return;
    const successor = page.getElementById(id);
    /** @type {HTMLElement | null | undefined} */
    const target = successor?.querySelector("a[href], button");
    (target ?? successor)?.focus?.({ preventScroll: true });
  };
}

/** @param {ParentNode} parent */
function children(parent) {
  return /** @type {HTMLElement[]} */ ([...parent.children]);
}
