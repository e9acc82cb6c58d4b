"""docs/api.md: its requests, sent in order, have the answers that it shows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from .world import add_website

DOCUMENT = (Path(__file__).parents[1] / "docs" / "api.md").read_text()
BLOCK = re.compile(r"^```http\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MORE = "…"  # a key for further fields, in an object of the document
# Values that differ from run to run: one of the document stands for any of its kind.
VARYING = (
    re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),  # a time
    re.compile(r"\d{16}-\d{13}-\d+"),  # a cursor
    re.compile(r"(otpauth://totp/rtapp:\S+=)?[A-Z2-7]{32}(&issuer=rtapp)?"),  # a secret
    re.compile(r"\d{16}-\d+"),  # where a list goes on
    re.compile(r"http://localhost/join\?token=[\w-]{43}"),  # the link of an invitation
    re.compile(r"http://localhost/password\?token=[\w-]{43}"),  # the link for a new password
    re.compile(r"[0-9a-f]{16}"),  # a session, the key of a website
    re.compile(r"[0-9a-f]{8}"),  # what names a secret of a website
    re.compile(r"[0-9a-f]{64}"),  # such a secret
    re.compile(r"(/attachments/)?[\w-]{32}"),  # a file
    re.compile(r"[0-9a-f]{8}-\d+-\d{16}"),  # an open stream
    re.compile(r"rtapp_u1_.+"),  # a token of Ada
    re.compile(r"rtapp_c\d+_.+"),  # a token of a visitor
)
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Part(NamedTuple):
    """A request or an answer: the words of its first line, its headers and body."""

    words: list[str]
    headers: dict[str, str]
    body: str


class Example(NamedTuple):
    request: Part
    answer: Part

    @property
    def name(self) -> str:
        return " ".join(self.request.words)


def part(text: str) -> Part:
    head, _, body = text.partition("\n\n")
    first, *headers = head.splitlines()
    named = dict(header.split(": ", 1) for header in headers)
    return Part(first.split(" "), named, body.strip())


def examples(document: str) -> list[Example]:
    parts = [part(text) for text in BLOCK.findall(document)]
    pairs = [Example(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
    assert all(pair.answer.words[0] == "HTTP/1.1" for pair in pairs), "a request has no answer"
    return pairs


class Sender:
    """Sends the requests of the document. Its cookies and its CSRF token are those of /login, the
    visitor's token is that of their newest session."""

    def __init__(self, app: Flask, tokens: dict[str, str]):
        self._app, self._tokens = app, tokens
        self._browser = app.test_client()
        self._csrf = ""
        self._token = ""  # of the newest link
        self._secret = ""  # the id of a website's
        self._key = ""  # of the newest file

    def send(self, request: Part) -> TestResponse:
        method, path = request.words
        path, body = (
            text.replace("<token>", self._token)
            .replace("<key>", self._key)
            .replace("<secret>", self._secret)
            for text in (path, request.body)
        )
        answer = self._client(request).open(
            path,
            method=method,
            data=body or None,
            headers=dict(self._headers(request)),
        )
        self._csrf = answer.headers.get("X-CSRF-Token", self._csrf)
        if (token := re.search(r"rtapp_c[^\"]+", answer.text)) is not None:
            self._tokens["Bearer <Visitor>"] = f"Bearer {token[0]}"
        if (link := re.search(r"token=([\w-]{43})", answer.text)) is not None:
            self._token = link[1]
        if answer.is_json and "secret" in request.words[1] and "id" in (answer.json or {}):
            self._secret = answer.json["id"]
        if (file := re.search(r'"key":\s?"([\w-]{32})"', answer.text)) is not None:
            self._key = file[1]
        return answer

    def _client(self, request: Part) -> FlaskClient:
        signs_in = request.words == ["POST", "/login"]
        return self._browser if signs_in or "Cookie" in request.headers else self._app.test_client()

    def _headers(self, request: Part) -> Iterator[tuple[str, str]]:
        for name, value in request.headers.items():
            if name == "Authorization":
                yield name, self._tokens[value]
            elif name == "X-CSRF-Token":
                yield name, self._csrf
            elif name != "Cookie":  # the client has it
                yield name, value


def differences(shown: Any, got: Any, where: str = "body") -> list[str]:
    """Return the differences of the answer's value `got` from the document's `shown`."""
    if isinstance(shown, dict) and isinstance(got, dict):
        open_ended = MORE in shown
        names = shown.keys() - {MORE}
        wrong = [f"{where}.{name} is missing" for name in sorted(names - got.keys())]
        if not open_ended:
            wrong += [f"{where}.{name} is not shown" for name in sorted(got.keys() - names)]
        for name in names & got.keys():
            wrong += differences(shown[name], got[name], f"{where}.{name}")
        return wrong
    if isinstance(shown, list) and isinstance(got, list):
        if len(shown) != len(got):
            return [f"{where} has {len(got)} elements, not {len(shown)}"]
        pairs = enumerate(zip(shown, got, strict=True))
        return [d for i, pair in pairs for d in differences(*pair, f"{where}[{i}]")]
    if type(shown) is type(got) and (shown == got or same_kind(shown, got)):
        return []
    return [f"{where} is {got!r}, not {shown!r}"]


def same_kind(shown: Any, got: Any) -> bool:
    return isinstance(shown, str) and any(
        kind.fullmatch(shown) and kind.fullmatch(got) for kind in VARYING
    )


def wrong_answers(document: str, sender: Sender) -> list[str]:
    """Send every request of the document. Return the differences from its answers."""
    wrong = []
    for example in examples(document):
        got, shown = sender.send(example.request), example.answer
        found = [
            f"{name} is {got.headers.get(name)!r}, not {value!r}"
            for name, value in shown.headers.items()
            if value != MORE and got.headers.get(name) != value
        ]
        found += [f"{name} is missing" for name in shown.headers if name not in got.headers]
        if got.status != " ".join(shown.words[1:]).upper():
            found.append(f"the status is {got.status}")
        if shown.body:
            found += differences(json.loads(shown.body), json.loads(got.data))
        elif got.is_json:
            found.append("the document shows no body")
        wrong += [f"{example.name}: {difference}" for difference in found]
    return wrong


def not_documented(app: Flask, document: str) -> set[str]:
    """Return the endpoints without a request in the document, except streams."""
    adapter = app.url_map.bind("localhost")
    paths = [(e.request.words[1].partition("?")[0], e.request.words[0]) for e in examples(document)]
    documented = {adapter.match(path, method)[0] for path, method in paths}
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    streams = {endpoint for endpoint in endpoints if endpoint.startswith("streams.")}
    return endpoints - streams - documented - {"static"}


@pytest.fixture
def sender(app, ada, kevin, maria) -> Sender:
    clients = {"Ada": ada, "Kevin": kevin, "Maria": maria}
    tokens = {
        f"Bearer <{name}>": client.headers["Authorization"] for name, client in clients.items()
    }
    return Sender(app, tokens)


@pytest.fixture
def website(app):
    return add_website(app)


@pytest.fixture(autouse=True)
def ada_is_present(website, subscribe, ada):
    assert subscribe("presence:1", ada).confirmed


def test_every_request_of_the_api_docs_has_the_documented_answer(sender):
    assert len(examples(DOCUMENT)) > 30
    assert wrong_answers(DOCUMENT, sender) == []


def test_every_endpoint_has_a_request_in_the_api_docs(app):
    assert not_documented(app, DOCUMENT) == set()


@pytest.mark.parametrize(
    ("right", "wrong", "difference"),
    [
        ("HTTP/1.1 200 OK", "HTTP/1.1 201 Created", "GET /me: the status is 200 OK"),
        ('"name": "Kevin"', '"name": "Calvin"', "GET /me: body.name is 'Kevin', not 'Calvin'"),
        ('"id": 2, ', "", "GET /me: body.id is not shown"),
        ('"sees": "inbox"', '"sees": "inbox", "since": 1',
         "GET /me: body.memberships[0].since is missing"),
        ("application/json", "text/html", "GET /me: Content-Type is 'application/json', not"),
    ],
    ids=["status", "value", "a field not shown", "a field that is missing", "header"],
)  # fmt: skip
def test_a_wrong_answer_in_the_api_docs_is_found(sender, right, wrong, difference):
    changed = DOCUMENT.replace(right, wrong, 1)
    assert changed != DOCUMENT
    (found,) = wrong_answers(changed, sender)
    assert found.startswith(difference)


def test_an_endpoint_without_a_request_in_the_api_docs_is_found(app):
    app.url_map.add(Rule("/new", endpoint="new", methods=["PATCH"]))
    assert not_documented(app, DOCUMENT) == {"new"}


@pytest.mark.parametrize(
    ("shown", "got"),
    [
        ("2026-11-25T21:39:19.559Z", "2026-11-25 21:39"),
        ("1795642999746645-1795642999745-0", "none-0-0"),
        (True, 1),
    ],
)
def test_a_documented_value_of_another_kind_than_the_answers_is_found(shown, got):
    assert differences({"a": shown}, {"a": got})
