"""What an agent reads when something fails: what happened, what to do, and a way back."""

import re

import pytest
from werkzeug.exceptions import default_exceptions

from rtapp.error_words import words_for
from rtapp.errors import Problem

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

HTML = {"Accept": "text/html"}
PROTOCOL = re.compile(
    r"CSRF|X-[A-Z]|JSON|HTTP|\b[45]\d\d\b|can't be used|Unprocessable|Conflict|Bad Request|"
    r"Forbidden|Internal Server|overloaded|application\.|[a-z]+_[a-z]+|contact\.",
)


def text_of(page) -> str:
    """What the page shows."""
    body = page.text.partition("<body")[2]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


@pytest.fixture
def post(app, kevin):
    """`post(path, **fields)`: a form that Kevin's browser sends."""
    client = app.test_client()
    client.post("/login", data={"email": "kevin@example.com", "password": "password"})
    token = client.get("/me").headers["X-CSRF-Token"]

    def post(path: str, **fields: str):
        return client.post(path, data={"csrf_token": token} | fields, headers=HTML)

    return post


@on_one_database
@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/conversations/1/messages", {"csrf_token": ""}, 400),
        ("/conversations/1/messages", {"content": "x", "unknown": "y"}, 422),
        ("/conversations/1/messages", {"content": ""}, 422),
        ("/conversations/1/messages", {"content": "x" * 10_001}, 422),
        ("/conversations/1/status", {"status": "snoozed", "snoozed_until": "soon"}, 422),
        ("/accounts/1/conversations", {"inbox_id": "1", "content": "Hi"}, 422),
        ("/messages/1", {"content": "x"}, 403),
        ("/conversations/99/status", {"status": "open"}, 404),
        ("/conversations/1/messages", {"content": "x" * 3_000_000}, 413),
        ("/conversations/1", {}, 405),
    ],
)
def test_a_refused_form_is_answered_in_an_agents_words_with_a_way_back(post, path, fields, status):
    page = post(path, **fields)
    assert page.status_code == status
    shown = text_of(page)
    assert not PROTOCOL.search(shown), shown
    assert 'href="/"' in page.text


@on_one_database
def test_what_is_wrong_with_a_field_is_named_as_the_page_names_it(post):
    page = post("/accounts/1/conversations", **{"inbox_id": "1", "contact.email": "x"})
    assert "The email address" in text_of(page)
    assert "The message is missing." in text_of(page)


@on_one_database
def test_a_failure_of_ours_is_no_page_of_the_framework(app, kevin, monkeypatch):
    app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setattr("rtapp.pages.conversation.inbox.render", lambda *_: 1 / 0)
    page = kevin.page("/accounts/1/conversations")
    assert page.status_code == 500
    assert "Something went wrong on our side" in text_of(page)
    assert not PROTOCOL.search(text_of(page))


def test_every_status_has_words():
    for status in {*default_exceptions, *(kind.status for kind in Problem.__subclasses__())}:
        words = words_for(int(status))
        assert not PROTOCOL.search(f"{words.title} {words.advice}"), words


def test_the_pattern_finds_what_agents_used_to_read():
    for text in ("The CSRF tokens do not match", "422", "The body can't be used: content is",
                 "Unprocessable Entity", "The server is overloaded"):  # fmt: skip
        assert PROTOCOL.search(text)
