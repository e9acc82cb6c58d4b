/**
 * Applies `<turbo-stream>` elements to the page. A replay changes nothing: an element that is no newer than the one on
 * the page (same id, `data-version` not higher) is left out, and otherwise takes its place.
 */

/**
 * Whether `incoming` adds nothing to what the page `present`s; both are `data-version` values.
 * Equal counts as known: a replayed message must not move to the end of the thread. Without versions, the newcomer wins.
 *
 * @param {string | undefined} present
 * @param {string | undefined} incoming
 */
export function isKnown(present, incoming) {
  const [old, fresh] = [version(present), version(incoming)];
  return old !== null && fresh !== null && fresh <= old;
}

function version(text) {
  return /^\d+$/.test(text ?? "") ? Number(text) : null;
}

/** What each action does to its target with the new content, once that content is worth showing. */
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
 * Applies all `<turbo-stream>` elements in `html`. Scripts in it are dropped.
 *
 * @param {string} html
 * @param {object} [options]
 * @param {Document} [options.page]
 * @param {(old: Element, incoming: Element) => void} [options.carry]  before an element takes the place of an older one
 * @returns {Element[]} the elements that came onto the page
 */
export function apply(html, { page = document, carry = () => {} } = {}) {
  const holder = page.createElement("template");
  holder.innerHTML = html;
  const streams = [...holder.content.children].filter((element) => element.localName === "turbo-stream");
  return streams.flatMap((stream) => applyOne(stream, page, carry));
}

function applyOne(stream, page, carry) {
  const action = stream.getAttribute("action");
  const target = page.getElementById(stream.getAttribute("target"));
  if (!target || !isAction(action)) return [];

  const content = contentOf(stream, page);
  const refocus = keepFocus(page);
  if (action === "replace") dropKnown(content, target, carry);
  if (action in ADDS_TO) takePlaceOfOlder(content, ADDS_TO[action](target), carry);
  const arrived = [...content.children];
  if (arrived.length === 0 && NEEDS_CONTENT.has(action)) return [];

  ACTIONS[action](target, content);
  refocus();
  return arrived;
}

function contentOf(stream, page) {
  const template = stream.querySelector("template");
  const content = template ? page.importNode(template.content, true) : page.createDocumentFragment();
  content.querySelectorAll("script").forEach((script) => script.remove());
  return content;
}

function dropKnown(content, present, carry) {
  for (const incoming of [...content.children]) {
    if (incoming.id !== present.id) continue;
    if (isKnown(present.dataset.version, incoming.dataset.version)) incoming.remove();
    else carry(present, incoming);
  }
}

function takePlaceOfOlder(content, parent, carry) {
  for (const incoming of [...content.children]) {
    const present = incoming.id && parent.ownerDocument.getElementById(incoming.id);
    if (!present || present.parentElement !== parent) continue;
    if (isKnown(present.dataset.version, incoming.dataset.version)) {
      incoming.remove();
    } else {
      carry(present, incoming);
      present.remove();
    }
  }
}

/** A replaced row takes the keyboard focus with it into nowhere; its successor gets it back. */
function keepFocus(page) {
  const focused = page.activeElement;
  const home = focused?.closest("[id]");
  const id = home?.id;
  return () => {
    if (!id || focused.isConnected) return;
    const successor = page.getElementById(id);
    (successor?.querySelector("a[href], button") ?? successor)?.focus?.({ preventScroll: true });
  };
}
