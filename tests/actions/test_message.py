"""POST /conversations/<id>/messages: what it answers, what it refuses, and that refusing changes
nothing."""

import pytest

from tests.callers import Caller
from tests.databases import DANIEL
from tests.databases import ELSEWHERE
from tests.databases import MARIA
from tests.databases import TOM
from tests.databases import counts
from tests.problems import assert_problem

THREAD = f"/conversations/{MARIA}/messages"
MIB = 1024 * 1024


def raw(text, content_type="application/json"):
    return {"data": text, "content_type": content_type}


def body(**fields):
    return {"json": fields}


BAD = {
    "not JSON": (raw("{"), 400, None),
    "nothing as JSON": (raw(""), 400, None),
    "not UTF-8": (raw(b'{"content": "\xff"}'), 400, None),
    "JSON nested without end": (raw("[" * 100_000), 400, None),
    "a list": (raw("[]"), 422, "body"),
    "a string": (raw('"Hello"'), 422, "body"),
    "null": (raw("null"), 422, "body"),
    "no content": (body(), 422, "content"),
    "no body at all": ({}, 422, "content"),
    "content of a wrong type": (body(content=7), 422, "content"),
    "content null": (body(content=None), 422, "content"),
    "an unknown field": (body(content="Hello", privat=True), 422, "privat"),
    "empty content": (body(content=""), 422, "content"),
    "blank content": (body(content=" \n\t\u2003"), 422, "content"),
    "over-long content": (body(content="x" * 10_001), 422, "content"),
    "NUL in the content": (body(content="a\0b"), 422, "content"),
    "half a surrogate pair": (raw(r'{"content": "a\ud800b"}'), 422, "content"),
    "private as a string": (body(content="Hello", private="true"), 422, "private"),
    "private as a number": (body(content="Hello", private=1), 422, "private"),
    "private null": (body(content="Hello", private=None), 422, "private"),
    "over-long client_id": (body(content="Hello", client_id="x" * 65), 422, "client_id"),
    "client_id of a wrong type": (body(content="Hello", client_id=7), 422, "client_id"),
    "NUL in the client_id": (body(content="Hello", client_id="a\0"), 422, "client_id"),
    "half a pair in client_id": (
        raw(r'{"content": "Hello", "client_id": "\udfff"}'),
        422,
        "client_id",
    ),
    "a body over 1 MiB": (raw(b'{"content": "' + b"x" * MIB + b'"}'), 413, None),
    "a form over 1 MiB": (
        raw(b"content=" + b"x" * MIB, "application/x-www-form-urlencoded"),
        413,
        None,
    ),
    "plain text": (raw("Hello", "text/plain"), 415, None),
    "no content type": ({"data": "Hello"}, 415, None),
    "an unknown field in a form": ({"data": {"content": "Hello", "to": "all"}}, 422, "to"),
    "a form without content": ({"data": {"private": "true"}}, 422, "content"),
    "a form's private of no meaning": (
        {"data": {"content": "Hello", "private": "perhaps"}},
        422,
        "private",
    ),
}


def refused(caller: Caller, listener: Caller, app, path, request, status, field=None):
    """Sends a request that must be refused, and checks that nothing came of it."""
    stream = listener.listen("/streams", stream=["account:1", f"conversation:{MARIA}"])
    before = counts(app)
    assert before["messages"] > 0
    answer = caller.post(path, **request)
    problem = assert_problem(answer, status, field)
    assert counts(app) == before
    # The next thing on the stream is the next thing that happens, and nothing of the refused.
    said = listener.say(MARIA, "the next thing that happens")
    assert stream.next().json["data"] == said
    assert stream.next().json["data"]["last_message"]["id"] == said["id"]
    return problem


@pytest.mark.parametrize(("request_", "status", "field"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_and_changes_nothing(live, ada, request_, status, field):
    refused(ada, ada, live, THREAD, request_, status, field)


def test_an_unknown_field_may_be_half_a_surrogate_pair_too(live, ada):
    request = raw(r'{"content": "Hello", "\ud800": 1}')
    answer = ada.post(THREAD, **request)
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"


HUGE = ["2147483648", "9223372036854775808", "9" * 100, "0", "-1", "1e3", "one"]


@pytest.mark.parametrize("id", ["4711", *HUGE])
def test_an_unknown_conversation_is_404(live, ada, id):
    refused(ada, ada, live, f"/conversations/{id}/messages", body(content="Hello"), 404)


def test_another_accounts_conversation_is_404_in_the_same_words(live, ada, mallory):
    assert mallory.get(f"/conversations/{ELSEWHERE}").status_code == 200  # there it is
    path = f"/conversations/{ELSEWHERE}/messages"
    foreign = refused(ada, ada, live, path, body(content="Hello"), 404)
    unknown = ada.post("/conversations/4711/messages", **body(content="Hello"))
    assert foreign == assert_problem(unknown, 404)


def test_another_inboxs_conversation_is_404_in_the_same_words(live, ada, grace):
    foreign = refused(grace, ada, live, THREAD, body(content="Hello"), 404)
    unknown = grace.post("/conversations/4711/messages", **body(content="Hello"))
    assert foreign == assert_problem(unknown, 404)


def test_bad_input_tells_nothing_about_what_one_may_not_see(app, grace):
    hidden = assert_problem(grace.post(THREAD, json={}), 404)
    unknown = assert_problem(grace.post("/conversations/4711/messages", json={}), 404)
    assert hidden == unknown


def test_nobody_signed_in_is_401(live, ada, nobody):
    refused(nobody, ada, live, THREAD, body(content="Hello"), 401)


def test_a_client_id_of_another_conversation_is_refused(live, ada):
    ada.say(TOM, "the first", client_id="c-1")
    refused(ada, ada, live, THREAD, body(content="a second", client_id="c-1"), 422, "client_id")


def test_two_people_may_use_the_same_client_id(app, ada, kevin):
    assert (
        ada.say(TOM, "Ada's", client_id="c-1")["id"]
        != kevin.say(MARIA, "Kevin's", client_id="c-1")["id"]
    )


GOOD = {
    "the least": (body(content="x"), {"content": "x", "private": False, "client_id": None}),
    "the most": (
        body(content="é" * 10_000, private=True, client_id="i" * 64),
        {"content": "é" * 10_000, "private": True, "client_id": "i" * 64},
    ),
    "all that is not refused": (
        body(content=" a\u2028b\x85c\x0b\x7f 💬 </script>\n "),
        {"content": " a\u2028b\x85c\x0b\x7f 💬 </script>\n "},
    ),
    "a form": (
        {"data": {"content": "Hello", "private": "true", "client_id": ""}},
        {"content": "Hello", "private": True, "client_id": None},
    ),
    "a form's line ends": ({"data": {"content": "a\r\nb"}}, {"content": "a\nb"}),
}


@pytest.mark.parametrize(("request_", "expected"), GOOD.values(), ids=GOOD)
def test_what_is_within_the_limits_is_taken(app, ada, request_, expected):
    answer = ada.post(THREAD, **request_)
    assert answer.status_code == 201, answer.text
    assert answer.json | expected == answer.json
    thread = ada.get(THREAD).json["messages"]
    assert thread[-1] == answer.json


def test_a_retried_post_is_answered_200_with_the_same_message(app, ada):
    request = body(content="Hello", client_id="c-1")
    first = ada.post(THREAD, **request)
    before = counts(app)
    again = ada.post(THREAD, **request)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json
    assert counts(app) == before


def test_without_a_client_id_two_posts_are_two_messages(app, ada):
    assert ada.say(MARIA, "Hello")["id"] != ada.say(MARIA, "Hello")["id"]


def test_a_plain_form_is_answered_with_the_way_back_to_the_page(app, callers):
    browser = callers.browser("ada")
    form = {"content": "without JavaScript", "csrf_token": browser.csrf}
    browser.csrf = None  # in the form instead
    answer = browser.post(THREAD, data=form, headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.location == f"/conversations/{MARIA}"
    assert "without JavaScript" in browser.page(answer.location).text


def test_a_wrong_method_says_which_are_right(app, ada):
    answer = ada.client.put(THREAD, headers=ada.headers)
    assert_problem(answer, 405)
    assert "POST" in answer.headers["Allow"]


def test_grace_may_write_where_she_may_read(app, grace):
    assert grace.say(DANIEL, "Hello")["sender"]["name"] == "Grace"
