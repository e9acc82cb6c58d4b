"""A body of many fields, or of long names, is refused by a short answer: a list of all that is
wrong with it would be longer than the body, and would hold up every other request."""

import json
from urllib.parse import urlencode

import pytest

from rtapp.config import FIELD_LIMIT

from .test_repeated_parts import BODIES
from .test_repeated_parts import JSON
from .test_repeated_parts import post
from .test_repeated_parts import sender

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FORM = "application/x-www-form-urlencoded"
SHORT = 10_000  # bytes of an answer
TOO_MANY = {f"x{n}": "1" for n in range(FIELD_LIMIT + 1)}
AS_MANY = dict(list(TOO_MANY.items())[1:])


# They answer before the body is looked at: the row is not there, a browser's session is missing, or
# there is an account.
BEFORE = {
    "/setup": 409,
    "/invitations/1/revoke": 404,
    "/password-links/1/revoke": 404,
    "/login/second-factor": 401,
    "/settings/second-factor": 403,
    "/settings/second-factor/recovery-codes": 403,
    "/settings/second-factor/delete": 403,
}


def refused(answer) -> list[str]:
    """The names of the fields with an error."""
    assert answer.status_code == 422
    assert len(answer.data) < SHORT
    return list(answer.json["errors"])


@pytest.mark.parametrize("path", BEFORE)
def test_many_fields_for_nobody_have_a_short_answer(ada, path):
    for fields in (TOO_MANY, AS_MANY):
        answer = post(ada, path, json.dumps(fields), JSON)
        assert (answer.status_code, len(answer.data) < SHORT) == (BEFORE[path], True)


@pytest.mark.parametrize("path", [path for path in BODIES if path not in BEFORE])
def test_too_many_fields_are_one_error_of_every_endpoint(ada, kevin, path):
    kevin.post("/conversations/1/assignee", {"assignee_id": 1})  # so that there is a notification
    assert ada.post("/contacts/3/merge", {"into": 2}).status_code == 200
    assert ada.post("/conversations/3/merge", {"into": 2}).status_code == 200
    client = sender(ada, path)
    for data, type in ((json.dumps(TOO_MANY), JSON), (urlencode(TOO_MANY), FORM)):
        assert refused(post(client, path, data, type)) == ["body"]
    for data, type in ((json.dumps(AS_MANY), JSON), (urlencode(AS_MANY), FORM)):
        assert set(refused(post(client, path, data, type))) >= set(AS_MANY)


def test_too_many_fields_of_an_object_in_the_body_are_one_error(ada):
    body = {"inbox_id": 1, "content": "x", "contact": TOO_MANY}
    dotted = {"inbox_id": 1, "content": "x"} | {f"contact.{k}": v for k, v in TOO_MANY.items()}
    path = "/accounts/1/conversations"
    for data, type in ((json.dumps(body), JSON), (urlencode(dotted), FORM)):
        assert refused(post(ada, path, data, type)) == ["body"]


def test_an_answer_shows_the_beginning_of_a_long_name_only(ada):
    answer = post(ada, "/login", json.dumps({**BODIES["/login"], "é" * 100_000: 1}))
    assert refused(answer) == ["é" * 40 + "…"]
