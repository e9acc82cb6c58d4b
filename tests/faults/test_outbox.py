"""The outbox under load: Redis down or hanging, concurrent relays, killed processes."""

import random
import sqlite3

import gevent

from ..harness.waiting import eventually
from .check import at_work
from .reader import several
from .sizes import LONG
from .sizes import SIZES

CONVERSATIONS = (1, 2, 7)
OUTAGE = 60 if LONG else 4  # s for which Redis is down under load
KILLS = 20 if LONG else 3
BACKLOG_PER_SECOND = 5  # events that the writers record at least


def outbox(server, where="1"):
    database = sqlite3.connect(server.database)
    try:
        query = f"SELECT count(*) FROM outbox_events WHERE {where}"
        return database.execute(query).fetchone()[0]
    finally:
        database.close()


def test_after_a_redis_outage_under_load_the_relays_publish_the_whole_backlog(redis, start, tell):
    server = start(workers=2)  # two relays on one database
    with at_work(server, several(server, CONVERSATIONS), CONVERSATIONS, rate=60) as check:
        gevent.sleep(SIZES.steady)
        redis.kill()
        gevent.sleep(OUTAGE)
        backlog = BACKLOG_PER_SECOND * OUTAGE
        eventually(lambda: outbox(server) > backlog, "events wait", observed=lambda: outbox(server))
        waiting = outbox(server)
        redis.start()
        eventually(lambda: outbox(server) < waiting / 10, "the relays catch up under load")
    eventually(lambda: outbox(server) == 0, "the outbox is empty")
    assert not any(writer.refused or writer.failures for writer in check.writers)
    tell(f"{OUTAGE} s without Redis, {waiting} events waited; {check.tally()}")


def test_a_hanging_redis_under_load_makes_no_dead_letter_and_loses_nothing(redis, start, tell):
    server = start()
    with at_work(server, several(server, CONVERSATIONS), CONVERSATIONS) as check:
        gevent.sleep(SIZES.steady)
        redis.pause()
        try:
            gevent.sleep(OUTAGE)
            waiting = eventually(lambda: outbox(server), "events wait")
        finally:
            redis.go_on()
        eventually(lambda: outbox(server) < max(10, waiting / 10), "the relay catches up")
    assert outbox(server, "set_aside_at IS NOT NULL") == 0
    tell(f"{OUTAGE} s of silence, {waiting} events waited; {check.tally()}")


def test_servers_killed_between_commit_and_publication_lose_no_event(redis, start, tell):
    server = start()
    left = 0
    with at_work(server, several(server, CONVERSATIONS), CONVERSATIONS, rate=200) as check:
        for kill in range(KILLS):
            gevent.sleep(SIZES.steady * random.uniform(0.5, 1.5))
            if kill % 2 == 0:  # then the reply to its last publish never arrives
                redis.pause()
                eventually(lambda: outbox(server) > 0, "events wait")
            server.kill()
            redis.go_on()
            left += outbox(server)
            server.start()
        gevent.sleep(SIZES.steady)
    eventually(lambda: outbox(server) == 0, "the outbox is empty")
    assert left > 0, "no kill came between commit and publication"
    tell(f"{KILLS} kills, which left {left} events in the outbox; {check.tally()}")
