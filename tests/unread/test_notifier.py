"""The unread notifier: several processes, a slow database, capped sets."""

from contextlib import closing
from contextlib import contextmanager

import psycopg
import pytest

from rtapp import create_app
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.unread import notifier
from rtapp.unread.capped_id_set import MAX_COUNT
from rtapp.unread.capped_id_set import MAX_IDS
from rtapp.unread.counts import FIRST_PAGE

from ..conftest import settings
from ..support import ApiClient
from ..support import eventually
from ..support import outbox_drained
from ..support import release
from .numbers import follow_unread


def read_all(agent, conversation):
    newest = agent.get(f"/conversations/{conversation}/messages?limit=1").json["messages"][0]["id"]
    answer = agent.post(f"/conversations/{conversation}/read", {"message_id": newest})
    assert answer.status_code == 204


@pytest.fixture
def second_app(app, database_url, redis, tmp_path):
    """Another application with its own engine, in place of another process."""
    second = create_app(settings(tmp_path, database_url, redis.url))
    second.extensions["engine"].start()
    yield second
    second.extensions["engine"].stop()
    release(second)


def test_each_process_sends_unread_changed_to_its_own_streams(second_app, kevin, maria):
    there = ApiClient(second_app, "kevin@example.com")
    with follow_unread(kevin, there) as (here, elsewhere):
        maria.send(1, "to both")
        here.become(c1=here.conversations["1"] + 1)
        elsewhere.become(c1=here.conversations["1"])
        read_all(there, 1)
        here.become(c1=0)
        elsewhere.become(c1=0)
        elsewhere.agree()


def test_what_colleagues_write_and_activity_do_not_count(kevin, ada, maria):
    with follow_unread(kevin) as his:
        before = his.conversations["1"]
        ada.send(1, "A reply")
        ada.send(1, "A note", private=True)
        ada.post("/conversations/1/status", {"status": "pending"})
        ada.post("/conversations/1/status", {"status": "open"})
        maria.send(1, "A question")
        his.become(c1=before + 1)
        his.agree()


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


def test_unread_views_are_exact_again_once_a_capped_set_falls_below_the_maximum(app, kevin):
    ids = add_conversations(app, MAX_IDS + 10)
    with follow_unread(kevin) as his:
        before = his.views
        assert before == {"mine": 1, "unassigned": MAX_COUNT, "all": MAX_COUNT}
        for id in ids[: MAX_IDS - 70]:
            read_all(kevin, id)
        his.become(unassigned=80 + 1, all=80 + 3)  # plus the demo's
        assert his.views == kevin.get("/accounts/1/unread").json["views"]


def test_a_conversation_beyond_the_first_page_is_counted_if_its_events_are_replayed(app, kevin):
    add_conversations(app, FIRST_PAGE)
    assert outbox_drained(app)
    cursor = kevin.get("/accounts/1/conversations").json["cursor"]
    read_all(kevin, 1)
    assert outbox_drained(app)
    with follow_unread(kevin) as his:
        assert "1" not in his.conversations
    with closing(kevin.stream(f"/streams/accounts/1?last_event_id={cursor}")) as stream:
        stream.named("stream.open")
        stream.named("conversation.read")
        assert stream.ephemeral("unread.changed")["conversations"]["1"] == 0


def test_unread_counts_are_recounted_when_too_many_messages_wait(kevin, maria, monkeypatch):
    with follow_unread(kevin) as his:
        before = his.conversations["1"]
        monkeypatch.setattr(notifier, "MAX_DELIVERIES", 0)
        maria.send(1, "too much")
        his.become(c1=before + 1)
        assert len(his.changes[-1]["conversations"]) > 1
        his.agree()


def test_the_notifier_drops_the_state_of_users_without_streams(kevin, engine, monkeypatch):
    with follow_unread(kevin):
        assert engine.observer._readers
        monkeypatch.setattr(notifier, "SWEEP", 0.01)
        engine.observer._woken.set()
    eventually(lambda: not engine.observer._readers)


def test_a_returning_user_receives_the_unread_counts_of_their_absence(app, kevin, maria, engine):
    with follow_unread(kevin):
        pass
    eventually(lambda: len(engine.hub) == 0)
    maria.send(1, "while you were away")
    assert outbox_drained(app)
    with follow_unread(kevin) as his:
        his.agree()


@contextmanager
def locked(database_url, table):
    """Lock the table against readers. Gives a connection that watches the database."""
    url = database_url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as watcher:
        holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield watcher


WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.mark.parametrize("cut", [False, True], ids=["slow", "cut off"])
def test_requests_and_other_events_continue_while_the_database_does_not_count(
    database_url, kevin, maria, cut
):
    if "postgresql" not in database_url:
        pytest.skip("SQLite has no lock that holds readers up")
    with follow_unread(kevin) as his:
        before, changes = his.conversations["1"], len(his.changes)
        with locked(database_url, "read_markers") as database:
            for n in range(3):
                assert maria.send(1, f"{n}").status_code == 201
                his.stream.named("notification.created")
                his.stream.named("conversation.updated")
            (waiting,) = eventually(lambda: database.execute(WAITING).fetchall())
            if cut:
                database.execute("SELECT pg_terminate_backend(%s)", waiting)
                eventually(lambda: database.execute(WAITING).fetchall() not in ([], [waiting]))
            assert len(his.changes) == changes
            assert maria.get("/conversations/1").status_code == 200
        his.become(c1=before + 3)
        his.agree()


def test_a_subscriber_that_catches_up_receives_the_last_unread_counts(kevin, maria, engine):
    """A subscriber that is not live is skipped until it is."""
    with follow_unread(kevin) as his:
        before = his.conversations["1"]
        for subscriber in engine.hub.subscribers():
            engine.hub.catch_up(subscriber)
        maria.send(1, "meanwhile")
        his.become(c1=before + 1)


def test_rights_that_changed_and_changed_back_unnoticed_are_counted_again(app, kevin, ada, engine):
    def set_sees(sees):
        with app.app_context():
            row = db.session.scalars(db.select(Membership).filter_by(user_id=kevin.id)).one()
            row.sees = sees
            db.session.commit()

    with follow_unread(kevin) as his:
        ada.send(2, "Seen by the inbox")
        his.agree()
        assert his.conversations["2"] > 0
        set_sees("assigned")  # no stream is authorised again yet
        ada.send(2, "Delivered, and counted under the narrower rights")
        his.become(c2=0)
        set_sees("inbox")
        engine.broker.recheck(kevin.id)
        his.agree()
        assert his.conversations["2"] > 0
