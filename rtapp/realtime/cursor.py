"""Cursors: positions in the order of an account's events. Pure."""

import re
from typing import NamedTuple

PATTERN = re.compile(r"([A-Za-z0-9]{1,16})-([0-9]{1,15})-([0-9]{1,9})", re.ASCII)


class MalformedCursor(ValueError):
    """The text is no cursor that rtapp ever issued."""


class Cursor(NamedTuple):
    """`epoch-ms-n`: the log's epoch, Redis's clock in milliseconds, and a count within one.

    Cursors of one epoch are totally ordered. Epochs are numbers of one length, the later one the
    greater. A cursor of another epoch proves nothing about what a client has: compare the epochs
    first.
    """

    epoch: str
    ms: int
    n: int

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Parse at most 42 characters of `[A-Za-z0-9-]`. Raises MalformedCursor."""
        match = PATTERN.fullmatch(text)
        if match is None:
            raise MalformedCursor(
                "The cursor is malformed; send one exactly as an event's id field gave it."
            )
        epoch, ms, n = match.groups()
        return cls(epoch, int(ms), int(n))

    @property
    def entry(self) -> str:
        """The position as the id of a Redis stream entry, `ms-n`."""
        return f"{self.ms}-{self.n}"

    def rewound(self) -> "Cursor":
        """Return a cursor from which no log can be resumed: a stream that starts there is reset."""
        return self._replace(ms=0, n=0)

    def __str__(self) -> str:
        return f"{self.epoch}-{self.ms}-{self.n}"


# The cursor of a page that is rendered while Redis is away. It is of no epoch, so that the stream
# that starts from it is reset and the page fetches again.
NOWHERE = Cursor("none", 0, 0)
