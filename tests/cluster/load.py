"""Writers and readers of every account on every host, while something happens to Redis or to a
host."""

import contextlib
import time
from collections import Counter
from collections.abc import Collection
from collections.abc import Container
from collections.abc import Iterable
from collections.abc import Iterator
from statistics import median

import gevent

from ..faults.check import Check
from ..faults.reader import Reader
from ..faults.server import Endpoint
from ..faults.server import Server
from ..faults.writer import Writer
from ..harness.waiting import eventually
from .world import USERS
from .world import World

RATE = 0.4  # messages a second and account


class TimedWriter(Writer):
    """Notes when it began to write each message."""

    def __init__(self, server: Endpoint, conversation: int, rate: float):
        self.began: dict[str, float] = {}  # client_id → s, monotonic
        super().__init__(server, conversation, rate)

    def _send(self, client_id: str) -> None:
        self.began[client_id] = time.monotonic()
        super()._send(client_id)


class Load(Check):
    """All accounts at work. `reset` are those whose readers must be reset once, `perhaps` those
    whose readers may be; the others' must not."""

    def __init__(self, world: World, host: Server, readers: dict[int, list[Reader]]):
        self.world, self.of = world, readers
        self.reset: Collection[int] = ()
        self.perhaps: Collection[int] = ()
        self.timed: dict[int, TimedWriter] = {}
        self.before = ""  # a summary of delays without a fault
        every = [reader for some in readers.values() for reader in some]
        super().__init__(host, every, world.conversations.values())

    def account_of(self, conversation: int) -> int:
        return self.world.account_of(conversation)

    def resets_of(self, reader: Reader) -> Container[int]:
        (account,) = [a for a, some in self.of.items() if reader in some]
        if account in self.perhaps:
            return (0, 1)
        return (1,) if account in self.reset else (0,)

    def wait_until_open(self) -> None:
        eventually(
            lambda: all(reader.open for reader in self.readers),
            "every stream is open",
            observed=lambda: sum(reader.open for reader in self.readers),
        )

    def flow(self, accounts: Iterable[int], what: str, messages: int = 1) -> list[float]:
        """Wait until each reader of the accounts has received messages whose writing began after
        this call: so many of each account. Return the seconds that each of them took."""
        since, accounts = time.monotonic(), list(accounts)
        eventually(
            lambda: all(len(self.delays(a, since)) >= messages for a in accounts),
            f"{what}: messages of every account arrive",
            observed=lambda: sum(len(self.delays(a, since)) for a in accounts),
        )
        return [delay for a in accounts for delay in self.delays(a, since)]

    def accepted(self, accounts: Iterable[int], when: str) -> None:
        """Wait until another message of each account is accepted."""
        before = {account: len(self.timed[account].answered) for account in accounts}
        eventually(
            lambda: all(len(self.timed[a].answered) > n + 1 for a, n in before.items()),
            f"messages of every account are accepted {when}",
            observed=lambda: sum(len(self.timed[a].answered) for a in before),
        )

    def refused(self) -> set[int]:
        """With which other statuses than 200 and 201 messages were answered."""
        return {status for writer in self.writers for status in writer.refused}

    def closed(self) -> dict[str, int]:
        """How many streams were closed, by reason; "cut" are those without one."""
        reasons = Counter(
            event.data["reason"]
            for reader in self.readers
            for event in reader.told("stream.closed")
        )
        reasons["cut"] = sum(reader.cuts for reader in self.readers)
        return dict(+reasons)

    def wait_for_resets(self, accounts: Iterable[int]) -> None:
        readers = [reader for account in accounts for reader in self.of[account]]
        eventually(
            lambda: all(reader.resets for reader in readers),
            "every reader is reset",
            observed=lambda: sum(bool(reader.resets) for reader in readers),
        )

    def delays(self, account: int, since: float) -> list[float]:
        """Seconds from the beginning of a message's writing to its arrival at the last reader, for
        each message of the account that was begun after `since` and has arrived everywhere."""
        began = self.timed[account].began
        arrived: list[dict[str, float]] = []
        for reader in self.of[account]:
            times: dict[str, float] = {}
            for event in reader.events:
                if event.event == "message.created" and event.at > since:
                    times.setdefault(event.data["data"]["client_id"], event.at)
            arrived.append(times)
        everywhere = set.intersection(*map(set, arrived))
        return [
            max(times[c] for times in arrived) - began[c]
            for c in everywhere
            if began.get(c, 0) > since
        ]


@contextlib.contextmanager
def under_load(
    world: World, hosts: list[Server], ways: list[Endpoint] | None = None
) -> Iterator[Load]:
    """Run writers and readers of all accounts during the block, over `ways` to the hosts; at its
    end, check that every message has arrived, in order and once, but for the resets that `Load`
    allows."""
    ways = list(hosts) if ways is None else ways
    readers = {
        account: [
            Reader(
                ways[(account + number) % len(ways)],
                f"account:{account}", f"conversation:{conversation}", f"presence:{account}",
                who=who,
            )
            for number, who in enumerate(USERS)
        ]
        for account, conversation in world.conversations.items()
    }  # fmt: skip
    load = Load(world, hosts[0], readers)
    load.wait_until_open()
    load.timed = {
        account: TimedWriter(ways[account % len(ways)], conversation, RATE)
        for account, conversation in world.conversations.items()
    }
    load.writers = list(load.timed.values())
    try:
        load.before = f"before: {summary(load.flow(world.conversations, 'at the beginning'))}"
        yield load
        gevent.joinall([gevent.spawn(w.finish) for w in load.writers], raise_error=True)
        load.verify()
    finally:
        for writer in load.writers:
            writer.kill()
        for reader in load.readers:
            reader.close()


def summary(delays: list[float]) -> str:
    return (
        f"{len(delays)} messages after {median(delays):.3f} s (median), {max(delays):.3f} s at most"
    )
