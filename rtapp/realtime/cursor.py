"""Where a client stands in an account's events. Pure."""

import re
from typing import NamedTuple

PATTERN = re.compile(r"([A-Za-z0-9]{1,16})-([0-9]{1,15})-([0-9]{1,9})", re.ASCII)


class MalformedCursor(ValueError):
    """Not a cursor that rtapp ever gave out."""


class Cursor(NamedTuple):
    """`epoch-ms-n`: the log's epoch, Redis's clock in milliseconds, and a count within one.

    Cursors of one epoch are totally ordered. Epochs are numbers of one length, the later one the
    greater; but what a cursor says of another epoch is void, so whoever asks what a client has
    checks the epoch first.
    """

    epoch: str
    ms: int
    n: int

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises MalformedCursor. The text has at most 42 characters of `[A-Za-z0-9-]`."""
        match = PATTERN.fullmatch(text)
        if match is None:
            raise MalformedCursor(
                "The cursor is malformed; send one exactly as an event's id field gave it."
            )
        epoch, ms, n = match.groups()
        return cls(epoch, int(ms), int(n))

    @property
    def entry(self) -> str:
        """The same position as the id of a Redis stream entry, `ms-n`."""
        return f"{self.ms}-{self.n}"

    def __str__(self) -> str:
        return f"{self.epoch}-{self.ms}-{self.n}"


# What a page carries when Redis is away as it is rendered: of no epoch, so the stream that opens
# from it is reset and the page fetches again. Not knowing is said, never guessed.
NOWHERE = Cursor("none", 0, 0)
