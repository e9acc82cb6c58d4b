"""A disabled user: they sign in nowhere, what they had open ends, and an account keeps somebody."""

from contextlib import closing

import gevent
import pytest
from sqlalchemy import select
from sqlalchemy import update

from rtapp.errors import Unprocessable
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Membership
from rtapp.models import Notification
from rtapp.models import PasswordLink
from rtapp.models import User
from rtapp.services.change_password_links import create_password_link
from rtapp.services.disable_user import disable_user
from rtapp.services.disable_user import enable_user

from ..state import verified
from ..support import envelope

LINE = "Kevin can't sign in any more, so it is unassigned"


def sign_in(app, name: str = "kevin"):
    browser = app.test_client()
    fields = {"email": f"{name}@example.com", "password": "password"}
    return browser, browser.post("/login", json=fields)


def disable(app, agent) -> bool:
    with app.app_context():
        return disable_user(db.session.get_one(User, agent.id))


def enable(app, agent) -> bool:
    with app.app_context():
        return enable_user(db.session.get_one(User, agent.id))


def promote(app, agent) -> None:
    with app.app_context():
        own = update(Membership).where(Membership.user_id == agent.id)
        db.session.execute(own.values(role="administrator"))
        db.session.commit()


def assigned(app, agent) -> set[int]:
    with app.app_context():
        own = select(Conversation.id).where(Conversation.assignee_id == agent.id)
        return set(db.session.scalars(own))


def test_a_disabled_user_has_no_session_no_token_and_no_stream_any_more(app, kevin):
    browser, answer = sign_in(app)
    assert answer.status_code == browser.get("/me").status_code == 200
    assert kevin.get("/me").status_code == 200
    with closing(kevin.stream("/streams/accounts/1")) as stream:
        stream.named("stream.open")
        assert disable(app, kevin)
        assert envelope(stream.until("stream.closed")[-1])["reason"] == "signed_out"
    assert browser.get("/me").status_code == 401
    assert kevin.get("/me").status_code == 401
    _, refused = sign_in(app)
    unknown = app.test_client().post("/login", json={"email": "x@x.example", "password": "x"})
    assert (refused.status_code, refused.json) == (unknown.status_code, unknown.json)


def test_an_enabled_user_signs_in_again_and_has_nothing_of_before(app, kevin):
    browser, _ = sign_in(app)
    disable(app, kevin)
    assert enable(app, kevin)
    assert browser.get("/me").status_code == 401
    assert kevin.get("/me").status_code == 401
    again, answer = sign_in(app)
    assert answer.status_code == 200
    assert again.get("/accounts/1/conversations").status_code == 200


def test_a_session_or_token_that_is_left_is_not_enough(app, kevin):
    """If one was made while the user was being disabled."""
    browser, _ = sign_in(app)
    with app.app_context():
        db.session.execute(
            update(User).where(User.id == kevin.id).values(disabled_at=User.created_at)
        )
        db.session.commit()
    assert browser.get("/me").status_code == 401
    assert kevin.get("/me").status_code == 401


def test_the_password_links_of_a_disabled_user_end(app, kevin):
    with app.app_context():
        user = db.session.get_one(User, kevin.id)
        _, token = create_password_link(user, None)
        disable_user(user)
        assert db.session.scalars(select(PasswordLink)).one().revoked_at is not None
    fields = {"token": token.text, "password": "correct horse"}
    assert app.test_client().post("/password", json=fields).status_code == 410


def test_a_password_link_from_before_signs_a_disabled_user_in_nowhere(app, kevin):
    with app.app_context():
        _, token = create_password_link(db.session.get_one(User, kevin.id), None)
    disable(app, kevin)
    browser = app.test_client()
    fields = {"token": token.text, "password": "correct horse"}
    refused = browser.post("/password", json=fields)
    assert (refused.status_code, "revoked" in refused.json["detail"]) == (410, True)
    assert browser.get("/me").status_code == 401


def test_what_was_assigned_to_a_disabled_user_is_unassigned_and_every_list_follows(
    app, ada, kevin, grace
):
    before = assigned(app, kevin)
    assert before, "the precondition does not hold"
    with verified(app, 1, ada, grace) as received:
        disable(app, kevin)
    assert received[ada].count("conversation.assignee_changed") >= len(before)
    assert assigned(app, kevin) == set()
    rows = ada.get("/conversations/1/messages?limit=100").json["messages"]
    assert rows[-1]["content"] == LINE


def test_nothing_is_assigned_to_a_disabled_user_and_no_mention_reaches_them(app, ada, kevin):
    path = "/conversations/2/assignee"
    disable(app, kevin)
    refused = ada.post(path, {"assignee_id": kevin.id})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["assignee_id"])
    assert ada.send(2, "@Kevin look", private=True).status_code == 201
    with app.app_context():
        own = select(Notification.id).where(Notification.user_id == kevin.id)
        assert db.session.scalars(own).all() == []
    enable(app, kevin)
    assert ada.post(path, {"assignee_id": kevin.id}).status_code == 200


def test_the_last_administrator_who_can_sign_in_is_not_disabled(app, ada, kevin):
    with pytest.raises(Unprocessable, match="last administrator"):
        disable(app, ada)
    assert ada.get("/me").status_code == 200
    assert assigned(app, ada) != set()
    promote(app, kevin)
    assert disable(app, kevin)
    with pytest.raises(Unprocessable, match="last administrator"):
        disable(app, ada)
    assert enable(app, kevin)
    assert disable(app, ada)


def test_of_two_administrators_who_are_disabled_at_once_one_stays(app, ada, kevin):
    promote(app, kevin)

    def attempt(agent) -> bool:
        try:
            return disable(app, agent)
        except Unprocessable:
            return False

    both = [gevent.spawn(attempt, agent) for agent in (ada, kevin)]
    gevent.joinall(both, timeout=60, raise_error=True)
    assert sorted(each.value for each in both) == [False, True]


def test_disabling_twice_and_enabling_twice_change_nothing(app, kevin, outbox):
    assert not enable(app, kevin)
    assert outbox.unchanged()
    assert disable(app, kevin)
    with app.app_context():
        since = db.session.get_one(User, kevin.id).disabled_at
        assert since is not None
    assert not disable(app, kevin)
    with app.app_context():
        assert db.session.get_one(User, kevin.id).disabled_at == since
