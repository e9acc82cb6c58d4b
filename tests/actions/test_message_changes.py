"""Editing and deleting what was said."""

import gevent
import pytest
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Message

from ..state import verified
from ..support import envelope
from ..world import heard_by
from .refusals import STALE
from .refusals import Action
from .refusals import Case


def messages(who, conversation=1):
    return who.get(f"/conversations/{conversation}/messages").json["messages"]


def own(who, content="as it was", **more):
    return who.send(1, content, **more).json


def activity(who):
    who.post("/conversations/1/status", {"status": "pending"})
    return messages(who)[-1]


def test_bad_input_is_refused_when_editing(refusals, ada, kevin):
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
    refusals.hold(
        edit,
        Case("stale version", 409, body={"content": "x", "version": STALE}),
        Case("somebody else's", 403, body=edit.body, who="kevin"),
        Case("activity", 403, body=edit.body, id=activity(ada)["id"]),
        Case("private", 422, "private", {"content": "x", "private": False}),
    )


def test_bad_input_is_refused_when_deleting(refusals, ada, kevin):
    delete = Action(
        path="/messages/{id}/delete",
        id=own(ada)["id"],
        body={},
        required=[],
        bad={"version": ["1", 0, 2**31]},
        foreign="message",
    )
    refusals.hold(
        delete,
        Case("stale version", 409, body={"version": STALE}),
        Case("somebody else's", 403, body={}, who="kevin"),
        Case("activity", 403, body={}, id=activity(ada)["id"]),
    )


@pytest.mark.parametrize("last", [True, False])
def test_an_edit_is_told_to_whom_the_message_was(app, ada, kevin, grace, maria, last):
    message = own(kevin)
    if not last:
        own(kevin, "and another")
    with heard_by(maria, "conversation:1") as customer:
        customer.named("stream.open")
        with verified(app, 1, ada, kevin, grace) as heard:
            answer = kevin.post(f"/messages/{message['id']}", {"content": "as it is now"})
        said = envelope(customer.named("message.updated"))["data"]
    assert answer.status_code == 200
    assert answer.json == {
        **message,
        "content": "as it is now",
        "version": message["version"] + 1,
        "updated_at": answer.json["updated_at"],
    }
    assert said == answer.json
    assert heard[ada] == ["message.updated", *(["conversation.updated"] if last else [])]
    assert heard[grace] == []
    preview = ada.get("/conversations/1").json["conversation"]["last_message"]["preview"]
    assert preview == ("as it is now" if last else "and another")


@pytest.mark.parametrize("last", [True, False])
def test_what_is_deleted_keeps_its_place_and_nothing_else(app, ada, kevin, maria, last):
    message = own(kevin, "a secret")
    if not last:
        own(kevin, "and another")
    with heard_by(maria, "conversation:1") as customer:
        customer.named("stream.open")
        with verified(app, 1, ada, kevin) as heard:
            answer = kevin.post(f"/messages/{message['id']}/delete")
            assert (answer.status_code, answer.data) == (204, b"")
        said = envelope(customer.named("message.deleted"))["data"]
    assert said == {
        "id": message["id"],
        "conversation_id": 1,
        "account_id": 1,
        "version": message["version"] + 1,
    }
    assert heard[ada] == ["message.deleted", "conversation.updated"]
    (kept,) = (m for m in messages(ada) if m["id"] == message["id"])
    assert kept == {**message, "content": "", "version": message["version"] + 1}
    preview = ada.get("/conversations/1").json["conversation"]["last_message"]["preview"]
    assert preview == ("" if last else "and another")
    with app.app_context():
        assert "a secret" not in set(db.session.scalars(select(Message.content)))
    assert "This message was deleted." in ada.page("/conversations/1").get_data(as_text=True)


def test_an_administrator_changes_what_others_wrote(ada, kevin, maria):
    for message in (own(kevin), own(maria)):
        answer = ada.post(f"/messages/{message['id']}", {"content": "moderated"})
        assert (answer.status_code, answer.json["content"]) == (200, "moderated")
        assert answer.json["sender"] == message["sender"]
        assert ada.post(f"/messages/{message['id']}/delete").status_code == 204


def test_the_same_again_changes_and_says_nothing(app, ada):
    message = own(ada)
    with verified(app, 1, ada) as heard:
        same = ada.post(f"/messages/{message['id']}", {"content": message["content"]})
    assert (same.status_code, same.json, heard[ada]) == (200, message, [])
    ada.post(f"/messages/{message['id']}/delete")
    with verified(app, 1, ada) as heard:
        assert ada.post(f"/messages/{message['id']}/delete").status_code == 204
    assert heard[ada] == []


def test_what_is_deleted_cannot_be_edited_back(ada):
    message = own(ada)
    ada.post(f"/messages/{message['id']}/delete")
    answer = ada.post(f"/messages/{message['id']}", {"content": "still here"})
    assert (answer.status_code, answer.json["current"]["content"]) == (409, "")


def test_of_an_edit_and_a_deletion_at_once_the_deletion_remains(app, ada, kevin):
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


def test_of_two_edits_of_the_same_version_one_is_told_of_the_other(ada):
    message = own(ada)
    path, version = f"/messages/{message['id']}", message["version"]
    first = ada.post(path, {"content": "one", "version": version})
    second = ada.post(path, {"content": "two", "version": version})
    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json["current"] == first.json


def test_the_customer_hears_nothing_of_a_notes_changes(ada, maria):
    note = own(ada, "for us", private=True)
    with heard_by(maria, "conversation:1") as stream:
        stream.named("stream.open")
        ada.post(f"/messages/{note['id']}", {"content": "for us only"})
        ada.post(f"/messages/{note['id']}/delete")
        ada.send(1, "the next thing that is heard")
        said = envelope(stream.named("message.created"))["data"]
    assert said["content"] == "the next thing that is heard"


def test_a_long_edit_is_cut_in_its_event(app, ada):
    message = own(ada)
    with heard_by(ada, "conversation:1") as stream:
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
)
def test_pages_replace_what_was_changed(ada, change, fragment):
    message = own(ada)
    with heard_by(ada, "conversation:1&format=turbo") as stream:
        stream.named("stream.open")
        ada.post(f"/messages/{message['id']}{'' if change else '/delete'}", change)
        said = stream.named("message").data
    assert said.startswith(f'<turbo-stream action="replace" target="message-{message["id"]}"')
    assert fragment.format(id=message["id"]) in said
    assert "<b>" not in said
