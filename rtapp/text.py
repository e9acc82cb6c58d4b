"""Text of users as a reader sees it: whether there is anything to see, and in which direction.

Text is stored and sent as it came. Bidirectional controls (UAX #9, https://unicode.org/reports/tr9/)
are isolated where a text is shown beside others: `bdi` in HTML, `isolated` in plain text.
static/js/inbox/text.js does the same in the browser.
"""

import re
import unicodedata
from datetime import datetime

from markupsafe import Markup
from markupsafe import escape

# Default_Ignorable_Code_Point of Unicode 17, from DerivedCoreProperties.txt of the Unicode
# Character Database, as unicodedata does not have it. The unassigned ones among them are reserved.
# tests/test_text.py compares it with the browser's \p{DI}.
IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
CONTROLS = r"\x00-\x1f\x7f-\x9f"
BRAILLE_BLANK = "\u2800"  # a symbol without dots: as blank as a space, and not white space
INVISIBLE = re.compile(f"[\\s{CONTROLS}{IGNORABLE}{BRAILLE_BLANK}]+")
HIDDEN = re.compile(f"[{CONTROLS}{IGNORABLE}]")
PHONE = re.compile(r"[+(). -]*[0-9][0-9+(). -]*([a-zA-Z]{1,10}[. ]*[0-9]{1,10})?")
SHORTCUT = re.compile("[a-z0-9_-]+")
# In an address nothing is invisible but the joiners of Indic scripts and Persian (RFC 5892,
# appendix A.1 and A.2).
HIDDEN_IN_ADDRESS = re.compile(f"(?![\u200c\u200d])[\\s{CONTROLS}{IGNORABLE}{BRAILLE_BLANK}]")

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"
ISOLATES = "\u2066\u2067\u2068"
# A separator of bidirectional type B ends every isolate (UAX #9, X8); so do the line ends of CSS.
PARAGRAPH = re.compile(r"([\n\r\x1c-\x1e\x85\u2028\u2029])")
# The bidirectional controls, and the blocks of scripts that are written from right to left.
DIRECTED = re.compile(
    "[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff"
    "\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
MOMENT_FORMAT = "%d %b %Y, %H:%M UTC"  # as activity has it; the names of months are English
MOMENT = re.compile(
    r"\b\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4}, \d\d:\d\d UTC"
)


def is_blank(text: str) -> bool:
    """Whether a reader sees nothing: white space, control and default-ignorable characters only."""
    return not text or INVISIBLE.fullmatch(text) is not None


def not_blank(text: str) -> str:
    """The text. Raises ValueError if it is blank."""
    if is_blank(text):
        raise ValueError("must not be empty")
    return text


def single_spaced(text: str) -> str:
    """The text in one line: each run of white space is a space, and none is at its ends."""
    return " ".join(text.split())


def shortcut(text: str) -> str:
    """The shortcut of a canned reply. Raises ValueError unless it can be typed as one word."""
    if not SHORTCUT.fullmatch(text):
        raise ValueError("must be small letters a to z, digits, _ and - only")
    return text


def phone(text: str) -> str:
    """A telephone number as it was written, single-spaced. Raises ValueError unless it has a digit,
    and at most one extension of letters and digits behind it: it is for people, not for a dialler.
    """
    number = single_spaced(text)
    if not PHONE.fullmatch(number):
        raise ValueError("must be a number like +49 30 1234567 or (030) 123-456 ext. 7")
    return number


def caseless(text: str) -> str:
    """The text as names are compared: without invisible characters, composed (NFC), in one case.

    Canonical caseless matching (Unicode 17, section 3.13.5, D145), but for what nobody sees.
    """
    seen = HIDDEN.sub("", single_spaced(text))
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", seen).casefold())


def address(text: str) -> str:
    """An e-mail address as `canonical_address` has it. Raises ValueError unless it has two visible
    parts, and nothing hidden in them, by which two addresses would look alike.

    The rest of the syntax is up to the mail server (RFC 5321, section 2.3.11).
    """
    local, _, domain = text.partition("@")
    if is_blank(local) or is_blank(domain) or "@" in domain:
        raise ValueError("must be an address like name@example.com")
    canonical = canonical_address(text)
    if HIDDEN_IN_ADDRESS.search(text) or HIDDEN_IN_ADDRESS.search(canonical):
        raise ValueError("must not contain white space or invisible characters")
    return canonical


def canonical_address(text: str) -> str:
    """What an address, as somebody typed it, is compared as: in lower case, composed (NFC), without
    white space at its ends, and its domain as people read it: `xn--bcher-kva` is `bücher`. For an
    address to look up, which may be none."""
    local, at, domain = unicodedata.normalize("NFC", text.strip().lower()).rpartition("@")
    return local + at + ".".join(map(readable_label, domain.split(".")))


def readable_label(label: str) -> str:
    """A label of a domain, decoded (RFC 3490, section 4.2); one that would not lead to the same
    domain again stays."""
    if not label.startswith("xn--"):
        return label
    try:
        return unicodedata.normalize("NFC", label.encode("ascii").decode("idna").lower())
    except UnicodeError:
        return label


def initials(name: str | None) -> str:
    """The one or two initials of a name, `?` for an empty one."""
    words = INVISIBLE.sub(" ", name or "").split() or ["?"]
    return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()


def isolated(text: str | None) -> str:
    """The text for a place in plain text, such as a title: its directions end with it.

    A text from left to right without bidirectional controls stays as it is.
    """
    if not text or not DIRECTED.search(text):
        return text or ""
    parts = PARAGRAPH.split(closed(text))
    for n in range(0, len(parts), 2):
        parts[n] = f"{FIRST_STRONG_ISOLATE}{parts[n]}{POP_ISOLATE}" if parts[n] else ""
    return "".join(parts)


def bdi(text: str | None) -> Markup:
    """The text as an HTML element that isolates it (HTML, 4.5.24, "The bdi element").

    An unmatched control would reach beyond the element, as browsers replace it by an isolate's
    controls (CSS Writing Modes 4, 2.4.3).
    """
    return Markup("<bdi>{}</bdi>").format(escape(closed(text or "")))


def moments(text: str) -> Markup:
    """The text with its moments, such as "26 Nov 2026, 09:00 UTC", as HTML elements `time`, which
    the page shows in the user's zone. A day that is none stays text."""
    shown, end = Markup(), 0
    for match in MOMENT.finditer(text):
        try:
            moment = datetime.strptime(match[0], MOMENT_FORMAT)
        except ValueError:
            continue
        element = Markup('<time datetime="{}Z" data-show="moment">{}</time>')
        shown += escape(text[end : match.start()]) + element.format(moment.isoformat(), match[0])
        end = match.end()
    return shown + escape(text[end:])


def closed(text: str) -> str:
    """The text with its isolates closed in each paragraph, and without what closes none."""
    if not any(control in text for control in ISOLATES + POP_ISOLATE):
        return text
    parts = PARAGRAPH.split(text)
    parts[::2] = [closed_paragraph(part) for part in parts[::2]]
    return "".join(parts)


def closed_paragraph(text: str) -> str:
    kept, opened = [], 0
    for character in text:
        if character == POP_ISOLATE and not opened:
            continue
        opened += (character in ISOLATES) - (character == POP_ISOLATE)
        kept.append(character)
    return "".join(kept) + POP_ISOLATE * opened
