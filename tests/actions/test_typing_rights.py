"""Typing takes no query while rights do not change; a change is found without one."""

from contextlib import closing
from contextlib import contextmanager

import gevent
import pytest
from sqlalchemy import event

from rtapp import create_app
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Token
from rtapp.models import User
from rtapp.realtime.broker import CONTROL
from rtapp.services.change_password import change_password
from rtapp.services.change_tokens import revoke_token
from rtapp.services.disable_user import disable_user
from rtapp.services.rename_user import rename_user

from ..harness.reuse import Reuse
from ..support import ApiClient
from ..support import Stream
from ..support import eventually
from ..world import open_stream

PATH = "/conversations/1/typing"
STARTS = {"typing": True}
MARIA = "maria.lindqvist@example.com"


@contextmanager
def queries(app):
    """The statements of this greenlet: pollers and the relay have theirs beside it."""
    statements, own = [], gevent.getcurrent()

    def note(connection, cursor, statement, *_):
        if gevent.getcurrent() is own:
            statements.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def type_without_queries(app, client, path=PATH):
    """Type until it takes no query: the process may not have subscribed to the control messages
    when the first answer came."""

    def repeated():
        with queries(app) as statements:
            assert client.post(path, STARTS).status_code == 204
        return not statements

    assert eventually(repeated, "typing takes no query")


@pytest.fixture
def elsewhere(app, reuse: Reuse):
    """The application of another process: only Redis connects the two."""
    other = create_app(app.extensions["settings"])
    reuse.templates_of(other)
    yield other
    other.extensions["broker"].redis.close()
    reuse.give_back(other)


def test_typing_takes_queries_without_an_open_stream_and_none_with_one(app, kevin):
    for _ in range(3):
        with queries(app) as statements:
            assert kevin.post(PATH, STARTS).status_code == 204
        assert len(statements) == 2  # the principal, and the conversation
    with open_stream(kevin, "conversation:1"):
        type_without_queries(app, kevin)
    with queries(app) as statements:
        eventually(lambda: kevin.post(PATH, STARTS).status_code == 204 and statements)


def test_what_one_user_may_is_not_granted_to_another_or_elsewhere(app, ada, kevin, grace):
    with open_stream(kevin, "conversation:1"), open_stream(grace, "account:1"):
        type_without_queries(app, kevin)
        assert grace.post(PATH, STARTS).status_code == 404
        assert kevin.post("/conversations/7/typing", STARTS).status_code == 404
        assert ApiClient(app, None).post(PATH, STARTS).status_code == 401
        reader = ApiClient(app, "kevin@example.com", "read")
        for _ in range(2):
            assert reader.post(PATH, STARTS).status_code == 403
        assert kevin.post(PATH, {"typing": 1}).status_code == 422


def test_other_actions_of_a_user_who_types_ask_the_database(app, kevin):
    with open_stream(kevin, "conversation:1"):
        type_without_queries(app, kevin)
        with queries(app) as statements:
            assert kevin.send(1, "hello").status_code == 201
        assert any("FROM users JOIN tokens" in statement for statement in statements)


# How a user loses a right, and the refusal of their next typing


def removed_from_the_account(app, ada, kevin):
    assert ada.post(f"/accounts/1/settings/members/{kevin.id}/remove").status_code < 400


def restricted_to_assigned(app, ada, kevin):
    assert ada.post("/conversations/1/assignee", {"assignee_id": ada.id}).status_code == 200
    body = {"role": "agent", "sees": "assigned", "inbox_ids": [1]}
    assert ada.post(f"/accounts/1/settings/members/{kevin.id}", body).status_code < 400


def removed_from_the_inbox(app, ada, kevin):
    body = {"role": "agent", "sees": "inbox", "inbox_ids": [2]}
    assert ada.post(f"/accounts/1/settings/members/{kevin.id}", body).status_code < 400


def token_revoked(app, ada, kevin):
    with app.app_context():
        for token in db.session.query(Token).filter_by(user_id=kevin.id).all():
            revoke_token(token)


def disabled(app, ada, kevin):
    with app.app_context():
        disable_user(db.session.get_one(User, kevin.id))


def password_changed(app, ada, kevin):
    with app.app_context():
        change_password(db.session.get_one(User, kevin.id), "new and long enough")


def merged(app, ada, kevin):
    merge_into_another(ada)


def merge_into_another(agent):
    """Merge conversation 1 into a new one of its contact. Returns the other one's id."""
    new = {"inbox_id": 1, "contact": {"name": "Maria", "email": MARIA}, "content": "Another"}
    other = agent.post("/accounts/1/conversations", new).json["id"]
    assert agent.post("/conversations/1/merge", {"into": other}).status_code == 200
    return other


LOSSES = {
    removed_from_the_account: 404, restricted_to_assigned: 404, removed_from_the_inbox: 404,
    token_revoked: 401, disabled: 401, password_changed: 401, merged: 409,
}  # fmt: skip
LOSING = pytest.mark.parametrize(
    ("lose", "refused"), LOSSES.items(), ids=[lose.__name__ for lose in LOSSES]
)


@LOSING
def test_a_user_who_loses_a_right_by_another_process_types_no_more(
    app, elsewhere, ada, kevin, lose, refused
):
    with open_stream(kevin, "conversation:1"), open_stream(ada, "conversation:1"):
        type_without_queries(app, kevin)
        type_without_queries(app, ada)
        lose(elsewhere, ApiClient(elsewhere, "ada@example.com"), kevin)
        eventually(lambda: kevin.post(PATH, STARTS).status_code == refused)
        if lose is not merged:
            type_without_queries(app, ada)


@LOSING
def test_a_user_who_loses_a_right_by_this_process_is_refused_at_once(
    app, ada, kevin, lose, refused
):
    with open_stream(kevin, "conversation:1"):
        type_without_queries(app, kevin)
        lose(app, ada, kevin)
        assert kevin.post(PATH, STARTS).status_code == refused


def test_an_agent_restricted_to_assigned_types_no_more_in_what_another_has(
    app, elsewhere, ada, kevin
):
    body = {"role": "agent", "sees": "assigned", "inbox_ids": []}
    assert ada.post(f"/accounts/1/settings/members/{kevin.id}", body).status_code < 400
    with open_stream(kevin, "conversation:1"):
        type_without_queries(app, kevin)
        there = ApiClient(elsewhere, "ada@example.com")
        assert there.post("/conversations/1/assignee", {"assignee_id": ada.id}).status_code == 200
        eventually(lambda: kevin.post(PATH, STARTS).status_code == 404)


@pytest.fixture
def signed_in(app):
    browser = app.test_client()
    answer = browser.post("/login", json={"email": "kevin@example.com", "password": "password"})
    browser.environ_base["HTTP_X_CSRF_TOKEN"] = answer.headers["X-CSRF-Token"]
    return browser


class Browser:
    def __init__(self, client):
        self._client = client

    def post(self, path, body):
        return self._client.post(path, json=body)


def test_a_session_that_ended_in_another_process_types_no_more(app, elsewhere, signed_in):
    browser = Browser(signed_in)
    with closing(Stream(signed_in.get("/streams/conversations/1"))) as stream:
        stream.named("stream.open")
        type_without_queries(app, browser)
        copy = elsewhere.test_client()
        copy.set_cookie("session", signed_in.get_cookie("session").value)
        copy.environ_base.update(signed_in.environ_base)
        assert copy.post("/logout").status_code == 204
        # No session is left whose forgery could do harm, so a request is not signed in.
        eventually(lambda: browser.post(PATH, STARTS).status_code == 401)


def test_a_blocked_customer_types_no_more(app, elsewhere, maria):
    with open_stream(maria, "conversation:1"):
        type_without_queries(app, maria)
        there = ApiClient(elsewhere, "ada@example.com")
        with app.app_context():
            contact = db.session.query(Contact).filter_by(email=MARIA).one().id
        assert there.post(f"/contacts/{contact}/block", {"blocked": True}).status_code == 200
        eventually(lambda: maria.post(PATH, STARTS).status_code == 403)


def test_a_customers_typing_goes_to_the_conversation_that_theirs_was_merged_into(
    app, elsewhere, ada, maria
):
    with open_stream(maria, "conversation:1"):
        type_without_queries(app, maria)
        other = merge_into_another(ApiClient(elsewhere, "ada@example.com"))
        with queries(app) as statements:
            eventually(lambda: maria.post(PATH, STARTS).status_code == 204 and statements)
        with open_stream(ada, f"conversation:{other}") as thread:
            maria.post(PATH, STARTS)
            assert thread.ephemeral("typing")["contact_id"] == maria.id


def test_a_new_name_is_shown_with_the_next_typing(app, elsewhere, ada, kevin):
    with open_stream(kevin, "conversation:1"), open_stream(ada, "conversation:1") as thread:
        type_without_queries(app, kevin)
        assert thread.ephemeral("typing")["user_name"] == "Kevin"
        kevin.post(PATH, {"typing": False})
        assert thread.ephemeral("typing")["is_typing"] is False
        with elsewhere.app_context():
            rename_user(db.session.get_one(User, kevin.id), "Kevin Park")

        def shown():
            kevin.post(PATH, STARTS)
            name = thread.ephemeral("typing")["user_name"]
            kevin.post(PATH, {"typing": False})
            assert thread.ephemeral("typing")["is_typing"] is False
            return name

        assert eventually(lambda: shown() == "Kevin Park")


def test_without_control_messages_nothing_is_granted(app, kevin, broker):
    with open_stream(kevin, "conversation:1"):
        type_without_queries(app, kevin)
        assert broker.redis.pubsub_numsub(CONTROL)[0][1] == 1
        broker.redis.client_kill_filter(_type="pubsub")
        # The first after the connection is lost asks; as soon as there is a new one, none does.
        with queries(app) as statements:
            eventually(lambda: kevin.post(PATH, STARTS).status_code == 204 and statements)
        type_without_queries(app, kevin)
