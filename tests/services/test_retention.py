"""What is old is removed, what is newer stays, and messages only where their account says so."""

from datetime import timedelta

import pytest
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update

from rtapp import clock
from rtapp.events import outbox
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Attachment
from rtapp.models import Conversation
from rtapp.models import Invitation
from rtapp.models import Message
from rtapp.models import MessageRevision
from rtapp.models import Notification
from rtapp.models import OutboxEvent
from rtapp.models import PasswordLink
from rtapp.models import Schedule
from rtapp.models import UserSession
from rtapp.models import digest_of
from rtapp.services import remove_old_messages as messages_module
from rtapp.services import retention
from rtapp.services.remove_attachments import remove_attachments
from rtapp.services.retention import old_rows
from rtapp.services.retention import remove_if_due
from rtapp.services.retention import remove_old_rows

from ..files import png
from ..files import uploaded
from ..support import envelope
from ..support import eventually

YEAR = timedelta(days=366)
KINDS = {
    "notifications": Notification,
    "sessions": UserSession,
    "invitations": Invitation,
    "password links": PasswordLink,
    "dead letters": OutboxEvent,
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(retention, "PAUSE", 0)


@pytest.fixture
def settings(app):
    return app.extensions["settings"]


@pytest.fixture
def rows(app):
    """A row of each kind, made now, besides those that the demo may have."""
    now = clock.now()
    with app.app_context():
        first = db.session.scalars(select(Message).order_by(Message.id)).first()
        db.session.add_all(
            [
                Notification(
                    account_id=1, user_id=1, conversation_id=first.conversation_id,
                    message_id=first.id, kind="mention",
                ),
                UserSession(id="s" * 32, user_id=1, last_used_at=now),
                Invitation(
                    account_id=1, digest=digest_of("one"), inbox_ids=[], expires_at=now
                ),
                PasswordLink(user_id=1, digest=digest_of("two"), expires_at=now),
                OutboxEvent(
                    account_id=1, event="test", data={}, topics=[], dead_lettered_at=now,
                    error="none",
                ),
            ]
        )  # fmt: skip
        db.session.commit()


def counts():
    found = {
        name: db.session.scalar(select(func.count()).select_from(model))
        for name, model in KINDS.items()
    }
    return found | {"dead letters": len(outbox.dead_letters())}  # and not what waits


def keep_messages(app, days=100):
    with app.app_context():
        db.session.execute(update(Account).where(Account.id == 1).values(messages_kept_days=days))
        db.session.commit()


# Rows that nothing needs


def test_rows_are_removed_once_they_are_old(app, settings, rows):
    with app.app_context():
        there = counts()
        assert all(there.values())
        removed = remove_old_rows(settings, clock.now() + YEAR)
        assert removed == {"messages": 0, **there}
        assert counts() == dict.fromkeys(KINDS, 0)


def test_rows_that_are_not_old_stay(app, settings, rows):
    with app.app_context():
        there = counts()
        assert not any(remove_old_rows(settings, clock.now()).values())
        assert counts() == there


@pytest.mark.parametrize("days", [10, 60, 120])
def test_each_kind_has_its_own_time(app, settings, rows, days):
    """Sessions end after two weeks; links and dead letters stay for 90 days, others for 180."""
    with app.app_context():
        remove_old_rows(settings, clock.now() + timedelta(days=days))
        left = {name for name, count in counts().items() if count}
    gone = {10: set(), 60: {"sessions"}}.get(days, KINDS.keys() - {"notifications"})
    assert left == KINDS.keys() - gone


def test_a_dry_run_counts_and_removes_nothing(app, settings, rows):
    with app.app_context():
        there = counts()
        assert old_rows(settings, clock.now() + YEAR) == {"messages": 0, **there}
        assert counts() == there


def test_zero_days_keep_rows_for_ever(app, rows, monkeypatch):
    from dataclasses import replace

    kept = replace(
        app.extensions["settings"], notifications_kept=0, links_kept=0, dead_letters_kept=0
    )
    with app.app_context():
        there = counts()
        remove_old_rows(kept, clock.now() + 50 * YEAR)
        assert counts() == there | {"sessions": 0}


def test_an_open_link_is_not_old_before_it_has_ended_for_so_long(app, settings, rows):
    with app.app_context():
        later = clock.now() + timedelta(days=80)
        db.session.execute(update(Invitation).values(expires_at=later))
        db.session.commit()
        remove_old_rows(settings, clock.now() + timedelta(days=120))
        assert counts()["invitations"] > 0
        db.session.execute(update(Invitation).values(used_at=clock.now()))
        db.session.commit()
        remove_old_rows(settings, clock.now() + timedelta(days=120))
        assert counts()["invitations"] == 0


def test_more_rows_than_a_batch_are_removed_a_transaction_after_the_other(
    app, settings, rows, monkeypatch
):
    monkeypatch.setattr(retention, "MAX_REMOVED", 2)
    with app.app_context():
        for n in range(5):
            db.session.add(
                PasswordLink(user_id=1, digest=digest_of(f"x{n}"), expires_at=clock.now())
            )
        db.session.commit()
        assert remove_old_rows(settings, clock.now() + YEAR)["password links"] == 6
        assert counts()["password links"] == 0


def test_open_pages_count_a_removed_notification_as_read(app, ada, settings, rows):
    stream = ada.stream("/streams/accounts/1")
    stream.named("stream.open")
    with app.app_context():
        unread = select(Notification.id).where(
            Notification.user_id == ada.id, Notification.read.is_(False)
        )
        ids = sorted(db.session.scalars(unread))
        assert ids
        remove_old_rows(settings, clock.now() + YEAR)
    assert envelope(stream.named("notification.read"))["data"]["ids"] == ids
    stream.close()


# Messages


def contents(conversation_id):
    query = select(Message.content).where(
        Message.conversation_id == conversation_id, Message.message_type != "activity"
    )
    return db.session.scalars(query.order_by(Message.id)).all()


def test_messages_are_kept_for_ever_unless_their_account_says_otherwise(app, settings, other):
    with app.app_context():
        before = db.session.execute(select(Message.id, Message.content)).all()
        assert remove_old_rows(settings, clock.now() + 50 * YEAR)["messages"] == 0
        assert db.session.execute(select(Message.id, Message.content)).all() == before


def test_old_messages_of_an_account_that_says_so_are_emptied_and_no_others(app, settings, other):
    keep_messages(app)
    there = select(Message.account_id, func.count()).where(
        Message.content != "", Message.message_type != "activity"
    )
    with app.app_context():
        before = dict(db.session.execute(there.group_by(Message.account_id)).all())
        assert len(before) == 2
        activity = select(func.count()).where(Message.message_type == "activity")
        lines = db.session.scalar(activity.where(Message.content != ""))
        assert lines
        assert old_rows(settings, clock.now() + YEAR)["messages"] == before[1]
        assert remove_old_rows(settings, clock.now() + YEAR)["messages"] == before[1]
        after = dict(db.session.execute(there.group_by(Message.account_id)).all())
        assert after == {id: count for id, count in before.items() if id != 1}
        assert db.session.scalar(activity.where(Message.content != "")) == lines
        assert remove_old_rows(settings, clock.now() + YEAR)["messages"] == 0


def test_no_message_of_a_conversation_in_which_somebody_has_just_written_is_removed(app, settings):
    keep_messages(app)
    with app.app_context():
        old = clock.now() - YEAR
        db.session.execute(update(Message).values(created_at=old))
        db.session.execute(update(Conversation).values(last_public_at=old))
        db.session.execute(
            update(Conversation).where(Conversation.id == 2).values(last_public_at=clock.now())
        )
        db.session.commit()
        kept = contents(2)
        assert any(kept)
        remove_old_rows(settings, clock.now())
        assert not any(contents(1))
        assert contents(2) == kept


def test_a_conversation_in_which_somebody_writes_meanwhile_is_left_alone(app, settings):
    """It was found old, and locked after the message was committed."""
    keep_messages(app)
    with app.app_context():
        kept = contents(1)
        assert any(kept)
        assert messages_module.empty_messages(1, clock.now() - timedelta(days=3650)) == 0
        assert contents(1) == kept
        assert messages_module.empty_messages(1, clock.now() + YEAR) == len(kept)


def test_removed_messages_take_their_files_and_earlier_texts_with_them(app, ada, settings):
    keep_messages(app)
    key = uploaded(ada, png())["key"]
    sent = ada.send(1, "see", attachments=[key])
    assert sent.status_code == 201, sent.json
    assert ada.post(f"/messages/{sent.json['id']}", {"content": "look"}).status_code == 200
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(MessageRevision)) > 0
        remove_old_rows(settings, clock.now() + YEAR)
        assert db.session.scalar(select(func.count()).select_from(MessageRevision)) == 0
        assert remove_attachments(clock.now()) == 1
        assert db.session.scalar(select(func.count()).select_from(Attachment)) == 0


def test_open_threads_receive_the_removal_of_each_message(app, ada, settings):
    keep_messages(app)
    stream = ada.stream("/streams/conversations/1")
    stream.named("stream.open")
    with app.app_context():
        first = db.session.scalars(
            select(Message.id)
            .where(Message.conversation_id == 1, Message.message_type != "activity")
            .order_by(Message.id)
        ).first()
        remove_old_rows(settings, clock.now() + YEAR)
    assert envelope(stream.named("message.deleted"))["data"]["id"] == first
    stream.close()


def test_a_long_thread_is_emptied_a_transaction_after_the_other(app, settings, monkeypatch):
    monkeypatch.setattr(messages_module, "MAX_EMPTIED", 2)
    monkeypatch.setattr(messages_module, "LOOKED_AT", 3)
    keep_messages(app)
    with app.app_context():
        assert len(contents(1)) > 2
        assert db.session.scalar(select(func.count()).select_from(Conversation)) > 3
        remove_old_rows(settings, clock.now() + YEAR)
        left = select(func.count()).where(
            Message.account_id == 1, Message.content != "", Message.message_type != "activity"
        )
        assert db.session.scalar(left) == 0


# The schedule


def due_at():
    return db.session.scalar(select(Schedule.due_at))


def test_one_process_removes_what_is_old_once_a_day(app, settings, rows):
    with app.app_context():
        later = clock.now() + YEAR
        remove_if_due(settings, later)
        assert counts() == dict.fromkeys(KINDS, 0)
        assert due_at() == later + retention.PERIOD
        db.session.add(UserSession(id="t" * 32, user_id=1, last_used_at=later))
        db.session.commit()
        remove_if_due(settings, later + timedelta(hours=23))
        assert counts()["sessions"] == 1
        remove_if_due(settings, later + timedelta(hours=25))
        assert counts()["sessions"] == 0


def test_a_process_that_finds_another_one_at_it_does_nothing(app, settings, rows):
    with app.app_context():
        later = clock.now() + YEAR
        there = counts()
        assert retention.claimed(later)
        assert not retention.claimed(later)
        remove_if_due(settings, later)
        assert counts() == there


def test_what_a_process_that_ended_left_is_removed_soon_after(app, settings, rows):
    with app.app_context():
        later = clock.now() + YEAR
        assert retention.claimed(later)
        remove_if_due(settings, later + retention.RETRY)
        assert counts() == dict.fromkeys(KINDS, 0)


def test_a_server_has_the_schedule(app, rows):
    with app.app_context():
        db.session.execute(text("UPDATE user_sessions SET created_at = '2020-01-01'"))
        db.session.commit()
    app.extensions["retainer"].start()
    try:
        with app.app_context():
            eventually(lambda: [db.session.rollback(), counts()["sessions"]][1] == 0)
    finally:
        app.extensions["retainer"].stop()


# The command


def run(app, *words):
    return app.test_cli_runner().invoke(args=["retention", *words])


def test_the_command_counts_and_removes(app, rows, monkeypatch):
    later = clock.now() + YEAR
    monkeypatch.setattr(clock, "now", lambda: later)
    dry = run(app, "run", "--dry-run")
    assert (dry.exit_code, "1\tdead letters\n" in dry.output) == (0, True), dry.output
    assert run(app, "run").output == dry.output
    assert "0\tdead letters\n" in run(app, "run").output


def test_an_account_keeps_messages_for_days_or_for_ever(app):
    assert "365 days" in run(app, "keep-messages", "1", "365").output
    with app.app_context():
        assert db.session.get_one(Account, 1).messages_kept_days == 365
    assert run(app, "keep-messages", "1", "forever").exit_code == 0
    with app.app_context():
        assert db.session.get_one(Account, 1).messages_kept_days is None


@pytest.mark.parametrize(
    "days", ["0", "29", "-1", "1.5", "36501", "99999999999", "", "²", "Forever", "a year"]
)
def test_other_times_are_refused_and_change_nothing(app, days):
    refused = run(app, "keep-messages", "--", "1", days)
    assert refused.exit_code == 1
    assert "from 30 to 36500, or forever" in refused.output
    with app.app_context():
        assert db.session.get_one(Account, 1).messages_kept_days is None


def test_an_account_that_does_not_exist_is_named(app):
    refused = run(app, "keep-messages", "99", "365")
    assert refused.exit_code == 1
    assert "99" in refused.output


def test_dead_letters_are_listed_until_they_are_removed(app, settings, rows):
    with app.app_context():
        assert len(outbox.dead_letters()) == 1
        remove_old_rows(settings, clock.now() + YEAR)
        assert outbox.dead_letters() == []
