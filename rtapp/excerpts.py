"""What a search found, shown in its context: a part of the text, with the words marked in it."""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from itertools import islice
from itertools import pairwise
from typing import Literal
from typing import NamedTuple

from rtapp.folding import SPACES
from rtapp.folding import Aligned
from rtapp.folding import Span

LENGTH = 120  # characters of an excerpt, unless what is marked is longer
BEFORE = 20  # characters of it before the first mark, at most
WORD_START = 12  # characters that are left out, at most, to begin with a whole word
MARKS = 20  # in one excerpt, for each word

Field = Literal["number", "name", "address", "message"]


class Piece(NamedTuple):
    text: str
    marked: bool


class Excerpt(NamedTuple):
    """The pieces together are a part of the text. `cut_before`, `cut_after`: it goes on there."""

    pieces: tuple[Piece, ...]
    cut_before: bool
    cut_after: bool


class Hit(NamedTuple):
    """What of a conversation was found. `message_id` and `sender_name`: of a message only."""

    field: Field
    excerpt: Excerpt
    message_id: int | None = None
    sender_name: str | None = None


def excerpt(text: str, words: Sequence[str], length: int = LENGTH) -> Excerpt:
    """The part of the text that has the most of the folded words, the first such part.

    It begins and ends between characters, never between a letter and its accents. The beginning of
    the text if it has none of the words.
    """
    aligned = Aligned(text)
    firsts = sorted(span for word in words for span in islice(aligned.find(word), 1))
    start, end = best(firsts, length)
    begin = 0 if len(text) <= length else begin_before(start, text, aligned)
    end = aligned.cut(max(begin + length, end))
    found = (span for word in words for span in islice(aligned.find(word, begin), MARKS))
    marks = merged(span for span in found if span[1] <= end)
    return Excerpt(tuple(pieces(text, begin, end, marks)), begin > 0, end < len(text))


def best(firsts: Sequence[Span], length: int) -> Span:
    """Of the words' first places, the one that has the most others close behind it."""
    return max(
        firsts,
        key=lambda span: sum(0 <= end - span[0] <= length - BEFORE for _, end in firsts),
        default=(0, 0),
    )


def begin_before(start: int, text: str, aligned: Aligned) -> int:
    """The beginning of an excerpt whose first mark is at `start`: of a word, if one is near."""
    if start <= BEFORE:
        return 0
    begin = start - BEFORE
    space = SPACES.search(text, begin - 1, min(begin + WORD_START, start))
    return aligned.cut(space.end() if space else begin)


def merged(spans: Iterable[Span]) -> Sequence[Span]:
    """The spans in their order, those that overlap or touch as one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def pieces(text: str, begin: int, end: int, marks: Sequence[Span]) -> Iterator[Piece]:
    borders = [begin, *(border for mark in marks for border in mark), end]
    for n, (left, right) in enumerate(pairwise(borders)):
        if left < right:
            yield Piece(text[left:right], marked=n % 2 == 1)
