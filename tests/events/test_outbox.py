import json
from collections import defaultdict

import gevent
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask_migrate import downgrade
from flask_migrate import upgrade
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update

from rtapp.events import audience
from rtapp.events import outbox as box
from rtapp.events import presenters
from rtapp.events import waiting_rows
from rtapp.events.batch import Batch
from rtapp.events.relay import Relay
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Conversation
from rtapp.models import OutboxEvent
from rtapp.realtime.broker import Broker
from rtapp.realtime.refusal import is_state

from ..support import PATIENCE
from ..support import envelope
from ..support import eventually

only_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


def waiting(app):
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(OutboxEvent))


def rows(app):
    with app.app_context():
        return list(db.session.scalars(select(OutboxEvent).order_by(OutboxEvent.id)))


def published(broker, topic, account_id=1):
    """Return (event, data) of every entry of a topic's log; a control event's data is its body."""
    entries = broker.redis.xrange(f"rt:{{{account_id}}}:{topic}")
    found = [(fields[b"e"].decode(), json.loads(fields[b"b"])) for _, fields in entries]
    return [(event, body.get("data", body)) for event, body in found]


def record_update(conversation):
    box.record(
        "conversation.updated",
        conversation.account_id,
        audience.of_conversation(conversation),
        presenters.conversation(conversation),
    )


EVENTS = 3  # of one message: to the thread, to the lists and to the customer


@pytest.fixture
def relay(app):
    """The application's relay, stopped: it publishes only when the test calls it."""
    app.extensions["relay"].stop()
    return app.extensions["relay"]


def test_an_event_waits_in_the_outbox_while_redis_is_down(app, ada, redis):
    stream = ada.stream("/streams/conversations/1")
    stream.named("stream.open")
    redis.stop()
    try:
        assert ada.send(1, "meanwhile").status_code == 201
        assert waiting(app) == EVENTS
    finally:
        redis.start()
    assert envelope(stream.named("message.created"))["data"]["content"] == "meanwhile"
    eventually(lambda: waiting(app) == 0)
    stream.close()


def test_an_event_of_a_rolled_back_transaction_is_never_published(app, ada, outbox):
    with app.app_context():
        record_update(db.session.get(Conversation, 1))
        db.session.flush()
        db.session.rollback()
        db.session.commit()
    assert outbox.unchanged()


def test_a_recorded_event_is_written_to_the_outbox_once_by_the_first_commit(app, relay):
    with app.app_context():
        record_update(db.session.get(Conversation, 1))
        db.session.commit()
        db.session.commit()
    assert waiting(app) == 1


def test_recording_an_event_in_a_savepoint_is_refused(app, relay):
    with app.app_context():
        conversation = db.session.get(Conversation, 1)
        with pytest.raises(AssertionError), db.session.begin_nested():
            record_update(conversation)
        db.session.rollback()
    assert waiting(app) == 0


def test_an_event_that_was_published_but_not_deleted_is_not_published_twice(
    app, ada, broker, relay
):
    ada.send(1, "once")
    with app.app_context():
        Batch(broker).publish(1, waiting_rows.read([1], [], 100))  # killed before settle
    assert waiting(app) == EVENTS
    assert relay.publish_batch() == EVENTS
    assert waiting(app) == 0
    assert len(published(broker, "conversation:1")) == len(published(broker, "account")) == 1


def test_a_relay_stopped_at_any_moment_and_restarted_publishes_every_event_once(app, ada, broker):
    """A relay stopped while it waits for the database leaves an unusable driver connection."""
    relay = app.extensions["relay"]
    sent = [ada.send(1, "before").json["id"]]
    for turns in range(40):
        relay.stop()
        with app.app_context():
            db.engine.dispose()  # so that it also has to connect
        relay.start()
        sent.append(ada.send(1, "and so on").json["id"])
        for _ in range(turns):
            gevent.sleep(0.0002)
        with gevent.Timeout(PATIENCE):
            relay.stop()
    relay.start()
    eventually(lambda: waiting(app) == 0)
    entries = published(broker, "conversation:1")
    assert [data["id"] for event, data in entries if event == "message.created"] == sent


def test_outbox_ids_are_never_reused(app, ada, relay):
    ada.send(1, "one")
    before = rows(app)[-1].id
    relay.publish_batch()
    ada.send(1, "two")
    assert [row.id for row in rows(app)] == [before + n for n in range(1, EVENTS + 1)]


# Order


def test_concurrent_relays_publish_each_event_once_in_commit_order(app, ada, relay, redis):
    relays = [Relay(app, Broker(redis.url)) for _ in range(3)]
    conversations, messages, writing = (1, 2, 3), 12, [True]

    def write(conversation):
        for n in range(messages):
            assert ada.send(conversation, str(n)).status_code == 201
            gevent.sleep(0)

    def publish(relay):
        handled = 0
        while writing[0] or waiting(app):
            handled += relay.publish_batch()
            gevent.sleep(0)
        return handled

    publishing = [gevent.spawn(publish, relay) for relay in relays]
    gevent.joinall([gevent.spawn(write, c) for c in conversations * 2], raise_error=True)
    writing[0] = False
    gevent.joinall(publishing, raise_error=True)
    assert (
        sum(bool(greenlet.value) for greenlet in publishing) > 1
    )  # otherwise the relays did not compete
    broker = relays[0]._broker
    for conversation in conversations:
        ids = [data["id"] for _, data in published(broker, f"conversation:{conversation}")]
        assert len(ids) == 2 * messages
        assert ids == sorted(set(ids))
    versions = defaultdict(list)
    for _, data in published(broker, "account"):
        versions[data["id"]].append(data["version"])
    assert sorted(versions) == list(conversations)
    for numbers in versions.values():  # the row counts its changes: the order of commits
        assert numbers == list(range(numbers[0], numbers[0] + 2 * messages))
    for each in relays:
        each._broker.redis.close()


@only_postgres
def test_outbox_ids_are_assigned_after_the_conversations_row_is_locked(app, relay):
    with app.app_context():
        db.session.execute(
            update(Conversation).where(Conversation.id == 1).values(version=Conversation.version)
        )
        first = db.session.get(Conversation, 1)

        def second():
            with app.app_context():
                row = db.session.get(Conversation, 1)
                row.status = "pending"
                record_update(row)  # the service has not locked it
                db.session.commit()

        other = gevent.spawn(second)
        blocked = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        eventually(lambda: db.session.scalar(blocked))
        record_update(first)
        db.session.commit()
        other.get(timeout=PATIENCE)
    assert [row.data["status"] for row in rows(app)] == ["open", "pending"]


@only_postgres
def test_an_outbox_row_committed_after_a_higher_id_is_published_and_not_lost(
    app, ada, broker, relay
):
    """Ids are in commit order only within one conversation; the rows are of two."""
    with app.app_context():
        engine = db.engine
    with engine.connect() as late:
        late.execute(
            text(
                "INSERT INTO outbox_events (key, account_id, event, data, topics, created_at)"
                " VALUES ('late', 1, 'x', '{\"id\": 1}', '[\"account\"]', now())"
            )
        )
        ada.send(2, "overtakes")
        assert relay.publish_batch() == EVENTS
        assert [data["id"] for _, data in published(broker, "account")] == [2]
        late.commit()
    assert relay.publish_batch() == 1
    assert [data["id"] for _, data in published(broker, "account")] == [2, 1]


# Poison


def wrong_type(app, broker):
    broker.redis.set("rt:{1}:conversation:1", "not a log")


def unencodable(app, broker):
    with app.app_context():
        row = db.session.scalars(
            select(OutboxEvent)
            .where(OutboxEvent.event == "message.created")
            .order_by(OutboxEvent.id)
        ).first()
        row.data = {**row.data, "content": "\ud800"}
        db.session.commit()


POISON = {"a key of the wrong type": wrong_type, "a lone surrogate": unencodable}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_an_event_that_cannot_be_published_becomes_a_dead_letter_and_the_others_go_out(
    app, ada, nobody, broker, relay, poison
):
    ada.send(1, "poisoned")
    ada.send(2, "healthy")
    poison(app, broker)
    assert relay.publish_batch() == 2 * EVENTS
    (kept,) = rows(app)
    assert (kept.event, kept.topics) == ("message.created", ["conversation:1"])
    assert kept.dead_lettered_at is not None
    assert kept.error
    assert len(published(broker, "account")) == 2
    assert len(published(broker, "conversation:2")) == 1
    assert relay.publish_batch() == 0  # not retried
    counted = nobody.get("/metrics").get_data(as_text=True)
    assert 'rtapp_outbox_events{state="set_aside"} 1.0' in counted
    assert 'rtapp_outbox_events{state="waiting"} 0.0' in counted
    listed = app.test_cli_runner().invoke(args=["outbox", "list"])
    assert listed.exit_code == 0, listed.output
    assert listed.output.startswith(f"{kept.id}\t")


def test_an_unknown_redis_error_makes_a_dead_letter_if_redis_accepts_other_accounts(
    app, ada, broker, relay
):
    ada.send(1, "of a broken account")
    with app.app_context():
        db.session.add(Account(id=2, name="Second"))
        box.record("conversation.updated", 2, ["account"], CONVERSATION)
        db.session.commit()
    broker.redis.set("rt:{1}:position", f"{2**53} garbage 0-0")
    relay.publish_batch()
    assert [row.account_id for row in rows(app)] == [1] * EVENTS
    assert all("user_script" in row.error for row in rows(app))
    assert len(published(broker, "account", 2)) == 1


CONVERSATION = {
    "id": 1, "account_id": 2, "inbox_id": 1, "status": "open",
    "snoozed_until": None, "assignee": None, "labels": [],
    "contact": {"id": 1, "name": "Maria"}, "last_message": None,
    "last_activity_at": "2026-01-01T00:00:00.000Z", "last_public_at": "2026-01-01T00:00:00.000Z",
    "waiting_since": None, "version": 1,
}  # fmt: skip


@pytest.mark.parametrize("format", ["json", "html", "turbo"])
def test_a_dead_letter_resets_the_streams_of_its_audience_live_and_on_resume(
    app, ada, broker, relay, format
):
    stream = ada.stream(f"/streams/conversations/1?format={format}")
    stream.named("stream.open")
    ada.send(1, "poisoned")
    unencodable(app, broker)
    relay.publish_batch()
    reset = stream.named("stream.reset")
    assert json.loads(reset.data) == {"reason": "history_lost", "id": reset.id}
    assert reset.id
    ada.send(1, "the next one")
    relay.publish_batch()
    assert "the next one" in stream.next().data
    stream.close()
    late = ada.stream(f"/streams/conversations/1?last_event_id={before(reset.id)}")
    late.named("stream.open")
    late.named("stream.reset")
    late.close()


def before(cursor):
    epoch, ms, n = cursor.split("-")
    return f"{epoch}-{int(ms) - 1}-{n}"


def test_outbox_retry_publishes_a_dead_letter_once_its_cause_is_gone(app, ada, broker, relay):
    ada.send(1, "poisoned")
    wrong_type(app, broker)
    relay.publish_batch()
    retry = ["outbox", "retry"]
    assert app.test_cli_runner().invoke(args=retry).output == "1 events are tried again.\n"
    relay.publish_batch()
    assert rows(app)[0].dead_lettered_at is not None  # the cause is still there
    broker.redis.delete("rt:{1}:conversation:1")
    assert app.test_cli_runner().invoke(args=retry).output == "1 events are tried again.\n"
    relay.publish_batch()
    assert rows(app) == []
    ((event, data),) = published(broker, "conversation:1")
    assert (event, data["content"]) == ("message.created", "poisoned")
    assert app.test_cli_runner().invoke(args=retry).output == "0 events are tried again.\n"


# Outages, with the errors of a real Redis


def out_of_memory(redis):
    redis.config_set("maxmemory", 1)
    return lambda: redis.config_set("maxmemory", 0)


def read_only(redis):
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    return lambda: redis.execute_command("REPLICAOF", "NO", "ONE")


@pytest.mark.parametrize("break_redis", [out_of_memory, read_only])
def test_a_redis_outage_makes_no_dead_letter_and_keeps_the_order(
    app, ada, broker, relay, break_redis
):
    ada.send(1, "first")
    ada.send(1, "second")
    mend = break_redis(broker.redis)
    try:
        for _ in range(2):
            with pytest.raises(Exception) as caught:  # noqa: PT011 (the next line checks which)
                relay.publish_batch()
            assert is_state(caught.value) is True
        assert [row.dead_lettered_at for row in rows(app)] == [None] * 2 * EVENTS
        assert published(broker, "conversation:1") == []
    finally:
        mend()
    assert relay.publish_batch() == 2 * EVENTS
    contents = [data["content"] for _, data in published(broker, "conversation:1")]
    assert contents == ["first", "second"]


def test_an_unknown_redis_error_makes_no_dead_letter_if_the_probe_fails_too(
    app, ada, broker, relay
):
    """Redis answers every publish with the same unknown error."""
    ada.send(1, "waits")
    script = broker._publish
    broker._publish = broker.redis.register_script("return redis.error_reply('NEWCODE not now')")
    with pytest.raises(Exception, match="NEWCODE"):
        relay.publish_batch()
    assert [row.dead_lettered_at for row in rows(app)] == [None] * EVENTS
    broker._publish = script
    assert relay.publish_batch() == EVENTS


def differences():
    with db.engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), db.metadata)


def test_migrations_build_the_schema_of_the_models(app):
    with app.app_context():
        upgrade()
        assert differences() == []


def test_waiting_outbox_events_survive_a_downgrade_and_upgrade(app, ada, broker, relay):
    ada.send(1, "waits")
    with app.app_context():
        db.session.remove()
        downgrade(revision="0003")
        assert differences()
        upgrade()
        assert differences() == []
    assert relay.publish_batch() == EVENTS
    assert len(published(broker, "conversation:1")) == 1
