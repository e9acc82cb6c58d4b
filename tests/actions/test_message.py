import json

import pytest
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Inbox

from ..support import envelope

MESSAGES = "/conversations/1/messages"

# What is sent → status, and the field that is to blame if it is 422.
BAD_BODIES = {
    "not JSON": ("{", 400, None),
    "not UTF-8": (b"\xff", 400, None),
    "a list": ("[]", 422, "body"),
    "a string": ('"hello"', 422, "body"),
    "nothing in it": ("{}", 422, "content"),
    "empty content": ('{"content": ""}', 422, "content"),
    "blank content": ('{"content": " \\n\\t"}', 422, "content"),
    "content over the limit": (json.dumps({"content": "x" * 10_001}), 422, "content"),
    "content a number": ('{"content": 7}', 422, "content"),
    "content null": ('{"content": null}', 422, "content"),
    "NUL in content": ('{"content": "a\\u0000b"}', 422, "content"),
    "half a surrogate pair": ('{"content": "\\ud800"}', 422, "content"),
    "private a string": ('{"content": "x", "private": "yes"}', 422, "private"),
    "client_id too long": (json.dumps({"content": "x", "client_id": "i" * 65}), 422, "client_id"),
    "client_id a number": ('{"content": "x", "client_id": 1}', 422, "client_id"),
    "a misspelt field": ('{"content": "x", "privat": true}', 422, "privat"),
    "over a mebibyte": (json.dumps({"content": "x" * 1_100_000}), 413, None),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_told_what_is_wrong_and_changes_nothing(ada, outbox, name):
    body, status, field = BAD_BODIES[name]
    answer = ada.app.test_client().post(
        MESSAGES, data=body, content_type="application/json", headers=ada.headers
    )
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert answer.json.keys() >= {"type", "title", "status", "detail"}
    assert answer.json["status"] == status
    assert (list(answer.json["errors"]) == [field]) if field else ("errors" not in answer.json)
    assert outbox.unchanged()


def test_a_body_of_another_type_is_refused(ada, outbox):
    answer = ada.app.test_client().post(
        MESSAGES, data="hello", content_type="text/plain", headers=ada.headers
    )
    assert answer.status_code == 415
    assert outbox.unchanged()


def test_content_of_just_the_limit_is_sent(ada):
    assert ada.send(1, "é" * 10_000).status_code == 201


@pytest.fixture
def foreign(app):
    """A conversation of another account."""
    with app.app_context():
        account = Account(name="Other")
        db.session.add(account)
        db.session.flush()
        inbox = Inbox(account_id=account.id, name="Theirs")
        contact = Contact(account_id=account.id, name="Zoe")
        db.session.add_all([inbox, contact])
        db.session.flush()
        row = Conversation(account_id=account.id, inbox_id=inbox.id, contact_id=contact.id)
        db.session.add(row)
        db.session.commit()
        return row.id


def test_what_is_not_mine_answers_as_what_does_not_exist(ada, grace, foreign, outbox):
    unknown = ada.send(999_999, "hello")
    assert (unknown.status_code, unknown.content_type) == (404, "application/problem+json")
    for answer in (
        ada.send(foreign, "hello"),
        grace.send(1, "hello"),
        ada.send(2**31, "hello"),
        ada.send(10**30, "hello"),
    ):
        assert (answer.status_code, answer.json) == (404, unknown.json)
    assert outbox.unchanged()


def test_nobody_signed_in_is_401(nobody, outbox):
    answer = nobody.send(1, "hello")
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert outbox.unchanged()


def test_a_message_arrives_as_one_frame_of_the_protocol(ada, kevin):
    stream = kevin.stream("/streams/conversations/1")
    opened = stream.named("stream.open")
    assert stream.raw.startswith("retry: ")
    assert envelope(opened) == {
        "streams": ["conversation:1"],
        "resumed": False,
        "heartbeat": 15,
    }
    answer = ada.send(1, "Hello\nthere", private=True, client_id="c1")
    assert answer.status_code == 201
    event = stream.named("message.created")
    assert event.id > opened.id
    said = envelope(event)
    assert said.keys() == {"event", "stream", "timestamp", "data"}
    assert (said["event"], said["stream"]) == ("message.created", "conversation:1")
    assert said["data"] == answer.json
    assert answer.json.keys() == {
        "id", "conversation_id", "account_id", "message_type", "private", "content", "sender",
        "client_id", "created_at", "updated_at", "version",
    }  # fmt: skip
    assert answer.json["content"] == "Hello\nthere"
    assert answer.json["sender"] == {"type": "user", "id": 1, "name": "Ada"}
    stream.close()


def test_a_retried_post_sends_nothing_twice(ada, kevin):
    stream = kevin.stream("/streams/conversations/1")
    stream.named("stream.open")
    first, again = ada.send(1, "once", client_id="k"), ada.send(1, "once", client_id="k")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json
    ada.send(1, "after")
    assert [envelope(stream.next())["data"]["content"] for _ in range(2)] == ["once", "after"]
    stream.close()


def test_another_user_may_use_the_same_client_id(ada, kevin):
    assert ada.send(1, "mine", client_id="k").status_code == 201
    assert kevin.send(1, "mine too", client_id="k").status_code == 201


def test_a_client_id_of_another_conversation_is_refused(ada, outbox):
    assert ada.send(1, "first", client_id="k").status_code == 201
    answer = ada.send(2, "second", client_id="k")
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["client_id"])


def test_the_list_hears_what_a_fresh_fetch_shows(ada):
    stream = ada.stream("/streams/accounts/1")
    stream.named("stream.open")
    ada.send(3, "state + events")
    said = envelope(stream.named("conversation.updated"))
    fresh = ada.get("/conversations/3").json["conversation"]
    assert said["data"] == fresh
    assert fresh["last_message"]["preview"] == "state + events"
    listed = ada.get("/accounts/1/conversations").json["conversations"]
    assert listed[0] == fresh  # it moved up
    stream.close()


def test_the_thread_hears_what_a_fresh_fetch_shows(ada):
    before = ada.get("/conversations/3/messages").json
    ada.send(3, "one")
    ada.send(3, "two")
    stream = ada.stream(f"/streams/conversations/3?last_event_id={before['cursor']}")
    assert envelope(stream.named("stream.open"))["resumed"] is True
    heard = [envelope(stream.named("message.created"))["data"] for _ in range(2)]
    assert before["messages"] + heard == ada.get("/conversations/3/messages").json["messages"]
    stream.close()


def test_a_form_without_javascript_is_sent_back_to_the_page(kevin, app):
    client = app.test_client()
    answer = client.post(
        MESSAGES,
        data={"content": "a\r\nb", "client_id": "", "private": "true"},
        headers={**kevin.headers, "Accept": "text/html"},
    )
    assert (answer.status_code, answer.location) == (303, "/conversations/1")
    with app.app_context():
        row = db.session.scalars(select(Conversation).where(Conversation.id == 1)).one()
        last = row.last_message
        assert (last.content, last.private, last.client_id) == ("a\nb", True, None)
