"""Redis is killed, loses its data, hangs or is down: no event is lost, or every reader is reset."""

import json
import sqlite3
import time
from contextlib import closing

import gevent
import pytest

from rtapp.realtime.broker import COMMAND_TIMEOUT
from rtapp.realtime.cursor import NOWHERE
from rtapp.realtime.frames import HEARTBEAT

from ..harness.waiting import eventually
from .check import Check
from .check import at_work
from .reader import Reader
from .reader import several
from .server import Server
from .sizes import SIZES

CONVERSATIONS = (1, 2, 7)


def go_on_writing(check: Check) -> None:
    """Wait until each writer has another message accepted."""
    accepted = [len(writer.answered) for writer in check.writers]
    eventually(
        lambda: all(len(w.answered) > n for w, n in zip(check.writers, accepted, strict=True)),
        "messages are accepted",
    )


def test_a_redis_killed_and_restarted_with_its_data_loses_no_event_and_no_stream(
    redis, start, tell
):
    server = start()
    with at_work(server, several(server, CONVERSATIONS), CONVERSATIONS) as check:
        gevent.sleep(SIZES.steady)
        redis.kill()
        gevent.sleep(SIZES.outage)
        go_on_writing(check)
        redis.start()
        gevent.sleep(SIZES.steady)
    assert not any(writer.refused or writer.failures for writer in check.writers)
    assert all(reader.connection == 1 for reader in check.readers)  # their streams stayed open
    tell(check.tally())


def test_a_redis_killed_and_restarted_without_its_data_resets_every_reader_once(redis, start, tell):
    server = start()
    with at_work(server, several(server, CONVERSATIONS), CONVERSATIONS) as check:
        check.resets_expected = 1
        gevent.sleep(SIZES.steady)
        redis.kill()
        redis.forget()
        gevent.sleep(SIZES.outage)
        go_on_writing(check)
        redis.start()
        eventually(lambda: all(reader.resets for reader in check.readers), "every reader is reset")
        answered = [set(writer.answered.values()) for writer in check.writers]
        gevent.sleep(SIZES.steady)
    assert not any(writer.refused or writer.failures for writer in check.writers)
    check.verify_after_reset(answered)
    tell(check.tally())


def published(server: Server) -> tuple[int, ...]:
    """The newest event that the database records as published."""
    with closing(sqlite3.connect(server.database)) as database:
        query = "SELECT published_epoch, published_ms, published_n FROM accounts WHERE id = 1"
        return database.execute(query).fetchone()


@pytest.mark.parametrize("survivors", [True, False], ids=["processes survive", "all are new"])
def test_the_unsynced_end_of_the_append_only_file_cut_off_by_a_power_failure_resets_every_reader(
    redis, start, tell, survivors
):
    """What `appendfsync everysec` can lose: these events have left the outbox."""
    server = start()
    with at_work(server, several(server, CONVERSATIONS), CONVERSATIONS) as check:
        check.resets_expected = 1
        gevent.sleep(SIZES.steady)
        synced = redis.append_only_file.stat().st_size
        for _ in range(2):  # of what was on its way, and of what is written after `synced`
            before = published(server)
            eventually(lambda: published(server) != before, "a publication is recorded")  # noqa: B023
        if not survivors:
            server.kill()
        redis.kill()
        written = redis.append_only_file.stat().st_size
        assert written > synced + 5, "the precondition does not hold"
        redis.truncate(synced + 5)  # in the middle of a command
        redis.start()
        if not survivors:
            server.start()
        eventually(lambda: all(reader.resets for reader in check.readers), "every reader is reset")
        answered = [set(writer.answered.values()) for writer in check.writers]
        gevent.sleep(SIZES.steady)
    check.verify_after_reset(answered)
    tell(f"{written - synced} bytes lost; {check.tally()}")


def test_cut_pubsub_connections_lose_no_event_and_no_stream(redis, start, tell):
    server = start()
    cuts = 0
    with at_work(server, several(server, CONVERSATIONS), CONVERSATIONS, rate=SIZES.rate) as check:
        for _ in range(SIZES.pubsub_cuts):
            eventually(redis.cut_pubsub, "there is a pub/sub connection to cut")
            cuts += 1
            gevent.sleep(SIZES.between_cuts)
    assert all(reader.connection == 1 for reader in check.readers)
    tell(f"{cuts} pub/sub connections cut; {check.tally()}")


def test_a_stream_opened_while_redis_is_down_is_pinged_and_resumes_when_redis_is_back(
    redis, start, tell
):
    server = start()
    early = several(server, CONVERSATIONS)
    with at_work(server, early, CONVERSATIONS) as check:
        gevent.sleep(SIZES.steady)
        redis.kill()
        late = several(server, CONVERSATIONS)
        for new, old in zip(late, early, strict=True):
            new.cursor = old.cursor  # as after a reload
            new.events.extend(old.events)
        eventually(lambda: all(r.connection == 1 for r in late), "all are answered 200")
        eventually(
            lambda: any(r.told("stream.ping") for r in late), "one receives a ping with a lag"
        )
        for reader in late:
            assert all(ping.data["lag"] > 0 for ping in reader.told("stream.ping"))
            assert all(not ping.id for ping in reader.told("stream.ping"))
            assert not reader.open
        redis.start()
        check.readers.extend(late)
        eventually(lambda: all(r.open for r in late), "all streams are open")
        assert all(r.told("stream.open")[-1].data["resumed"] for r in late)
    for reader in late:
        reader.close()
    tell(check.tally())


READS = ("/accounts/1/conversations", "/conversations/1/messages")


def test_reads_and_actions_are_answered_while_redis_hangs_without_a_cursor_to_resume_from(
    redis, start, tell
):
    server = start()
    durations = {}

    def ask(method, path, body=None):
        since = time.monotonic()
        status, answer, _ = server.ask(method, path, body)
        durations[path] = max(durations.get(path, 0), time.monotonic() - since)
        return status, json.loads(answer or "null")

    def read(path):
        status, answer = ask("GET", path)
        assert status == 200, answer
        return answer

    assert all(read(path)["cursor"] != str(NOWHERE) for path in READS)
    redis.pause()
    try:
        assert all(read(path)["cursor"] == str(NOWHERE) for path in READS)
        assert ask("GET", "/accounts/1/presence")[0] == 503
        assert ask("POST", "/conversations/1/messages", {"content": "hello"})[0] == 201
        assert ask("POST", "/conversations/1/typing", {"typing": True})[0] == 204
        # Each waits for Redis no longer than a request may; a command of the engine would wait
        # twice for COMMAND_TIMEOUT.
        assert max(durations.values()) < COMMAND_TIMEOUT, durations
    finally:
        redis.go_on()
    eventually(lambda: read(READS[0])["cursor"] != str(NOWHERE), "a cursor to resume from")
    tell(", ".join(f"{path} {seconds:.2f} s" for path, seconds in durations.items()))


def test_pings_continue_with_a_lag_while_redis_hangs(redis, start, tell):
    server = start()
    readers = [Reader(server, "conversations/1") for _ in range(60)]  # in every share of the pings
    with at_work(server, readers, (1,)) as check:
        redis.pause()
        since = time.monotonic()
        try:
            # 15 s ± jitter between two pings; the clients give up after 2.5 heartbeats.
            eventually(
                lambda: all(
                    any(p.at > since and p.data["lag"] > 0 for p in r.told("stream.ping"))
                    for r in readers
                ),
                "every reader receives the lag before its client gives up",
                patience=2.5 * HEARTBEAT,
            )
        finally:
            redis.go_on()
    tell(f"all told after {time.monotonic() - since:.1f} s; {check.tally()}")
