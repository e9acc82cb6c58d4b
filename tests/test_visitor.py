"""What a customer may see and do by a visitor's token, and that nobody else may by it."""

import json
import logging

import pytest

from rtapp import auth
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation

from .support import Stream
from .support import envelope
from .support import eventually
from .support import outbox_drained
from .world import all_rows
from .world import open_stream

NOTE = "Third complaint about this courier this week"  # a private note in conversation 1


def test_a_visitor_reads_what_is_public_of_their_own_conversation(ada, maria):
    everything = ada.get("/conversations/1/messages").json["messages"]
    ada.post("/conversations/1/status", {"status": "pending"})
    answer = maria.get("/conversations/1/messages")
    public = [m for m in everything if not m["private"]]
    assert answer.json["messages"] == public
    assert 0 < len(public) < len(everything)
    conversation = maria.get("/conversations/1").json["conversation"]
    assert conversation == {
        **ada.get("/conversations/1").json["conversation"],
        "status": "open",
        "assignee": None,
        "last_message": conversation["last_message"],
        "last_activity_at": public[-1]["created_at"],
    }
    assert conversation["last_message"]["id"] == public[-1]["id"]
    for body in (answer.data, json.dumps(conversation)):
        assert NOTE not in str(body)


READS = ["/conversations/1", "/conversations/1/messages", "/streams/conversations/1"]


def test_nobody_elses_conversation_is_there(maria, other):
    unknown = maria.get("/conversations/999999")
    for id in (2, 7, other.conversation, 999_999):
        for path in (path.replace("1", str(id)) for path in READS):
            answer = maria.get(path)
            assert (answer.status_code, answer.json) == (404, unknown.json)
        assert maria.send(id, "hello").status_code == 404
        assert maria.post(f"/conversations/{id}/read", {"message_id": 1}).status_code == 404


def test_the_teams_things_are_closed_to_visitors(app, maria):
    before = all_rows(app)
    reads = ["/me", "/", "/accounts/1/conversations", "/accounts/1/notifications"]
    assert {maria.get(path).status_code for path in reads} == {403}
    for path in ("/streams/accounts/1", "/streams?stream=conversation:1&stream=account:1"):
        assert maria.get(path).status_code == 404
    assert all_rows(app) == before  # what the actions answer is in their own tables


def test_a_visitor_writes_into_their_conversation(app, ada, kevin, maria):
    with open_stream(kevin, "conversation:1") as team, open_stream(maria, "conversation:1") as own:
        team.named("stream.open")
        own.named("stream.open")
        answer = maria.send(1, "Hello?", client_id="k")
        assert answer.status_code == 201
        assert envelope(team.named("message.created"))["data"] == answer.json
        said = envelope(own.named("message.created"))
    assert said["data"] == answer.json
    assert said["stream"] == "conversation:1"
    assert (answer.json["message_type"], answer.json["private"]) == ("incoming", False)
    assert answer.json["sender"] == {"type": "contact", "id": maria.id, "name": "Maria Lindqvist"}
    again = maria.send(1, "Hello?", client_id="k")
    assert (again.status_code, again.json) == (200, answer.json)
    assert ada.send(1, "Hello!", client_id="k").status_code == 201  # another sender's name for it


def test_a_visitor_writes_no_notes(app, maria):
    before = all_rows(app)
    answer = maria.send(1, "psst", private=True)
    assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
    assert all_rows(app) == before


def test_a_visitors_stream_has_what_is_public_and_no_more(app, ada, kevin, maria):
    cursor = ada.get("/conversations/1").json["cursor"]
    with open_stream(maria, "conversation:1") as live:
        live.named("stream.open")
        kevin.send(1, "@Ada a note", private=True)
        ada.post("/conversations/1/assignee", {"assignee_id": ada.id})
        ada.post("/conversations/1/status", {"status": "pending"})
        last = ada.get("/conversations/1/messages").json["messages"][-1]
        ada.post("/conversations/1/read", {"message_id": last["id"]})
        ada.send(1, "An answer", client_id="ours")
        said = envelope(live.named("message.created"))["data"]
    assert (said["content"], said["sender"]["name"]) == ("An answer", "Ada")
    assert said["client_id"] is None
    assert outbox_drained(app)
    with open_stream(maria, f"conversation:1&last_event_id={cursor}") as replayed:
        replayed.named("stream.open")
        assert envelope(replayed.named("message.created"))["data"] == said
    broker = app.extensions["broker"]
    for _, fields in broker.redis.xrange("rt:{1}:visitor:1"):
        assert json.loads(fields[b"b"])["event"] == "message.created"


@pytest.mark.parametrize("where", ["address", "header"])
def test_a_stream_takes_the_token_either_way(app, maria, where):
    client = app.test_client()
    if where == "address":
        answer = client.get(f"/streams/conversations/1?token={maria.token}")
    else:
        answer = client.get("/streams/conversations/1", headers=maria.headers)
    stream = Stream(answer)
    stream.named("stream.open")
    stream.close()


def test_a_token_in_an_address_opens_streams_only_and_only_a_visitors(app, maria, ada):
    client = app.test_client()
    assert client.get(f"/conversations/1?token={maria.token}").status_code == 401
    users = ada.headers["Authorization"].removeprefix("Bearer ")
    assert client.get(f"/streams/conversations/1?token={users}").status_code == 401
    assert client.get("/streams/conversations/1?token=").status_code == 401


def test_a_token_in_an_address_wins_over_a_cookie(app, maria):
    browser = app.test_client()
    signed_in = {"email": "ada@example.com", "password": "password"}
    assert browser.post("/login", json=signed_in).status_code == 200
    assert browser.get(f"/streams/conversations/2?token={maria.token}").status_code == 404
    answer = browser.get("/streams/conversations/2?token=forged")
    assert answer.status_code == 401


def test_a_token_is_told_to_no_log_and_no_other_address(app, maria, caplog):
    caplog.set_level(logging.DEBUG)
    forged = maria.token + "x"
    answer = app.test_client().get(
        f"/streams/conversations/1?token={forged}", headers={"Accept": "text/html"}
    )
    assert forged not in str(answer.headers) + answer.get_data(as_text=True) + caplog.text


def test_a_token_ends(app, maria):
    with app.app_context():
        contact = db.session.get(Contact, maria.id)
        over = auth.create_customer_token(contact, -1)
        users = auth.create_token(db.session.get(auth.User, 1))
    client = app.test_client()
    for token, status in ((over, 401), (maria.token, 200), (users, 200), (maria.token[:-1], 401)):
        headers = {"Authorization": f"Bearer {token}"}
        assert client.get("/conversations/1", headers=headers).status_code == status


def test_a_visitors_streams_are_asked_about_again(app, maria, hub):
    with open_stream(maria, "conversation:1") as stream:
        stream.named("stream.open")
        hub.revocation.recheck(hub.hub.subscribers())
        assert len(hub.hub) == 1
        with app.app_context():  # it is another customer's now
            db.session.get(Conversation, 1).contact_id = 2
            db.session.commit()
        hub.revocation.recheck(hub.hub.subscribers())
        assert envelope(stream.named("stream.closed"))["reason"] == "forbidden"
        assert stream.ended()


def test_a_contact_and_a_user_of_the_same_id_count_apart(app, ada, maria, hub):
    assert ada.id == maria.id
    app.config["STREAMS_PER_USER"] = 1
    with open_stream(ada, "conversation:1"), open_stream(maria, "conversation:1"):
        assert maria.get("/streams/conversations/1").status_code == 429
    eventually(lambda: len(hub.hub) == 0)


def test_the_command_prints_a_visitors_token_and_nothing_else(app, other):
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
