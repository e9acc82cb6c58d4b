/** Text of users beside other text: rtapp/text.py does the same on the server. */

const FIRST_STRONG_ISOLATE = "\u2068";
const POP_ISOLATE = "\u2069";
const PARAGRAPH = /([\n\r\x1c-\x1e\x85\u2028\u2029])/;
/** Bidirectional controls, and scripts from right to left. */
const DIRECTED = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const INVISIBLE = /^[\s\p{Cc}\p{DI}\u2800]*$/u;

/**
 * Whether a reader sees nothing of it. The server refuses such a text.
 *
 * @param {string} text
 */
export function isBlank(text) {
  return INVISIBLE.test(text);
}

/**
 * For a place in plain text, such as a notification: the text's directions end with it.
 *
 * @param {string} text
 */
export function isolated(text) {
  if (!DIRECTED.test(text)) return text;
  return byParagraph(closed(text), (part) => part && `${FIRST_STRONG_ISOLATE}${part}${POP_ISOLATE}`);
}

/**
 * An element that isolates the text.
 *
 * @param {string} text
 */
export function bdi(text) {
  const element = document.createElement("bdi");
  element.textContent = closed(text);
  return element;
}

/**
 * The text of an element, with what its `bdi` elements isolate.
 *
 * @param {Node} node
 * @returns {string}
 */
export function plainText(node) {
  const text = node instanceof Text ? node.data : [...node.childNodes].map(plainText).join("");
  return node.nodeName === "BDI" ? isolated(text) : text;
}

/** @param {string} text */
function closed(text) {
  return /[\u2066-\u2069]/.test(text) ? byParagraph(text, closedParagraph) : text;
}

/** @param {string} text */
function closedParagraph(text) {
  let open = 0;
  let kept = "";
  for (const character of text) {
    if (character === POP_ISOLATE && open === 0) continue;
    if (character === POP_ISOLATE) open--;
    else if (/[\u2066-\u2068]/.test(character)) open++;
    kept += character;
  }
  return kept + POP_ISOLATE.repeat(open);
}

/** @type {(text: string, change: (paragraph: string) => string) => string} */
function byParagraph(text, change) {
  return text
    .split(PARAGRAPH)
    .map((part, n) => (n % 2 === 0 ? change(part) : part))
    .join("");
}
