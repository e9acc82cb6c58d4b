"""Processes with streams in one account, in a time that a test controls. Redis is a real one."""

import os

from redis.exceptions import ConnectionError as RedisConnectionError

from rtapp.realtime import presence
from rtapp.realtime import viewers
from rtapp.realtime.broker import GroupChanges
from rtapp.realtime.broker import Renewal
from rtapp.realtime.broker import Topic
from rtapp.realtime.broker import decode_push
from rtapp.realtime.cursor import NOWHERE
from rtapp.realtime.group import Group
from rtapp.realtime.group import GroupDiff
from rtapp.realtime.leases import Leases
from rtapp.realtime.subscriber import Subscriber
from rtapp.realtime.subscriber import Subscription
from rtapp.realtime.viewers import VIEWERS

from ..harness.waiting import PATIENCE
from .clock import BEGINNING
from .clock import TimedBroker

ACCOUNT = 1
THREAD = "conversation:1"
GROUPS = (presence.GROUP, Group(VIEWERS, THREAD))
STEP = 0.5  # s

Member = tuple[Group, str]  # a group and a holder


class Clock:
    """Seconds, for processes and for the scripts of Redis."""

    def __init__(self, redis) -> None:
        self._redis = redis
        self.seconds = 0.0
        self.set()

    def __call__(self) -> float:
        return self.seconds

    @property
    def ms(self) -> int:
        return BEGINNING + round(self.seconds * 1000)

    def set(self) -> None:
        seconds, ms = divmod(self.ms, 1000)
        self._redis.hset("clock", mapping={"s": seconds, "us": ms * 1000})

    def passes(self, seconds: float) -> None:
        self.seconds += seconds
        self.set()


class Line(TimedBroker):
    """A process's way to Redis, which may be cut."""

    clock: Clock
    cut = False

    def change_groups(
        self, batch: list[GroupChanges], now_ms: int | None = None
    ) -> list[GroupDiff]:
        self._pass()
        return super().change_groups(batch, self.clock.ms)

    def renew(self, processes: list[tuple[int, str]], now_ms: int | None = None) -> list[Renewal]:
        self._pass()
        return super().renew(processes, self.clock.ms)

    def _pass(self) -> None:
        if self.cut:
            raise RedisConnectionError("cut")


class Process:
    """The leases of a process, which does in time what is due unless it is killed or paused."""

    def __init__(self, line: Line):
        self.line = line
        self.streams: list[Subscriber] = []
        self.leases = Leases(line, lambda: list(self.streams), line.clock)
        self.runs = True

    def open(self, user: int, views: bool = False, account_id: int = ACCOUNT) -> Subscriber:
        """Open a stream of a user. Its leases may fail, as for replay.py."""
        specs = [presence.lease(user, "online")]
        if views:
            specs.append(viewers.lease((THREAD,), 1, user, "A name"))
        topics = (Topic(account_id, presence.TOPIC), Topic(account_id, THREAD))
        subscription = Subscription(account_id, ("x",), topics, leases=tuple(specs))
        stream = Subscriber(os.open(os.devnull, os.O_WRONLY), subscription, expires=0)
        self.streams.append(stream)
        try:
            self.leases.acquire([stream])
        except RedisConnectionError:
            pass
        return stream

    def close(self, stream: Subscriber, reason: str = "gone") -> None:
        self.streams.remove(stream)
        stream.close()
        self.leases.release(stream, reason)

    def works(self) -> None:
        """Do what is due."""
        for _ in range(50):
            if not self.runs or self.leases.of(ACCOUNT)._idle_for(self.line.clock()) > 0:
                return
            try:
                self.leases.flush(self.line.clock())
            except RedisConnectionError:
                return  # and tries again later
        raise AssertionError("it never rests")

    def kill(self) -> None:
        self.runs = False
        for stream in self.streams:
            stream.close()
        self.streams.clear()

    def drain(self) -> None:
        """End in order, as engine.drain does."""
        self.leases.renew()
        self.works()
        for stream in list(self.streams):
            self.close(stream, "shutdown")
        self.works()
        self.kill()


class Account:
    """One account's processes, its clock, and what is announced."""

    def __init__(self, url: str):
        self.line = Line(url)
        self.line.redis.flushall()
        self.clock = self.line.clock = Clock(self.line.redis)
        self.processes: list[Process] = []
        self.members: dict[Member, str] = {}  # by the announcements alone
        self.left: list[Member] = []  # since the last look
        self._pubsub = self.line.redis.pubsub()
        self._pubsub.subscribe(*(Topic(ACCOUNT, group.topic).channel for group in GROUPS), "end")

    def start(self) -> Process:
        self.processes.append(Process(self.line))
        return self.processes[-1]

    def passes(self, seconds: float) -> None:
        """Time passes, in which each process does what is due."""
        end = self.clock.seconds + seconds
        while self.clock.seconds < end:
            self.clock.passes(min(STEP, end - self.clock.seconds))
            for process in self.processes:
                process.works()

    def listen(self) -> None:
        """Take what was announced: each change once, and each follows the one before it."""
        by_kind = {group.kind.name: group for group in GROUPS}
        self.line.redis.publish("end", "")
        while True:
            message = self._pubsub.get_message(ignore_subscribe_messages=True, timeout=PATIENCE)
            if message is None:
                continue
            if message["channel"] == b"end":
                return
            announcement = decode_push(message["data"])
            for holder, before, after in announcement.diff.transitions:
                member = by_kind[announcement.kind], holder
                assert self.members.get(member, "") == before, "a change was announced twice"
                assert before != after
                self.members[member] = after
                if not after:
                    del self.members[member]
                    self.left.append(member)

    def present(self) -> dict[Member, str]:
        """Those who are there by the data in Redis, without a sweep."""
        return {
            (group, holder.decode()): value.decode()
            for group in GROUPS
            for holder, value in self.line.redis.hgetall(key(group)).items()
        }

    def look(self) -> set[Member]:
        """Those who are there for who comes now."""
        snapshots = self.line.read(ACCOUNT, (), NOWHERE, GROUPS).snapshots
        return {
            (group, holder)
            for group, snapshot in zip(GROUPS, snapshots, strict=True)
            for holder in snapshot.present
        }

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        self._pubsub.close()
        self.line.redis.close()


def key(group: Group) -> str:
    return Topic(ACCOUNT, group.name).channel
