from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.realtime.hub import LIFETIME

from ..support import envelope
from .refusals import Action
from .refusals import Case

MESSAGES = "/conversations/1/messages"

SEND = Action(
    path="/conversations/{id}/messages",
    id=1,
    body={"content": "hello"},
    required=["content"],
    bad={
        "content": [None, 7, "", " \n\t", "a\x00b", "\ud800", "x" * 10_001, ["x"]],
        "private": [None, 1, "yes", "true"],
        "client_id": [1, "i" * 65, "\x00", "\udfff"],
    },
    visitor=201,
)


def test_sending_a_message_refuses_bad_input(refusals):
    refusals.check(
        SEND,
        Case("a string", 422, "body", "hello"),
        Case("a misspelt field", 422, "privat", {"content": "x", "privat": True}),
        Case("over a mebibyte", 413, body={"content": "x" * 1_100_000}),
    )


def test_content_of_exactly_the_maximum_length_is_sent(ada):
    assert ada.send(1, "é" * 10_000).status_code == 201


def test_a_conversation_without_access_answers_exactly_as_an_unknown_one(ada, grace, other, outbox):
    unknown = ada.send(999_999, "hello")
    assert (unknown.status_code, unknown.content_type) == (404, "application/problem+json")
    for answer in (
        ada.send(other.conversation, "hello"),
        grace.send(1, "hello"),
        ada.send(2**31, "hello"),
        ada.send(10**30, "hello"),
    ):
        assert (answer.status_code, answer.json) == (404, unknown.json)
    assert outbox.unchanged()


def test_a_private_message_is_received_as_the_frame_that_the_protocol_specifies(ada, kevin):
    stream = kevin.stream("/streams/conversations/1")
    opened = stream.named("stream.open")
    assert stream.raw.startswith("retry: ")
    fields = envelope(opened)
    assert 0 < fields.pop("expires_in") <= LIFETIME[1]
    assert fields == {
        "streams": ["conversation:1"],
        "resumed": False,
        "heartbeat": 15,
        "id": opened.id,
    }
    answer = ada.send(1, "Hello\nthere", private=True, client_id="c1")
    assert answer.status_code == 201
    event = stream.named("message.created")
    assert event.id > opened.id
    body = envelope(event)
    assert body.keys() == {"event", "stream", "timestamp", "data"}
    assert (body["event"], body["stream"]) == ("message.created", "conversation:1")
    assert body["data"] == answer.json
    assert answer.json.keys() == {
        "id", "conversation_id", "account_id", "message_type", "private", "content", "sender",
        "client_id", "created_at", "updated_at", "edited_at", "edited_by", "version",
        "attachments",
    }  # fmt: skip
    assert answer.json["content"] == "Hello\nthere"
    assert answer.json["sender"] == {"type": "user", "id": 1, "name": "Ada"}
    stream.close()


def test_a_retried_post_of_a_message_is_published_once(ada, kevin):
    stream = kevin.stream("/streams/conversations/1")
    stream.named("stream.open")
    first, again = ada.send(1, "once", client_id="k"), ada.send(1, "once", client_id="k")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json
    ada.send(1, "after")
    assert [envelope(stream.next())["data"]["content"] for _ in range(2)] == ["once", "after"]
    stream.close()


def test_two_users_may_use_the_same_client_id(ada, kevin):
    assert ada.send(1, "mine", client_id="k").status_code == 201
    assert kevin.send(1, "mine too", client_id="k").status_code == 201


def test_a_client_id_of_another_conversation_is_refused_with_422(ada, outbox):
    assert ada.send(1, "first", client_id="k").status_code == 201
    answer = ada.send(2, "second", client_id="k")
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["client_id"])


def test_the_account_stream_receives_the_conversation_that_a_fetch_returns(ada):
    stream = ada.stream("/streams/accounts/1")
    stream.named("stream.open")
    ada.send(3, "state + events")
    body = envelope(stream.named("conversation.updated"))
    fresh = ada.get("/conversations/3").json["conversation"]
    assert body["data"] == fresh
    assert fresh["last_message"]["preview"] == "state + events"
    listed = ada.get("/accounts/1/conversations").json["conversations"]
    assert listed[0] == fresh  # it moved up
    stream.close()


def test_a_resumed_thread_receives_the_messages_that_a_fetch_returns(ada):
    before = ada.get("/conversations/3/messages").json
    ada.send(3, "one")
    ada.send(3, "two")
    stream = ada.stream(f"/streams/conversations/3?last_event_id={before['cursor']}")
    assert envelope(stream.named("stream.open"))["resumed"] is True
    received = [envelope(stream.named("message.created"))["data"] for _ in range(2)]
    assert before["messages"] + received == ada.get("/conversations/3/messages").json["messages"]
    stream.close()


def test_a_form_sends_a_message_and_redirects_to_the_conversation(kevin, app):
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
