"""A `client_id` that comes again is the same request, or it is refused with 422."""

import gevent
import pytest
from sqlalchemy import select
from sqlalchemy import update

from rtapp.extensions import db
from rtapp.models import Message

CONVERSATIONS = "/accounts/1/conversations"
MESSAGES = "/conversations/1/messages"
NEW = {
    "inbox_id": 1,
    "contact": {"name": "Nora Quist", "email": "nora@example.com"},
    "content": "Hello Nora",
    "client_id": "k",
}


def refused(answer) -> bool:
    return (answer.status_code, list(answer.json.get("errors", []))) == (422, ["client_id"])


@pytest.mark.parametrize(
    "other",
    [{"content": "another"}, {"private": True}, {"content": "Once"}, {"content": "once "}],
    ids=["text", "private", "case", "white space"],
)
def test_a_client_id_with_another_text_or_another_private_is_refused_and_publishes_nothing(
    ada, outbox, other
):
    first = ada.send(1, "once", client_id="k")
    before = outbox.state()
    again = ada.post(MESSAGES, {"content": "once", "client_id": "k", **other})
    assert refused(again), again.json
    assert outbox.state()[::2] == before[::2]  # rows and versions
    assert ada.send(1, "once", client_id="k").json == first.json


def test_a_customers_client_id_with_another_text_is_refused(maria):
    assert maria.send(1, "once", client_id="k").status_code == 201
    assert refused(maria.send(1, "twice", client_id="k"))
    assert maria.send(1, "once", client_id="k").status_code == 200


def test_a_repetition_is_recognised_after_its_message_was_edited_or_deleted(ada):
    sent = ada.send(1, "once", client_id="k").json
    edited = ada.post(f"/messages/{sent['id']}", {"content": "edited"}).json
    again = ada.send(1, "once", client_id="k")
    assert (again.status_code, again.json) == (200, edited)
    assert refused(ada.send(1, "edited", client_id="k"))
    assert ada.post(f"/messages/{sent['id']}/delete").status_code == 204
    again = ada.send(1, "once", client_id="k")
    assert (again.status_code, again.json["content"]) == (200, "")
    assert refused(ada.send(1, "edited", client_id="k"))


def test_a_form_repeats_what_json_sent(app, ada):
    sent = ada.send(1, "two\nlines", client_id="k", private=True)
    form = {"content": "two\r\nlines", "client_id": "k", "private": "true"}
    again = app.test_client().post(MESSAGES, data=form, headers=ada.headers)
    assert (again.status_code, again.json) == (200, sent.json)


def test_concurrent_requests_with_one_client_id_and_two_texts_send_one_and_refuse_the_other(ada):
    texts = ["one", "two"] * 3
    jobs = [gevent.spawn(ada.send, 1, text, client_id="k") for text in texts]
    gevent.joinall(jobs, raise_error=True)
    [sent] = [text for job, text in zip(jobs, texts, strict=True) if job.value.status_code == 201]
    for job, text in zip(jobs, texts, strict=True):
        assert job.value.status_code in (200, 201) if text == sent else refused(job.value)


@pytest.mark.parametrize(
    "other",
    [
        {"content": "Hello Nils"},
        {"contact": {"name": "Nora Quist", "email": "nils@example.com"}},
        {"contact": {"name": "Nils Quist", "email": "nora@example.com"}},
        {"inbox_id": 2},
    ],
    ids=["text", "address", "name", "inbox"],
)
def test_a_client_id_that_starts_another_conversation_is_refused(ada, other):
    first = ada.post(CONVERSATIONS, NEW)
    assert first.status_code == 201
    assert refused(ada.post(CONVERSATIONS, {**NEW, **other}))
    again = ada.post(CONVERSATIONS, NEW)
    assert (again.status_code, again.json) == (200, first.json)


def test_a_client_id_that_started_a_conversation_sends_no_message_in_it(ada):
    started = ada.post(CONVERSATIONS, NEW).json
    assert refused(ada.send(started["id"], NEW["content"], client_id="k"))


def test_a_message_from_before_the_digest_was_recorded_is_repeated_by_its_client_id(app, ada):
    sent = ada.send(1, "once", client_id="k").json
    with app.app_context():
        db.session.execute(update(Message).values(request_digest=None))
        db.session.commit()
    again = ada.send(1, "once", client_id="k")
    assert (again.status_code, again.json["id"]) == (200, sent["id"])


def test_the_recorded_digest_has_nothing_of_the_text_that_the_database_alone_could_check(app, ada):
    """Of a deleted message, the database must not keep what proves a guess of its text."""
    digests = set()
    for secret in ("one", "another"):
        app.config["SECRET_KEY"] = secret
        client = type(ada)(app, "ada@example.com")
        id = client.send(1, "once", client_id=f"k-{secret}").json["id"]
        with app.app_context():
            digests.add(db.session.scalar(select(Message.request_digest).where(Message.id == id)))
    assert len(digests) == 2
    assert None not in digests
