"""Checks that every reader has exactly the committed messages, and the activity of its threads."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Container
from collections.abc import Iterable
from collections.abc import Iterator
from math import inf
from typing import Any

import gevent

from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually
from .reader import ACCOUNT
from .reader import Event
from .reader import Reader
from .server import Server
from .writer import Writer


@contextlib.contextmanager
def at_work(
    server: Server, readers: Iterable[Reader], conversations: Iterable[int], **more: Any
) -> Iterator["Check"]:
    """Run writers during the block; at its end, check that every message has arrived."""
    readers = list(readers)
    eventually(lambda: all(reader.open for reader in readers), "every stream is open")
    check = Check(server, readers, conversations)
    writers = [Writer(server, conversation, **more) for conversation in check.conversations]
    check.writers = writers
    try:
        yield check
        for writer in writers:
            writer.finish()
        check.verify()
    finally:
        for writer in writers:
            writer.kill()
        for reader in readers:
            reader.close()


class Check:
    """Checks that readers have exactly the messages committed since its creation."""

    def __init__(self, server: Server, readers: list[Reader], conversations: Iterable[int]):
        self.server, self.readers, self.conversations = server, readers, tuple(conversations)
        self.writers: list[Writer] = []
        self.resets_expected = 0
        self.duplicates = 0
        self._before = {c: len(server.committed(c)) for c in self.conversations}
        self._pid, self._metrics = server.pid, server.metrics()

    def verify(self) -> None:
        committed = {c: self.server.committed(c)[self._before[c] :] for c in self.conversations}
        for writer in self.writers:
            written = written_of(committed[writer.conversation])
            in_database = {client: id for id, client in written}
            assert len(in_database) == len(written)  # no duplicates
            assert in_database.items() >= writer.answered.items()
        assert all(committed.values()), "the writers wrote nothing"
        ids = {c: [id for id, _ in rows] for c, rows in committed.items()}
        self._listed = {c: [id for id, _ in written_of(rows)] for c, rows in committed.items()}
        for reader in self.readers:
            if reader.ended is None:
                self._wait_for_the_last(reader, ids)
                self._verify(reader, ids)
        self.committed = ids

    def _wait_for_the_last(self, reader: Reader, ids: dict[int, list[int]]) -> None:
        """Wait for the newest messages as long as the reader still receives events."""
        had, deadline = -1, 0.0
        while True:
            if len(reader.events) > had:
                had, deadline = len(reader.events), time.monotonic() + PATIENCE
                heard = {key: set(seen) for key, seen in heard_in(reader.events).items()}
                if all(rows[-1] in heard.get(key, ()) for key, rows in self._wanted(reader, ids)):
                    return
            assert time.monotonic() < deadline, (
                f"{reader.streams} never received the newest message"
            )
            gevent.sleep(0.1)

    def _verify(self, reader: Reader, ids: dict[int, list[int]]) -> None:
        assert not reader.faults, reader.faults
        assert not reader.dead, "the reader has ended"
        first: dict[str, int] = {}
        for event in reader.events:
            if event.id in first:
                assert first[event.id] < event.connection, f"{event} came twice on a connection"
                self.duplicates += 1
            first.setdefault(event.id, event.connection)
        assert len(reader.resets) in self.resets_of(reader), (reader.streams, reader.resets)
        heard = heard_in(reader.events)
        for key, rows in self._wanted(reader, ids):
            if not reader.resets:
                assert heard[key] == rows, self._difference(reader, key, heard[key], rows)
                continue
            # A reset hides one contiguous part: all messages before and after it are there. A
            # server that was replaced while it hung may have published some a second time.
            for part in parts_of(reader):
                in_order = list(dict.fromkeys(heard_in(part).get(key, [])))
                assert in_order == sorted(in_order), f"{reader.streams}, {key}: {in_order}"
            got = set(heard[key])
            assert got <= set(rows)
            missed = [place for place, id in enumerate(rows) if id not in got]
            assert missed == list(range(missed[0], missed[-1] + 1) if missed else [])
            assert rows[-1] in got

    def verify_after_reset(self, answered: list[set[int]]) -> None:
        """Check the messages after the reset, without each writer's `answered` before it."""
        for reader in self.readers:
            heard = heard_in(reader.events)
            for key, rows in self._wanted(reader, self.committed):
                known = set().union(*answered)
                after = [id for id in rows if id not in known][1:]  # one was in flight
                assert after, "nothing was written after the reset"
                assert set(after) <= set(heard[key]), f"{reader.streams}: lost after its reset"

    def resets_of(self, reader: Reader) -> Container[int]:
        """How many resets the reader may have had."""
        return (self.resets_expected,)

    def account_of(self, conversation: int) -> int:
        return ACCOUNT

    def _wanted(
        self, reader: Reader, ids: dict[int, list[int]]
    ) -> list[tuple[tuple[str, int], list[int]]]:
        """Return the ids that a reader's streams must have received by conversation: all of `ids`
        in a thread, those that are listed in a list."""
        names = [name.replace("s/", ":") for name in reader.streams]
        return [
            *(
                (("account", c), rows)
                for c, rows in self._listed.items()
                if f"account:{self.account_of(c)}" in names
            ),
            *(
                (("conversation", c), rows)
                for c, rows in ids.items()
                if f"conversation:{c}" in names
            ),
        ]

    @staticmethod
    def _difference(reader: Reader, key: Any, got: list[int], rows: list[int]) -> str:
        lost = [id for id in rows if id not in set(got)]
        extra = [id for id in got if id not in set(rows)]
        return f"{reader.streams}, {key}: lost {lost}, too many {extra}, else out of order"

    def tally(self) -> str:
        """Return the counts for the summary of the run."""
        now, was = self.server.metrics(), self._metrics
        if self.server.pid != self._pid:
            was = defaultdict(float)  # a new process counts from 0
        counted = ", ".join(
            f"{name} {now[key] - was[key]:.0f}"
            for name, key in (
                ("catch-ups", "rtapp_catch_ups_total"),
                ("gaps repaired", "rtapp_gaps_total"),
                ("resets", "rtapp_resets_total"),
                ("Redis reconnects", "rtapp_redis_reconnects_total"),
            )
        )
        cuts = sum(reader.cuts for reader in self.readers)
        events = sum(len(reader.events) for reader in self.readers)
        committed = sum(len(rows) for rows in self.committed.values())
        return (
            f"{committed} messages committed, {events} events at {len(self.readers)} readers, "
            f"{cuts} cuts, {self.duplicates} duplicates; {counted}"
        )


def parts_of(reader: Reader) -> list[list[Event]]:
    """Return the reader's events up to its first reset, and those after each."""
    ends = [reset.at for reset in reader.resets]
    return [
        [event for event in reader.events if after < event.at <= until]
        for after, until in zip([-inf, *ends], [*ends, inf], strict=True)
    ]


def heard_in(events: Iterable[Event]) -> dict[tuple[str, int], list[int]]:
    """Return message ids in order of first arrival, by (kind of stream, conversation)."""
    heard: dict[tuple[str, int], list[int]] = {}
    seen = set()
    for event in events:
        if event.id in seen:
            continue
        seen.add(event.id)
        data = event.data["data"]
        if event.event == "message.created":
            heard.setdefault(("conversation", data["conversation_id"]), []).append(data["id"])
        elif event.event == "conversation.updated":
            ids, id = heard.setdefault(("account", data["id"]), []), data["last_message"]["id"]
            if ids[-1:] != [id]:  # else the conversation changed, and not its preview
                ids.append(id)
    return heard


def written_of(rows: list[tuple[int, str | None]]) -> list[tuple[int, str | None]]:
    """The messages of these rows: activity is in no list."""
    return [(id, client) for id, client in rows if client is not None]
