"""Numbers come when they can: of several processes, from a slow database, of more than is known."""

from contextlib import closing
from contextlib import contextmanager

import psycopg
import pytest

from rtapp import create_app
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Message
from rtapp.unread import notifier
from rtapp.unread.capped_id_set import MAX_COUNT
from rtapp.unread.capped_id_set import MAX_IDS
from rtapp.unread.counts import FIRST_PAGE

from ..conftest import settings
from ..support import ApiClient
from ..support import eventually
from ..support import outbox_drained
from .numbers import listening


def read_all(who, conversation):
    newest = who.get(f"/conversations/{conversation}/messages?limit=1").json["messages"][0]["id"]
    answer = who.post(f"/conversations/{conversation}/read", {"message_id": newest})
    assert answer.status_code == 204


@pytest.fixture
def second_app(app, database_url, redis, tmp_path):
    """Another process, as far as streams go: with a hub of its own."""
    second = create_app(settings(tmp_path, database_url, redis.url))
    second.extensions["engine"].start()
    yield second
    second.extensions["engine"].stop()
    second.extensions["broker"].redis.close()
    with second.app_context():
        db.engine.dispose()


def test_every_process_tells_the_streams_that_it_holds(second_app, kevin, ada):
    there = ApiClient(second_app, "kevin@example.com")
    with listening(kevin, there) as (here, elsewhere):
        ada.send(1, "to both")
        here.become(c1=here.conversations["1"] + 1)
        elsewhere.become(c1=here.conversations["1"])
        read_all(there, 1)
        here.become(c1=0)
        elsewhere.become(c1=0)
        elsewhere.agree()


def add_conversations(app, count):
    with app.app_context():
        contact = Contact(account_id=1, name="Many", email="many@example.com")
        db.session.add(contact)
        db.session.flush()
        added = [
            Conversation(account_id=1, inbox_id=1, contact_id=contact.id) for _ in range(count)
        ]
        db.session.add_all(added)
        db.session.flush()
        for conversation in added:
            conversation.last_message = Message(
                account_id=1,
                conversation_id=conversation.id,
                contact_id=contact.id,
                message_type="incoming",
                content="hello",
            )
        db.session.commit()
        return [conversation.id for conversation in added]


def test_of_more_than_are_known_by_their_ids_the_last_hundred_are_counted_right(app, kevin):
    ids = add_conversations(app, MAX_IDS + 10)
    with listening(kevin) as his:
        before = his.views
        assert before == {"mine": 1, "unassigned": MAX_COUNT, "all": MAX_COUNT}
        for id in ids[: MAX_IDS - 70]:
            read_all(kevin, id)
        his.become(unassigned=80 + 1, all=80 + 3)  # those that the demo has
        assert his.views == kevin.get("/accounts/1/unread").json["views"]


def test_what_is_on_no_first_page_is_named_if_its_events_are_replayed(app, kevin):
    add_conversations(app, FIRST_PAGE)
    assert outbox_drained(app)
    cursor = kevin.get("/accounts/1/conversations").json["cursor"]
    read_all(kevin, 1)
    assert outbox_drained(app)
    with listening(kevin) as his:
        assert "1" not in his.conversations
    with closing(kevin.stream(f"/streams/accounts/1?last_event_id={cursor}")) as stream:
        stream.named("stream.open")
        stream.named("conversation.read")
        assert stream.ephemeral("unread.changed")["conversations"]["1"] == 0


def test_more_than_is_kept_to_be_looked_at_has_all_counted_anew(kevin, ada, monkeypatch):
    with listening(kevin) as his:
        before = his.conversations["1"]
        monkeypatch.setattr(notifier, "MAX_DELIVERIES", 0)
        ada.send(1, "too much")
        his.become(c1=before + 1)
        assert len(his.heard[-1]["conversations"]) > 1
        his.agree()


def test_nothing_is_kept_of_whoever_left(kevin, hub, monkeypatch):
    with listening(kevin):
        assert hub.observer._readers
        monkeypatch.setattr(notifier, "SWEEP", 0.01)
        hub.observer._woken.set()
    eventually(lambda: not hub.observer._readers)


def test_whoever_left_is_not_counted_for_and_is_told_when_they_come_back(app, kevin, ada, hub):
    with listening(kevin):
        pass
    eventually(lambda: len(hub.hub) == 0)
    ada.send(1, "while you were away")
    assert outbox_drained(app)
    with listening(kevin) as his:
        his.agree()


@contextmanager
def locked(database_url, table):
    """Nobody can read the table for as long as this lasts. Gives what asks the database."""
    url = database_url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as watcher:
        holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield watcher


WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.mark.parametrize("cut", [False, True], ids=["slow", "cut off"])
def test_while_the_database_does_not_count_all_else_goes_on(database_url, kevin, maria, cut):
    if "postgresql" not in database_url:
        pytest.skip("SQLite has no lock that holds readers up")
    with listening(kevin) as his:
        before, told = his.conversations["1"], len(his.heard)
        with locked(database_url, "read_markers") as database:
            for n in range(3):
                assert maria.send(1, f"{n}").status_code == 201
                his.stream.named("notification.created")
                his.stream.named("conversation.updated")
            (waiting,) = eventually(lambda: database.execute(WAITING).fetchall())
            if cut:
                database.execute("SELECT pg_terminate_backend(%s)", waiting)
                eventually(lambda: database.execute(WAITING).fetchall() not in ([], [waiting]))
            assert len(his.heard) == told
            assert maria.get("/conversations/1").status_code == 200
        his.become(c1=before + 3)
        his.agree()


def test_a_slow_reader_is_told_the_last_numbers(kevin, ada, hub):
    """Whoever is not live is left alone, and told when they are."""
    with listening(kevin) as his:
        before = his.conversations["1"]
        for subscriber in hub.hub.subscribers():
            hub.hub.catch_up(subscriber)
        ada.send(1, "meanwhile")
        his.become(c1=before + 1)
