"""Every durable action tells all that it changes: state + events == fresh state, for everyone."""

from datetime import timedelta
from typing import Any
from typing import NamedTuple

import pytest
from flask import Flask

from rtapp import clock

# Of these there is no state that events would keep up: they are told as they happen.
EPHEMERAL = {
    "POST /conversations/<id:conversation_id>/typing",
    "POST /accounts/<id:account_id>/presence",
}
NO_ACTIONS = {"POST /login", "POST /logout"}


class Done(NamedTuple):
    """An action as somebody does it, and the first event by which Ada hears of it, if she does."""

    endpoint: str
    who: str
    path: str
    body: dict[str, Any]
    event: str | None


NEW = {"inbox_id": 1, "contact": {"name": "New", "email": "new@example.com"}, "content": "Hello"}
TOMORROW = clock.rfc3339(clock.now() + timedelta(days=1))
MESSAGES = "POST /conversations/<id:conversation_id>/messages"
STATUS = "POST /conversations/<id:conversation_id>/status"
ASSIGNEE = "POST /conversations/<id:conversation_id>/assignee"
READ = "POST /conversations/<id:conversation_id>/read"
EDIT, DELETE = "POST /messages/<id:message_id>", "POST /messages/<id:message_id>/delete"
# Messages 2, 3 and 5 are Kevin's; 4 is the last that shows in lists but for 5, a private note.
ACTIONS = (
    Done(MESSAGES, "kevin", "/conversations/1/messages", {"content": "Hi"}, "message.created"),
    Done(MESSAGES, "kevin", "/conversations/1/messages", {"content": "@Ada?", "private": True},
         "message.created"),
    Done(MESSAGES, "maria", "/conversations/1/messages", {"content": "Hi"}, "message.created"),
    Done(EDIT, "kevin", "/messages/2", {"content": "changed"}, "message.updated"),
    Done(EDIT, "kevin", "/messages/5", {"content": "the last one"}, "message.updated"),
    Done(DELETE, "kevin", "/messages/3/delete", {}, "message.deleted"),
    Done(DELETE, "ada", "/messages/5/delete", {}, "message.deleted"),
    *(Done(STATUS, "ada", "/conversations/1/status", body, "conversation.status_changed")
      for body in ({"status": "pending"}, {"status": "resolved"}, {"status": "snoozed"},
                   {"status": "snoozed", "snoozed_until": TOMORROW})),
    *(Done(ASSIGNEE, "ada", "/conversations/1/assignee", body, "conversation.assignee_changed")
      for body in ({"assignee_id": 1}, {"assignee_id": None})),
    Done(READ, "kevin", "/conversations/1/read", {"message_id": 2}, "conversation.read"),
    Done(READ, "maria", "/conversations/1/read", {"message_id": 2}, "conversation.read"),
    Done("POST /accounts/<id:account_id>/conversations", "kevin", "/accounts/1/conversations", NEW,
         "conversation.created"),
    Done("POST /notifications/<id:notification_id>/read", "kevin", "/notifications/1/read", {},
         None),
    Done("POST /accounts/<id:account_id>/notifications/read", "kevin",
         "/accounts/1/notifications/read", {}, None),
)  # fmt: skip


@pytest.fixture
def people(app, ada, kevin, grace, maria):
    """With a notification for Kevin, of which he has not read."""
    assert ada.send(1, "@Kevin look", private=True).status_code == 201
    return {"ada": ada, "kevin": kevin, "grace": grace, "maria": maria}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("done", ACTIONS, ids=lambda done: f"{done.path} by {done.who}")
def test_events_tell_all_that_an_action_changes(verify_action, people, done):
    readers = [people[name] for name in ("ada", "kevin", "grace")]
    with verify_action(1, *readers) as heard:
        answer = people[done.who].post(done.path, done.body)
        assert answer.status_code < 300, answer.data
    assert heard[people["ada"]][:1] == ([done.event] if done.event else [])
    assert heard[people["kevin"]] != []
    assert heard[people["grace"]] == []


def actions_without(app: Flask, verified: set[str]) -> set[str]:
    posts = {f"POST {r.rule}" for r in app.url_map.iter_rules() if "POST" in r.methods}
    return posts - EPHEMERAL - NO_ACTIONS - verified


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_durable_action_is_verified(app):
    verified = {done.endpoint for done in ACTIONS}
    assert actions_without(app, verified) == set()
    app.add_url_rule("/conversations/<int:id>/labels", view_func=lambda: "", methods=["POST"])
    assert actions_without(app, verified) == {"POST /conversations/<int:id>/labels"}
