"""Editing and deleting messages."""

import gevent
import pytest
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Message

from ..state import verified
from ..support import envelope
from ..world import open_stream
from .refusals import STALE
from .refusals import Action
from .refusals import Case


def messages(client, conversation=1):
    return client.get(f"/conversations/{conversation}/messages").json["messages"]


def own(client, content="as it was", **more):
    return client.send(1, content, **more).json


def activity(client):
    client.post("/conversations/1/status", {"status": "pending"})
    return messages(client)[-1]


def test_editing_a_message_refuses_bad_input(refusals, ada, kevin):
    edit = Action(
        path="/messages/{id}",
        id=own(ada)["id"],
        body={"content": "better"},
        required=["content"],
        bad={
            "content": [None, 7, "", " \n", "a\x00b", "\ud800", "x" * 10_001, ["x"]],
            "version": ["1", 0, 2**31],
        },
        foreign="message",
    )
    refusals.check(
        edit,
        Case("stale version", 409, body={"content": "x", "version": STALE}),
        Case("another agent's message", 403, body=edit.body, principal="kevin"),
        Case("activity", 403, body=edit.body, id=activity(ada)["id"]),
        Case("private", 422, "private", {"content": "x", "private": False}),
    )


def test_deleting_a_message_refuses_bad_input(refusals, ada, kevin):
    delete = Action(
        path="/messages/{id}/delete",
        id=own(ada)["id"],
        body={},
        required=[],
        bad={"version": ["1", 0, 2**31]},
        foreign="message",
    )
    refusals.check(
        delete,
        Case("stale version", 409, body={"version": STALE}),
        Case("another agent's message", 403, body={}, principal="kevin"),
        Case("activity", 403, body={}, id=activity(ada)["id"]),
    )


@pytest.mark.parametrize("last", [True, False], ids=["the last message", "an earlier message"])
def test_an_edit_is_published_to_every_recipient_of_the_message(
    app, ada, kevin, grace, maria, last
):
    message = own(kevin)
    if not last:
        own(kevin, "and another")
    with open_stream(maria, "conversation:1") as customer:
        customer.named("stream.open")
        with verified(app, 1, ada, kevin, grace) as received:
            answer = kevin.post(f"/messages/{message['id']}", {"content": "as it is now"})
        data = envelope(customer.named("message.updated"))["data"]
    assert answer.status_code == 200
    assert answer.json == {
        **message,
        "content": "as it is now",
        "version": message["version"] + 1,
        "updated_at": answer.json["updated_at"],
        "edited_at": answer.json["updated_at"],
        "edited_by": {"id": kevin.id, "name": "Kevin"},
    }
    assert data == {**answer.json, "edited_by": None}
    assert received[ada] == ["message.updated", *(["conversation.updated"] if last else [])]
    assert received[grace] == []
    preview = ada.get("/conversations/1").json["conversation"]["last_message"]["preview"]
    assert preview == ("as it is now" if last else "and another")


@pytest.mark.parametrize("last", [True, False], ids=["the last message", "an earlier message"])
def test_a_deleted_message_keeps_its_position_and_loses_its_content(app, ada, kevin, maria, last):
    message = own(kevin, "a secret")
    if not last:
        own(kevin, "and another")
    with open_stream(maria, "conversation:1") as customer:
        customer.named("stream.open")
        with verified(app, 1, ada, kevin) as received:
            answer = kevin.post(f"/messages/{message['id']}/delete")
            assert (answer.status_code, answer.data) == (204, b"")
        data = envelope(customer.named("message.deleted"))["data"]
    assert data == {
        "id": message["id"],
        "conversation_id": 1,
        "account_id": 1,
        "version": message["version"] + 1,
    }
    assert received[ada] == ["message.deleted", "conversation.updated"]
    (kept,) = (m for m in messages(ada) if m["id"] == message["id"])
    assert kept == {**message, "content": "", "version": message["version"] + 1}
    preview = ada.get("/conversations/1").json["conversation"]["last_message"]["preview"]
    assert preview == ("" if last else "and another")
    with app.app_context():
        assert "a secret" not in set(db.session.scalars(select(Message.content)))
    assert "This message was deleted." in ada.page("/conversations/1").get_data(as_text=True)


@pytest.mark.parametrize("private", [False, True], ids=["a reply", "a note"])
def test_an_administrator_edits_and_deletes_messages_of_other_agents(ada, kevin, private):
    message = own(kevin, private=private)
    answer = ada.post(f"/messages/{message['id']}", {"content": "moderated"})
    assert (answer.status_code, answer.json["content"]) == (200, "moderated")
    assert answer.json["sender"] == message["sender"]
    assert ada.post(f"/messages/{message['id']}/delete").status_code == 204


def test_a_repeated_edit_or_deletion_changes_and_publishes_nothing(app, ada):
    message = own(ada)
    with verified(app, 1, ada) as received:
        same = ada.post(f"/messages/{message['id']}", {"content": message["content"]})
    assert (same.status_code, same.json, received[ada]) == (200, message, [])
    ada.post(f"/messages/{message['id']}/delete")
    with verified(app, 1, ada) as received:
        assert ada.post(f"/messages/{message['id']}/delete").status_code == 204
    assert received[ada] == []


def test_editing_a_deleted_message_is_refused_with_409(ada):
    message = own(ada)
    ada.post(f"/messages/{message['id']}/delete")
    answer = ada.post(f"/messages/{message['id']}", {"content": "still here"})
    assert (answer.status_code, answer.json["current"]["content"]) == (409, "")


def test_a_deletion_wins_over_a_concurrent_edit(app, ada, kevin):
    for n in range(5):
        message = own(kevin, f"contested {n}")
        path = f"/messages/{message['id']}"
        with verified(app, 1, ada):
            jobs = [
                gevent.spawn(kevin.post, path, {"content": "edited"}),
                gevent.spawn(ada.post, f"{path}/delete"),
            ]
            gevent.joinall(jobs)
        assert jobs[0].value.status_code in (200, 409)
        assert jobs[1].value.status_code == 204
        assert messages(ada)[-1]["content"] == ""


def test_the_second_edit_of_one_version_gets_409_with_the_current_message(ada):
    message = own(ada)
    path, version = f"/messages/{message['id']}", message["version"]
    first = ada.post(path, {"content": "one", "version": version})
    second = ada.post(path, {"content": "two", "version": version})
    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json["current"] == first.json


def test_a_customer_receives_no_event_for_an_edited_or_deleted_private_note(ada, maria):
    note = own(ada, "for us", private=True)
    with open_stream(maria, "conversation:1") as stream:
        stream.named("stream.open")
        ada.post(f"/messages/{note['id']}", {"content": "for us only"})
        ada.post(f"/messages/{note['id']}/delete")
        ada.send(1, "the next event")
        data = envelope(stream.named("message.created"))["data"]
    assert data["content"] == "the next event"


def test_a_long_edit_is_truncated_in_its_event_and_complete_in_a_fetch(app, ada):
    message = own(ada)
    with open_stream(ada, "conversation:1") as stream:
        stream.named("stream.open")
        ada.post(f"/messages/{message['id']}", {"content": "é" * 10_000})
        assert envelope(stream.named("message.updated"))["data"]["truncated"] is True
    assert messages(ada)[-1]["content"] == "é" * 10_000


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"content": "<b>bold</b>"}, '<template><li id="message-{id}" class="message'),
        (None, '<template><li id="message-{id}" class="deleted'),
    ],
    ids=["edited", "deleted"],
)
def test_a_turbo_thread_replaces_an_edited_or_deleted_message(ada, change, fragment):
    message = own(ada)
    with open_stream(ada, "conversation:1&format=turbo") as stream:
        stream.named("stream.open")
        ada.post(f"/messages/{message['id']}{'' if change else '/delete'}", change)
        html = stream.named("message").data
    assert html.startswith(f'<turbo-stream action="replace" target="message-{message["id"]}"')
    assert fragment.format(id=message["id"]) in html
    assert "<b>" not in html
