"""The access of every role: every endpoint and every event, in one table.

An endpoint or an event without a row fails here: add a row with the access of each role.
"""

import secrets
from collections.abc import Callable
from collections.abc import Iterable
from contextlib import ExitStack
from contextlib import closing
from typing import Any
from typing import NamedTuple

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.wrappers import Response

from rtapp import clock
from rtapp.events.catalogue import DURABLE
from rtapp.events.catalogue import EPHEMERAL
from rtapp.extensions import db
from rtapp.models import Attachment
from rtapp.models import Contact
from rtapp.models import ContactMerge
from rtapp.models import Conversation
from rtapp.models import ConversationMerge
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import Notification
from rtapp.models import User
from rtapp.realtime.broker import GroupChanges
from rtapp.realtime.contact_presence import CONTACT_PRESENCE
from rtapp.realtime.contact_presence import HOLDER
from rtapp.realtime.group import Group
from rtapp.services.change_invitations import create_invitation
from rtapp.services.change_password_links import create_password_link
from rtapp.services.change_website import make_secret

from .files import png
from .files import upload
from .push import KEYS
from .support import ApiClient
from .support import CustomerClient
from .support import Stream
from .support import eventually
from .support import outbox_drained
from .world import add_website
from .world import other_account

# Other tests cover both databases.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

# Conversation 1 is in the agent's inbox and assigned to `assigned`, a member of that inbox with
# access to assigned conversations only. `elsewhere` is an agent of the other inbox, `foreign` the
# administrator of another account, `visitor` the customer of conversation 1.
ROLES = ("administrator", "agent", "assigned", "elsewhere", "foreign", "nobody", "visitor")


class World(NamedTuple):
    app: Flask
    clients: dict[str, ApiClient]
    watcher: ApiClient  # another administrator, without a column
    notification: int  # of `assigned`
    merge: int  # of a contact without a conversation into the customer of conversation 1
    second: int  # another conversation of the customer of conversation 1, assigned likewise
    conversation_merge: int  # of an empty conversation into conversation 1
    foreign_conversation: int  # of the other account
    invitation: int  # without an address
    token: str  # of that invitation
    password_link: int  # of the watcher
    secret: str  # of the website of inbox 1


class Row(NamedTuple):
    """An endpoint, a request for it, and each role's status.

    `statuses` are for JSON, in the order of ROLES. A browser gets `html` in place of a success:
    303 for a form, 200 for a page; and the login page in place of 401.
    """

    endpoint: str
    path: str
    statuses: str
    html: int | None = None
    body: Callable[[World], dict[str, Any]] | None = None
    file: bytes | None = None  # in a form, in place of a body


def body(**fields: Any) -> Callable[[World], dict[str, Any]]:
    return lambda world: fields


NEW = {"inbox_id": 1, "contact": {"name": "New", "email": "new@example.com"}, "content": "Hello"}
SUBSCRIPTION = {"endpoint": "https://push.example.net/x", **KEYS}
SIGN_IN = {"email": "ada@example.com", "password": "password"}
KEY = "k" * 32  # of a picture of message 2
# Message 2 is of `agent`.
ROWS = (
    #                                 administrator agent assigned elsewhere foreign nobody visitor
    Row("GET /conversations/<id:conversation_id>",
        "/conversations/1",                           "200 200 200 404 404 401 200"),
    Row("GET /conversations/<id:conversation_id>/messages",
        "/conversations/1/messages",                  "200 200 200 404 404 401 200"),
    Row("GET /attachments/<string:key>",
        f"/attachments/{KEY}",                        "200 200 200 404 404 401 200"),
    Row("GET /attachments/<string:key>/thumbnail",
        f"/attachments/{KEY}/thumbnail",              "200 200 200 404 404 401 200"),
    Row("GET /accounts/<id:account_id>/labels",
        "/accounts/1/labels",                         "200 200 200 200 404 401 403"),
    Row("GET /accounts/<id:account_id>/canned-replies",
        "/accounts/1/canned-replies",                 "200 200 200 200 404 401 403"),
    Row("GET /contacts/<id:contact_id>",
        "/contacts/1",                                "200 200 200 404 404 401 403"),
    Row("GET /contacts/<id:contact_id>/merge",
        "/contacts/1/merge?into=2",                   "200 403 403 404 404 401 403"),
    Row("GET /accounts/<id:account_id>/inboxes",
        "/accounts/1/inboxes",                        "200 403 403 403 404 401 403"),
    Row("GET /inboxes/<id:inbox_id>/website",
        "/inboxes/1/website",                         "200 403 403 403 404 401 403"),
    Row("GET /accounts/<id:account_id>/settings",
        "/accounts/1/settings",                       "302 302 302 302 404 401 403"),
    Row("GET /accounts/<id:account_id>/settings/members",
        "/accounts/1/settings/members",               "200 403 403 403 404 401 403"),
    Row("GET /accounts/<id:account_id>/settings/account",
        "/accounts/1/settings/account",               "200 403 403 403 404 401 403"),
    Row("GET /accounts/<id:account_id>/settings/inspect",
        "/accounts/1/settings/inspect",               "200 403 403 403 404 401 403"),
    Row("GET /settings", "/settings",                 "302 302 302 302 302 401 403"),
    Row("GET /settings/profile", "/settings/profile", "200 200 200 200 200 401 403"),
    Row("GET /conversations/<id:conversation_id>/draft",
        "/conversations/1/draft",                     "200 200 200 404 404 401 403"),
    Row("GET /accounts/<id:account_id>/conversations",
        "/accounts/1/conversations",                  "200 200 200 200 404 401 403"),
    Row("GET /messages/<id:message_id>/revisions",
        "/messages/2/revisions",                      "200 403 403 404 404 401 403"),
    Row("GET /accounts/<id:account_id>/notifications",
        "/accounts/1/notifications",                  "200 200 200 200 404 401 403"),
    Row("GET /accounts/<id:account_id>/presence",
        "/accounts/1/presence",                       "200 200 200 200 404 401 403"),
    Row("GET /accounts/<id:account_id>/unread",
        "/accounts/1/unread",                         "200 200 200 200 404 401 403"),
    Row("GET /me", "/me",                             "200 200 200 200 200 401 403"),
    Row("GET /", "/",                                 "302 302 302 302 302 401 403"),

    Row("GET /streams/accounts/<id:account_id>",
        "/streams/accounts/1",                        "200 200 200 200 404 401 404"),
    Row("GET /streams/conversations/<id:conversation_id>",
        "/streams/conversations/1",                   "200 200 200 404 404 401 200"),
    Row("GET /streams/accounts/<id:account_id>/presence",
        "/streams/accounts/1/presence",               "200 200 200 200 404 401 404"),
    Row("GET /streams/contacts/<id:contact_id>",
        "/streams/contacts/1",                        "404 404 404 404 404 401 404"),
    Row("GET /streams/websites/<id:inbox_id>",
        "/streams/websites/1",                        "404 404 404 404 404 401 404"),
    Row("GET /streams",
        "/streams?stream=account:1&stream=conversation:1",
                                                      "200 200 200 404 404 401 404"),

    Row("POST /conversations/<id:conversation_id>/messages",
        "/conversations/1/messages",                  "201 201 201 404 404 401 201", 303,
        body(content="Hello")),
    Row("POST /messages/<id:message_id>",
        "/messages/2",                                "200 200 403 404 404 401 403", 303,
        body(content="Changed")),
    Row("POST /messages/<id:message_id>/delete",
        "/messages/2/delete",                         "204 204 403 404 404 401 403", 303, body()),
    Row("POST /conversations/<id:conversation_id>/attachments",
        "/conversations/1/attachments",               "201 201 201 404 404 401 201", 303,
        file=b"text"),
    Row("POST /conversations/<id:conversation_id>/typing",
        "/conversations/1/typing",                    "204 204 204 404 404 401 204", 303,
        body(typing=True)),
    Row("POST /conversations/<id:conversation_id>/status",
        "/conversations/1/status",                    "200 200 200 404 404 401 403", 303,
        body(status="pending")),
    Row("POST /conversations/<id:conversation_id>/assignee",
        "/conversations/1/assignee",                  "200 200 200 404 404 401 403", 303,
        lambda world: {"assignee_id": world.clients["assigned"].id}),
    Row("POST /conversations/<id:conversation_id>/labels",
        "/conversations/1/labels",                    "200 200 200 404 404 401 403", 303,
        body(add=1)),
    Row("POST /accounts/<id:account_id>/labels",
        "/accounts/1/labels",                         "201 403 403 403 404 401 403", 303,
        body(title="New", colour=0)),
    Row("POST /labels/<id:label_id>",
        "/labels/1",                                  "200 403 403 403 404 401 403", 303,
        body(title="Changed", colour=0)),
    Row("POST /labels/<id:label_id>/delete",
        "/labels/1/delete",                           "204 403 403 403 404 401 403", 303, body()),
    Row("POST /accounts/<id:account_id>/canned-replies",
        "/accounts/1/canned-replies",                 "201 201 201 201 404 401 403", 303,
        lambda world: {"shortcut": secrets.token_hex(8), "content": "New"}),
    Row("POST /canned-replies/<id:reply_id>",
        "/canned-replies/1",                          "200 200 200 200 404 401 403", 303,
        body(shortcut="hi", content="Changed")),
    # A row is deleted once. Any member may: tests/pages/test_canned_reply.py.
    Row("POST /canned-replies/<id:reply_id>/delete",
        "/canned-replies/1/delete",                   "404 404 404 204 404 401 403", 303, body()),
    Row("POST /contacts/<id:contact_id>",
        "/contacts/1",                                "200 200 200 404 404 401 403", 303,
        body(notes="Changed")),
    Row("POST /conversations/<id:conversation_id>/merge",
        "/conversations/1/merge",                     "200 200 200 404 404 401 403", 303,
        lambda world: {"into": world.second}),
    Row("POST /conversation-merges/<id:merge_id>/undo",
        "/conversation-merges/{conversation_merge}/undo",
                                                      "200 200 200 404 404 401 403", 303, body()),
    Row("POST /contacts/<id:contact_id>/block",
        "/contacts/1/block",                          "200 200 200 404 404 401 403", 303,
        body(blocked=False)),
    Row("POST /contacts/<id:contact_id>/merge",
        "/contacts/1/merge",                          "200 403 403 404 404 401 403", 303,
        body(into=2)),
    Row("POST /contact-merges/<id:merge_id>/undo",
        "/contact-merges/{merge}/undo",               "200 403 403 404 404 401 403", 303, body()),
    Row("POST /accounts/<id:account_id>/inboxes",
        "/accounts/1/inboxes",                        "201 403 403 403 404 401 403", 303,
        lambda world: {"name": secrets.token_hex(8)}),
    # Of grace, who stays what she is.
    Row("POST /accounts/<id:account_id>/settings/members/<id:user_id>",
        "/accounts/1/settings/members/3",             "200 403 403 403 404 401 403", 303,
        body(role="agent", sees="inbox")),
    # Nobody is removed: tests/pages/test_members.py.
    Row("POST /accounts/<id:account_id>/settings/members/<id:user_id>/remove",
        "/accounts/1/settings/members/999/remove",    "404 403 403 403 404 401 403", 404, body()),
    Row("POST /accounts/<id:account_id>/settings/members/<id:user_id>/second-factor/delete",
        "/accounts/1/settings/members/3/second-factor/delete",
                                                      "204 403 403 403 404 401 403", 303, body()),
    Row("POST /accounts/<id:account_id>/settings/account",
        "/accounts/1/settings/account",               "200 403 403 403 404 401 403", 303,
        body(name="Changed")),
    # No stream is ended: tests/pages/test_inspection.py.
    Row("POST /accounts/<id:account_id>/settings/inspect/streams/end",
        "/accounts/1/settings/inspect/streams/end",   "404 403 403 403 404 401 403", 404,
        body(stream="none")),
    Row("POST /accounts/<id:account_id>/settings/inspect/outbox/retry",
        "/accounts/1/settings/inspect/outbox/retry",  "200 403 403 403 404 401 403", 303, body()),
    Row("POST /settings/profile",
        "/settings/profile",                          "200 200 200 200 200 401 403", 303,
        body(name="Changed")),
    # For browsers that are signed in: tests/pages/test_account_settings.py.
    Row("POST /settings/password",
        "/settings/password",                         "403 403 403 403 403 401 403", 403,
        body(present_password="x", password="long enough")),
    Row("POST /inboxes/<id:inbox_id>",
        "/inboxes/1",                                 "200 403 403 403 404 401 403", 303,
        body(auto_assign=True, assignment_cap=5)),
    Row("POST /inboxes/<id:inbox_id>/website",
        "/inboxes/2/website",                         "201 403 403 403 404 401 403", 303, body()),
    Row("POST /inboxes/<id:inbox_id>/website/settings",
        "/inboxes/1/website/settings",                "200 403 403 403 404 401 403", 303,
        body(greeting="Hello")),
    Row("POST /inboxes/<id:inbox_id>/website/secrets",
        "/inboxes/1/website/secrets",                 "201 403 403 403 404 401 403", 201, body()),
    Row("POST /inboxes/<id:inbox_id>/website/secrets/<handle>/delete",
        "/inboxes/1/website/secrets/{secret}/delete", "204 403 403 403 404 401 403", 303, body()),
    Row("POST /inboxes/<id:inbox_id>/website/delete",
        "/inboxes/1/website/delete",                  "204 403 403 403 404 401 403", 303, body()),
    Row("POST /conversations/<id:conversation_id>/read",
        "/conversations/1/read",                      "204 204 204 404 404 401 204", 303,
        body(message_id=1)),
    Row("POST /conversations/<id:conversation_id>/draft",
        "/conversations/1/draft",                     "200 200 200 404 404 401 403", 303,
        body(reply="Hello", note="", version=0)),
    Row("POST /accounts/<id:account_id>/presence",
        "/accounts/1/presence",                       "200 200 200 200 404 401 403", 303,
        body(status="busy")),
    Row("POST /accounts/<id:account_id>/alerts",
        "/accounts/1/alerts",                         "200 200 200 200 404 401 403", 303,
        body(alerts="mine")),
    Row("POST /accounts/<id:account_id>/bulk",
        "/accounts/1/bulk",                           "200 200 200 200 404 401 403", 409,
        body(conversations={"999": None}, status="open")),
    Row("POST /accounts/<id:account_id>/conversations",
        "/accounts/1/conversations",                  "201 201 201 422 404 401 403", 303,
        body(**NEW)),
    Row("POST /notifications/<id:notification_id>/read",
        "/notifications/{notification}/read",         "404 404 204 404 404 401 403", 303, body()),
    Row("POST /accounts/<id:account_id>/notifications/read",
        "/accounts/1/notifications/read",             "204 204 204 204 404 401 403", 303, body()),

    Row("GET /accounts/<id:account_id>/settings/invitations",
        "/accounts/1/settings/invitations",           "200 403 403 403 404 401 403"),
    Row("POST /accounts/<id:account_id>/settings/invitations",
        "/accounts/1/settings/invitations",           "201 403 403 403 404 401 403", 201, body()),
    Row("POST /invitations/<id:invitation_id>/revoke",
        "/invitations/{invitation}/revoke",           "204 403 403 403 404 401 403", 303, body()),
    # `foreign` is the only role that is no member yet, and becomes one.
    Row("GET /join", "/join?token={token}",           "200 200 200 200 200 200 200", 303),
    Row("POST /join", "/join",                        "200 200 200 200 200 422 422", 303,
        lambda world: {"token": world.token}),  # without the fields of a new user
    Row("GET /accounts/<id:account_id>/settings/password-links",
        "/accounts/1/settings/password-links",        "200 403 403 403 404 401 403"),
    Row("POST /accounts/<id:account_id>/settings/password-links",
        "/accounts/1/settings/password-links",        "201 403 403 403 404 401 403", 201,
        lambda world: {"user_id": world.watcher.id}),
    Row("POST /password-links/<id:link_id>/revoke",
        "/password-links/{password_link}/revoke",     "204 404 404 404 404 401 403", 303, body()),
    # Of a website's visitors: tests/test_visitor_access.py. A token of somebody else is refused.
    Row("GET /chat/<string:key>", "/chat/website1",   "200 200 200 200 200 200 200"),
    Row("POST /chat/<string:key>", "/chat/website1",  "303 303 303 303 303 303 303", 303,
        body(content="Hello")),
    Row("POST /chat/<string:key>/session",
        "/chat/website1/session",                     "403 403 403 403 403 201 403", 201, body()),
    Row("POST /chat/<string:key>/session/delete",
        "/chat/website1/session/delete",              "403 403 403 403 403 401 403", 204, body()),
    Row("GET /chat/<string:key>/conversations",
        "/chat/website1/conversations",               "403 403 403 403 403 401 403"),
    Row("POST /chat/<string:key>/conversations",
        "/chat/website1/conversations",               "403 403 403 403 403 401 403", 201,
        body(content="Hello")),
    Row("POST /chat/<string:key>/contact",
        "/chat/website1/contact",                     "403 403 403 403 403 401 403", 200, body()),
    # The link alone decides.
    Row("GET /password", "/password?token={password_token}",
                                                      "200 200 200 200 200 200 200", 303),
    Row("POST /password", "/password",                "200 200 200 200 200 200 200", 303,
        lambda world: {"token": password_token(world), "password": "a long password"}),
    Row("GET /settings/sessions", "/settings/sessions", "200 200 200 200 200 401 403"),
    # A token has no session: tests/pages/test_session.py.
    Row("POST /settings/sessions/end",
        "/settings/sessions/end",                     "404 404 404 404 404 401 403", 404,
        body(session="none")),
    Row("POST /settings/sessions/end_others",
        "/settings/sessions/end_others",              "204 204 204 204 204 401 403", 303, body()),
    Row("GET /settings/tokens", "/settings/tokens",   "200 200 200 200 200 401 403"),
    # For browsers: tests/pages/test_token.py.
    Row("POST /settings/tokens", "/settings/tokens",  "403 403 403 403 403 401 403", 403,
        body(name="Import")),
    # Each user's own only: tests/pages/test_token.py.
    Row("POST /settings/tokens/<id:token_id>/revoke",
        "/settings/tokens/999/revoke",                "404 404 404 404 404 401 403", 404, body()),

    Row("GET /accounts/<id:account_id>/settings/doctor",
        "/accounts/1/settings/doctor",                "200 403 403 403 404 401 403"),
    Row("POST /accounts/<id:account_id>/settings/doctor",
        "/accounts/1/settings/doctor",                "200 403 403 403 404 401 403", 200, body()),
    # With a ticket: tests/pages/test_doctor.py.
    Row("GET /doctor/seen", "/doctor/seen",           "403 403 403 403 403 403 403"),
    Row("GET /streams/doctor", "/streams/doctor",     "403 403 403 403 403 403 403"),

    Row("GET /forgot", "/forgot",                     "200 200 200 200 200 200 200"),
    # Without a mail server: tests/test_mail.py has the others.
    Row("POST /forgot", "/forgot",                    "403 403 403 403 403 403 403", 403,
        body(email="ada@example.com")),

    Row("GET /login", "/login",                       "200 200 200 200 200 200 200"),
    Row("POST /login", "/login",                      "200 200 200 200 200 200 200", 303,
        body(**SIGN_IN)),
    # Between the password and the session, and for browsers: tests/test_second_factor.py.
    Row("GET /login/second-factor", "/login/second-factor",
                                                      "401 401 401 401 401 401 401"),
    Row("POST /login/second-factor", "/login/second-factor",
                                                      "401 401 401 401 401 401 401", 401,
        body(code="123456")),
    Row("GET /settings/second-factor",
        "/settings/second-factor",                    "403 403 403 403 403 401 403"),
    *(Row(f"POST {path}", path,                       "403 403 403 403 403 401 403", 403,
          body(code="123456"))
      for path in ("/settings/second-factor", "/settings/second-factor/recovery-codes",
                   "/settings/second-factor/delete")),
    Row("POST /accounts/<id:account_id>/second-factor",
        "/accounts/1/second-factor",                  "200 403 403 403 404 401 403", 303,
        body(required=False)),
    Row("POST /logout", "/logout",                    "204 204 204 204 204 401 403", 303),
    # Without an account: tests/test_setup.py.
    Row("GET /setup", "/setup",                       "302 302 302 302 302 302 302"),
    Row("POST /setup", "/setup",                      "409 409 409 409 409 409 409", 409,
        body(account="Lamps", name="Zoe", email="zoe@lamps.example", password="long enough")),
    # For browsers that are signed in: tests/actions/test_push_subscription.py.
    Row("GET /push_subscription", "/push_subscription", "403 403 403 403 403 401 403"),
    Row("POST /push_subscription", "/push_subscription", "403 403 403 403 403 401 403", 403,
        body(**SUBSCRIPTION)),
    Row("POST /push_subscription/delete",
        "/push_subscription/delete",                  "403 403 403 403 403 401 403", 403, body()),
    Row("GET /service_worker.js", "/service_worker.js", "200 200 200 200 200 200 200"),
    Row("GET /widget.js", "/widget.js",               "200 200 200 200 200 200 200"),
    Row("GET /healthz", "/healthz",                   "200 200 200 200 200 200 200"),
    Row("GET /readyz", "/readyz",                     "200 200 200 200 200 200 200"),
    Row("GET /status", "/status",                     "200 200 200 200 200 200 200"),
    Row("GET /openapi.json", "/openapi.json",         "200 200 200 200 200 200 200"),
    Row("GET /metrics", "/metrics",                   "200 200 200 200 200 200 200"),
    Row("GET /static/<path:filename>",
        "/static/css/app.css",                        "200 200 200 200 200 200 200"),
    Row("GET /static/<version:version>/<path:filename>",
        "/static/v0123456789abcdef/css/app.css",      "200 200 200 200 200 200 200"),
)  # fmt: skip


class Delivery(NamedTuple):
    """An event, its cause, and the streams on which each role receives it, in the order of ROLES:
    `a` account, `c` conversation, `p` presence, `-` none, `*` any.

    `marker` is part of the event's data, where the same event may have another cause.
    """

    event: str
    why: str
    streams: str
    cause: Callable[[World], Any]
    marker: str = ""


def posts(role: str, path: str, /, **body: Any) -> Callable[[World], Response]:
    return lambda world: done(
        world.clients[role].post(path.format(**ids(world)), named(world, body))
    )


def named(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Return the body with each `{role}` replaced by the id of that role."""
    ids_of = {f"{{{role}}}": getattr(c, "id", 0) for role, c in world.clients.items()}
    return {k: ids_of.get(v, v) if isinstance(v, str) else v for k, v in body.items()}


def done(answer: Any) -> Any:
    assert answer.status_code < 300, answer.data
    return answer


def watches(world: World) -> Any:
    return world.watcher.stream("/streams/conversations/1").response


def visits(world: World) -> Any:
    """The customer of conversation 1 opens the website."""
    group = Group(CONTACT_PRESENCE, "conversation:1")
    hold = ("hold", HOLDER, "a stream", "1")
    broker = world.app.extensions["broker"]
    broker.change_groups([GroupChanges(1, group, [hold])])
    return Response()


def hides(world: World) -> Any:
    return done(world.watcher.post("/accounts/1/presence", {"status": "offline"}))


def opens_to_the_next_member(world: World) -> Any:
    """Open an unassigned conversation of an inbox that assigns to members who are online."""
    ada = world.clients["administrator"]
    done(ada.post("/conversations/2/status", {"status": "pending"}))
    done(ada.post("/inboxes/1", {"auto_assign": True, "assignment_cap": None}))
    opened = done(ada.post("/conversations/2/status", {"status": "open"}))
    assert opened.json["assignee"] == {"id": ada.id, "name": "Ada"}
    return opened


def signs_in_twice(world: World) -> Any:
    """What is the user's own goes to them while they are signed in in a browser."""
    credentials = {"email": "kevin@example.com", "password": "password"}
    for _ in range(2):
        answer = done(world.app.test_client().post("/login", json=credentials))
    return answer


# Message 2 is public, 5 a private note; both are of `agent`. Conversation 2 is unassigned.
DELIVERIES = (
    #                                 administrator agent assigned elsewhere foreign nobody visitor
    Delivery("message.created", "an agent replies",      "c c c - - - c",
             posts("agent", "/conversations/1/messages", content="Hello")),
    Delivery("message.created", "the customer writes",   "c c c - - - c",
             posts("visitor", "/conversations/1/messages", content="Hello")),
    Delivery("message.created", "a private note",        "c c c - - - -",
             posts("agent", "/conversations/1/messages", content="Hm", private=True)),
    Delivery("message.created", "an activity",           "c c c - - - -",
             posts("agent", "/conversations/1/status", status="pending")),
    Delivery("message.updated", "a message",             "c c c - - - c",
             posts("agent", "/messages/2", content="Changed")),
    Delivery("message.updated", "a private note",        "c c c - - - -",
             posts("agent", "/messages/5", content="Changed")),
    Delivery("message.deleted", "a message",             "c c c - - - c",
             posts("agent", "/messages/2/delete")),
    Delivery("message.deleted", "a private note",        "c c c - - - -",
             posts("agent", "/messages/5/delete")),
    Delivery("conversation.created", "unassigned",       "a a - - - - -",
             posts("administrator", "/accounts/1/conversations", **NEW)),
    Delivery("conversation.created", "by its assignee",  "a a a - - - -",
             posts("assigned", "/accounts/1/conversations", **NEW)),
    Delivery("conversation.created", "in the other inbox", "a - - a - - -",
             posts("elsewhere", "/accounts/1/conversations", **{**NEW, "inbox_id": 2})),
    Delivery("conversation.updated", "an assigned one",  "a a a - - - -",
             posts("agent", "/conversations/1/messages", content="Hello")),
    Delivery("conversation.updated", "an unassigned one", "a a - - - - -",
             posts("agent", "/conversations/2/messages", content="Hello")),
    Delivery("conversation.status_changed", "resolved",  "ac ac ac - - - c",
             posts("agent", "/conversations/1/status", status="resolved")),
    Delivery("conversation.status_changed", "pending",   "ac ac ac - - - -",
             posts("agent", "/conversations/1/status", status="pending")),
    Delivery("conversation.assignee_changed", "gained",  "a a a - - - -",
             posts("agent", "/conversations/2/assignee", assignee_id="{assigned}")),
    # The previous assignee may receive it until the stream is closed: within a second.
    Delivery("conversation.assignee_changed", "lost",    "ac ac * - - - -",
             posts("agent", "/conversations/1/assignee", assignee_id=None)),
    Delivery("conversation.assignee_changed", "automatically", "a a - - - - -",
             opens_to_the_next_member),
    Delivery("conversation.labels_changed", "seen by three", "ac ac ac - - - -",
             posts("agent", "/conversations/1/labels", labels=[1])),
    Delivery("conversation.labels_changed", "seen by two", "a a - - - - -",
             posts("agent", "/conversations/2/labels", labels=[1])),
    Delivery("conversation.contact_changed", "seen by three", "ac ac ac - - - c",
             posts("agent", "/contacts/1", name="Changed")),
    Delivery("conversation.contact_changed", "seen by two", "a a - - - - -",
             posts("agent", "/contacts/2", name="Changed")),
    Delivery("conversation.removed", "lost",             "- - a - - - -",
             posts("agent", "/conversations/1/assignee", assignee_id=None)),
    Delivery("conversation.read", "by an agent",         "c ac c - - - -",
             posts("agent", "/conversations/1/read", message_id=3)),
    Delivery("conversation.read", "by the customer",     "c c c - - - -",
             posts("visitor", "/conversations/1/read", message_id=3)),
    Delivery("notification.created", "a mention",        "- - a - - - -",
             posts("agent", "/conversations/1/messages", content="@Nora!", private=True)),
    Delivery("notification.read", "of its user",         "- - a - - - -",
             posts("assigned", "/notifications/{notification}/read")),
    Delivery("settings.changed", "an inbox's",           "a - - - - - -",
             posts("administrator", "/inboxes/1", auto_assign=False, assignment_cap=7)),
    Delivery("settings.changed", "a website's",          "a - - - - - -",
             posts("administrator", "/inboxes/1/website/settings", greeting="Hello")),
    Delivery("settings.changed", "a member's",           "a - - - - - -",
             posts("administrator", "/accounts/1/settings/members/3", role="agent",
                   sees="assigned")),
    Delivery("settings.changed", "an invitation",        "a - - - - - -",
             posts("administrator", "/accounts/1/settings/invitations")),
    Delivery("settings.changed", "a password link",      "a - - - - - -",
             posts("administrator", "/accounts/1/settings/password-links", user_id=2)),
    Delivery("settings.changed", "a canned reply",       "a a a a - - -",
             posts("agent", "/accounts/1/canned-replies", shortcut="brb", content="Soon.")),
    Delivery("settings.changed", "one's own sessions",   "- a - - - - -",
             signs_in_twice),
    Delivery("typing", "an answer",                      "c c c - - - c",
             posts("agent", "/conversations/1/typing", typing=True)),
    Delivery("typing", "a private note",                 "c c c - - - -",
             posts("agent", "/conversations/1/typing", typing=True, private=True)),
    Delivery("typing", "the customer",                   "c c c - - - c",
             posts("visitor", "/conversations/1/typing", typing=True)),
    Delivery("unread.changed", "the customer writes",    "a a a - - - -",
             posts("visitor", "/conversations/1/messages", content="Hello?"), '"1":'),
    Delivery("conversation.viewers", "a stream opens",   "ac ac ac - - - -", watches, "Olga"),
    Delivery("contact.presence", "the website is open",  "c c c - - - -", visits),
    # To visitors of its website only: tests/streams/test_contact.py.
    Delivery("inbox.presence", "an agent goes offline", "- - - - - - -", hides),
    Delivery("presence_update", "an agent goes offline", "p p p p - - -", hides,
             '"changed":{},"left":['),
)  # fmt: skip


@pytest.fixture
def world(app):
    other = other_account(app)
    add_website(app)
    add_member(app, "Nora", role="agent", sees="assigned", inbox=1)
    add_member(app, "Olga", role="administrator", sees="inbox")
    clients = {
        "administrator": ApiClient(app, "ada@example.com"),
        "agent": ApiClient(app, "kevin@example.com"),
        "assigned": ApiClient(app, "nora@example.com"),
        "elsewhere": ApiClient(app, "grace@example.com"),
        "foreign": ApiClient(app, "zoe@example.com"),
        "nobody": ApiClient(app, None),
        "visitor": CustomerClient(app, "maria.lindqvist@example.com"),
    }
    with app.app_context():
        db.session.execute(
            update(Conversation)
            .where(Conversation.id == 1)
            .values(assignee_id=clients["assigned"].id)
        )
        notification = Notification(
            account_id=1,
            user_id=clients["assigned"].id,
            conversation_id=1,
            message_id=5,
            kind="mention",
        )
        db.session.add(notification)
        picture = Attachment(
            key=KEY, account_id=1, message_id=2, user_id=clients["agent"].id, name="a.png",
            content_type="image/png", size=1, width=1, height=1, stored=True,
        )  # fmt: skip
        db.session.add(picture)
        app.extensions["storage"].put(KEY, png())
        app.extensions["storage"].put(f"{KEY}.thumbnail", png())
        merge = merged(account_id=1, into=1, by=clients["administrator"].id)
        own = {"account_id": 1, "inbox_id": 1, "contact_id": 1}
        second = Conversation(**own, assignee_id=clients["assigned"].id)
        empty = Conversation(**own, merged_into_id=1)
        db.session.add_all([second, empty])
        db.session.flush()
        separable = ConversationMerge(
            account_id=1, source_id=empty.id, target_id=1, message_ids=[], label_ids=[],
            conversation_ids=[], merged_by_id=clients["administrator"].id, merged_at=clock.now(),
        )  # fmt: skip
        db.session.add(separable)
        db.session.commit()
        watcher = ApiClient(app, "olga@example.com")
        invitation, token = create_invitation(
            1, None, role="agent", sees="inbox", inbox_ids=[], by=None
        )
        link, _ = create_password_link(db.session.get_one(User, watcher.id), by=None)
        return World(
            app, clients, watcher, notification.id, merge.id, second.id, separable.id,
            other.conversation, invitation.id, token.text, link.id,
            make_secret(db.session.get_one(Inbox, 1)).handle,
        )  # fmt: skip


def password_token(world):
    """The token of a new password link of the watcher."""
    with world.app.app_context():
        _, token = create_password_link(db.session.get_one(User, world.watcher.id), by=None)
    return token.text


def merged(account_id, into, by):
    source = Contact(account_id=account_id, name="Merged", merged_into_id=into)
    db.session.add(source)
    db.session.flush()
    merge = ContactMerge(
        account_id=account_id, source_id=source.id, target_id=into, conversation_ids=[],
        contact_ids=[], merged_by_id=by, merged_at=clock.now(),
    )  # fmt: skip
    db.session.add(merge)
    db.session.flush()
    return merge


def add_member(app, name, *, role, sees, inbox=None):
    with app.app_context():
        user = User(name=name, email=f"{name.lower()}@example.com", password_hash="none")
        db.session.add(user)
        db.session.flush()
        db.session.add(Membership(account_id=1, user_id=user.id, role=role, sees=sees))
        if inbox is not None:
            db.session.add(InboxMember(inbox_id=inbox, user_id=user.id))
        db.session.commit()


def ids(world: World) -> dict[str, Any]:
    return {
        "notification": world.notification,
        "merge": world.merge,
        "conversation_merge": world.conversation_merge,
        "invitation": world.invitation,
        "token": world.token,
        "password_link": world.password_link,
        "secret": world.secret,
    }


# Endpoints


def endpoints(app: Flask) -> set[str]:
    return {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }


def without_a_row(there: Iterable[str], rows: Iterable[str]) -> set[str]:
    return set(there) ^ set(rows)


def test_every_endpoint_has_a_row_in_the_access_matrix(app):
    rows = [row.endpoint for row in ROWS]
    assert len(rows) == len(set(rows)) > 25
    assert without_a_row(endpoints(app), rows) == set()


def test_an_endpoint_without_a_row_in_the_access_matrix_is_found(app):
    app.add_url_rule("/backdoor", view_func=lambda: "open", methods=["GET", "POST"])
    found = without_a_row(endpoints(app), (row.endpoint for row in ROWS))
    assert found == {"GET /backdoor", "POST /backdoor"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.endpoint)
def test_each_role_gets_the_status_of_the_access_matrix(world, row):
    assert answers(world, row) == dict(zip(ROLES, map(int, row.statuses.split()), strict=True))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.endpoint)
def test_each_role_in_a_browser_gets_the_status_of_the_access_matrix(world, row):
    if "/streams" in row.endpoint:
        accept, login = "text/event-stream", 401
    else:
        accept, login = "text/html", 302
    expected = {
        role: login if status == 401 else row.html or status if status < 300 else status
        for role, status in zip(ROLES, map(int, row.statuses.split()), strict=True)
    }
    assert answers(world, row, accept=accept) == expected


def test_a_wrong_row_of_the_access_matrix_is_found(world):
    (row,) = (row for row in ROWS if row.endpoint == "GET /me")
    wrong = {**dict.fromkeys(ROLES, 200), "nobody": 200}
    assert answers(world, row) != wrong


def answers(world: World, row: Row, **headers: str) -> dict[str, int]:
    """Return each role's status. The HEAD of a GET has the same, and opens no stream."""
    values = ids(world)
    if "{password_token}" in row.path:
        values["password_token"] = password_token(world)
    path = row.path.format(**values)
    found = {}
    # The administrator comes last, who may delete the row.
    for role, client in reversed(world.clients.items()):
        if row.file is not None:
            answer = upload(client, row.file, **headers)
        elif row.endpoint.startswith("POST"):
            answer = client.post(path, row.body and row.body(world), **headers)
        else:
            answer = client.get(path, **headers)
            combined = {**client.headers, **headers}
            head = world.app.test_client().head(path, headers=combined)
            assert (role, head.status_code) == (role, answer.status_code)
            head.close()
        found[role] = answer.status_code
        answer.close()
    return found


# Deliveries


def test_every_event_has_a_row_in_the_delivery_matrix(app):
    assert without_a_row([*DURABLE, *EPHEMERAL], (d.event for d in DELIVERIES)) == set()


def test_an_event_without_a_row_in_the_delivery_matrix_is_found(app):
    there = [*DURABLE, *EPHEMERAL, "conversation.labelled"]
    found = without_a_row(there, (d.event for d in DELIVERIES))
    assert found == {"conversation.labelled"}


@pytest.mark.parametrize("delivery", DELIVERIES, ids=lambda d: f"{d.event}, {d.why}")
def test_each_role_receives_exactly_the_events_of_the_delivery_matrix(world, delivery):
    assert unexpected(world, delivery) == {}


def test_an_event_received_beyond_the_delivery_matrix_is_found(world):
    (row,) = (d for d in DELIVERIES if d.why == "an assigned one")
    assert unexpected(world, row._replace(streams="a - a - - - -")) == {"agent": "a"}


def unexpected(world: World, delivery: Delivery) -> dict[str, str]:
    """Return the roles and streams that received the event beyond the table. Fail if a stream of
    the table did not receive it."""
    expected = dict(zip(ROLES, delivery.streams.split(), strict=True))
    with ExitStack() as stack:
        streams = open_streams(world, stack)
        stack.enter_context(closing(delivery.cause(world)))
        for (role, letter), stream in streams.items():
            if letter in expected[role]:
                until(stream, delivery.event, delivery.marker)
        assert outbox_drained(world.app)
        end(world)
        extra: dict[str, str] = {}
        for (role, letter), stream in streams.items():
            if letter not in expected[role] and expected[role] != "*":
                events = until_the_end(stream)
                if any(e == delivery.event and delivery.marker in data for e, data in events):
                    extra[role] = extra.get(role, "") + letter
        return extra


def open_streams(world: World, stack: ExitStack) -> dict[tuple[str, str], Stream]:
    """Open every permitted stream of every role."""
    own = {
        "elsewhere": ("account:1", "conversation:7", "presence:1"),
        "foreign": ("account:2", f"conversation:{world.foreign_conversation}", "presence:2"),
        "nobody": (),
        "visitor": ("conversation:1",),
    }
    streams = {}
    watched = world.watcher.stream("/streams?stream=presence:1")
    stack.enter_context(closing(watched)).named("stream.open")
    for role, client in world.clients.items():
        for name in own.get(role, ("account:1", "conversation:1", "presence:1")):
            stream = stack.enter_context(closing(client.stream(f"/streams?stream={name}")))
            stream.named("stream.open")
            streams[role, name[0]] = stream
    agent = world.clients["agent"]
    eventually(lambda: len(agent.get("/accounts/1/presence").json["online_users"]) == PRESENT)
    return streams


BUSY = '":"busy"'
PRESENT = 5  # of the account: four roles and the watcher
THE_END = "the end"  # marks the last event of every stream


def end(world: World) -> None:
    done(world.clients["administrator"].send(1, THE_END))
    done(world.clients["administrator"].send(7, THE_END))
    done(world.clients["foreign"].send(world.foreign_conversation, THE_END))
    for client, account in ((world.watcher, 1), (world.clients["foreign"], 2)):
        done(client.post(f"/accounts/{account}/presence", {"status": "busy"}))


def until(stream: Stream, event: str, marker: str) -> None:
    while True:
        received = stream.any()
        if received.event == event and marker in received.data:
            return


def until_the_end(stream: Stream) -> list[tuple[str, str]]:
    """Return the events before the end, or before the stream was closed."""
    events: list[tuple[str, str]] = []
    while True:
        event = stream.any()
        if event.event == "stream.closed" or THE_END in event.data:
            return events
        if event.event == "presence_update" and '"changed":{' in event.data and BUSY in event.data:
            return events
        events.append((event.event, event.data))
