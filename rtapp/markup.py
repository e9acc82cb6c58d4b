"""The text of a message as HTML: in one place for pages, fragments and every viewer.

A subset of Markdown (CommonMark, https://spec.commonmark.org/0.31.2/) and links. All other text
stays as it was typed, with its line breaks and spaces. docs/protocol.md lists what is rendered.

markdown-it-py parses; its rules are asked only where a rule below permits it. The HTML is written
here, element by element: what is not in this file can't be in it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import phonenumbers
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block import blockquote as commonmark_quote
from markdown_it.rules_block import fence as commonmark_fence
from markdown_it.rules_block import list_block as commonmark_list
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline import backtick as commonmark_code
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token
from markupsafe import Markup
from markupsafe import escape

from .text import HIDDEN_IN_ADDRESS

MOST_MARKS = 500  # and line breaks, in one message: each costs up to 0.1 ms
DEEPEST = 8  # levels of quotes and lists; a list and its items are two

MARK = re.compile(r"[*_`@]|://|[wW]\.|\+[1-9]|^[ \t]*(?:[->]|[0-9]+\.)(?:[ \t]|$)", re.M)
IN_LINE = re.compile(r"\*+|_+|`+")

# The beginnings of blocks, after the indentation. Not `>:(`; not `1. 2. 3.`, `- - -`, `01.` or
# `1986.`; not a fence with a sentence behind it.
QUOTED = re.compile(r">(?:[ \t]|$)", re.M)
QUOTED_TEXT = re.compile(r">[> \t]*[^> \t\n]")
ITEM = re.compile(
    r"(?:[-*]|[1-9][0-9]{0,2}\.)[ \t]+(?!(?:[-*+]|[0-9]+[.)])(?:[ \t]|$))[^ \t\n]", re.M
)
FENCE = re.compile(r"```+[ \t]*[\w+#.-]*[ \t]*$", re.M)

# Scripts that write no spaces between words, or none around emphasised ones: Thai to Lao, Burmese,
# Khmer, the CJK blocks and Hangul.
SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ud7af\uf900-\ufaff\uff00-\uffef"
    "\U00020000-\U0003ffff"
)
# The marks that may begin and end an emphasis: at the edges of words. Not `2*3*4`, `snake_case`,
# `/*…*/`, `*.*` or `(*)`.
RUN = r"(?:\*{1,3}+(?!\*)|_(?!_))"  # `__` stands in names: __init__
OPENING = re.compile(
    rf"(?<![^\W_{SPACELESS}])(?<![/\\.,;=&%#@^~|+]){RUN}"
    r"""(?=["'(\[{<«‹„“‚‘”’¿¡$€£#@+&*_`]{0,8}[^\s!-/:-@\[-`{-~])"""
)
CLOSING = re.compile(rf"(?<=\S){RUN}(?=(?:[^\w\s]|_){{0,8}}(?:\s|[{SPACELESS}]|\Z))")
IN_WORD = re.compile(r"(?<=\w)`")  # for an apostrophe: it`s

# Links are found as in GitHub Flavored Markdown (https://github.github.com/gfm/, section 6.9), also
# next to other punctuation and with non-ASCII letters. A + begins a telephone number (ITU-T E.123).
LINK = re.compile(
    rf"(?<![^\W_{SPACELESS}])(?<![@.+/-])(?:"
    r"(?P<web>(?:https?://|www\.)[^\s<>`\\\u3000-\u303f\uff00-\uffef]+)"
    r"|(?P<mail>[\w.+-]{1,64}@(?:[^\W_](?:[^\W_]|-){0,62}\.){1,8}[^\W\d_]{2,63}(?![\w@-]))"
    r"|(?P<phone>\+[1-9][0-9]*"
    r"(?:[ \u00a0./-]?\([0-9]{1,4}\)[ \u00a0./-]?[0-9]+|[ \u00a0./-][0-9]+)*"
    r"(?![\w@%€$£]|[,:][0-9])))",
    re.I,
)
LONGEST = 2_000  # characters of an address
TRAILING = "?!.,:;*_~'\"…”’»"
BRACKETS = {")": "(", "]": "[", "}": "{"}

TAGS = {
    "blockquote_open": "<blockquote>",
    "blockquote_close": "</blockquote>",
    "bullet_list_open": "<ul>",
    "bullet_list_close": "</ul>",
    "ordered_list_open": "<ol>",
    "ordered_list_close": "</ol>",
    "list_item_close": "</li>",
    "strong_open": "<strong>",
    "strong_close": "</strong>",
    "em_open": "<em>",
    "em_close": "</em>",
}


class Link(NamedTuple):
    """A part of a line and where it leads."""

    start: int
    end: int
    shown: str
    href: str


def markup(text: str) -> Markup:
    """The text as HTML, to be shown with its white space (CSS: `white-space: pre-wrap`).

    A text with more than MOST_MARKS marks and line breaks is only escaped.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    marks = sum(1 for _ in MARK.finditer(text))
    if marks == 0 or marks + text.count("\n") > MOST_MARKS:
        return escape(text)
    return Markup("".join(written(text)).removesuffix("\n"))  # noqa: S704


def written(text: str) -> Iterator[str]:
    """The blocks as HTML, each line with its line break. Blank lines have no token."""
    tokens: list[Token] = []
    PARSER.block.parse(text, PARSER, {}, tokens)
    line = 0
    for token in tokens:
        if token.map is not None and token.map[0] > line:
            yield "\n" * (token.map[0] - line)
            line = token.map[0]
        yield block(token)
        if token.map is not None and token.nesting == 0:
            line = token.map[1]
    yield "\n" * (text.count("\n") + 1 - line)


def block(token: Token) -> str:
    if token.type == "inline":
        return f"{line_of(token.content)}\n"
    if token.type == "fence":
        language = token.info.strip()
        attribute = f' data-language="{escape(language)}"' if language else ""
        return f"<pre{attribute}><code>{escape(token.content)}</code></pre>"
    if token.type == "list_item_open":
        return f'<li value="{int(token.info)}">' if token.info else "<li>"
    return TAGS[token.type]


def line_of(text: str) -> str:
    if not MARK.search(text):
        return escape(text)
    tokens: list[Token] = []
    PARSER.inline.parse(text, PARSER, {"links": links_in(text)}, tokens)
    return "".join(map(part, tokens))


def part(token: Token) -> str:
    if token.type == "text":
        return escape(token.content)
    if token.type == "code_inline":
        return f"<code>{escape(token.content)}</code>"
    if token.type == "link":
        return anchor(token.meta["link"])
    return TAGS[token.type]


def anchor(link: Link) -> str:
    """From left to right, as in an address bar, whatever stands around it."""
    title = "" if link.shown.isascii() else f' title="{escape(link.href)}"'
    return (
        f'<a href="{escape(link.href)}" rel="noopener noreferrer nofollow ugc" target="_blank"'
        f' dir="ltr"{title}>{escape(link.shown)}</a>'
    )


# Blocks


def quote(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Quoted lines only: a quote of CommonMark goes on below them ("laziness", section 5.1), and
    would contain the answer."""
    stop = start
    while stop < end and begins(state, stop, QUOTED):
        stop += 1
    if not any(begins(state, line, QUOTED_TEXT) for line in range(start, stop)):
        return False
    return commonmark_quote(state, start, stop, silent)


def items(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    return begins(state, start, ITEM) and commonmark_list(state, start, end, silent)


def fence(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """With something in it, as an empty one is nothing to see."""
    if not begins(state, start, FENCE):
        return False
    first = state.skipEmptyLines(start + 1)
    if first >= end or state.sCount[first] < state.blkIndent or begins(state, first, FENCE):
        return False
    return commonmark_fence(state, start, end, silent)


def line(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """One line of text, in place of a paragraph, which would contain what stands below a list, and
    no blank line. Silently: whether it ends a list."""
    if silent:
        return not begins(state, start, ITEM)
    token = state.push("inline", "", 0)
    token.content = state.getLines(start, start + 1, state.blkIndent, False)
    token.map = [start, start + 1]
    state.line = start + 1
    return True


def begins(state: StateBlock, line: int, pattern: re.Pattern[str]) -> bool:
    if state.level >= DEEPEST or not 0 <= state.sCount[line] - state.blkIndent <= 3:
        return False
    return pattern.match(state.src, state.bMarks[line] + state.tShift[line]) is not None


# Parts of a line


def words(state: StateInline, silent: bool) -> bool:
    """A link, or the text up to the next link or mark."""
    links: list[Link] = state.env["links"]
    while links and links[0].start < state.pos:
        links.pop(0)  # in code
    if links and links[0].start == state.pos:
        state.push("link", "a", 0).meta["link"] = links[0]
        state.pos = links[0].end
        return True
    end = links[0].start if links else state.posMax
    mark = IN_LINE.search(state.src, state.pos, end)
    return take(state, mark.start() if mark else end)


def code(state: StateInline, silent: bool) -> bool:
    if IN_WORD.match(state.src, state.pos):
        return take(state, end_of_run(state))
    return commonmark_code(state, silent)


def emphasis(state: StateInline, silent: bool) -> bool:
    """The marks that the library then pairs, by the algorithm of CommonMark's appendix."""
    start, end = state.pos, end_of_run(state)
    opens = OPENING.match(state.src, start) is not None
    closes = CLOSING.match(state.src, start) is not None
    if not opens and not closes:
        return take(state, end)
    mark = state.src[start]
    for _ in range(start, end):
        state.push("text", "", 0).content = mark
        token = len(state.tokens) - 1
        state.delimiters.append(Delimiter(ord(mark), end - start, token, -1, opens, closes))
    state.pos = end
    return True


def take(state: StateInline, end: int) -> bool:
    """The text up to `end` as text. False if there is none."""
    start, state.pos = state.pos, end
    state.append_pending(state.src[start:end])
    return end > start


def end_of_run(state: StateInline) -> int:
    run = IN_LINE.match(state.src, state.pos)
    return run.end() if run else state.pos


# Links


def links_in(line: str) -> list[Link]:
    found = (link_of(match) for match in LINK.finditer(line))
    return [link for link in found if link is not None]


def link_of(match: re.Match[str]) -> Link | None:
    shown = match[0]
    if match["phone"]:
        href = telephone(shown)
    elif match["mail"]:
        href = address(f"mailto:{shown}")
    else:
        shown = without_end(shown)
        href = address(f"https://{shown}" if shown[0] in "wW" else shown)
    return Link(match.start(), match.start() + len(shown), shown, href) if href else None


def telephone(shown: str) -> str | None:
    """The `tel:` URI (RFC 3966) of a number that is valid in its country, which amounts and dates
    with a + before them are not."""
    try:
        number = phonenumbers.parse(shown)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return "tel:" + phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def address(shown: str) -> str | None:
    """The address in ASCII. None if it is not plain where it leads: with a name before the host
    (`https://bank.example@host/`), or with invisible characters or bidirectional controls."""
    if len(shown) > LONGEST or HIDDEN_IN_ADDRESS.search(shown):
        return None
    href = shown if shown.isascii() else PARSER.normalizeLink(shown)
    try:
        parts = urlsplit(href)
    except ValueError:
        return None
    is_web = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    return href if is_web or parts.scheme == "mailto" else None


def without_end(shown: str) -> str:
    """The address without punctuation and unmatched brackets at its end."""
    end = len(shown)
    while end and (shown[end - 1] in TRAILING or is_unmatched(shown, end - 1)):
        end -= 1
    return shown[:end]


def is_unmatched(shown: str, at: int) -> bool:
    closing = shown[at]
    if closing not in BRACKETS:
        return False
    return shown.count(closing, 0, at + 1) > shown.count(BRACKETS[closing], 0, at)


def parser() -> MarkdownIt:
    parser = MarkdownIt("zero")
    blocks, parts = parser.block.ruler, parser.inline.ruler
    blocks.at("fence", fence, {"alt": ["list"]})
    blocks.at("blockquote", quote, {"alt": ["list"]})
    blocks.at("list", items)
    blocks.at("paragraph", line, {"alt": ["list"]})
    parts.at("text", words)
    parts.at("backticks", code)
    parts.at("emphasis", emphasis)
    return parser.enable(["fence", "blockquote", "list", "backticks", "emphasis"])


PARSER = parser()
