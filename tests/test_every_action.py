"""Every durable action publishes all its changes: state + events == fresh state, for each agent."""

from datetime import timedelta
from typing import Any
from typing import NamedTuple

import pytest
from flask import Flask

from rtapp import clock

from .support import VisitorClient
from .world import add_website

# Their events change no stored state.
EPHEMERAL = {
    "POST /conversations/<id:conversation_id>/typing",
    "POST /accounts/<id:account_id>/presence",
}
# Their rows are one user's own, and no event carries them: tests/actions/test_draft.py. A file is
# its sender's own until its message has it: tests/actions/test_attachment.py.
PRIVATE = {
    "POST /conversations/<id:conversation_id>/attachments",
    "POST /conversations/<id:conversation_id>/draft",
    "POST /accounts/<id:account_id>/alerts",
}
# They reset every member's streams: tests/pages/test_label.py, test_account_settings.py.
RESETTING = {
    "POST /accounts/<id:account_id>/inboxes",
    "POST /accounts/<id:account_id>/settings/account",
    "POST /settings/profile",
    "POST /accounts/<id:account_id>/labels",
    "POST /labels/<id:label_id>",
    "POST /labels/<id:label_id>/delete",
    "POST /join",  # tests/test_links.py
}
# They change who sees what: tests/services/test_leaving.py, tests/pages/test_members.py.
OF_MEMBERS = {
    "POST /accounts/<id:account_id>/settings/members/<id:user_id>",
    "POST /accounts/<id:account_id>/settings/members/<id:user_id>/remove",
}
# Events only say that they have changed: tests/test_links.py.
OF_LINKS = {
    "POST /accounts/<id:account_id>/settings/invitations",
    "POST /invitations/<id:invitation_id>/revoke",
    "POST /accounts/<id:account_id>/settings/password-links",
    "POST /password-links/<id:link_id>/revoke",
}
# No event has them: tests/pages/test_canned_reply.py, test_inbox_settings.py, test_website.py;
# test_links.py, test_second_factor.py; test_inspection.py.
WITHOUT_EVENT = {
    "POST /accounts/<id:account_id>/settings/inspect/streams/end",
    "POST /accounts/<id:account_id>/settings/inspect/outbox/retry",
    "POST /accounts/<id:account_id>/second-factor",
    "POST /accounts/<id:account_id>/settings/members/<id:user_id>/second-factor/delete",
    "POST /accounts/<id:account_id>/canned-replies",
    "POST /canned-replies/<id:reply_id>",
    "POST /canned-replies/<id:reply_id>/delete",
    "POST /inboxes/<id:inbox_id>",
    "POST /inboxes/<id:inbox_id>/website",
    "POST /inboxes/<id:inbox_id>/website/settings",
    "POST /inboxes/<id:inbox_id>/website/secrets",
    "POST /inboxes/<id:inbox_id>/website/secrets/<handle>/delete",
    "POST /inboxes/<id:inbox_id>/website/delete",
    "POST /accounts/<id:account_id>/settings/doctor",
    "POST /forgot",
}
# Nobody has a stream yet: tests/test_setup.py.
FIRST = {"POST /setup"}
# Of the session or a token, and no event has them: tests/actions/test_push_subscription.py,
# tests/test_links.py, test_second_factor.py, tests/pages/test_session.py, test_token.py and
# tests/actions/test_visitor.py; tests/pages/test_chat_page.py.
SESSION_ENDPOINTS = {
    "POST /settings/sessions/end",
    "POST /settings/sessions/end_others",
    "POST /settings/tokens",
    "POST /settings/tokens/<id:token_id>/revoke",
    "POST /login",
    "POST /login/second-factor",
    "POST /settings/second-factor",
    "POST /settings/second-factor/recovery-codes",
    "POST /settings/second-factor/delete",
    "POST /logout",
    "POST /chat/<string:key>",
    "POST /chat/<string:key>/session",
    "POST /chat/<string:key>/session/delete",
    "POST /password",
    "POST /push_subscription",
    "POST /push_subscription/delete",
    "POST /settings/password",
}


class Case(NamedTuple):
    """An action, its principal, and the first event that Ada receives of it, if any."""

    endpoint: str
    principal: str
    path: str
    body: dict[str, Any]
    event: str | None


NEW = {"inbox_id": 1, "contact": {"name": "New", "email": "new@example.com"}, "content": "Hello"}
NORA = {**NEW, "contact": {"name": "Nora", "email": "nora@example.com"}}
STARTED = "/accounts/1/conversations"
TOMORROW = clock.rfc3339(clock.now() + timedelta(days=1))
MESSAGES = "POST /conversations/<id:conversation_id>/messages"
STATUS = "POST /conversations/<id:conversation_id>/status"
ASSIGNEE = "POST /conversations/<id:conversation_id>/assignee"
LABELS = "POST /conversations/<id:conversation_id>/labels"
BULK = "POST /accounts/<id:account_id>/bulk"
CONTACT = "POST /contacts/<id:contact_id>"
READ = "POST /conversations/<id:conversation_id>/read"
EDIT, DELETE = "POST /messages/<id:message_id>", "POST /messages/<id:message_id>/delete"
# Messages 2, 3 and 5 are Kevin's; 4 is the last that shows in lists but for 5, a private note.
ACTIONS = (
    Case(MESSAGES, "kevin", "/conversations/1/messages", {"content": "Hi"}, "message.created"),
    Case(MESSAGES, "kevin", "/conversations/1/messages", {"content": "@Ada?", "private": True},
         "message.created"),
    Case(MESSAGES, "maria", "/conversations/1/messages", {"content": "Hi"}, "message.created"),
    Case(EDIT, "kevin", "/messages/2", {"content": "changed"}, "message.updated"),
    Case(EDIT, "kevin", "/messages/5", {"content": "the last one"}, "message.updated"),
    Case(DELETE, "kevin", "/messages/3/delete", {}, "message.deleted"),
    Case(DELETE, "ada", "/messages/5/delete", {}, "message.deleted"),
    *(Case(STATUS, "ada", "/conversations/1/status", body, "conversation.status_changed")
      for body in ({"status": "pending"}, {"status": "resolved"}, {"status": "snoozed"},
                   {"status": "snoozed", "snoozed_until": TOMORROW}, {"status": "spam"})),
    *(Case(ASSIGNEE, "ada", "/conversations/1/assignee", body, "conversation.assignee_changed")
      for body in ({"assignee_id": 1}, {"assignee_id": None})),
    *(Case(LABELS, "kevin", "/conversations/1/labels", body, "conversation.labels_changed")
      for body in ({"labels": [1, 3]}, {"labels": []}, {"add": 1}, {"remove": 2})),
    *(Case(BULK, "kevin", "/accounts/1/bulk", {"conversations": {"1": None, "2": None}, **change},
           event)
      for change, event in (({"status": "resolved"}, "conversation.status_changed"),
                            ({"assignee_id": None}, "conversation.assignee_changed"),
                            ({"add": 1}, "conversation.labels_changed"),
                            ({"remove": 2}, "conversation.labels_changed"))),
    Case(CONTACT, "kevin", "/contacts/1", {"name": "Maria L.", "phone": "030 1"},
         "conversation.contact_changed"),
    Case(CONTACT, "kevin", "/contacts/1", {"email": None}, "conversation.contact_changed"),
    # Of a thread that is neither of them: these two are reset.
    Case("POST /conversations/<id:conversation_id>/merge", "kevin", "/conversations/14/merge",
         {"into": 13}, "conversation.removed"),
    Case("POST /conversation-merges/<id:merge_id>/undo", "kevin", "/conversation-merges/1/undo", {},
         "conversation.updated"),
    Case("POST /contacts/<id:contact_id>/block", "kevin", "/contacts/1/block", {"blocked": True},
         "conversation.contact_changed"),
    Case("POST /contacts/<id:contact_id>/merge", "ada", "/contacts/1/merge", {"into": 2},
         "conversation.contact_changed"),
    Case("POST /contact-merges/<id:merge_id>/undo", "ada", "/contact-merges/1/undo", {},
         "conversation.contact_changed"),
    Case(READ, "kevin", "/conversations/1/read", {"message_id": 2}, "conversation.read"),
    Case(READ, "maria", "/conversations/1/read", {"message_id": 2}, "conversation.read"),
    Case("POST /accounts/<id:account_id>/conversations", "kevin", "/accounts/1/conversations", NEW,
         "conversation.created"),
    Case("POST /chat/<string:key>/conversations", "visitor", "/chat/website1/conversations",
         {"content": "Hello"}, "conversation.created"),
    Case("POST /chat/<string:key>/contact", "visitor", "/chat/website1/contact",
         {"name": "Vera", "email": "vera@example.com"}, "conversation.contact_changed"),
    Case("POST /notifications/<id:notification_id>/read", "kevin", "/notifications/1/read", {},
         None),
    Case("POST /accounts/<id:account_id>/notifications/read", "kevin",
         "/accounts/1/notifications/read", {}, None),
)  # fmt: skip


@pytest.fixture
def clients(app, ada, kevin, grace, maria):
    """The clients, with an unread notification for Kevin, a merge of contacts and one of
    conversations."""
    assert ada.post("/contacts/3/merge", {"into": 1}).status_code == 200
    assert [kevin.post(STARTED, NORA).json["id"] for _ in range(3)] == [13, 14, 15]
    assert kevin.post("/conversations/15/merge", {"into": 13}).status_code == 200
    assert ada.send(1, "@Kevin look", private=True).status_code == 201
    visitor = VisitorClient(app, add_website(app))
    assert visitor.start("Is anybody there?").status_code == 201
    return {"ada": ada, "kevin": kevin, "grace": grace, "maria": maria, "visitor": visitor}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "case", ACTIONS, ids=lambda case: f"{case.path} by {case.principal}: {case.body}"
)
def test_the_events_of_an_action_lead_to_the_fresh_state(verify_action, clients, case):
    readers = [clients[name] for name in ("ada", "kevin", "grace")]
    with verify_action(1, *readers) as received:
        answer = clients[case.principal].post(case.path, case.body)
        assert answer.status_code < 300, answer.data
    assert received[clients["ada"]][:1] == ([case.event] if case.event else [])
    assert received[clients["kevin"]] != []
    assert received[clients["grace"]] == []


def actions_without(app: Flask, verified: set[str]) -> set[str]:
    posts = {f"POST {r.rule}" for r in app.url_map.iter_rules() if "POST" in r.methods}
    return posts.difference(
        EPHEMERAL,
        PRIVATE,
        RESETTING,
        OF_MEMBERS,
        OF_LINKS,
        WITHOUT_EVENT,
        SESSION_ENDPOINTS,
        FIRST,
        verified,
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_durable_action_is_compared_with_a_fresh_state(app):
    verified = {case.endpoint for case in ACTIONS}
    assert actions_without(app, verified) == set()
    app.add_url_rule("/conversations/<int:id>/stars", view_func=lambda: "", methods=["POST"])
    assert actions_without(app, verified) == {"POST /conversations/<int:id>/stars"}
