"""Text as a search compares it: `folded` maps every form of the same words to one.

Case, compatibility forms, accents and invisible characters do not count. What is stored is folded
by the same function as what is asked, in Python: the databases differ in what they ignore, SQLite
ignores only the case of ASCII.

The canonical combining class (Unicode Standard, section 4.3), which is stable
(https://www.unicode.org/policies/stability_policy.html), separates accents from parts of letters.
Dropped are overlays, points of Hebrew, Arabic and Syriac, and marks above, below and around a
letter. Kept are nuktas, kana voicing marks, viramas, the vowels and tones of Thai, Lao and Tibetan,
and the vowel signs of class 0: else か would find が, and Hindi would be compared without vowels.
The iota subscript (class 240) is ι in upper case, and so it is here.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from unicodedata import category
from unicodedata import combining
from unicodedata import normalize

from rtapp.text import BRAILLE_BLANK
from rtapp.text import CONTROLS
from rtapp.text import IGNORABLE

SPACES = re.compile(f"[\\s{CONTROLS}{BRAILLE_BLANK}]+")
INVISIBLE = re.compile(f"[{IGNORABLE}]")
ACCENTS = {1, *range(10, 37), *range(200, 235)}  # canonical combining classes
TATWEEL = "\u0640"  # stretches an Arabic word
# Letters without a decomposition that are typed without their stroke. PostgreSQL's unaccent and
# Lucene's ICUFoldingFilter have the same.
LETTERS = {
    "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ħ": "h", "ŧ": "t",
    "ı": "i", "ŋ": "n", "ƶ": "z", "ɨ": "i", "ə": "e", "ɓ": "b", "ɗ": "d", "ƙ": "k",
}  # fmt: skip
# What may combine with the character before it, beside marks: vowels and finals of Hangul, and a
# vowel sign of Kirat Rai.
JOINING = re.compile("[\u1160-\u11ff\U00016d67]")

CACHED = 10_000  # of each kind of entry: a hostile text must not fill the memory

Span = tuple[int, int]


class Folds(dict[int, str | None]):
    """Code point → its folded form, None for what is dropped. For `str.translate`, after NFKD."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        fold: str | None = character.casefold()
        if combining(character) in ACCENTS or character == TATWEEL or INVISIBLE.match(character):
            fold = None
        elif fold is not None:
            fold = LETTERS.get(fold, fold)
        if len(self) < CACHED:
            self[code] = fold
        return fold


FOLDS = Folds()


def folded(text: str) -> str:
    """The text as it is compared, with single spaces between its words.

    Empty if nothing of the text counts. At most 18 times as long (U+FDFA, a phrase of Arabic).
    """
    return SPACES.sub(" ", characters(text)).strip()


def words(text: str) -> list[str]:
    """The different folded words of the text, in its order."""
    return list(dict.fromkeys(folded(text).split()))


def characters(text: str) -> str:
    if text.isascii():
        return text.lower()
    return normalize("NFC", normalize("NFKD", text).translate(FOLDS))


class Aligned:
    """A text beside its folded form, to find in the one what matches in the other."""

    def __init__(self, text: str):
        borders = [*boundaries(text), len(text)]
        parts = [
            one(text[n]) if m - n == 1 else characters(text[n:m]) for n, m in pairwise(borders)
        ]
        self._borders = borders  # positions in the text between which it may be cut
        self._folded = "".join(parts)
        # For each character of the folded text, the number of the part that it is of.
        self._parts = [n for n, part in enumerate(parts) for _ in part]

    def cut(self, position: int) -> int:
        """The first position from this one on that does not part a letter from its accents."""
        return self._borders[min(bisect_left(self._borders, position), len(self._borders) - 1)]

    def find(self, word: str, start: int = 0) -> Iterator[Span]:
        """Where the folded word, not "", is in the text from `start` on: (start, end), ascending.

        A span has whole characters with their accents: "s" is found in "ß", and then is all of it.
        """
        part = bisect_left(self._borders, start)
        while (at := self._folded.find(word, bisect_left(self._parts, part))) >= 0:
            part = self._parts[at + len(word) - 1] + 1
            yield self._borders[self._parts[at]], self._borders[part]


def boundaries(text: str) -> Iterator[int]:
    """The positions between which the parts of the text, folded alone, make up the folded text."""
    return (n for n, character in enumerate(text) if n == 0 or not joins(character))


@lru_cache(maxsize=CACHED)
def one(character: str) -> str:
    return characters(character)


@lru_cache(maxsize=CACHED)
def joins(character: str) -> bool:
    """Whether the character belongs to the one before it."""
    first = normalize("NFKD", character)[0]
    mark = combining(first) or category(first)[0] == "M"
    return bool(mark or FOLDS[ord(first)] is None or JOINING.match(first))
