"""Redis is killed, loses its data, hangs or is down: no event is lost, or every reader is reset."""

import time

import gevent

from rtapp.realtime.frames import HEARTBEAT

from ..harness.waiting import eventually
from .check import Check
from .check import at_work
from .reader import Reader
from .reader import several
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
