import logging

import gevent
import pytest
from sqlalchemy import delete
from sqlalchemy import event
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Draft
from rtapp.models import Inbox
from rtapp.models import User
from rtapp.services.change_inbox_members import add_to_inbox
from rtapp.services.change_inbox_members import remove_from_inbox

from ..support import ApiClient
from ..support import eventually
from ..test_text import BLANK
from .refusals import STALE
from .refusals import Action
from .refusals import Case

DRAFT = "/conversations/1/draft"
NONE = {"reply": "", "note": "", "version": 0}
# No index of a database, no name and no number of the demo has it.
SECRET = "Zwiebelfisch"
BAD_TEXT = [None, 7, True, ["x"], "a\x00b", "\ud800", "x\udfff", "x" * 10_001]
# Alone they are no text in other fields. NUL can't be stored.
BLANK_TEXTS = [pytest.param(blank, id=name) for name, blank in BLANK.items() if "\x00" not in blank]


def draft(reply="", note="", version=0):
    return {"reply": reply, "note": note, "version": version}


def save(client, *texts, version, path=DRAFT):
    """The status, and the new version or None."""
    answer = client.post(path, draft(*texts, version=version))
    return answer.status_code, answer.json.get("version")


def saved(client, path=DRAFT):
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.json


def rows(app):
    with app.app_context():
        found = select(Draft.user_id, Draft.conversation_id, Draft.reply, Draft.note, Draft.version)
        return sorted(map(tuple, db.session.execute(found)))


SAVE = Action(
    path="/conversations/{id}/draft",
    id=1,
    body=draft("A reply", "A note"),
    required=["reply", "note", "version"],
    bad={
        "reply": BAD_TEXT,
        "note": BAD_TEXT,
        "version": [None, "0", -1, 0.5, True, 2**31, 10**30, [0]],
    },
)


def test_saving_a_draft_refuses_bad_input(refusals):
    refusals.check(
        SAVE,
        Case("a string", 422, "body", "hello"),
        Case("a misspelt field", 422, "notes", {**draft("x"), "notes": "x"}),
        Case("over a mebibyte", 413, body=draft("x" * 1_100_000)),
        Case("a version without a draft", 409, body=draft("x", version=STALE)),
    )


def test_a_draft_is_the_same_on_every_device_of_its_user(app, ada):
    assert saved(ada) == NONE
    assert save(ada, "Dear Maria", "ask Kevin", version=0) == (200, 1)
    other_device = ApiClient(app, "ada@example.com")
    assert saved(other_device) == draft("Dear Maria", "ask Kevin", 1)
    assert save(other_device, "Dear Maria,", "", version=1) == (200, 2)
    assert saved(ada) == draft("Dear Maria,", "", 2)


def test_a_draft_of_exactly_the_maximum_length_is_saved(ada):
    longest = "😀" * 10_000
    assert save(ada, longest, longest, version=0) == (200, 1)
    assert saved(ada) == draft(longest, longest, 1)


def test_a_text_of_an_old_version_never_replaces_a_newer_draft(ada):
    save(ada, "one", version=0)
    save(ada, "two", version=1)
    for old in (0, 1, 3, 2**31 - 1):
        refused = ada.post(DRAFT, draft("of an old tab", version=old))
        assert (refused.status_code, refused.content_type) == (409, "application/problem+json")
        assert refused.json["current"] == draft("two", "", 2)
    assert saved(ada) == draft("two", "", 2)
    assert save(ada, "of an old tab", version=2) == (200, 3)


def test_the_texts_that_are_stored_already_change_nothing_whatever_their_version(app, ada):
    save(ada, "one", "note", version=0)
    save(ada, "two", "note", version=1)
    changed = updated_at(app)
    for version in (0, 1, 2, STALE):
        assert save(ada, "two", "note", version=version) == (200, 2)
    assert updated_at(app) == changed
    assert save(ada, "two", "another note", version=2) == (200, 3)
    assert updated_at(app) > changed


def updated_at(app):
    with app.app_context():
        return db.session.scalars(select(Draft.updated_at)).one()


def test_an_emptied_draft_keeps_counting_so_that_an_old_tab_does_not_restore_a_sent_text(app, ada):
    save(ada, "sent since", version=0)
    assert save(ada, "", "", version=1) == (200, 2)
    assert saved(ada) == draft(version=2)
    for old in (0, 1):
        assert save(ada, "of an old tab", version=old) == (409, None)
    assert save(ada, "the next one", version=2) == (200, 3)
    assert rows(app) == [(ada.id, 1, "the next one", "", 3)]


@pytest.mark.parametrize("version", [0, STALE])
def test_emptying_a_draft_that_never_was_leaves_no_row(app, ada, version):
    assert save(ada, "", "", version=version) == (200, 0)
    assert rows(app) == []


@pytest.mark.parametrize("blank", BLANK_TEXTS)
def test_a_draft_may_be_text_that_no_message_may_be(ada, blank):
    assert ada.send(1, blank).status_code == 422
    assert save(ada, blank, f"x{blank}", version=0) == (200, 1)
    assert saved(ada) == draft(blank.replace("\r\n", "\n"), f"x{blank}".replace("\r\n", "\n"), 1)


def test_a_form_saves_a_draft_and_redirects_to_the_conversation(app, ada):
    answer = app.test_client().post(
        DRAFT,
        data={"reply": "a\r\nb", "note": "", "version": "0"},
        headers={**ada.headers, "Accept": "text/html"},
    )
    assert (answer.status_code, answer.location) == (303, "/conversations/1")
    assert saved(ada) == draft("a\nb", "", 1)


# Devices at once


@pytest.mark.parametrize("version", [0, 1], ids=["first", "next"])
def test_of_devices_that_save_one_version_at_once_exactly_one_wins(app, ada, version):
    if version:
        save(ada, "before", version=0)
    answers = at_once(app, [lambda n=n: ada.post(DRAFT, draft(f"{n}", version=version))
                            for n in range(4)])  # fmt: skip
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    (winner,) = (n for n, answer in enumerate(answers) if answer.status_code == 200)
    won = draft(f"{winner}", "", version + 1)
    assert answers[winner].json == {"version": version + 1}
    assert [a.json["current"] for a in answers if a.status_code == 409] == [won] * 3
    assert saved(ada) == won


def test_the_same_text_of_devices_at_once_is_saved_once_and_refused_to_none(app, ada):
    answers = at_once(app, [lambda: ada.post(DRAFT, draft("same"))] * 3)
    assert [(a.status_code, a.json) for a in answers] == [(200, {"version": 1})] * 3


def test_users_who_save_at_once_have_a_draft_each(app, ada, kevin):
    answers = at_once(
        app,
        [lambda: ada.post(DRAFT, draft("hers")), lambda: kevin.post(DRAFT, draft("his"))],
    )
    assert [(a.status_code, a.json) for a in answers] == [(200, {"version": 1})] * 2
    assert [row[2] for row in rows(app)] == ["hers", "his"]


def at_once(app, requests):
    """The answers of requests whose changes of drafts are all held, and then let go together."""
    changes = []

    def count(connection, cursor, statement, *more):
        if statement.startswith(("INSERT INTO drafts", "UPDATE drafts")):
            changes.append(statement)

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", count)
        with db.engine.connect() as holder:
            sqlite = db.engine.dialect.name == "sqlite"
            holder.execute(text("BEGIN IMMEDIATE" if sqlite else "LOCK TABLE drafts IN SHARE MODE"))
            jobs = [gevent.spawn(request) for request in requests]
            eventually(lambda: len(changes) == len(requests), "every change waits for the lock")
            assert not any(job.ready() for job in jobs)
            holder.exec_driver_sql("ROLLBACK")
        gevent.joinall(jobs, raise_error=True)
        event.remove(db.engine, "before_cursor_execute", count)
    return [job.value for job in jobs]


# Privacy


def test_a_draft_is_read_by_its_user_alone(ada, kevin, maria):
    save(kevin, SECRET, SECRET, version=0)
    assert saved(kevin) == draft(SECRET, SECRET, 1)
    assert saved(ada) == NONE  # an administrator
    assert save(ada, "hers", version=0) == (200, 1)
    for path in ("/conversations/1", "/conversations/1/messages", "/accounts/1/conversations"):
        for answer in (ada.get(path), ada.page(path)):
            assert SECRET not in answer.text
    found = f"/accounts/1/conversations?q={SECRET}"
    assert ada.get(found).json["conversations"] == kevin.get(found).json["conversations"] == []
    assert SECRET not in maria.get("/conversations/1").text
    assert maria.get(DRAFT).status_code == 403
    assert saved(kevin) == draft(SECRET, SECRET, 1)


def test_a_draft_is_in_no_event_and_not_in_redis(ada, maria, broker, outbox, no_broadcasts):
    with no_broadcasts():
        save(ada, SECRET, SECRET, version=0)
        save(ada, SECRET, f"{SECRET} again", version=1)
        assert save(ada, SECRET, version=0) == (409, None)
    assert outbox.unchanged()
    assert not in_redis(broker, SECRET)
    ada.send(1, SECRET)
    assert eventually(lambda: in_redis(broker, SECRET), "a message is in Redis")


def in_redis(broker, wanted):
    return any(
        wanted.encode() in b"".join(part for _, fields in broker.redis.xrange(key)
                                    for pair in fields.items() for part in pair)
        for key in broker.redis.scan_iter(_type="stream")
    ) or any(
        wanted.encode() in (broker.redis.get(key) or b"")
        for key in broker.redis.scan_iter(_type="string")
    )  # fmt: skip


def test_no_log_error_or_metric_has_a_drafts_text(app, ada, caplog):
    caplog.set_level(logging.DEBUG)
    save(ada, SECRET, SECRET, version=0)
    refused = ada.post(DRAFT, {**draft(SECRET), "version": SECRET})
    assert refused.status_code == 422
    with app.app_context():
        db.session.execute(text("ALTER TABLE drafts RENAME TO elsewhere"))
        db.session.commit()
    try:
        app.config["PROPAGATE_EXCEPTIONS"] = False
        broken = ada.post(DRAFT, draft(f"{SECRET}.", version=1))
    finally:
        with app.app_context():
            db.session.execute(text("ALTER TABLE elsewhere RENAME TO drafts"))
            db.session.commit()
    assert broken.status_code == 500
    assert "drafts" in caplog.text  # the error is logged
    metrics = ada.get("/metrics").text
    for shown in (caplog.text, refused.text, broken.text, metrics):
        assert SECRET not in shown


def test_without_access_to_the_conversation_its_draft_is_as_unknown_as_any(app, ada, kevin, other):
    save(kevin, "his", version=0)
    unknown = kevin.get("/conversations/999999/draft")
    assert (unknown.status_code, unknown.content_type) == (404, "application/problem+json")
    change_inbox(app, kevin, remove_from_inbox)
    for answer in (
        kevin.get(DRAFT),
        kevin.post(DRAFT, draft("more", version=1)),
        kevin.post(DRAFT, draft("his", version=1)),
        kevin.get(f"/conversations/{other.conversation}/draft"),
    ):
        assert (answer.status_code, answer.json) == (404, unknown.json)
    assert saved(ada) == NONE
    change_inbox(app, kevin, add_to_inbox)
    assert saved(kevin) == draft("his", "", 1)


def change_inbox(app, client, change):
    with app.app_context():
        change(db.session.get_one(Inbox, 1), db.session.get_one(User, client.id))


@pytest.mark.parametrize("table", [User, Conversation])
def test_no_draft_outlives_its_user_or_conversation(app, ada, table):
    with app.app_context():
        user = User(name="Nora", email="nora@example.com", password_hash="none")
        conversation = Conversation(account_id=1, inbox_id=1, contact_id=1)
        db.session.add_all([user, conversation])
        db.session.flush()
        row = Draft(user_id=user.id, conversation_id=conversation.id, reply="x")
        id = user.id if table is User else conversation.id
        db.session.add(row)
        db.session.commit()
        with pytest.raises(IntegrityError):
            db.session.execute(delete(table).where(table.id == id))
        db.session.rollback()
        db.session.execute(delete(Draft).where(Draft.user_id == row.user_id))
        assert db.session.execute(delete(table).where(table.id == id)).rowcount == 1
        db.session.commit()
