"""The access of a customer by a visitor's token."""

import json
import logging

import pytest

from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import User
from rtapp.services.change_tokens import create_token
from rtapp.services.change_tokens import create_visitor_token

from .support import Stream
from .support import envelope
from .support import eventually
from .support import outbox_drained
from .world import all_rows
from .world import open_stream

NOTE = "Third complaint about this courier this week"  # a private note in conversation 1


def test_a_customer_reads_only_the_public_part_of_their_own_conversation(ada, maria):
    complete = ada.get("/conversations/1/messages").json["messages"]
    ada.post("/conversations/1/status", {"status": "pending"})
    answer = maria.get("/conversations/1/messages")
    public = [m for m in complete if not m["private"]]
    assert answer.json["messages"] == public
    assert 0 < len(public) < len(complete)
    conversation = maria.get("/conversations/1").json["conversation"]
    complete = ada.get("/conversations/1").json["conversation"]
    assert complete["labels"] != []
    assert conversation == {
        **complete,
        "status": "open",
        "assignee": None,
        "labels": [],
        "last_message": conversation["last_message"],
        "last_activity_at": public[-1]["created_at"],
        "last_public_at": public[-1]["created_at"],
        "waiting_since": None,
    }
    assert conversation["last_message"]["id"] == public[-1]["id"]
    for body in (answer.data, json.dumps(conversation)):
        assert NOTE not in str(body)


READS = ["/conversations/1", "/conversations/1/messages", "/streams/conversations/1"]


def test_another_customers_conversation_answers_as_an_unknown_one(maria, other):
    unknown = maria.get("/conversations/999999")
    for id in (2, 7, other.conversation, 999_999):
        for path in (path.replace("1", str(id)) for path in READS):
            answer = maria.get(path)
            assert (answer.status_code, answer.json) == (404, unknown.json)
        assert maria.send(id, "hello").status_code == 404
        assert maria.post(f"/conversations/{id}/read", {"message_id": 1}).status_code == 404


def test_a_customer_is_refused_everywhere_that_is_for_agents(app, maria):
    before = all_rows(app)
    reads = ["/me", "/", "/accounts/1/conversations", "/accounts/1/notifications"]
    assert {maria.get(path).status_code for path in reads} == {403}
    for path in ("/streams/accounts/1", "/streams?stream=conversation:1&stream=account:1"):
        assert maria.get(path).status_code == 404
    assert all_rows(app) == before  # the actions have their own tables of refusals


def test_a_customers_message_is_published_to_agents_and_customer_and_sent_once(
    app, ada, kevin, maria
):
    with open_stream(kevin, "conversation:1") as team, open_stream(maria, "conversation:1") as own:
        team.named("stream.open")
        own.named("stream.open")
        answer = maria.send(1, "Hello?", client_id="k")
        assert answer.status_code == 201
        assert envelope(team.named("message.created"))["data"] == answer.json
        body = envelope(own.named("message.created"))
    assert body["data"] == answer.json
    assert body["stream"] == "conversation:1"
    assert (answer.json["message_type"], answer.json["private"]) == ("incoming", False)
    assert answer.json["sender"] == {"type": "contact", "id": maria.id, "name": "Maria Lindqvist"}
    again = maria.send(1, "Hello?", client_id="k")
    assert (again.status_code, again.json) == (200, answer.json)
    assert ada.send(1, "Hello!", client_id="k").status_code == 201  # client_ids are per sender


def test_a_customer_cannot_send_a_private_note(app, maria):
    before = all_rows(app)
    answer = maria.send(1, "psst", private=True)
    assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
    assert all_rows(app) == before


def test_a_customers_stream_has_only_public_events_live_and_replayed(app, ada, kevin, maria):
    cursor = ada.get("/conversations/1").json["cursor"]
    with open_stream(maria, "conversation:1") as live:
        live.named("stream.open")
        kevin.send(1, "@Ada a note", private=True)
        ada.post("/conversations/1/assignee", {"assignee_id": ada.id})
        ada.post("/conversations/1/status", {"status": "pending"})
        last = ada.get("/conversations/1/messages").json["messages"][-1]
        ada.post("/conversations/1/read", {"message_id": last["id"]})
        ada.send(1, "An answer", client_id="ours")
        data = envelope(live.named("message.created"))["data"]
    assert (data["content"], data["sender"]["name"]) == ("An answer", "Ada")
    assert data["client_id"] is None
    assert outbox_drained(app)
    with open_stream(maria, f"conversation:1&last_event_id={cursor}") as replayed:
        replayed.named("stream.open")
        assert envelope(replayed.named("message.created"))["data"] == data
    broker = app.extensions["broker"]
    for _, fields in broker.redis.xrange("rt:{1}:visitor:1"):
        assert json.loads(fields[b"b"])["event"] == "message.created"


STREAMS = ["/streams/conversations/1?", "/streams?stream=conversation:1&"]


@pytest.mark.parametrize("path", STREAMS)
def test_a_token_in_a_url_opens_nothing(app, maria, ada, path):
    client = app.test_client()
    for token in (maria.token, ada.headers["Authorization"].removeprefix("Bearer "), "forged", ""):
        for method in (client.get, client.head):
            answer = method(f"{path}token={token}")
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "Authorization" in client.get(f"{path}token={token}").json["detail"]
    for other in (f"/conversations/1?token={maria.token}", f"/me?token={maria.token}"):
        assert client.get(other).status_code == 401
    stream = Stream(client.get(path, headers=maria.headers))
    stream.named("stream.open")
    stream.close()


@pytest.mark.parametrize("path", STREAMS)
def test_a_token_in_a_url_does_not_open_a_stream_to_the_user_of_the_cookie(app, maria, path):
    """In the page of a visitor, their browser would show what agents see."""
    browser = app.test_client()
    signed_in = {"email": "ada@example.com", "password": "password"}
    assert browser.post("/login", json=signed_in).status_code == 200
    assert browser.get(f"{path}token={maria.token}").status_code == 401
    stream = Stream(browser.get(path))
    stream.named("stream.open")
    stream.close()


def test_a_token_in_a_url_has_no_effect_beside_one_in_the_header(app, maria, ada):
    users = ada.headers["Authorization"].removeprefix("Bearer ")
    path = f"/streams/conversations/2?token={users}"
    assert app.test_client().get(path, headers=maria.headers).status_code == 404
    stream = Stream(app.test_client().get("/streams/conversations/2", headers=ada.headers))
    stream.named("stream.open")
    stream.close()


def test_a_token_in_a_url_appears_in_no_log_header_or_page(app, maria, caplog):
    """Pages that were made for older versions may still send it."""
    caplog.set_level(logging.DEBUG)
    client, accept = app.test_client(), {"Accept": "text/html"}
    for path in ("/streams/conversations/1", "/conversations/1", "/nothing"):
        answer = client.get(f"{path}?token={maria.token}", headers=accept)
        assert answer.status_code >= 300
        assert maria.token not in str(answer.headers) + answer.get_data(as_text=True)
    assert maria.token not in caplog.text


def test_an_expired_or_damaged_visitors_token_is_401(app, maria):
    with app.app_context():
        contact = db.session.get(Contact, maria.id)
        expired = create_visitor_token(contact, -1).text
        users = create_token(db.session.get_one(User, 1), "Test").text
    client = app.test_client()
    for token, status in (
        (expired, 401),
        (maria.token, 200),
        (users, 200),
        (maria.token[:-1], 401),
    ):
        headers = {"Authorization": f"Bearer {token}"}
        assert client.get("/conversations/1", headers=headers).status_code == status


def test_the_sweep_closes_a_customers_stream_when_the_conversation_is_no_longer_theirs(
    app, maria, engine
):
    with open_stream(maria, "conversation:1") as stream:
        stream.named("stream.open")
        engine.revocation.recheck(engine.hub.subscribers())
        assert len(engine.hub) == 1
        with app.app_context():  # now of another customer
            db.session.get(Conversation, 1).contact_id = 2
            db.session.commit()
        engine.revocation.recheck(engine.hub.subscribers())
        assert envelope(stream.named("stream.closed"))["reason"] == "forbidden"
        assert stream.ended()


def test_a_contact_and_a_user_of_the_same_id_have_separate_stream_limits(app, ada, maria, engine):
    assert ada.id == maria.id
    app.config["STREAMS_PER_USER"] = 1
    with open_stream(ada, "conversation:1"), open_stream(maria, "conversation:1"):
        assert maria.get("/streams/conversations/1").status_code == 429
    eventually(lambda: len(engine.hub) == 0)


def test_token_visitor_prints_only_a_token_and_refuses_an_unknown_or_ambiguous_email(app, other):
    run = app.test_cli_runner().invoke
    result = run(args=["token", "visitor", "Maria.Lindqvist@example.com"])
    assert (result.exit_code, len(result.output.split())) == (0, 1)
    headers = {"Authorization": f"Bearer {result.output.strip()}"}
    assert app.test_client().get("/conversations/1", headers=headers).status_code == 200
    assert run(args=["token", "visitor", "nobody@example.com"]).exit_code == 1
    with app.app_context():
        db.session.add(Contact(account_id=other.account, name="M", email="tom.okafor@example.com"))
        db.session.commit()
    assert run(args=["token", "visitor", "tom.okafor@example.com"]).exit_code == 1
    chosen = run(args=["token", "visitor", "tom.okafor@example.com", "--account", "1"])
    assert chosen.exit_code == 0
