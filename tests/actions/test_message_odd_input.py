"""Bad input beyond the tables of refusals: forms, odd JSON and ids."""

from contextlib import closing

import pytest

from ..support import envelope

MESSAGES = "/conversations/1/messages"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
MIB = 1024 * 1024

# What is sent, as what → status, and the field that is to blame if it is 422.
ODD_BODIES = {
    "nothing, as JSON": (b"", JSON, 400, None),
    "JSON nested too deep": (b"[" * 100_000, JSON, 400, None),
    "an integer of too many digits": (b'{"content": ' + b"1" * 5_000 + b"}", JSON, 400, None),
    "null": (b"null", JSON, 422, "body"),
    "blank beyond ASCII": (rb'{"content": "\u2003\u3000"}', JSON, 422, "content"),
    "private a number": (b'{"content": "x", "private": 1}', JSON, 422, "private"),
    "private null": (b'{"content": "x", "private": null}', JSON, 422, "private"),
    "NUL in client_id": (rb'{"content": "x", "client_id": "\u0000"}', JSON, 422, "client_id"),
    "a lone surrogate in client_id": (
        rb'{"content": "x", "client_id": "\udfff"}', JSON, 422, "client_id",
    ),
    "a form without content": (b"private=true", FORM, 422, "content"),
    "a form's misspelt field": (b"content=x&privat=true", FORM, 422, "privat"),
    "a form's private that is no boolean": (b"content=x&private=perhaps", FORM, 422, "private"),
    "a form over a mebibyte": (b"content=" + b"x" * MIB, FORM, 413, None),
    "no content type": (b"hello", None, 415, None),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD_BODIES)
def test_an_odd_body_is_refused_with_its_problem_and_publishes_nothing(ada, outbox, name):
    body, kind, status, field = ODD_BODIES[name]
    with closing(ada.stream("/streams?stream=account:1&stream=conversation:1")) as stream:
        stream.named("stream.open")
        client = ada.app.test_client()
        answer = client.post(MESSAGES, data=body, content_type=kind, headers=ada.headers)
        assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
        assert answer.json["status"] == status
        invalid = list(answer.json.get("errors", []))
        assert invalid == ([field] if field else [])
        assert outbox.unchanged()
        message = ada.send(1, "the next event").json
        assert envelope(stream.named("message.created"))["data"] == message


def test_an_unknown_field_named_by_a_lone_surrogate_is_refused_with_422(ada, outbox):
    body = rb'{"content": "x", "\ud800": 1}'
    client = ada.app.test_client()
    answer = client.post(MESSAGES, data=body, content_type=JSON, headers=ada.headers)
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert outbox.unchanged()


@pytest.mark.parametrize(
    "id",
    ["0", "-1", "1e3", "one", "2147483648", "9" * 100],
    ids=["0", "-1", "1e3", "one", "2147483648", "100 digits"],
)
def test_a_malformed_conversation_id_answers_as_an_unknown_one(ada, outbox, id):
    unknown = ada.send(999_999, "hello")
    answer = ada.post(f"/conversations/{id}/messages", {"content": "hello"})
    assert (answer.status_code, answer.json) == (404, unknown.json)
    assert outbox.unchanged()


def test_bad_input_for_a_conversation_without_access_answers_as_for_an_unknown_one(ada, grace):
    assert ada.post(MESSAGES, {}).status_code == 422  # with access
    hidden, unknown = grace.post(MESSAGES, {}), grace.post("/conversations/999999/messages", {})
    assert (hidden.status_code, hidden.json) == (404, unknown.json)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_a_wrong_method_is_refused_with_405_and_the_allowed_methods(ada, method):
    answer = ada.app.test_client().open(MESSAGES, method=method, headers=ada.headers)
    assert (answer.status_code, answer.content_type) == (405, "application/problem+json")
    assert "POST" in answer.headers["Allow"]


def test_a_message_with_odd_characters_is_published_unchanged(ada):
    text = "a\u2028b\x85c\x0bd\x7f 💬 </script>\nid: 1"
    stream = ada.stream("/streams/conversations/1")
    stream.named("stream.open")
    assert ada.send(1, text).json["content"] == text
    assert envelope(stream.named("message.created"))["data"]["content"] == text
    stream.close()


def test_an_oversized_message_is_truncated_in_its_event_and_complete_in_a_fetch(ada):
    long, short = "é" * 10_000, "é" * 1_000
    stream = ada.stream("/streams/conversations/1")
    stream.named("stream.open")
    ada.send(1, long)
    ada.send(1, short)
    cut, complete = (envelope(stream.named("message.created"))["data"] for _ in range(2))
    assert cut["truncated"] is True
    assert long.startswith(cut["content"])
    assert 0 < len(cut["content"]) < len(long)
    assert "truncated" not in complete
    fetched = ada.get("/conversations/1/messages").json["messages"][-2:]
    assert [message["content"] for message in fetched] == [long, short]
    stream.close()
