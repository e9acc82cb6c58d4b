"""An administrator inspects the streams of two processes, and ends one wherever it is."""

import json
import os
import signal
import time
from functools import partial

from ..harness.waiting import eventually
from .check import at_work
from .reader import ACCOUNT
from .reader import Reader
from .server import Server

INSPECT = f"/accounts/{ACCOUNT}/settings/inspect"
ENOUGH = 200  # streams, of which each of two workers has some


def inspected(server: Server) -> dict:
    status, body, _ = server.ask("GET", INSPECT)
    assert status == 200
    return json.loads(body)


def processes(found: dict) -> set[str]:
    return {row["id"].partition("-")[0] for row in found["streams"]}


def live(server: Server, number: int) -> dict | None:
    """What is open, once so many streams are live and both workers have answered."""
    found = inspected(server)
    are_live = [row["state"] for row in found["streams"]] == ["live"] * number
    return found if are_live and found["processes"] == {"asked": 2, "answered": 2} else None


def of_both_workers(server: Server) -> tuple[list[Reader], dict]:
    """Kevin's streams, as many as it takes for both workers to have some, and what is open."""
    readers: list[Reader] = []
    while len(readers) < ENOUGH:
        readers += [Reader(server, "conversations/1", who="Kevin") for _ in range(4)]
        found = eventually(partial(live, server, len(readers)), "all streams are live")
        if len(processes(found)) == 2:
            return readers, found
    raise AssertionError("one worker has accepted all streams")


def test_streams_of_every_process_are_listed_and_one_of_another_process_is_ended(
    redis, start, tell
):
    server = start(workers=2)
    kevins, found = of_both_workers(server)
    assert {row["user"]["name"] for row in found["streams"]} == {"Kevin"}
    ada = Reader(server, f"accounts/{ACCOUNT}")
    with at_work(server, [ada], (1,)):
        # One of each process, by requests that one of the two answers.
        for process in sorted(processes(found)):
            row = next(row for row in found["streams"] if row["id"].startswith(process))
            before = closings(kevins)
            began = time.monotonic()
            assert end(server, row) in (204, 503)  # 503: too busy to answer in time
            eventually(lambda b=before: closings(kevins) == [*b, "ended"], "one stream is closed")
            tell(f"closed after {1000 * (time.monotonic() - began):.0f} ms")
            eventually(lambda row=row: end(server, row) == 404, "there is no such stream any more")
        eventually(lambda: live(server, len(kevins) + 1), "both clients have come back")
    for reader in [*kevins, ada]:
        assert not reader.faults
        reader.close()


def end(server: Server, row: dict) -> int:
    return server.ask("POST", f"{INSPECT}/streams/end", {"stream": row["id"]})[0]


def closings(readers: list[Reader]) -> list[str]:
    return [closed.data["reason"] for r in readers for closed in r.told("stream.closed")]


def test_a_process_that_hangs_is_counted_as_one_that_has_not_answered(redis, start):
    server = start(workers=2)
    readers, _ = of_both_workers(server)
    hung = server.worker_pids()[0]
    os.kill(hung, signal.SIGSTOP)
    try:

        def half():
            found = inspected(server)
            return found if found["processes"] == {"asked": 2, "answered": 1} else None

        found = eventually(half, "one process answers")
        assert "1 of 2 processes have answered" in found["problem"]
        assert 0 < len(found["streams"]) < len(readers)
        assert len(processes(found)) == 1
    finally:
        os.kill(hung, signal.SIGCONT)
    eventually(lambda: live(server, len(readers)), "both answer again")
    for reader in readers:
        reader.close()
