"""Leases against a model of who is there, through random sequences of what befalls processes and
their Redis."""

from dataclasses import dataclass

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import invariant
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test

from rtapp.realtime import presence
from rtapp.realtime.shard_leases import RENEWAL
from rtapp.realtime.subscriber import Subscriber

from ..faults.sizes import LONG
from ..faults.sizes import SIZES
from .clock import Dump
from .clock import dumped
from .clock import restore
from .machine import searched
from .machine import which
from .processes import ACCOUNT
from .processes import GROUPS
from .processes import Account
from .processes import Member
from .processes import Process

FOREVER = float("inf")
LASTS = 45.0  # s; a process that ends has renewed its lease within the last RENEWAL
USERS = 4
MOST = 3  # processes at a time


@dataclass
class Stream:
    """A stream as its user knows it: a member until then, at least."""

    process: Process
    subscriber: Subscriber
    member: Member
    joined: float  # when its lease counts
    until: float = FOREVER
    sure: bool = True  # nothing failed or was lost since

    def lasts(self, now: float) -> bool:
        return self.sure and self.joined <= now < self.until


class TheLeases(RuleBasedStateMachine):
    """No member leaves who has an open stream, and each one who has none leaves in the end."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.account = Account(self.url)
        self.streams: list[Stream] = []
        self.saved: Dump | None = None
        self.running: list[Process] = []  # paused ones too
        self.paused: dict[Process, float] = {}
        self.mended = 0.0  # when Redis was last there again

    @property
    def now(self) -> float:
        return self.account.clock.seconds

    def open_streams(self) -> list[Stream]:
        return [s for s in self.streams if s.until == FOREVER]

    # What users do

    @precondition(lambda self: len(self.running) > len(self.paused))
    @rule(n=which, user=st.integers(1, USERS), views=st.booleans())
    def open(self, n, user, views):
        awake = [p for p in self.running if p not in self.paused]
        process = awake[n % len(awake)]
        subscriber = process.open(user, views)
        members = [(presence.GROUP, str(user)), (GROUPS[1], f"1/{user}")][: 1 + views]
        for member in members:
            delay = member[0].kind.join_delay
            joined = self.now + (delay + 1 if delay else 0)
            sure = not self.account.line.cut
            self.streams.append(Stream(process, subscriber, member, joined, sure=sure))

    @precondition(lambda self: any(s.process not in self.paused for s in self.open_streams()))
    @rule(n=which, reason=st.sampled_from(["gone", "forbidden", "waited"]))
    def close(self, n, reason):
        there = [s for s in self.open_streams() if s.process not in self.paused]
        closed = there[n % len(there)]
        for stream in there:
            if stream.subscriber is closed.subscriber:
                grace = stream.member[0].kind.grace if reason != "forbidden" else 0
                stream.until = self.now + grace - 1
        closed.process.close(closed.subscriber, reason)

    # What befalls processes

    @precondition(lambda self: len(self.running) < MOST)
    @rule()
    def start(self):
        self.running.append(self.account.start())

    @precondition(lambda self: self.running)
    @rule(n=which, drained=st.booleans())
    def end(self, n, drained):
        process = self.running.pop(n % len(self.running))
        asleep = self.paused.pop(process, None) is not None
        late = asleep or self.account.line.cut or self.now < self.mended + RENEWAL + 5
        lasts = 0 if late else LASTS if drained else LASTS - RENEWAL
        for stream in self.open_streams():
            if stream.process is process:
                stream.until = self.now + lasts - 1
        if drained and not asleep:
            process.drain()
        else:
            process.kill()

    @precondition(lambda self: len(self.running) > len(self.paused))
    @rule(n=which)
    def pause(self, n):
        awake = [p for p in self.running if p not in self.paused]
        process = awake[n % len(awake)]
        process.runs = False
        self.paused[process] = self.now

    @precondition(lambda self: self.paused)
    @rule(n=which)
    def wake(self, n):
        process = list(self.paused)[n % len(self.paused)]
        since = self.paused.pop(process)
        process.runs = True
        process.works()
        for stream in self.open_streams():
            if stream.process is process:
                # After a long sleep, it is there again as soon as the process has worked.
                stream.joined = max(stream.joined, self.now + 2 if self.now > since else 0)

    # What befalls Redis

    @rule()
    def cut_or_mend(self):
        self.account.line.cut = not self.account.line.cut
        self.mended = self.now

    @rule()
    def lose_everything(self):
        self.account.line.redis.flushall()
        self.lost()

    @rule()
    def save(self):
        self.saved = dumped(self.account.line.redis, ACCOUNT)

    @precondition(lambda self: self.saved is not None)
    @rule()
    def lose_what_came_after(self):
        restore(self.account.line.redis, ACCOUNT, self.saved)
        self.lost()

    def lost(self) -> None:
        self.saved = None
        self.account.clock.set()
        self.account.listen()
        self.account.members = self.account.present()
        for stream in self.streams:
            stream.sure = False

    # Time

    @rule(seconds=st.sampled_from([0.5, 1.5, 4, 9, 14, 31, 46, 70]))
    def time_passes(self, seconds):
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        self.account.passes(seconds)
        for stream in self.open_streams():
            if self.is_settled(stream, seconds):
                stream.sure = True

    def is_settled(self, stream: Stream, seconds: float) -> bool:
        """Whether its process had time to find what is missing."""
        return (
            seconds > RENEWAL + 5
            and not self.account.line.cut
            and stream.process not in self.paused
        )

    @rule()
    def somebody_looks(self):
        self.account.look()

    @rule()
    def settle(self):
        """In the end, those are there who have a stream, by the data and by the announcements."""
        self.account.line.cut = False
        for process in self.paused:
            process.runs = True
        self.paused.clear()
        self.pass_by(150)
        self.account.look()  # perhaps the first to come after an outage
        self.pass_by(35)
        expected = {stream.member for stream in self.open_streams()}
        assert self.account.look() == expected
        self.account.listen()
        assert set(self.account.members) == expected
        self.streams = self.open_streams()

    @invariant()
    def nobody_leaves_who_is_there(self):
        self.account.listen()
        left, self.account.left = self.account.left, []
        for stream in self.streams:
            asleep = stream.process in self.paused
            if stream.lasts(self.now) and not asleep:
                assert stream.member not in left
        if not self.account.line.cut:
            present = self.account.present()
            for stream in self.streams:
                asleep = stream.process in self.paused
                assert not stream.lasts(self.now) or asleep or stream.member in present

    def teardown(self) -> None:
        self.settle()
        self.account.close()


@pytest.mark.timeout(14_400 if LONG else 600)  # Hypothesis shortens a failure for up to 300 s
def test_who_has_a_stream_is_there_and_nobody_else_in_random_sequences(redis):
    TheLeases.url = redis.url
    sequences = searched(SIZES.broker_examples, steps=40)
    run_state_machine_as_test(TheLeases, settings=settings(sequences, derandomize=not LONG))
