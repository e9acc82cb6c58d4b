"""The push subscription of a browser: part of its session, and no more than that."""

import pytest
from flask import Flask
from sqlalchemy import select

from rtapp import vapid
from rtapp.config import PUSH_SUBSCRIPTIONS_PER_USER
from rtapp.extensions import db
from rtapp.models import PushSubscription
from rtapp.models import User
from rtapp.models import UserSession
from rtapp.services.change_password import change_password

from ..push import KEYS
from ..push import SignedIn

ENDPOINT = "https://push.example.net/kevin"
OTHER = "https://push.example.net/another"


def stored(app: Flask) -> set[str]:
    with app.app_context():
        return set(db.session.scalars(select(PushSubscription.endpoint)))


@pytest.fixture
def kevins(app):
    """Kevin's browser, with a subscription."""
    browser = SignedIn(app, "kevin")
    assert browser.subscribe(ENDPOINT).status_code == 204
    assert stored(app) == {ENDPOINT}
    return browser


def test_a_browser_has_the_subscription_that_it_sent_and_no_other_one_of_its_user(app, kevins):
    assert kevins.endpoint == ENDPOINT
    assert SignedIn(app, "kevin").endpoint is None
    assert SignedIn(app, "ada").endpoint is None


def test_a_new_subscription_takes_the_place_of_the_sessions_former_one(app, kevins):
    assert kevins.subscribe(OTHER).status_code == 204
    assert stored(app) == {OTHER}
    assert kevins.subscribe(OTHER).status_code == 204
    assert stored(app) == {OTHER}


def test_a_subscription_ends_when_the_browser_deletes_it_and_that_may_be_repeated(app, kevins):
    for _ in range(2):
        assert kevins.post("/push_subscription/delete").status_code == 204
        assert stored(app) == set()


def test_deleting_a_subscription_leaves_those_of_other_browsers(app, kevins):
    assert SignedIn(app, "kevin").post("/push_subscription/delete").status_code == 204
    assert stored(app) == {ENDPOINT}


def test_signing_out_ends_the_subscription_of_this_browser_alone(app, kevins):
    second = SignedIn(app, "kevin")
    second.subscribe(OTHER)
    assert kevins.post("/logout").status_code == 204
    assert stored(app) == {OTHER}


def test_another_user_who_signs_in_there_ends_the_subscription(app, kevins):
    adas = SignedIn(app, "ada", kevins.browser)
    assert stored(app) == set()
    assert adas.endpoint is None


def test_a_subscription_of_another_session_with_the_same_endpoint_ends(app, kevins):
    """The browser lost its cookie, and another user signed in."""
    adas = SignedIn(app, "ada")
    assert adas.subscribe(ENDPOINT).status_code == 204
    assert (adas.endpoint, kevins.endpoint) == (ENDPOINT, None)


def test_a_new_password_ends_all_subscriptions_of_the_user_and_no_others(app, kevins):
    SignedIn(app, "kevin").subscribe(OTHER)
    SignedIn(app, "ada").subscribe("https://push.example.net/ada")
    with app.app_context():
        change_password(db.session.scalars(select(User).where(User.name == "Kevin")).one(), "new!")
    assert stored(app) == {"https://push.example.net/ada"}


def test_of_a_users_subscriptions_the_oldest_ones_over_the_limit_end(app, kevins):
    with app.app_context():
        kevin = db.session.scalars(select(User.id).where(User.name == "Kevin")).one()
        for n in range(PUSH_SUBSCRIPTIONS_PER_USER):
            db.session.add(UserSession(id=f"s{n}", user_id=kevin))
            db.session.flush()
            db.session.add(
                PushSubscription(session_id=f"s{n}", endpoint=f"https://p.example/{n}", **KEYS)
            )
            db.session.commit()
    SignedIn(app, "ada").subscribe("https://push.example.net/ada")
    assert len(stored(app)) == PUSH_SUBSCRIPTIONS_PER_USER + 2
    assert SignedIn(app, "kevin").subscribe(OTHER).status_code == 204
    left = stored(app)
    assert len(left) == PUSH_SUBSCRIPTIONS_PER_USER + 1
    assert not left & {ENDPOINT, "https://p.example/0"}
    assert {OTHER, "https://p.example/1", "https://push.example.net/ada"} <= left


POINT = KEYS["p256dh"]
BAD = {
    "endpoint": [
        "", "http://push.example.net/x", "https:/push.example.net", "https://", "https:///x", "x",
        "https://user@push.example.net/x", "https://:secret@push.example.net/x",
        "https://push.example.net:8443/x", "https://push.example.net:99999/x", "ftp://a.example/x",
        "https://push.example.net/x#y", "https://push.example.net/ x", "https://push.example.net/é",
        "https://push.example.net\\@127.0.0.1/x", "https://127.0.0.1/x", "https://8.8.8.8/x",
        "https://[::1]/x", "https://localhost/x", "https://redis/x",
        f"https://a.example/{'x' * 2000}",
        "https://a.example/\r\nX: y", None, 1,
    ],
    "p256dh": ["", "x", POINT[:-4], f"{POINT}AAAA", f"{POINT}=", "A" * 87, POINT[:-4] + "AAAA",
               POINT.replace("-", "+"), "é" * 87, "A" * 1000, None],
    "auth": ["", "AgIC", "AgICAgICAgICAgICAgICAgI", "AgICAgICAgICAgICAgICAg==", "é" * 22,
             "A" * 1000, None],
}  # fmt: skip


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("field", "value"), [(f, v) for f, values in BAD.items() for v in values])
def test_a_subscription_that_is_none_is_refused_and_not_repeated(app, kevins, field, value):
    refused = kevins.post("/push_subscription", {"endpoint": OTHER, **KEYS, field: value})
    assert (refused.status_code, list(refused.json["errors"])) == (422, [field])
    assert "push.example.net" not in refused.text
    assert stored(app) == {ENDPOINT}


def test_a_session_that_has_ended_gets_no_subscription(app, kevins):
    with app.app_context():
        change_password(db.session.scalars(select(User).where(User.name == "Kevin")).one(), "new!")
    assert kevins.subscribe(OTHER).status_code == 401
    assert stored(app) == set()


def test_a_request_without_the_sessions_csrf_token_is_refused(app, kevins):
    kevins.headers = {}
    assert kevins.subscribe(OTHER).status_code == 400
    assert kevins.post("/push_subscription/delete").status_code == 400
    assert stored(app) == {ENDPOINT}


def test_a_script_has_no_subscription(app, kevin):
    refused = kevin.post("/push_subscription", {"endpoint": OTHER, **KEYS})
    assert refused.status_code == 403
    assert "token has no session" in refused.json["detail"]
    assert stored(app) == set()


def test_a_server_without_a_key_of_vapid_refuses_subscriptions(app):
    app.config["VAPID_PUBLIC_KEY"] = None
    browser = SignedIn(app, "kevin")
    assert browser.browser.get("/push_subscription").json == {"public_key": None, "endpoint": None}
    refused = browser.subscribe(ENDPOINT)
    assert (refused.status_code, stored(app)) == (422, set())
    assert "not set up" in refused.json["detail"]


def test_the_command_prints_a_new_key_of_vapid_and_nothing_else(app):
    printed = [app.test_cli_runner().invoke(args=["vapid", "create"]).output for _ in range(2)]
    assert printed[0] != printed[1]
    for line in printed:
        key = line.removesuffix("\n")
        assert vapid.is_public_key(vapid.public_key(key))
