"""Signing in with what browsers never send: it is refused in words, and leads nowhere else."""

import json

import pytest

KEVIN = {"email": "kevin@example.com", "password": "password"}
HTML = {"Accept": "text/html"}


def leaves_the_site(location: str) -> bool:
    """As browsers read it: tabs and line ends are dropped, a backslash is a slash, and any number
    of slashes begins a host (WHATWG URL, 4.4, "special authority ignore slashes state")."""
    seen = "".join(c for c in location if c not in "\t\r\n").replace("\\", "/")
    return seen.startswith("//") or not seen.startswith("/")


@pytest.mark.parametrize("next", ["/", "/conversations/1", "/conversations/1?before=2"])
def test_one_comes_back_to_a_page_of_ours(app, next):
    answer = app.test_client().post("/login", data={**KEVIN, "next": next}, headers=HTML)
    assert (answer.status_code, answer.location) == (303, next)
    assert not leaves_the_site(answer.location)


@pytest.mark.parametrize(
    "next",
    ["///evil.example", "////evil.example", "/\\/evil.example", "\\\\evil.example",
     "/\t/evil.example", "\t//evil.example", "https:evil.example", "javascript:alert(1)"],
)  # fmt: skip
def test_no_spelling_of_another_site_is_followed(app, next):
    answer = app.test_client().post("/login", data={**KEVIN, "next": next}, headers=HTML)
    assert answer.status_code == 303
    assert not leaves_the_site(answer.location)


@pytest.mark.parametrize("next", ["//[", "http://[::1", "/\x00"])
def test_a_next_that_is_no_address_is_left_out(app, next):
    page = app.test_client().get("/login", query_string={"next": next}, headers=HTML)
    assert page.status_code == 200


BAD_CREDENTIALS = {
    "no password": ({"email": "kevin@example.com"}, "password"),
    "no address": ({"password": "password"}, "email"),
    "an empty password": ({**KEVIN, "password": ""}, "password"),
    "a password that is a number": ({**KEVIN, "password": 7}, "password"),
    "an address that is a list": ({**KEVIN, "email": []}, "email"),
    "NUL in the address": ({**KEVIN, "email": "a\0"}, "email"),
    "half a surrogate pair in the password": ({**KEVIN, "password": "\ud800"}, "password"),
    "half a surrogate pair in the address": ({**KEVIN, "email": "\ud800"}, "email"),
    "an unknown field": ({**KEVIN, "remember": True}, "remember"),
}


@pytest.mark.parametrize("name", BAD_CREDENTIALS)
def test_bad_credentials_are_told_what_is_wrong(app, name):
    body, field = BAD_CREDENTIALS[name]
    sent = json.dumps(body)  # with half a pair written as an escape, as one can send it
    answer = app.test_client().post("/login", data=sent, content_type="application/json")
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert list(answer.json["errors"]) == [field]
    assert "Set-Cookie" not in answer.headers
