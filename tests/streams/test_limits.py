"""Limits and malformed parameters of stream requests."""

import pytest

from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Conversation
from rtapp.models import Membership
from rtapp.streams.several import MAX_STREAMS

from ..support import envelope

STREAM = "/streams/conversations/1"


def test_a_connection_takes_the_maximum_of_streams_and_not_one_more(app, ada):
    with app.app_context():
        for _ in range(MAX_STREAMS):
            db.session.add(Conversation(account_id=1, inbox_id=1, contact_id=1))
        db.session.commit()
    assert MAX_STREAMS == 32
    names = [f"conversation:{n}" for n in range(1, MAX_STREAMS + 2)]
    stream = ada.stream("/streams?" + "&".join(f"stream={name}" for name in names[:MAX_STREAMS]))
    assert envelope(stream.named("stream.open"))["streams"] == names[:MAX_STREAMS]
    stream.close()
    for too_many in (names, names[:1] * (MAX_STREAMS + 1)):
        answer = ada.get("/streams?" + "&".join(f"stream={name}" for name in too_many))
        assert (answer.status_code, answer.content_type) == (400, "application/problem+json")


@pytest.mark.parametrize("path", [STREAM, "/streams?stream=account:1", "/streams/accounts/1"])
def test_a_refused_stream_answers_problem_json_even_if_html_is_accepted(nobody, kevin, path):
    answer = nobody.page(path)
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    answer = kevin.page(f"{path.replace('1', '99')}")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_streams_of_two_accounts_on_one_connection_are_refused_with_400(app, ada):
    with app.app_context():
        other = Account(name="Second")
        db.session.add(other)
        db.session.flush()
        db.session.add(Membership(account_id=other.id, user_id=ada.id, role="administrator"))
        db.session.commit()
        second = other.id
    alone = ada.stream(f"/streams?stream=account:{second}")  # she has access
    alone.named("stream.open")
    alone.close()
    answer = ada.get(f"/streams?stream=account:1&stream=account:{second}")
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")


@pytest.mark.parametrize("id", [999_999, 999_999_999, 1_000_000_000, 2**31 - 1])
def test_an_unknown_conversation_is_404_alone_and_among_several_streams(ada, id):
    alone = ada.get(f"/streams/conversations/{id}")
    among = ada.get(f"/streams?stream=account:1&stream=conversation:{id}")
    assert (alone.status_code, among.status_code) == (404, 404)
    assert alone.json == among.json


def test_a_malformed_last_event_id_header_is_400_even_with_a_valid_query_cursor(ada, broker):
    good = broker.position(1)
    stream = ada.stream(f"{STREAM}?last_event_id={good}")
    assert envelope(stream.named("stream.open"))["resumed"] is True
    stream.close()
    answer = ada.get(f"{STREAM}?last_event_id={good}", Last_Event_ID="garbage")
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")


@pytest.mark.parametrize(
    "cursor", ["a-1-2-3", "a--1-0", "é-1-0", "a-1-0 ", "a" * 17 + "-1-0", "a-" + "9" * 16 + "-0"]
)
def test_a_malformed_cursor_in_the_query_is_400(ada, cursor):
    answer = ada.app.test_client().get(
        STREAM, query_string={"last_event_id": cursor}, headers=ada.headers
    )
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")


def test_a_head_request_opens_no_stream(ada, engine):
    answer = ada.app.test_client().head(STREAM, headers=ada.headers)
    assert answer.status_code == 200
    assert answer.content_type == "text/event-stream; charset=utf-8"
    assert len(engine.hub) == 0


def test_a_refused_stream_is_not_counted_as_open(ada, grace, engine):
    assert grace.get(STREAM).status_code == 404
    assert ada.get(f"{STREAM}?format=xml").status_code == 400
    assert len(engine.hub) == 0
    assert not engine.stream_counts


def test_more_streams_than_the_limit_of_one_address_are_refused_with_429(app, ada, kevin):
    app.config["STREAMS_PER_ADDRESS"] = 1
    stream = ada.stream(STREAM)
    refused = kevin.get(STREAM)
    assert (refused.status_code, refused.content_type) == (429, "application/problem+json")
    assert int(refused.headers["Retry-After"]) > 0
    app.config["STREAMS_PER_ADDRESS"] = 0  # no limit
    kevin.stream(STREAM).close()
    stream.close()
