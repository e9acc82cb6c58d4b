"""Errors as PROTOCOL says: application/problem+json (RFC 9457)."""

from http import HTTPStatus
from typing import Any

from werkzeug.test import TestResponse


def assert_problem(answer: TestResponse, status: int, field: str | None = None) -> dict[str, Any]:
    """That the answer is a problem with this status; a 422's `errors` name `field`."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    body = answer.get_json(force=True)
    assert body.keys() - {"errors"} == {"type", "title", "status", "detail"}
    assert body["status"] == status
    assert body["title"] == HTTPStatus(status).phrase
    assert isinstance(body["type"], str)
    assert body["detail"].strip()
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        assert field in body["errors"], body
        assert all(body["errors"][field]), body
        assert all(isinstance(why, str) for why in body["errors"][field])
    else:
        assert "errors" not in body
    return body
