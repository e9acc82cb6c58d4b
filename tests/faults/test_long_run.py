"""Faults of all kinds, one after the other at random, under writers and readers on two hosts."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field

import gevent
import pytest

from ..harness.postgres_server import PostgresServer
from ..harness.postgres_server import url
from ..harness.waiting import eventually
from .check import Check
from .check import at_work
from .reader import Reader
from .reader import several
from .redis_server import RedisServer
from .server import Server
from .sizes import SIZES
from .writer import Writer

CONVERSATIONS = (1, 2)
GRACE = 1.0  # s after a right has ended in which an event may still be on its way
PAUSE = (0.2, 1.0)  # s for which something is away
KEVIN = ("1", "kevin@example.com")


@dataclass
class Run:
    """What faults are made on."""

    servers: list[Server]
    redis: RedisServer
    postgres: PostgresServer
    check: Check
    kevins: list[Reader] = field(default_factory=list)
    forbidden: list[tuple[float, float]] = field(default_factory=list)  # when Kevin had no right
    kept_from_kevin: int = 0  # messages written meanwhile

    @property
    def server(self) -> Server:
        return random.choice(self.servers)

    @property
    def reader(self) -> Reader:
        return random.choice(self.check.readers)

    def answered(self) -> set[int]:
        return {id for writer in self.check.writers for id in writer.answered.values()}

    def accept(self) -> None:
        """Wait until each writer's messages are accepted, and every stream is open."""
        before = [len(writer.answered) for writer in self.check.writers]
        eventually(
            lambda: all(
                len(w.answered) > n + 1 for w, n in zip(self.check.writers, before, strict=True)
            ),
            "messages are accepted again",
            observed=lambda: len(self.answered()),
        )
        eventually(
            lambda: all(reader.open for reader in self.check.readers),
            "every stream is open again",
            observed=lambda: sum(reader.open for reader in self.check.readers),
        )


def kill_a_worker(run: Run) -> None:
    os.kill(random.choice(run.server.worker_pids()), signal.SIGKILL)


def kill_a_host(run: Run) -> None:
    server = run.server
    server.kill()
    server.start()


def deploy(run: Run) -> None:
    server = run.server
    server.terminate()
    server.start()


def restart_redis(run: Run) -> None:
    run.redis.kill()
    pause()
    run.redis.start()


def hang_redis(run: Run) -> None:
    run.redis.pause()
    pause()
    run.redis.go_on()


def cut_pubsub(run: Run) -> None:
    run.redis.cut_pubsub()


def restart_the_database(run: Run) -> None:
    run.postgres.stop()
    pause()
    run.postgres.start()


def hang_the_database(run: Run) -> None:
    run.postgres.pause()
    pause()
    run.postgres.go_on()


def kill_database_connections(run: Run) -> None:
    run.postgres.cut(random.random())


def cut_a_reader(run: Run) -> None:
    left = random.randint(0, 5_000)
    reader = run.reader

    def tear() -> int:
        reader.tear = lambda: None
        return left

    reader.tear = tear


def stall_a_reader(run: Run) -> None:
    reader = run.reader
    reader.gate.close()
    pause()
    reader.gate.open()


def take_kevins_right_for_a_while(run: Run) -> None:
    server = run.servers[0]
    server.command("inbox", "remove", *KEVIN)
    gevent.sleep(GRACE)
    began, before = time.monotonic(), len(run.answered())
    pause()
    run.forbidden.append((began, time.monotonic()))
    run.kept_from_kevin += len(run.answered()) - before
    server.command("inbox", "add", *KEVIN)
    cursor = run.kevins[-1].cursor
    run.kevins.append(Reader(server, "conversations/1", who="Kevin"))
    run.kevins[-1].cursor = cursor


def pause() -> None:
    gevent.sleep(random.uniform(*PAUSE))


FAULTS: tuple[Callable[[Run], None], ...] = (
    kill_a_worker,
    kill_a_host,
    deploy,
    restart_redis,
    hang_redis,
    cut_pubsub,
    restart_the_database,
    hang_the_database,
    kill_database_connections,
    cut_a_reader,
    stall_a_reader,
    take_kevins_right_for_a_while,
)


def faults(count: int) -> list[Callable[[Run], None]]:
    """So many faults in random order, each kind as often as every other."""
    rounds = -(-count // len(FAULTS))
    shuffled = [fault for _ in range(rounds) for fault in random.sample(FAULTS, len(FAULTS))]
    return shuffled[:count]


@pytest.mark.skipif(not SIZES.faults, reason="only in ./bin/soak")
@pytest.mark.timeout(6 * 3600)
def test_faults_of_all_kinds_lose_no_message_and_give_none_to_a_reader_without_the_right(
    start, seeded, postgres, redis, tell
):
    servers = [start(2, seeded.demo, DATABASE_URL=url(postgres)) for _ in range(2)]
    readers = [
        reader
        for server in servers
        for _ in range(SIZES.readers)
        for reader in several(server, CONVERSATIONS)
    ]
    made: Counter[str] = Counter()
    with at_work(servers[0], readers, CONVERSATIONS, rate=SIZES.rate / 2) as check:
        check.writers += [Writer(servers[1], c, rate=SIZES.rate / 2) for c in CONVERSATIONS]
        run = Run(servers, redis, postgres, check)
        run.kevins.append(Reader(servers[0], "conversations/1", who="Kevin"))
        run.accept()
        for fault in faults(SIZES.faults):
            fault(run)
            run.accept()
            made[fault.__name__] += 1
    received = [event for kevin in run.kevins for event in kevin.events]
    for kevin in run.kevins:
        kevin.close()
    assert run.kept_from_kevin, "nothing was written while Kevin had no right"
    assert received, "Kevin received nothing at all"
    for began, ended in run.forbidden:
        late = [event for event in received if began < event.at < ended]
        assert not late, "Kevin received an event without the right to it"
    kinds = ", ".join(f"{name} {count}" for name, count in sorted(made.items()))
    tell(f"{made.total()} faults ({kinds}); {check.tally()}; 0 without the right")
    for server in servers:
        assert "Traceback" not in server.log(), server.log()
