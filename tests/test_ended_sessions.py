"""An action of a page whose session has ended or was replaced: 401, and its text is kept."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from rtapp import clock
from rtapp.config import SIGNED_IN_FOR
from rtapp.extensions import db
from rtapp.models import User
from rtapp.models import UserSession
from rtapp.services.change_password import change_password

from .support import Stream
from .support import envelope
from .support import outbox_drained

PASSWORD = "password"
KEVIN = {"email": "kevin@example.com", "password": PASSWORD}
ADA = {"email": "ada@example.com", "password": PASSWORD}
MESSAGES = "/conversations/1/messages"
TEXT = "Five lines of <careful> text"
HTML = {"Accept": "text/html"}


@pytest.fixture
def browser(app):
    return app.test_client()


def sign_in(browser: FlaskClient, who: dict[str, str] = KEVIN) -> str:
    """Sign in, as another tab of the browser does. Returns the CSRF token."""
    answer = browser.post("/login", json=who, headers={"Origin": "http://localhost"})
    assert answer.status_code == 200, answer.json
    token: str = answer.headers["X-CSRF-Token"]
    return token


@pytest.fixture
def token(browser):
    """The CSRF token in a page that Kevin has open."""
    return sign_in(browser)


def sign_out(browser: FlaskClient, token: str) -> None:
    assert browser.post("/logout", headers={"X-CSRF-Token": token}).status_code == 204


def signed_out(app: Flask, browser: FlaskClient, token: str) -> None:
    sign_out(browser, token)


def signed_out_and_at_the_login(app: Flask, browser: FlaskClient, token: str) -> None:
    sign_out(browser, token)
    assert browser.get("/login").status_code == 200
    assert browser.get_cookie("session") is not None


def signed_out_and_in(app: Flask, browser: FlaskClient, token: str) -> None:
    sign_out(browser, token)
    sign_in(browser)


def signed_in_again(app: Flask, browser: FlaskClient, token: str) -> None:
    sign_in(browser)


def signed_out_and_in_as_ada(app: Flask, browser: FlaskClient, token: str) -> None:
    sign_out(browser, token)
    sign_in(browser, ADA)


def signed_in_as_ada(app: Flask, browser: FlaskClient, token: str) -> None:
    sign_in(browser, ADA)


def cookie_expired(app: Flask, browser: FlaskClient, token: str) -> None:
    app.config["PERMANENT_SESSION_LIFETIME"] = timedelta(seconds=-1)


def row_expired(app: Flask, browser: FlaskClient, token: str) -> None:
    with app.app_context():
        row = db.session.scalars(db.select(UserSession)).one()
        row.created_at = clock.now() - timedelta(seconds=SIGNED_IN_FOR + 1)
        db.session.commit()


def cookie_deleted(app: Flask, browser: FlaskClient, token: str) -> None:
    browser.delete_cookie("session")


def cookie_mutilated(app: Flask, browser: FlaskClient, token: str) -> None:
    browser.set_cookie("session", "mutilated")


def password_changed(app: Flask, browser: FlaskClient, token: str) -> None:
    with app.app_context():
        change_password(db.session.scalars(db.select(User).filter_by(**EMAIL)).one(), "another one")


def secret_key_changed(app: Flask, browser: FlaskClient, token: str) -> None:
    app.config["SECRET_KEY"] = "another secret key"


def secret_key_changed_and_signed_in(app: Flask, browser: FlaskClient, token: str) -> None:
    app.config["SECRET_KEY"] = "another secret key"
    sign_in(browser)


EMAIL = {"email": KEVIN["email"]}
Ending = Callable[[Flask, FlaskClient, str], None]
SIGNED_OUT: list[Ending] = [
    signed_out,
    signed_out_and_at_the_login,
    cookie_expired,
    row_expired,
    cookie_deleted,
    cookie_mutilated,
    password_changed,
    secret_key_changed,
]
REPLACED: list[Ending] = [
    signed_out_and_in,
    signed_in_again,
    signed_out_and_in_as_ada,
    signed_in_as_ada,
    secret_key_changed_and_signed_in,
]


def by_name(ending: Ending) -> str:
    return ending.__name__


def text_in(page: str) -> str:
    found = re.search(r'<textarea[^>]* name="content"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL)
    assert found is not None, page
    return unescape(found[1])


def form_in(page: str) -> dict[str, str]:
    """The fields of the page's form, as a browser sends them."""
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    return {name: unescape(value) for name, value in fields} | {"content": text_in(page)}


@pytest.mark.parametrize("end", SIGNED_OUT + REPLACED, ids=by_name)
def test_a_fetch_of_a_page_whose_session_has_ended_is_401_and_changes_nothing(
    app, browser, token, end, outbox
):
    end(app, browser, token)
    assert outbox_drained(app)
    headers = {"X-CSRF-Token": token}
    answer = browser.post(MESSAGES, json={"content": TEXT}, headers=headers)
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert outbox.unchanged()


@pytest.mark.parametrize("end", SIGNED_OUT + REPLACED, ids=by_name)
def test_a_form_of_a_page_whose_session_has_ended_is_answered_with_what_was_written(
    app, browser, token, end, outbox
):
    end(app, browser, token)
    assert outbox_drained(app)
    form = {"content": TEXT, "private": "true", "client_id": "", "csrf_token": token}
    answer = browser.post(MESSAGES, data=form, headers=HTML)
    page = answer.get_data(as_text=True)
    assert (answer.status_code, answer.mimetype) == (401, "text/html")
    assert text_in(page) == TEXT
    assert form_in(page)["private"] == "true"
    assert "Nothing was changed" in page
    assert outbox.unchanged()


@pytest.mark.parametrize("end", SIGNED_OUT, ids=by_name)
def test_after_signing_in_elsewhere_the_form_of_the_401_page_sends_what_was_written(
    app, browser, token, end
):
    end(app, browser, token)
    page = browser.post(MESSAGES, data={"content": TEXT, "csrf_token": token}, headers=HTML)
    app.config["PERMANENT_SESSION_LIFETIME"] = timedelta(days=14)
    password = "another one" if end is password_changed else PASSWORD
    sign_in(browser, {**KEVIN, "password": password})
    again = browser.post(MESSAGES, data=form_in(page.get_data(as_text=True)), headers=HTML)
    assert again.status_code == 401  # the session is another one: the page names its user first
    assert "Send as Kevin" in again.get_data(as_text=True)
    sent = browser.post(MESSAGES, data=form_in(again.get_data(as_text=True)), headers=HTML)
    assert (sent.status_code, sent.location) == (303, "/conversations/1")
    assert browser.get(MESSAGES).json["messages"][-1]["content"] == TEXT


def test_the_401_page_names_the_user_who_is_signed_in_now(app, browser, token):
    signed_in_as_ada(app, browser, token)
    form = {"content": TEXT, "csrf_token": token}
    page = browser.post(MESSAGES, data=form, headers=HTML).get_data(as_text=True)
    assert "Ada is signed in" in page
    assert "Send as Ada" in page


def test_a_form_without_a_text_is_answered_with_the_login_once_signed_out(app, browser, token):
    signed_out(app, browser, token)
    answer = browser.post("/logout", data={"csrf_token": token}, headers=HTML)
    assert (answer.status_code, answer.location) == (302, "/login")


def test_signing_out_on_a_page_of_a_former_session_does_not_sign_out_its_successor(
    app, browser, token
):
    signed_in_as_ada(app, browser, token)
    answer = browser.post("/logout", data={"csrf_token": token}, headers=HTML)
    assert answer.status_code == 401
    assert browser.get("/me").json["name"] == "Ada"


def test_a_401_page_shows_no_password(app, browser):
    form = {"password": "secret words", "content": TEXT}
    page = browser.post(MESSAGES, data=form, headers=HTML).get_data(as_text=True)
    assert text_in(page) == TEXT
    assert "secret words" not in page


@pytest.mark.parametrize("end", REPLACED, ids=by_name)
def test_me_has_the_csrf_token_of_the_present_session(app, browser, token, end):
    end(app, browser, token)
    headers = {"X-CSRF-Token": browser.get("/me").headers["X-CSRF-Token"]}
    assert headers["X-CSRF-Token"] != token
    answer = browser.post(MESSAGES, json={"content": TEXT}, headers=headers)
    assert answer.status_code == 201


def test_me_has_no_csrf_token_for_a_bearer_token(kevin):
    assert "X-CSRF-Token" not in kevin.get("/me").headers


def test_a_page_without_a_csrf_token_is_400_while_signed_in(browser, token, outbox):
    answer = browser.post(MESSAGES, json={"content": TEXT})
    assert answer.status_code == 400
    assert "CSRF token" in answer.json["detail"]
    assert outbox.unchanged()


@pytest.mark.parametrize(
    "foreign", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}], ids=str
)
def test_another_site_gets_no_page_with_its_own_text_and_a_valid_token(browser, token, foreign):
    form = {"content": TEXT, "csrf_token": "of another session"}
    answer = browser.post(MESSAGES, data=form, headers={**HTML, **foreign})
    assert answer.status_code == 400
    assert "csrf_token" not in answer.get_data(as_text=True)


def test_pages_that_load_at_the_same_time_after_signing_in_have_tokens_of_one_session(app, browser):
    browser.post("/login", data=KEVIN, headers=HTML)
    cookie = {"Cookie": f"session={browser.get_cookie('session').value}"}
    clients = [app.test_client(use_cookies=False) for _ in range(2)]
    tokens = [client.get("/me", headers=cookie).headers["X-CSRF-Token"] for client in clients]
    for client, token in zip(clients, tokens, strict=True):
        headers = {**cookie, "X-CSRF-Token": token}
        answer = client.post(MESSAGES, json={"content": TEXT}, headers=headers)
        assert answer.status_code == 201


def test_signing_in_ends_the_browsers_former_session_and_its_streams(app, browser, token):
    copy = browser.get_cookie("session").value
    stream = Stream(browser.get("/streams/conversations/1"))
    stream.named("stream.open")
    sign_in(browser)
    assert envelope(stream.named("stream.closed"))["reason"] == "signed_out"
    assert stream.ended()
    thief = app.test_client()
    thief.set_cookie("session", copy)
    assert thief.get("/me").status_code == 401


def test_signing_in_leaves_the_sessions_of_other_browsers(app, browser, token):
    other = app.test_client()
    sign_in(other)
    sign_in(browser)
    assert other.get("/me").status_code == 200


def test_a_wrong_password_leaves_the_session_as_it_is(browser, token):
    answer = browser.post("/login", json={**KEVIN, "password": "wrong"})
    assert answer.status_code == 401
    headers = {"X-CSRF-Token": token}
    assert browser.post(MESSAGES, json={"content": "x"}, headers=headers).status_code == 201


@pytest.mark.parametrize("end", SIGNED_OUT + REPLACED, ids=by_name)
def test_a_login_form_that_was_open_before_the_session_changed_signs_in(app, browser, token, end):
    page = browser.get("/login").get_data(as_text=True)
    end(app, browser, token)
    old = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert old is not None
    form = {**ADA, "csrf_token": old[1], "next": "/conversations/1"}
    own = {**HTML, "Origin": "http://localhost"}
    answer = browser.post("/login", data=form, headers=own)
    assert (answer.status_code, answer.location) == (303, "/conversations/1")
    foreign = {**HTML, "Origin": "https://evil.example"}
    assert browser.post("/login", data=form, headers=foreign).status_code == 400
