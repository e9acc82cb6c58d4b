import re
from datetime import timedelta

import pytest
from flask import session

from rtapp.extensions import db
from rtapp.models import User
from rtapp.services.change_password import change_password
from rtapp.services.change_tokens import create_token

from .support import Stream
from .support import envelope

KEVIN = {"email": "kevin@example.com", "password": "password"}


@pytest.fixture
def browser(app):
    return app.test_client()


def token_in(page) -> str:
    return re.search(r'name="csrf_token" value="([^"]+)"', page.get_data(as_text=True))[1]


@pytest.fixture
def signed_in(browser):
    answer = browser.post("/login", json=KEVIN)
    assert answer.status_code == 200
    assert answer.json["name"] == "Kevin"
    browser.token = answer.headers["X-CSRF-Token"]
    return browser


def test_the_login_form_signs_in_and_redirects_to_its_next_page(browser):
    html = {"Accept": "text/html"}
    page = browser.get("/login?next=/conversations/1", headers=html)
    form = {**KEVIN, "csrf_token": token_in(page), "next": "/conversations/1"}
    answer = browser.post("/login", data=form, headers=html)
    assert (answer.status_code, answer.location) == (303, "/conversations/1")
    assert browser.get("/me").json["email"] == "kevin@example.com"


@pytest.mark.parametrize(
    "next", ["https://evil.example/", "//evil.example", "/\\evil.example", "x"]
)
def test_login_with_a_next_on_another_site_redirects_to_the_root(browser, next):
    answer = browser.post("/login", data={**KEVIN, "next": next}, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.location) == (303, "/")


@pytest.mark.parametrize(
    "wrong", [{"password": "nope"}, {"email": "nobody@example.com"}], ids=["password", "email"]
)
def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(browser, wrong):
    answer = browser.post("/login", json={**KEVIN, **wrong})
    assert (answer.status_code, answer.json["detail"]) == (
        401,
        "The email address or the password is wrong.",
    )
    assert browser.get("/me").status_code == 401


def test_the_session_cookie_is_http_only_and_same_site_lax(browser):
    cookie = browser.post("/login", json=KEVIN).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


@pytest.mark.parametrize(("token", "status"), [(None, 400), ("wrong", 401)])
def test_a_post_with_a_cookie_and_no_valid_csrf_token_is_refused(signed_in, token, status, outbox):
    headers = {"X-CSRF-Token": token} if token else {}
    answer = signed_in.post("/conversations/1/messages", json={"content": "x"}, headers=headers)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert outbox.unchanged()


def test_a_post_with_a_cookie_and_its_csrf_token_is_accepted(signed_in):
    headers = {"X-CSRF-Token": signed_in.token}
    answer = signed_in.post("/conversations/1/messages", json={"content": "x"}, headers=headers)
    assert answer.status_code == 201


def test_a_tampered_session_cookie_is_not_signed_in(signed_in):
    assert signed_in.get("/me").status_code == 200
    cookie = signed_in.get_cookie("session").value
    payload, _, signature = cookie.rpartition(".")
    for changed in (f"{payload}.{signature[::-1]}", f"{payload[1:]}.{signature}", "", "."):
        signed_in.set_cookie("session", changed)
        assert signed_in.get("/me").status_code == 401
    signed_in.set_cookie("session", cookie)
    assert signed_in.get("/me").status_code == 200


def test_a_session_cookie_expires_even_after_it_was_accepted(app, signed_in):
    assert signed_in.get("/me").status_code == 200
    app.config["PERMANENT_SESSION_LIFETIME"] = timedelta(seconds=-1)
    assert signed_in.get("/me").status_code == 401


def test_a_change_to_one_requests_session_is_not_visible_in_another_request(app, signed_in):
    with signed_in.session_transaction() as before:
        before["list"] = []
    headers = {"Cookie": f"session={signed_in.get_cookie('session').value}"}
    with app.test_request_context(headers=headers):
        session["list"].append("once")
        session["sid"] = "another"
    with app.test_request_context(headers=headers):
        assert session["list"] == []
        assert session["sid"] != "another"


def test_a_cross_site_login_is_refused(browser):
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert browser.post("/login", json=KEVIN, headers=headers).status_code == 400
    assert (
        browser.post("/login", json=KEVIN, headers={"Origin": "http://localhost"}).status_code
        == 200
    )


def test_a_bearer_header_overrides_the_cookie(signed_in):
    assert signed_in.get("/me").status_code == 200
    assert signed_in.get("/me", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert signed_in.get("/me", headers={"Authorization": "bearer"}).status_code == 401


def test_a_basic_authorization_header_of_a_proxy_is_ignored(app, signed_in):
    proxy = {"Authorization": "Basic a2V2aW46eA=="}
    assert signed_in.get("/me", headers=proxy).status_code == 200
    assert app.test_client().get("/me", headers=proxy).status_code == 401
    request = {"path": "/conversations/1/typing", "json": {"typing": True}}
    assert signed_in.post(**request, headers=proxy).status_code == 400  # no CSRF token
    with_token = {**proxy, "X-CSRF-Token": signed_in.token}
    assert signed_in.post(**request, headers=with_token).status_code == 204


def test_an_expired_bearer_token_is_401(app, kevin, browser):
    with app.app_context():
        user = db.session.get_one(User, kevin.id)
        tokens = [create_token(user, "Test", expires_in=seconds).text for seconds in (60, -1)]
    answers = [browser.get("/me", headers={"Authorization": f"Bearer {t}"}) for t in tokens]
    assert [answer.status_code for answer in answers] == [200, 401]


def test_token_create_prints_only_the_token_of_the_user(app, browser):
    result = app.test_cli_runner().invoke(args=["token", "create", "Ada@example.com"])
    assert (result.exit_code, len(result.output.split())) == (0, 1)
    headers = {"Authorization": f"Bearer {result.output.strip()}"}
    assert browser.get("/me", headers=headers).json["name"] == "Ada"
    assert app.test_cli_runner().invoke(args=["token", "create", "x@example.com"]).exit_code == 1


def test_signing_out_closes_only_the_streams_of_that_session(app, signed_in, kevin):
    copy = signed_in.get_cookie("session").value
    of_session = Stream(signed_in.get("/streams/conversations/1"))
    of_token = kevin.stream("/streams/conversations/1")
    of_session.named("stream.open")
    of_token.named("stream.open")
    answer = signed_in.post("/logout", headers={"X-CSRF-Token": signed_in.token})
    assert answer.status_code == 204
    assert envelope(of_session.named("stream.closed"))["reason"] == "signed_out"
    assert of_session.ended()
    kevin.send(1, "still here")
    of_token.named("message.created")
    of_token.close()
    other = app.test_client()  # a copy of the cookie is invalid too
    other.set_cookie("session", copy)
    assert other.get("/me").status_code == 401


def test_a_changed_password_closes_all_streams_and_ends_all_sessions(app, signed_in, kevin):
    streams = [Stream(signed_in.get("/streams/accounts/1")), kevin.stream("/streams/accounts/1")]
    for stream in streams:
        stream.named("stream.open")
    with app.app_context():
        change_password(db.session.get(User, kevin.id), "new and long")
    for stream in streams:
        assert envelope(stream.named("stream.closed"))["reason"] == "signed_out"
        assert stream.ended()
    assert (kevin.get("/me").status_code, signed_in.get("/me").status_code) == (401, 401)


def test_signing_in_and_out_and_refused_attempts_are_logged_without_what_was_entered(
    browser, caplog
):
    caplog.set_level("INFO", "rtapp.auth")
    wrong = {"email": "a-password-in-the-wrong-field", "password": "and-another"}
    browser.post("/login", json=wrong)
    browser.post("/login", json={**KEVIN, "password": "and-another"})
    token = browser.post("/login", json=KEVIN).headers["X-CSRF-Token"]
    browser.post("/logout", headers={"X-CSRF-Token": token})
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "A sign-in of an unknown user was refused, from 127.0.0.1"),
        ("WARNING", "A sign-in of user 2 was refused, from 127.0.0.1"),
        ("INFO", "User 2 signed in, from 127.0.0.1"),
        ("INFO", "User 2 signed out, from 127.0.0.1"),
    ]


SHA_256 = 43  # characters of a signature in base64


def test_cookies_and_tokens_are_signed_with_sha_256(signed_in, ada, maria):
    signatures = [
        signed_in.get_cookie("session").value,
        *(client.headers["Authorization"] for client in (ada, maria)),
    ]
    assert [len(text.rpartition(".")[2]) for text in signatures] == [SHA_256] * 3
