"""Groups of leases: who is present, who is typing, who views a conversation. Pure.

A holder is a member of a group as long as one of its leases lasts. The script that changes a group
(scripts/group.lua) announces the change: once, however many processes there are.
"""

import json
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

PARTS = ("leases", "counts", "gone")  # of a group's state, beside its members


class Kind(NamedTuple):
    """The rules of a kind of leases; all times in seconds.

    `lasts`: a lease that an action takes expires after this time unless it is taken again; the
    close of the holder's last stream releases it. 0: open streams hold the leases, as long as their
    process lives.
    `grace`: time left to the lease of a stream that is closed, because loading a page is no
    departure.
    `join_delay`: time for which a stream must be open before it takes its lease.
    `include_siblings`: an announcement also has the other holders with the same first part.
    """

    name: str
    lasts: float = 0.0
    grace: float = 0.0
    join_delay: float = 0.0
    include_siblings: bool = False

    @property
    def held_by_connection(self) -> bool:
        return not self.lasts


class Group(NamedTuple):
    """The leases of one kind on one topic, which announces them."""

    kind: Kind
    topic: str

    @property
    def name(self) -> str:
        return f"{self.kind.name}:{self.topic}"

    @property
    def names(self) -> list[str]:
        """The names of its keys and of its channel, as the scripts take them."""
        keys = [self.name, *(f"{self.name}:{part}" for part in PARTS)]
        return [*keys, self.topic]

    @classmethod
    def named(cls, name: str, kinds: Mapping[str, Kind]) -> "Group | None":
        """Return the group of this name, or None if it is of another kind."""
        kind, _, topic = name.partition(":")
        return cls(kinds[kind], topic) if kind in kinds else None

    @property
    def behaviour(self) -> list[str]:
        """The arguments of the scripts."""
        kind = self.kind
        return [
            kind.name,
            str(round(kind.lasts * 1000)),
            flag(kind.include_siblings),
        ]


class LeaseSpec(NamedTuple):
    """The leases of an open stream in groups of one kind: `holder` is a member there, as `value`.

    `holder` has no white space; the part before a slash names what it is a holder of.
    """

    kind: Kind
    topics: tuple[str, ...]
    holder: str
    value: str

    def groups(self) -> list[Group]:
        return [Group(self.kind, topic) for topic in self.topics]


class Transition(NamedTuple):
    """A holder has joined ("" before), left ("" after), or has another value."""

    holder: str
    before: str
    after: str


class GroupDiff(NamedTuple):
    """A group's change: the ms until its next lease expires (-1: there is none), the transitions,
    and the siblings of the changed holders (holder → value)."""

    next_expiry_ms: int
    transitions: list[Transition]
    siblings: dict[str, str]

    @classmethod
    def parse(cls, text: bytes) -> "GroupDiff":
        diff = json.loads(text)
        # Lua has one empty table for lists and objects; cjson encodes it as an object.
        transitions = [Transition(*change) for change in diff["changes"]]
        return cls(int(diff["ends_in"]), transitions, dict(diff["beside"] or ()))


class Snapshot(NamedTuple):
    """The members of a group (holder → value), and those who left it within the last minute.

    `ends_in`: the ms for which each holder stays a member unless it takes a lease again. Empty if
    the group's leases are held by connections.
    """

    next_expiry_ms: int
    present: Mapping[str, str]
    gone: Mapping[str, str]
    ends_in: Mapping[str, int]

    @classmethod
    def parse(
        cls,
        diff: bytes,
        present: Sequence[bytes],
        gone: Sequence[bytes],
        ends_in: Sequence[bytes],
    ) -> "Snapshot":
        left = {holder: value.partition(" ")[2] for holder, value in pairs(gone).items()}
        ends = {holder: int(ms) for holder, ms in pairs(ends_in).items()}
        return cls(GroupDiff.parse(diff).next_expiry_ms, pairs(present), left, ends)


def pairs(flat: Sequence[bytes]) -> dict[str, str]:
    texts = [text.decode() for text in flat]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def flag(value: bool) -> str:
    return "1" if value else "0"
