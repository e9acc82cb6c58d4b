"""Groups of leases: who is present, who is typing, who is looking at something. Pure.

A holder is in a group as long as one of its leases lasts. What changes is announced by the script
that changes it (scripts/group.lua), exactly once however many processes there are.
"""

import json
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple


class Kind(NamedTuple):
    """How leases of a kind behave; all times in seconds.

    A lease lasts `lasts` unless it is renewed. A stream begins to hold once it has been open for
    `settles`, and when it is closed its lease lasts `grace` more: loading a page is no departure.
    `whole`: an announcement also tells of the other holders of the same thing.
    Where not `by_stream`, an action takes the lease, and the holder's last stream gives it back.
    """

    name: str
    lasts: float
    grace: float = 0.0
    join_delay: float = 0.0
    renewed: bool = False
    include_siblings: bool = False
    held_by_connection: bool = True


class Group(NamedTuple):
    """The leases of one kind on one topic, where they are announced."""

    kind: Kind
    topic: str

    @property
    def name(self) -> str:
        return f"{self.kind.name}:{self.topic}"

    @property
    def behaviour(self) -> list[str]:
        """As the scripts take it."""
        kind = self.kind
        return [
            kind.name,
            str(round(kind.lasts * 1000)),
            flag(kind.renewed),
            flag(kind.include_siblings),
        ]


class LeaseSpec(NamedTuple):
    """What an open stream holds in groups of one kind: it is `holder` there, as `value`.

    `holder` has no white space; what stands before a slash in it says of what.
    """

    kind: Kind
    topics: tuple[str, ...]
    holder: str
    value: str

    def groups(self) -> list[Group]:
        return [Group(self.kind, topic) for topic in self.topics]


class Transition(NamedTuple):
    """A holder came ("" before), went ("" after), or is in the group as something else."""

    holder: str
    before: str
    after: str


class GroupDiff(NamedTuple):
    """What a group's script tells: the ms until the next lease runs out (-1: there is none), what
    has changed, and who else is there (holder → value)."""

    next_expiry_ms: int
    transitions: list[Transition]
    siblings: dict[str, str]

    @classmethod
    def parse(cls, text: bytes) -> "GroupDiff":
        diff = json.loads(text)
        # Lua's empty table is both a list and an object, and arrives as an object.
        transitions = [Transition(*change) for change in diff["changes"]]
        return cls(int(diff["ends_in"]), transitions, dict(diff["beside"] or ()))


class Snapshot(NamedTuple):
    """Who is in a group (holder → value), and who has left it within the last minute."""

    next_expiry_ms: int
    present: Mapping[str, str]
    gone: Mapping[str, str]

    @classmethod
    def parse(cls, diff: bytes, present: Sequence[bytes], gone: Sequence[bytes]) -> "Snapshot":
        left = {holder: value.partition(" ")[2] for holder, value in pairs(gone).items()}
        return cls(GroupDiff.parse(diff).next_expiry_ms, pairs(present), left)


def pairs(flat: Sequence[bytes]) -> dict[str, str]:
    texts = [text.decode() for text in flat]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def flag(value: bool) -> str:
    return "1" if value else "0"
