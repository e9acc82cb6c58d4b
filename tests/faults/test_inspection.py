"""An administrator inspects the streams of two processes, and ends one wherever it is."""

import json
import os
import signal
import time

from ..harness.waiting import eventually
from .check import at_work
from .reader import ACCOUNT
from .reader import Reader
from .server import Server

INSPECT = f"/accounts/{ACCOUNT}/settings/inspect"
HELD = 20  # streams, so that both workers have some


def inspected(server: Server) -> dict:
    status, body, _ = server.ask("GET", INSPECT)
    assert status == 200
    return json.loads(body)


def processes(found: dict) -> set[str]:
    return {row["id"].partition("-")[0] for row in found["streams"]}


def live(server: Server, number: int, workers: int) -> dict | None:
    """What is open, once so many streams are live and all workers have answered."""
    found = inspected(server)
    are_live = [row["state"] for row in found["streams"]] == ["live"] * number
    answered = found["processes"] == {"asked": workers, "answered": workers}
    return found if are_live and answered else None


def test_streams_of_every_process_are_listed_and_one_of_another_process_is_ended(
    redis, start, tell
):
    server = start(workers=2)
    kevins = [Reader(server, "conversations/1", who="Kevin") for _ in range(HELD)]
    ada = Reader(server, f"accounts/{ACCOUNT}")
    found = eventually(lambda: live(server, HELD + 1, 2), "all streams are live")
    assert len(processes(found)) == 2, "one process has all streams: open more"
    assert {row["user"]["name"] for row in found["streams"]} == {"Ada", "Kevin"}
    with at_work(server, [ada], (1,)):
        # One of each process, by requests that one of the two answers.
        for process in sorted(processes(found)):
            row = next(
                row
                for row in found["streams"]
                if row["id"].startswith(process) and row["user"]["name"] == "Kevin"
            )
            before = sum(len(reader.told("stream.closed")) for reader in kevins)
            began = time.monotonic()
            status, _, _ = server.ask("POST", f"{INSPECT}/streams/end", {"stream": row["id"]})
            assert status == 204
            eventually(
                lambda b=before: sum(len(r.told("stream.closed")) for r in kevins) == b + 1,
                "one stream is closed",
            )
            tell(f"closed after {1000 * (time.monotonic() - began):.0f} ms")
            assert server.ask("POST", f"{INSPECT}/streams/end", {"stream": row["id"]})[0] == 404
        reasons = {closed.data["reason"] for r in kevins for closed in r.told("stream.closed")}
        assert reasons == {"ended"}
        eventually(lambda: live(server, HELD + 1, 2), "both clients have come back")
    for reader in [*kevins, ada]:
        assert not reader.faults
        reader.close()


def test_a_process_that_hangs_is_counted_as_one_that_has_not_answered(redis, start):
    server = start(workers=2)
    readers = [Reader(server, "conversations/1", who="Kevin") for _ in range(HELD)]
    all_of_them = eventually(lambda: live(server, HELD, 2), "all streams are live")
    assert len(processes(all_of_them)) == 2, "one process has all streams: open more"
    hung = server.worker_pids()[0]
    os.kill(hung, signal.SIGSTOP)
    try:

        def half():
            try:
                found = inspected(server)
            except OSError:  # the connection was that of the one that hangs
                return None
            return found if found["processes"] == {"asked": 2, "answered": 1} else None

        found = eventually(half, "one process answers")
        assert "1 of 2 processes have answered" in found["problem"]
        assert 0 < len(found["streams"]) < HELD
        assert len(processes(found)) == 1
    finally:
        os.kill(hung, signal.SIGCONT)
    eventually(lambda: live(server, HELD, 2), "both answer again")
    for reader in readers:
        reader.close()
