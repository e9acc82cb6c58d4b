"""Tables of bad input for each action, with the expected refusals. A refusal changes nothing."""

import json
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from ..support import ApiClient
from ..support import CustomerClient
from ..support import outbox_drained
from ..world import Other
from ..world import all_logs
from ..world import all_rows

PROBLEM = "application/problem+json"


class Action(NamedTuple):
    """A valid action of Ada: on the object `id`, with a valid body.

    `required` lists the mandatory fields; `bad` maps a field to values that it can't have.
    `foreign` names the field of `Other` with the object of another account. `grace` is the status
    that Grace gets, an agent without access to the object; `visitor` the status that its customer
    gets.
    """

    path: str
    id: int
    body: Mapping[str, Any]
    required: Sequence[str]
    bad: Mapping[str, Sequence[Any]]
    foreign: str = "conversation"
    grace: int = 404
    visitor: int = 403
    stored: bool = True  # whether the accepted action changes a row


class Case(NamedTuple):
    """A request with its expected status and, for 422, the invalid field."""

    name: str
    status: int
    field: str | None = None
    body: Any = None
    id: int | None = None
    principal: str = "ada"
    data: bytes | None = None  # sent unchanged, in place of a JSON body
    type: str = "application/json"


STALE = 999_999  # a version that no row has


def cases(action: Action, other: Other) -> Iterator[Case]:
    """Yield the cases of every action, then those of this action's table."""
    good = dict(action.body)
    yield Case("not JSON", 400, data=b"{")
    yield Case("not UTF-8", 400, data=b"\xff")
    yield Case("neither JSON nor a form", 415, data=b"hello", type="text/plain")
    yield Case("a list", 422, "body", [])
    yield Case("an unknown field", 422, "nonsense", {**good, "nonsense": 1})
    for field in action.required:
        yield Case(f"no {field}", 422, field, {k: v for k, v in good.items() if k != field})
    for field, values in action.bad.items():
        for value in values:
            yield Case(f"{field} {value!r:.40}", 422, field, put(good, field, value))
    yield Case("an unknown id", 404, body=good, id=999_999)
    yield Case("an id that no column holds", 404, body=good, id=2**31)
    yield Case("another account's object", 404, body=good, id=getattr(other, action.foreign))
    yield Case("not signed in", 401, body=good, principal="nobody")
    yield Case("a wrong token", 401, body=good, principal="forger")
    yield Case("a cookie without its CSRF token", 400, body=good, principal="browser")
    if action.grace >= 400:
        yield Case("an agent without access", action.grace, body=good, principal="grace")
    if action.visitor >= 400:
        yield Case("its customer", action.visitor, body=good, principal="maria")


def put(body: Mapping[str, Any], field: str, value: Any) -> dict[str, Any]:
    """Return the body with another value; `contact.name` is the name in contact."""
    outer, _, inner = field.partition(".")
    return {**body, outer: {**body[outer], inner: value} if inner else value}


class Refusals:
    """Sends tables of cases to one application."""

    def __init__(self, app: Any, other: Other):
        self._app = app
        self._other = other
        self._browser = app.test_client()
        self._clients = {
            "ada": ApiClient(app, "ada@example.com"),
            "kevin": ApiClient(app, "kevin@example.com"),
            "grace": ApiClient(app, "grace@example.com"),
            "maria": CustomerClient(app, "maria.lindqvist@example.com"),
            "nobody": ApiClient(app, None),
            "forger": ApiClient(app, None),
        }
        self._clients["forger"].headers = {"Authorization": "Bearer forged"}
        signed_in = {"email": "ada@example.com", "password": "password"}
        assert self._browser.post("/login", json=signed_in).status_code == 200

    def check(self, action: Action, *more: Case) -> None:
        """Check that each case is refused and changes nothing, and the good body is accepted."""
        assert outbox_drained(self._app)
        rows, logs = all_rows(self._app), all_logs(self._app)
        for case in (*cases(action, self._other), *more):
            answer = self._ask(action, case)
            assert (case.name, answer.status_code) == (case.name, case.status), answer.data
            assert (case.name, answer.content_type) == (case.name, PROBLEM)
            assert answer.json.keys() >= {"type", "title", "status", "detail"}
            assert answer.json["status"] == case.status
            invalid = list(answer.json.get("errors", []))
            assert (case.name, invalid) == (case.name, [case.field] if case.field else [])
            assert ("current" in answer.json) == (case.status == 409)
            assert all_rows(self._app) == rows, case.name
        assert all_logs(self._app) == logs
        good = self._ask(action, Case("the good body", 200, body=action.body))
        assert good.status_code in (200, 201, 204), good.data
        assert (all_rows(self._app) != rows) == action.stored

    def _ask(self, action: Action, case: Case) -> Any:
        path = action.path.format(id=action.id if case.id is None else case.id)
        # Encoded here, as ASCII: the test client can't send a lone surrogate.
        data = json.dumps(case.body) if case.data is None else case.data
        request = {"data": data, "content_type": case.type}
        if case.principal == "browser":
            return self._browser.post(path, **request)
        client = self._clients[case.principal]
        return self._app.test_client().post(path, headers=client.headers, **request)
