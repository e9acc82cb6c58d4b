"""Relays of two hosts that are killed and stopped in the middle of a backlog, on PostgreSQL."""

import json
import os
import signal

from ..harness.postgres_server import PostgresServer
from ..harness.postgres_server import url
from ..harness.waiting import eventually
from .redis_server import RedisServer
from .sizes import LONG

BACKLOG = 20_000 if LONG else 2_500  # events of each account
ACCOUNTS = (1, 2, 3)
PUBLISHED = 300  # of them, before a fault


def waiting(postgres: PostgresServer) -> int:
    ((count,),) = postgres.execute("SELECT count(*) FROM outbox_events")
    return int(count)


def add_backlog(postgres: PostgresServer) -> None:
    """Events that no process has committed, as those of a host that has ended."""
    postgres.execute(
        "INSERT INTO accounts (id, name, created_at, published_epoch, published_ms, published_n) "
        f"SELECT id, 'Account ' || id, now(), 0, 0, 0 FROM unnest(ARRAY{list(ACCOUNTS)}) id "
        "ON CONFLICT DO NOTHING"
    )
    postgres.execute(
        "INSERT INTO outbox_events (key, account_id, event, data, topics, created_at) "
        "SELECT md5(account || '.' || number), account, 'test', "
        f"json_build_object('number', number), '[\"account\"]', now() "
        f"FROM generate_series(1, {BACKLOG}) number, unnest(ARRAY{list(ACCOUNTS)}) account "
        "ORDER BY number, account"
    )


def published(redis: RedisServer, account: int) -> list[int]:
    """The numbers of the account's published events, in their order."""
    entries = redis.client.xrange(f"rt:{{{account}}}:account")
    events = [fields for _, fields in entries if fields[b"e"] == b"test"]
    return [json.loads(fields[b"b"])["data"]["number"] for fields in events]


def in_the_middle(postgres: PostgresServer) -> None:
    """Wait until a part of the backlog is published."""
    whole = BACKLOG * len(ACCOUNTS)
    eventually(lambda: waiting(postgres) < whole - PUBLISHED, "some events are published")


def assert_once_and_in_order(redis: RedisServer) -> None:
    for account in ACCOUNTS:
        assert published(redis, account) == list(range(1, BACKLOG + 1))


def whole(postgres: PostgresServer) -> None:
    eventually(
        lambda: waiting(postgres) == 0,
        "the backlog is published",
        observed=lambda: waiting(postgres),
    )


def test_relays_of_two_hosts_killed_in_the_middle_of_a_backlog_publish_all_of_it_once(
    redis, postgres, seeded, start, tell
):
    hosts = [start(0, seeded.demo, DATABASE_URL=url(postgres)) for _ in range(2)]
    add_backlog(postgres)
    in_the_middle(postgres)
    for host in hosts:
        host.kill()
    left = waiting(postgres)
    assert left > 0, "the relays were killed too late"
    for host in hosts:
        host.start()
    whole(postgres)
    assert_once_and_in_order(redis)
    tell(f"{left} events were left by two killed relays")


def test_a_relay_that_is_stopped_in_the_middle_of_a_backlog_keeps_no_other_from_it(
    redis, postgres, seeded, start, tell
):
    """Its claims lapse; as it goes on, it has rows in hand that others have published."""
    stopped = start(0, seeded.demo, DATABASE_URL=url(postgres))
    add_backlog(postgres)
    in_the_middle(postgres)
    os.kill(stopped.pid, signal.SIGSTOP)
    try:
        left = waiting(postgres)
        assert left > 0, "the relay was stopped too late"
        start(0, seeded.demo, DATABASE_URL=url(postgres))
        whole(postgres)
    finally:
        os.kill(stopped.pid, signal.SIGCONT)
    eventually(lambda: stopped.ask("GET", "/readyz", who=None)[0] == 200, "the first one goes on")
    assert_once_and_in_order(redis)
    tell(f"{left} events were left by a stopped relay")
