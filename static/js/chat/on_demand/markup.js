/**
 * What agents wrote, as they see it: the rules of rtapp/markup.py, in its order and explained there, as elements.
 * Telephone numbers stay text, for the plans of all countries are not here. tests/test_chat_markup.py compares the two.
 */

/** @import { H } from "../types" */
/** @typedef {Node | string} Part */
/** @typedef {{start: number, end: number, shown: string, href: string}} Link */
/** @typedef {{mark: string, run: number, opens: boolean, closes: boolean, token: number, end: number}} Delimiter */

const MOST_MARKS = 500; // and line breaks
const DEEPEST = 8; // levels of quotes and lists; a list and its items are two

const MARK = /[*_`@]|:\/\/|[wW]\.|\+[1-9]|^[ \t]*(?:[->]|[0-9]+\.)(?:[ \t]|$)/;
const MARKS = new RegExp(MARK, "g");
const BLANK = /^[ \t]*$/;
const QUOTED = /^ {0,3}>(?:[ \t]|$)/;
const QUOTED_TEXT = /^ *>[> \t]*[^> \t]/;
const ITEM = /^( {0,3})([-*]|([1-9][0-9]{0,2})\.)([ \t]+)(?!(?:[-*+]|[0-9]+[.)])(?:[ \t]|$))[^ \t]/;
const FENCE = /^( {0,3})(```+)[ \t]*([\p{L}\p{N}_+#.-]*)[ \t]*$/u;

const SPACELESS = "\\u0e00-\\u0eff\\u1000-\\u109f\\u1780-\\u17ff\\u2e80-\\ud7af\\uf900-\\ufaff\\uff00-\\uffef\\u{20000}-\\u{3ffff}";
const WORD = "\\p{L}\\p{N}_";
const BEHIND_WORD = `(?<!(?![${SPACELESS}])[\\p{L}\\p{N}])`;
const RUN = String.raw`(?:\*{1,3}(?!\*)|_(?!_))`;
const OPENING = new RegExp(
  String.raw`${BEHIND_WORD}(?<![\/\\.,;=&%#@^~|+])${RUN}(?=["'(\[\{<«‹„“‚‘”’¿¡$€£#@+&*_\x60]{0,8}[^\s!-\/:-@\[-\x60\{-~])`,
  "uy",
);
const CLOSING = new RegExp(String.raw`(?<=\S)${RUN}(?=(?:[^${WORD}\s]|_){0,8}(?:\s|[${SPACELESS}]|$))`, "uy");
const IN_LINE = /\*+|_+|`+/g;
const IN_WORD = /(?<=[\p{L}\p{N}_])`/uy;

const LINK = new RegExp(
  String.raw`${BEHIND_WORD}(?<![@.+\/\-])(?:((?:https?:\/\/|www\.)[^\s<>\x60\\\u3000-\u303f\uff00-\uffef]+)` +
    String.raw`|([${WORD}.+\-]{1,64})@((?:[\p{L}\p{N}](?:[\p{L}\p{N}]|-){0,62}\.){1,8}[\p{L}\p{Nl}\p{No}]{2,63})(?![${WORD}@\-]))`,
  "giu",
);
const LONGEST = 2_000;
const HIDDEN = /(?![\u200c\u200d])[\s\x00-\x1f\x7f-\x9f\p{DI}\u2800]/u;
const WEB = /^https?:\/\/(?!:)(?:[^/?#[\]]+|\[[\da-f:]+\](?::\d*)?)(?:[/?#]|$)/i;
const TRAILING = "?!.,:;*_~'\"…”’»";
const BRACKETS = new Map([
  [")", "("],
  ["]", "["],
  ["}", "{"],
]);

/**
 * The text as elements of `h`, which has this in the chat's bundle.
 *
 * @type {(text: string, h: H) => Part[]}
 */
export function markup(text, h) {
  const source = text.replace(/\r\n?/g, "\n");
  const lines = source.split("\n");
  const marks = lines.reduce((sum, line) => sum + [...line.matchAll(MARKS)].length, 0);
  if (marks === 0 || marks + lines.length - 1 > MOST_MARKS) return [source];
  const blocks = new Blocks(lines.length, h);
  if (BLANK.test(lines[lines.length - 1])) lines.pop(); // as markdown-it has it
  return withoutLastBreak(blocks.of(lines));
}

/** @param {Part[]} parts */
function withoutLastBreak(parts) {
  const last = parts.findLastIndex((part) => part !== "");
  const text = parts[last];
  return typeof text === "string" ? [...parts.slice(0, last), text.replace(/\n$/, "")] : parts;
}

class Blocks {
  #written = 0; // lines
  #count;
  #h;

  /**
   * @param {number} count
   * @param {H} h
   */
  constructor(count, h) {
    this.#count = count;
    this.#h = h;
  }

  /** @param {string[]} lines */
  of(lines) {
    return [...this.#inside(lines, 0, 0), this.#upTo(this.#count)];
  }

  /**
   * `first` is the number of the first line in the message. Blank lines stand before the block below them.
   *
   * @type {(lines: string[], first: number, level: number) => Part[]}
   */
  #inside(lines, first, level) {
    /** @type {Part[]} */
    const parts = [];
    for (let n = 0; n < lines.length; ) {
      if (BLANK.test(lines[n])) {
        n++;
        continue;
      }
      parts.push(this.#upTo(first + n));
      const [end, ...made] = this.#block(lines, n, first, level);
      parts.push(...made);
      n = end;
    }
    return parts;
  }

  /** @type {(lines: string[], n: number, first: number, level: number) => [number, ...Part[]]} */
  #block(lines, n, first, level) {
    const fence = level < DEEPEST && this.#fence(lines, n, first);
    if (fence) return fence;
    let end = n;
    while (level < DEEPEST && end < lines.length && QUOTED.test(lines[end])) end++;
    if (lines.slice(n, end).some((line) => QUOTED_TEXT.test(line))) {
      const inner = lines.slice(n, end).map((line) => line.replace(/^ *>(?: |(\t))?/, (_, tab) => (tab ? "  " : "")));
      return [end, this.#h("blockquote", null, ...this.#inside(inner, first + n, level + 1))];
    }
    const item = level < DEEPEST && ITEM.exec(lines[n]);
    if (item) return this.#list(lines, n, first, level, item);
    this.#written = first + n + 1;
    return [n + 1, ...inline(lines[n], this.#h), "\n"];
  }

  /** @type {(lines: string[], n: number, first: number) => [number, Part] | null} */
  #fence(lines, n, first) {
    const opening = FENCE.exec(lines[n]);
    if (!opening) return null;
    const filled = lines.findIndex((line, at) => at > n && !BLANK.test(line));
    if (filled < 0 || FENCE.test(lines[filled])) return null;
    const [, indent, run, language] = opening;
    const closing = new RegExp("^[ \\t]*`{" + run.length + ",}[ \\t]*$");
    const found = lines.findIndex((line, at) => at > n && closing.test(line));
    const end = found < 0 ? lines.length : found;
    const code = lines.slice(n + 1, end).map((line) => cut(line, indent.length));
    const isAtEnd = first + end >= this.#count;
    this.#written = first + end + (found < 0 ? 0 : 1);
    const properties = language ? { "data-language": language } : null;
    const h = this.#h;
    return [found < 0 ? end : end + 1, h("pre", properties, h("code", null, code.join("\n") + (isAtEnd || code.length === 0 ? "" : "\n")))];
  }

  /** @type {(lines: string[], n: number, first: number, level: number, item: RegExpExecArray) => [number, Part]} */
  #list(lines, n, first, level, item) {
    const kind = item[2].slice(-1);
    /** @type {Part[]} */
    const parts = [];
    let end = n;
    for (let next = /** @type {RegExpExecArray | null} */ (item); next && next[2].slice(-1) === kind; ) {
      const [, indent, marker, value, space] = next;
      const start = indent.length + marker.length;
      const line = untabbed(lines[end], start);
      const width = line.slice(start).search(/[^ ]/);
      const offset = start + (width > 4 ? 1 : width);
      const inner = [line.slice(offset)];
      const from = end;
      while (++end < lines.length && (BLANK.test(lines[end]) || indentOf(lines[end]) >= offset)) inner.push(cut(lines[end], offset));
      parts.push(this.#upTo(first + from));
      parts.push(this.#h("li", value ? { value: Number(value) } : null, ...this.#inside(inner, first + from, level + 2)));
      next = level + 1 < DEEPEST && end < lines.length ? ITEM.exec(lines[end]) : null;
    }
    return [end, this.#h(kind === "." ? "ol" : "ul", null, ...parts)];
  }

  /** The line breaks of blank lines before this line. @param {number} line */
  #upTo(line) {
    const breaks = "\n".repeat(Math.max(0, line - this.#written));
    this.#written = Math.max(line, this.#written);
    return breaks;
  }
}

/** With spaces in place of the tabs that begin at a column, up to the text. @type {(line: string, from?: number) => string} */
function untabbed(line, from = 0) {
  let text = line;
  for (let at = from; text[at] === " " || text[at] === "\t"; at++) {
    if (text[at] === "\t") text = text.slice(0, at) + " ".repeat(4 - (at % 4)) + text.slice(at + 1);
  }
  return text;
}

/** @param {string} line */
function indentOf(line) {
  return untabbed(line).search(/[^ ]|$/);
}

/** Without that much of its indentation. @type {(line: string, columns: number) => string} */
function cut(line, columns) {
  if (columns === 0) return line;
  const text = untabbed(line);
  return text.slice(Math.min(columns, text.search(/[^ ]|$/)));
}

// Parts of a line

/** @type {(text: string, h: H) => Part[]} */
function inline(text, h) {
  if (!MARK.test(text)) return [text];
  const links = linksIn(text);
  /** @type {(Part | "open" | "close")[]} */
  const tokens = [];
  /** @type {Delimiter[]} */
  const delimiters = [];
  for (let at = 0; at < text.length; ) {
    while (links.length > 0 && links[0].start < at) links.shift(); // in code
    const link = links[0];
    if (link?.start === at) {
      tokens.push(anchor(link, h));
      at = link.end;
      continue;
    }
    IN_LINE.lastIndex = at;
    const found = IN_LINE.exec(text);
    const until = Math.min(found?.index ?? text.length, link?.start ?? text.length);
    if (until > at || !found) {
      tokens.push(text.slice(at, until));
      at = until;
      continue;
    }
    const run = found[0];
    const end = at + run.length;
    if (run[0] === "`") {
      const close = isAt(IN_WORD, text, at) ? -1 : closingOf(text, end, run.length);
      tokens.push(close < 0 ? run : h("code", null, codeOf(text.slice(end, close))));
      at = close < 0 ? end : close + run.length;
      continue;
    }
    const [opens, closes] = [isAt(OPENING, text, at), isAt(CLOSING, text, at)];
    for (const mark of run) {
      if (opens || closes) delimiters.push({ mark, run: run.length, opens, closes, token: tokens.length, end: -1 });
      tokens.push(mark);
    }
    at = end;
  }
  pair(delimiters);
  return nested(tokens, delimiters, h);
}

/** @type {(pattern: RegExp, text: string, at: number) => boolean} */
function isAt(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.test(text);
}

/** Where the next run of as many backticks is. @type {(text: string, from: number, length: number) => number} */
function closingOf(text, from, length) {
  for (const { 0: run, index } of text.slice(from).matchAll(/`+/g)) if (run.length === length) return from + index;
  return -1;
}

/** @param {string} text */
function codeOf(text) {
  return text.startsWith(" ") && text.endsWith(" ") && /[^ ]/.test(text) ? text.slice(1, -1) : text;
}

/** By the algorithm of CommonMark's appendix, as markdown-it has it. @param {Delimiter[]} delimiters */
function pair(delimiters) {
  /** @type {number[]} */
  const jumps = [];
  let head = 0;
  let former = -2;
  delimiters.forEach((closer, n) => {
    jumps.push(0);
    if (delimiters[head].mark !== closer.mark || former !== closer.token - 1) head = n;
    former = closer.token;
    if (!closer.closes) return;
    for (let o = head - jumps[head] - 1; o >= 0; o -= jumps[o] + 1) {
      const opener = delimiters[o];
      if (opener.mark !== closer.mark || !opener.opens || opener.end >= 0) continue;
      const isOdd = (opener.run + closer.run) % 3 === 0 && (opener.run % 3 !== 0 || closer.run % 3 !== 0);
      if (isOdd && (opener.closes || closer.opens)) continue;
      const jump = o > 0 && !delimiters[o - 1].opens ? jumps[o - 1] + 1 : 0;
      jumps[n] = n - o + jump;
      jumps[o] = jump;
      closer.opens = opener.closes = false;
      opener.end = n;
      former = -2;
      break;
    }
  });
}

/** @type {(tokens: Part[], delimiters: Delimiter[], h: H) => Part[]} */
function nested(tokens, delimiters, h) {
  /** @type {Map<number, "strong" | "em" | "">} what ends or begins at a token: nothing, beside the other mark of "strong" */
  const marks = new Map();
  /** @type {Set<number>} */
  const openings = new Set();
  for (let n = delimiters.length - 1; n >= 0; n--) {
    const { end, mark, token } = delimiters[n];
    if (end < 0) continue;
    const [before, after] = [delimiters[n - 1], delimiters[end + 1]];
    const isStrong = before?.end === end + 1 && before.mark === mark && before.token === token - 1 && after.token === delimiters[end].token + 1;
    const tag = isStrong ? "strong" : "em";
    marks.set(token, tag).set(delimiters[end].token, tag);
    openings.add(token);
    if (!isStrong) continue;
    marks.set(before.token, "").set(after.token, "");
    n--;
  }
  /** @type {Part[][]} */
  const open = [[]];
  tokens.forEach((token, n) => {
    const tag = marks.get(n);
    if (tag === undefined) open[open.length - 1].push(token);
    else if (tag && openings.has(n)) open.push([]);
    else if (tag) {
      const inner = open.pop() ?? [];
      open[open.length - 1].push(h(tag, null, ...inner));
    }
  });
  return open.flat();
}

// Links

/** @type {(link: Link, h: H) => Part} */
function anchor({ shown, href }, h) {
  const title = isAscii(shown) ? undefined : href;
  return h("a", { href, rel: "noopener noreferrer nofollow ugc", target: "_blank", dir: "ltr", ...(title && { title }) }, shown);
}

/** @type {(line: string) => Link[]} */
function linksIn(line) {
  const links = [];
  for (const { 0: found, 1: web, 2: name, 3: host, index: start } of line.matchAll(LINK)) {
    const shown = web ? withoutEnd(found) : found;
    const href = web ? webAddress(/^w/i.test(shown) ? `https://${shown}` : shown) : mailAddress(name, host);
    if (href) links.push({ start, end: start + shown.length, shown, href });
  }
  return links;
}

/** In ASCII. Null if it does not lead where it seems to. @param {string} shown */
function webAddress(shown) {
  if (shown.length > LONGEST || HIDDEN.test(shown)) return null;
  const [, scheme, host, path] = /^(https?:\/\/)([^/?#]*)(.*)$/i.exec(shown) ?? ["", "", "", ""];
  if (host.includes("@")) return null;
  const href = isAscii(shown) ? shown : scheme + ascii(host) + encoded(path);
  return WEB.test(href) ? href : null;
}

/** @type {(name: string, host: string) => string | null} */
function mailAddress(name, host) {
  if (HIDDEN.test(name + host)) return null;
  return `mailto:${encodeURI(name)}@${ascii(host)}`;
}

/** The name of a host as it is looked up. @param {string} host */
function ascii(host) {
  const url = `https://${host}`;
  return !isAscii(host) && URL.canParse(url) ? new URL(url).host : encodeURI(host);
}

/** @param {string} path */
function encoded(path) {
  return encodeURI(path).replace(/%25(?=[0-9a-f]{2})/gi, "%");
}

/** @param {string} text */
function isAscii(text) {
  return !/[^\x00-\x7f]/.test(text);
}

/** Without punctuation and unmatched brackets at its end. @param {string} shown */
function withoutEnd(shown) {
  let url = shown;
  while (url && (TRAILING.includes(url[url.length - 1]) || isUnmatched(url))) url = url.slice(0, -1);
  return url;
}

/** @param {string} url */
function isUnmatched(url) {
  const closing = url[url.length - 1];
  const opening = BRACKETS.get(closing);
  return opening !== undefined && url.split(closing).length > url.split(opening).length;
}
