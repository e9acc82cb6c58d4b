"""Signing in with malformed input: it is refused with a reason, and redirects to no other site."""

import json

import pytest

KEVIN = {"email": "kevin@example.com", "password": "password"}
HTML = {"Accept": "text/html"}


def leaves_the_site(location: str) -> bool:
    """As browsers parse it: tabs and line ends are dropped, a backslash is a slash, and any number
    of slashes begins a host (WHATWG URL, 4.4, "special authority ignore slashes state")."""
    parsed = "".join(c for c in location if c not in "\t\r\n").replace("\\", "/")
    return parsed.startswith("//") or not parsed.startswith("/")


@pytest.mark.parametrize("next", ["/", "/conversations/1", "/conversations/1?before=2"])
def test_login_redirects_to_a_next_page_of_this_site(app, next):
    answer = app.test_client().post("/login", data={**KEVIN, "next": next}, headers=HTML)
    assert (answer.status_code, answer.location) == (303, next)
    assert not leaves_the_site(answer.location)


@pytest.mark.parametrize(
    "next",
    ["///evil.example", "////evil.example", "/\\/evil.example", "\\\\evil.example",
     "/\t/evil.example", "\t//evil.example", "https:evil.example", "javascript:alert(1)"],
)  # fmt: skip
def test_login_never_redirects_to_another_site(app, next):
    answer = app.test_client().post("/login", data={**KEVIN, "next": next}, headers=HTML)
    assert answer.status_code == 303
    assert not leaves_the_site(answer.location)


@pytest.mark.parametrize("next", ["//[", "http://[::1", "/\x00"])
def test_the_login_page_ignores_a_next_that_is_no_url(app, next):
    page = app.test_client().get("/login", query_string={"next": next}, headers=HTML)
    assert page.status_code == 200


BAD_CREDENTIALS = {
    "no password": ({"email": "kevin@example.com"}, "password"),
    "no address": ({"password": "password"}, "email"),
    "an empty password": ({**KEVIN, "password": ""}, "password"),
    "a password that is a number": ({**KEVIN, "password": 7}, "password"),
    "an address that is a list": ({**KEVIN, "email": []}, "email"),
    "NUL in the address": ({**KEVIN, "email": "a\0"}, "email"),
    "a lone surrogate in the password": ({**KEVIN, "password": "\ud800"}, "password"),
    "a lone surrogate in the address": ({**KEVIN, "email": "\ud800"}, "email"),
    "a lone surrogate in the next page": ({**KEVIN, "next": "/\ud800"}, "next"),
    "NUL in the next page": ({**KEVIN, "next": "/\0"}, "next"),
    "an unknown field": ({**KEVIN, "remember": True}, "remember"),
}


@pytest.mark.parametrize("name", BAD_CREDENTIALS)
def test_malformed_credentials_are_refused_with_the_invalid_field(app, name):
    body, field = BAD_CREDENTIALS[name]
    data = json.dumps(body)  # escapes a lone surrogate, so that it can be sent
    answer = app.test_client().post("/login", data=data, content_type="application/json")
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert list(answer.json["errors"]) == [field]
    assert "Set-Cookie" not in answer.headers
