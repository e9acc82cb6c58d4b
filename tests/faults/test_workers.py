"""Killed processes: the others continue, and the next one publishes the remaining events."""

import os
import signal
import sqlite3
from pathlib import Path

import gevent

from ..harness.waiting import eventually
from .check import at_work
from .reader import several
from .sizes import SIZES

CONVERSATIONS = (1, 2, 7)


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_killed_gunicorn_workers_lose_no_event(redis, start, tell):
    server = start(workers=2)
    readers = [reader for _ in range(6) for reader in several(server, CONVERSATIONS)]
    with at_work(server, readers, CONVERSATIONS) as check:
        for _ in range(SIZES.worker_kills):
            gevent.sleep(SIZES.steady)
            cuts = sum(reader.cuts for reader in readers)
            before = server.worker_pids()
            victim = max(before, key=descriptors)  # one that holds streams
            os.kill(victim, signal.SIGKILL)
            eventually(
                lambda v=victim: v not in server.worker_pids() and len(server.worker_pids()) == 2,
                "another worker takes its place",
            )
            eventually(lambda c=cuts: sum(r.cuts for r in readers) > c, "streams are cut")
            eventually(lambda: all(r.open for r in readers), "all streams are open again")
        gevent.sleep(SIZES.steady)
    tell(f"{SIZES.worker_kills} workers killed; {check.tally()}")


def test_events_committed_before_the_server_is_killed_are_published_after_its_restart(
    redis, start, tell
):
    server = start()
    with at_work(server, several(server, CONVERSATIONS), CONVERSATIONS) as check:
        gevent.sleep(SIZES.steady)
        redis.kill()
        answered = [len(w.answered) for w in check.writers]
        eventually(
            lambda: all(
                len(w.answered) > n + 3 for w, n in zip(check.writers, answered, strict=True)
            ),
            "messages are accepted while Redis is down",
        )
        server.kill()
        with sqlite3.connect(server.database) as database:
            (waiting,) = database.execute("SELECT count(*) FROM outbox_events").fetchone()
        database.close()
        assert waiting > 0, "no event was between commit and publication"
        redis.start()
        server.start()
        gevent.sleep(SIZES.steady)
    tell(f"{waiting} events were waiting; {check.tally()}")
