"""/openapi.json is right: generated requests cause no server error, and answers match it."""

from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck
from hypothesis import Phase
from hypothesis import given
from hypothesis import settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import content_type_conformance
from schemathesis.specs.openapi.checks import response_schema_conformance
from schemathesis.specs.openapi.checks import status_code_conformance

from rtapp.pages import openapi
from rtapp.validation import Body

from .world import KEY

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES = 10  # of each kind for each operation and principal
pytestmark = [
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
    pytest.mark.usefixtures("website"),
]


def cut(wsgi: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Wrap the application so that a stream ends after its first chunk."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        types: list[str] = []

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            types.append(dict(headers).get("Content-Type", ""))
            return start_response(status, headers, *more)

        body = wsgi(environ, start)
        try:
            if types[0].startswith("text/event-stream"):
                return [next(iter(body), b"")]
            return list(body)
        finally:
            getattr(body, "close", lambda: None)()

    return application


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ada", {200, 201, 204, 302, 400, 404, 409, 422}),
        ("maria", {200, 201, 204, 400, 403, 404, 422}),
        ("vera", {200, 201, 400, 403, 404, 422}),
    ],
    ids=["an agent", "a customer", "a visitor"],
)
def test_generated_requests_are_answered_as_openapi_describes(app, request, name, expected):
    headers = request.getfixturevalue(name).headers
    app.config["STREAMS_PER_USER"] = app.config["STREAMS_PER_ADDRESS"] = 0
    seen: Counter[int] = Counter()
    described = operations(app)
    assert len(described) > 25
    for operation in described:
        if name == "vera" and operation.path.partition("{key}")[2].startswith("/session"):
            continue  # it ends her token
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try_operation(operation, mode, headers, seen)
    assert expected <= seen.keys()


@pytest.mark.parametrize(
    ("view", "why"),
    [(lambda: {}["nothing"], "500"), (lambda: ("", 418), "418"), (lambda: "text", "text/html")],
    ids=["an exception", "an undescribed status", "an undescribed content type"],
)
def test_a_server_error_or_an_undescribed_answer_is_found(app, view, why):
    app.view_functions["health.alive"] = view
    (broken,) = (o for o in operations(app) if o.path == "/healthz")
    with pytest.raises(FailureGroup, match=why):
        try_operation(broken, GenerationMode.POSITIVE, {}, Counter())


def operations(app: Flask) -> list[Any]:
    app.config["PROPAGATE_EXCEPTIONS"] = False
    schema = schemathesis.openapi.from_wsgi("/openapi.json", cut(app.wsgi_app))
    return [found.ok() for found in schema.get_all_operations()]


def try_operation(operation: Any, mode: Any, headers: dict[str, str], seen: Counter[int]) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def send(case: Any) -> None:
        if mode is GenerationMode.POSITIVE:  # most random ids do not exist
            given = case.path_parameters or {}
            case.path_parameters = {n: KEY if n == "key" else 1 + v % 2 for n, v in given.items()}
        answer = case.call(headers=headers)
        seen[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    send()


def test_openapi_describes_the_body_of_every_post_except_logout(app: Flask):
    described = openapi.description(app)["paths"]
    without = {
        path
        for path, operations in described.items()
        if "requestBody" not in operations.get("post", {"requestBody": None})
    }
    assert without == {"/logout"}


def test_openapi_describes_the_answers_of_every_endpoint(app: Flask):
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    streams = {endpoint for endpoint in endpoints if endpoint.startswith("streams.")}
    assert endpoints - streams - {"static"} == openapi.ANSWERS.keys()
    assert issubclass(next(openapi.models(app.view_functions["actions.set_assignee"])), Body)
