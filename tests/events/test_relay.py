"""Relays share the outbox by account, and a shard that is away keeps no other account waiting."""

import gevent
import pytest
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import text

from rtapp.events import waiting_rows
from rtapp.events.batch import Batch
from rtapp.events.relay import BATCH
from rtapp.events.relay import Lane
from rtapp.events.relay import Relay
from rtapp.events.waiting_rows import TURNS
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import OutboxClaim
from rtapp.models import OutboxEvent
from rtapp.realtime.broker import Broker
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.embedded_redis import EmbeddedRedis

from ..support import eventually

BACKLOG = 3 * BATCH
SECOND = 2  # an account besides the demo's


@pytest.fixture
def relay(app):
    """The application's relay, stopped."""
    app.extensions["relay"].stop()
    with app.app_context():
        db.session.add(Account(id=SECOND, name="Second"))
        db.session.commit()
    return app.extensions["relay"]


def add(app, account_id, count):
    row = {"event": "test", "account_id": account_id, "topics": ["account"]}
    with app.app_context():
        rows = [row | {"data": {"number": n}} for n in range(count)]
        db.session.execute(OutboxEvent.__table__.insert(), rows)
        db.session.commit()


def waiting(app, account_id):
    query = select(func.count()).select_from(OutboxEvent)
    with app.app_context():
        return db.session.scalar(query.where(OutboxEvent.account_id == account_id))


def numbers(broker, account_id):
    """The numbers of the published events, in their order."""
    entries = broker.redis.xrange(f"rt:{{{account_id}}}:account")
    bodies = (fields[b"b"].decode() for _, fields in entries)
    return [int(body.split('"number":')[1].strip(" }")) for body in bodies]


def claims(app):
    with app.app_context():
        return list(db.session.scalars(select(OutboxClaim.until_ms)))


# Sharing


def test_a_backlog_that_another_relay_has_claimed_is_left_to_it(app, broker, relay):
    add(app, 1, BACKLOG)
    with app.app_context():
        assert waiting_rows.claim("another", [1]) == {1}
    assert relay.publish_batch() == 0
    assert waiting(app, 1) == BACKLOG
    with app.app_context():
        waiting_rows.release("another")
    assert relay.publish_batch() == BATCH
    assert waiting(app, 1) == BACKLOG - BATCH


def test_a_claim_lapses_so_that_a_relay_which_has_ended_or_stopped_holds_nothing_up(
    app, broker, relay, monkeypatch
):
    add(app, 1, BACKLOG)
    with app.app_context():
        monkeypatch.setattr(waiting_rows, "CLAIM_MS", 0)
        assert waiting_rows.claim("another", [1]) == {1}
        monkeypatch.undo()
    assert relay.publish_batch() == BATCH


def test_a_claim_is_renewed_by_its_holder_and_by_nobody_else(app, relay):
    with app.app_context():
        assert waiting_rows.claim("one", [1]) == {1}
        assert waiting_rows.claim("another", [1]) == set()
        assert waiting_rows.claim("one", [1]) == {1}
        waiting_rows.release("another")
        assert waiting_rows.claim("another", [1]) == set()
        waiting_rows.release("one")
        assert waiting_rows.claim("another", [1]) == {1}


def test_fewer_rows_than_a_batch_need_no_claim(app, broker, relay):
    """What a process commits is published at once."""
    with app.app_context():
        waiting_rows.claim("another", [1])
    add(app, 1, BATCH - 1)
    assert relay.publish_batch() == BATCH - 1


def test_a_batch_of_a_backlog_gives_its_claim_back(app, broker, relay):
    add(app, 1, BACKLOG)
    assert relay.publish_batch() == BATCH
    assert claims(app) == [0]


def test_a_holder_that_wakes_after_others_have_gone_on_publishes_nothing_twice(
    app, broker, relay, redis
):
    """It was stopped between reading its rows and publishing them."""
    add(app, 1, BACKLOG)
    with app.app_context():
        stale = waiting_rows.read([1], [], BATCH)
    while relay.publish_batch():
        pass
    assert numbers(broker, 1) == list(range(BACKLOG))

    with app.app_context():
        batch = Batch(broker)
        batch.publish(1, stale)
        batch.settle()
    assert numbers(broker, 1) == list(range(BACKLOG))


def test_two_running_relays_publish_the_backlogs_of_accounts_once_and_in_order(
    app, broker, relay, redis
):
    others = [Broker(redis.url) for _ in range(2)]
    relays = [Relay(app, other) for other in others]
    for account in (1, SECOND):
        add(app, account, BACKLOG + 7)
    for each in relays:
        each.start()
    eventually(lambda: not waiting(app, 1), "the first account's backlog is published")
    eventually(lambda: not waiting(app, SECOND), "the second one's is")
    for each in relays:
        each.stop()
    for account in (1, SECOND):
        assert numbers(broker, account) == list(range(BACKLOG + 7))
    for other in others:
        other.redis.close()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    "not_yet",
    [
        f"SELECT pg_try_advisory_xact_lock({TURNS}, {SECOND})",
        "SELECT id FROM accounts FOR NO KEY UPDATE NOWAIT",
        "SELECT id FROM outbox_events FOR UPDATE NOWAIT",
    ],
)
def test_relays_that_settle_the_same_accounts_in_any_order_do_not_deadlock(app, relay, not_yet):
    """The statement waits for its turn at accounts by their ids, before it locks a row: it waits
    for the first account without the second, and without a row of either table."""
    cursor = Cursor("1", 1, 0)
    add(app, 1, 3)
    with app.app_context(), db.engine.connect() as other:
        ids = list(db.session.scalars(select(OutboxEvent.id)))
        db.session.rollback()
        other.execute(text(f"SELECT pg_advisory_xact_lock({TURNS}, 1)"))

        def settle():
            with app.app_context():
                waiting_rows.settle(ids, {SECOND: cursor, 1: cursor})

        settling = gevent.spawn(settle)
        blocked = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        eventually(lambda: db.session.scalar(blocked))
        assert other.scalar(text(not_yet))  # raises, or is false, if the statement has the lock
        other.commit()
        settling.get(timeout=60)
        assert waiting(app, 1) == 0


# Fairness


def test_the_backlog_of_one_account_keeps_no_other_account_waiting(app, broker, relay):
    add(app, 1, BACKLOG)
    add(app, SECOND, 1)
    relay.publish_batch()
    assert waiting(app, SECOND) == 0
    assert 0 < waiting(app, 1) < BACKLOG


class Shards(Broker):
    """Two shards: that of the second account is a server of its own."""

    def __init__(self, url: str, second: str):
        super().__init__(url)
        self.second = Broker(second)
        self.second.timeout = 0.2

    def shard_of(self, account_id: int) -> str:
        return "second" if account_id == SECOND else "first"

    def publish_all(self, account_id, events):
        shard = self.second if account_id == SECOND else super()
        return shard.publish_all(account_id, events)


@pytest.fixture
def second(tmp_path):
    (tmp_path / "second").mkdir()
    server = EmbeddedRedis(tmp_path / "second")
    server.start()
    yield server
    server.stop()


def test_a_shard_that_is_away_keeps_no_account_of_another_shard_waiting(
    app, broker, relay, redis, second
):
    shards = Shards(redis.url, second.url)
    sharing = Relay(app, shards)
    second.stop()
    add(app, SECOND, BACKLOG)
    sharing.start()
    eventually(lambda: "second" in sharing._lanes, "the sweep finds the account")
    add(app, 1, 1)
    eventually(lambda: waiting(app, 1) == 0, "the other account's event is published")
    assert waiting(app, SECOND) == BACKLOG
    second.start()
    eventually(lambda: waiting(app, SECOND) == 0, "the shard is back")
    sharing.stop()
    assert numbers(shards.second, SECOND) == list(range(BACKLOG))
    shards.second.redis.close()
    shards.redis.close()


def test_an_account_that_fails_keeps_no_other_account_of_its_shard_waiting(
    app, broker, relay, monkeypatch
):
    """As one whose slot moves: Redis answers TRYAGAIN for it alone."""
    script = broker._publish
    publish_all = broker.publish_all

    def of_a_moving_slot(account_id, events):
        if account_id != SECOND:
            return publish_all(account_id, events)
        monkeypatch.setattr(broker, "_publish", moving)
        try:
            return publish_all(account_id, events)
        finally:
            monkeypatch.setattr(broker, "_publish", script)

    moving = broker.redis.register_script("return redis.error_reply('TRYAGAIN it moves')")
    monkeypatch.setattr(broker, "publish_all", of_a_moving_slot)
    add(app, SECOND, 3)
    add(app, 1, 3)
    with app.app_context():
        lane = Lane(app, broker)
        with pytest.raises(Exception, match="it moves"):
            lane.publish([SECOND, 1])
    assert (waiting(app, 1), waiting(app, SECOND)) == (0, 3)
    monkeypatch.undo()
    relay.publish_batch()
    assert waiting(app, SECOND) == 0


# Sweeping


def test_a_sweep_finds_every_account_a_page_at_a_time(app, relay):
    for account in (1, SECOND):
        add(app, account, 2)
    with app.app_context():
        assert waiting_rows.accounts_waiting(0, 10) == [1, SECOND]
        assert waiting_rows.accounts_waiting(0, 1) == [1]
        assert waiting_rows.accounts_waiting(1, 1) == [SECOND]
        assert waiting_rows.accounts_waiting(SECOND, 1) == []


def test_a_sweep_finds_no_account_that_has_dead_letters_only(app, relay):
    add(app, SECOND, 1)
    with app.app_context():
        db.session.execute(text("UPDATE outbox_events SET set_aside_at = created_at"))
        db.session.commit()
        assert waiting_rows.accounts_waiting(0, 10) == []


def test_what_is_committed_while_a_batch_is_published_is_deleted_with_it(app, ada, broker, relay):
    """Requests under load share the deletion, and its commit."""
    settled = []
    settle = waiting_rows.settle

    def counted(published, newest):
        settled.append(len(published))
        settle(published, newest)

    lane = Lane(app, broker)
    publish_all = broker.publish_all

    def with_another(account_id, events):
        if not settled and waiting(app, 1) < 3:
            add(app, 1, 1)
            lane.add(1, own=True)
        return publish_all(account_id, events)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting_rows, "settle", counted)
        patch.setattr(broker, "publish_all", with_another)
        add(app, 1, 1)
        lane.add(1, own=True)
        with app.app_context():
            lane._publish_ready()
    assert settled == [3]
    assert waiting(app, 1) == 0
