"""The access of visitors of websites: every endpoint, for each kind of token that one may have.

An endpoint that is in no list here is refused to each of them as the access matrix has it for the
customer without a website.
"""

from contextlib import closing
from typing import Any

import pytest

from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Inbox

from .files import upload
from .support import CustomerClient
from .support import VisitorClient
from .test_access_matrix import ROWS
from .test_access_matrix import ids
from .test_access_matrix import password_token
from .test_access_matrix import world
from .world import add_website

__all__ = ["world"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

# The visitor whose conversation it is, another one of the same website, one of another inbox of the
# account, one of another account, one who is blocked, one whose session has ended, and a customer
# with a token without a website.
ROLES = ("own", "another", "other_inbox", "other_account", "blocked", "ended", "command")
# The requests are about the conversation and the contact of `own`.
OPEN = {
    #                                              own other inbox acct block ended command
    "GET /conversations/<id:conversation_id>":          "200 404 404 404 403 401 404",
    "GET /conversations/<id:conversation_id>/messages": "200 404 404 404 403 401 404",
    "POST /conversations/<id:conversation_id>/messages": "201 404 404 404 403 401 404",
    "POST /conversations/<id:conversation_id>/typing":  "204 404 404 404 403 401 404",
    "POST /conversations/<id:conversation_id>/read":    "204 404 404 404 403 401 404",
    "POST /conversations/<id:conversation_id>/attachments": "201 404 404 404 403 401 404",
    # Of conversation 1, which is Maria's.
    "GET /attachments/<string:key>":                    "404 404 404 404 403 401 200",
    "GET /attachments/<string:key>/thumbnail":          "404 404 404 404 403 401 200",
    "GET /streams/conversations/<id:conversation_id>":  "200 404 404 404 403 401 404",
    "GET /streams/contacts/<id:contact_id>":            "200 404 404 404 403 401 404",
    "GET /streams/websites/<id:inbox_id>":              "200 200 404 404 403 401 404",
    "GET /chat/<string:key>/conversations":             "200 200 403 403 403 401 403",
    "POST /chat/<string:key>/conversations":            "201 201 403 403 403 401 403",
    "POST /chat/<string:key>/contact":                  "200 200 403 403 403 401 403",
}  # fmt: skip
# These end the token, so they come last; they have tests of their own.
ENDING = {"POST /chat/<string:key>/session", "POST /chat/<string:key>/session/delete"}


@pytest.fixture
def visitors(app, world):
    with app.app_context():
        account = Account(name="Third")
        db.session.add(account)
        db.session.flush()
        inbox = Inbox(account_id=account.id, name="Far away")
        db.session.add(inbox)
        db.session.commit()
        elsewhere = inbox.id
    add_website(app, 2, "elsewhere2")
    add_website(app, elsewhere, "elsewhere3")
    own = VisitorClient(app, "website1")
    clients: dict[str, Any] = {
        "own": own,
        "another": VisitorClient(app, "website1"),
        "other_inbox": VisitorClient(app, "elsewhere2"),
        "other_account": VisitorClient(app, "elsewhere3"),
        "blocked": VisitorClient(app, "website1"),
        "ended": VisitorClient(app, "website1"),
        "command": CustomerClient(app, "maria.lindqvist@example.com"),
    }
    assert clients["blocked"].start("Hello").status_code == 201
    admin = world.clients["administrator"]
    blocked = admin.post(f"/contacts/{clients['blocked'].id}/block", {"blocked": True})
    assert blocked.status_code == 200
    assert clients["ended"].post("/chat/website1/session/delete").status_code == 204
    return clients


def answer_to(client, row, path, body):
    if row.file is not None:
        return upload(client, row.file, "a.txt", int(path.split("/")[2]))
    if row.endpoint.startswith("POST"):
        return client.post(path, body)
    return client.get(path)


def about(path, client, started):
    """The row's path, about the visitor's own conversation in place of conversation 1."""
    thread, contact = started["conversation"]["id"], client.id
    return path.replace("/conversations/1", f"/conversations/{thread}").replace(
        "/streams/contacts/1", f"/streams/contacts/{contact}"
    )


def test_every_endpoint_of_these_lists_is_in_the_access_matrix(app):
    assert {*OPEN, *ENDING} <= {row.endpoint for row in ROWS}


@pytest.mark.parametrize("endpoint", OPEN)
def test_each_visitor_gets_the_status_of_the_table(visitors, endpoint):
    (row,) = (row for row in ROWS if row.endpoint == endpoint)
    started = visitors["own"].start("Hello").json
    path = about(row.path, visitors["own"], started)
    body = {"message_id": started["message"]["id"]} if path.endswith("/read") else None
    found = {}
    for role, client in visitors.items():
        with closing(answer_to(client, row, path, body or (row.body and row.body(None)))) as answer:
            found[role] = answer.status_code
    assert found == dict(zip(ROLES, map(int, OPEN[endpoint].split()), strict=True))


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.endpoint not in {*OPEN, *ENDING}],
    ids=lambda row: row.endpoint,
)
def test_every_other_endpoint_is_as_closed_to_visitors_as_to_other_customers(world, visitors, row):
    customer = row.statuses.split()[-1]
    nobody = row.statuses.split()[-2]
    values = ids(world)
    if "{password_token}" in row.path:
        values["password_token"] = password_token(world)
    path = row.path.format(**values)
    for role in ("own", "another", "other_inbox", "other_account"):
        with closing(answer_to(visitors[role], row, path, row.body and row.body(world))) as answer:
            assert (role, str(answer.status_code)) == (role, customer)
    # Blocked and ended tokens open what is open to everybody, and nothing more.
    for role, closed in (("blocked", "403"), ("ended", "401")):
        with closing(answer_to(visitors[role], row, path, row.body and row.body(world))) as answer:
            allowed = {closed, nobody if nobody != "401" else closed, customer_of(customer, role)}
            assert str(answer.status_code) in allowed, role


def customer_of(status: str, role: str) -> str:
    """A blocked visitor may get what each customer does, if that is a refusal."""
    return status if role == "blocked" and status.startswith("4") else ""
