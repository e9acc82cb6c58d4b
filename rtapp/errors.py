"""Error responses: `application/problem+json` (RFC 9457), or a page for a browser."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask
from flask import Response
from flask import json
from flask import redirect
from flask import render_template
from flask import request
from flask import url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from rtapp.error_words import sentences
from rtapp.error_words import words_for

RETRY_AFTER = 5  # s
# Fields of a form that no page repeats.
SECRETS = {"csrf_token", "password", "present_password", "code"}


class Problem(Exception):
    """An error response with `status`. `detail` states the cause and the remedy."""

    status = HTTPStatus.BAD_REQUEST

    def __init__(
        self,
        detail: str,
        *,
        errors: Mapping[str, list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ):
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})


class BadRequest(Problem):
    status = HTTPStatus.BAD_REQUEST


class UnknownMethod(Problem):
    status = HTTPStatus.NOT_IMPLEMENTED


class Unauthorized(Problem):
    status = HTTPStatus.UNAUTHORIZED


class SessionReplaced(Unauthorized):
    """The page that sent this is of a session that has ended. `user` is the name of the user who is
    signed in now."""

    def __init__(self, user: str):
        super().__init__(
            f"This page is of a session that has ended; {user} is signed in now. Load it again."
        )
        self.user = user


class SecondFactorNeeded(Unauthorized):
    """The password is right, and the code of the second factor is missing."""

    def __init__(self) -> None:
        super().__init__(
            "The password is right. Send the code of your authenticator app, or a recovery code, "
            "with this cookie as `code` to /login/second-factor. A browser shows how to set it up."
        )


class Forbidden(Problem):
    status = HTTPStatus.FORBIDDEN


class NotFound(Problem):
    """The row does not exist, or the principal does not see it: the response is the same."""

    status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("There is nothing here, or it is not yours to see.")


class Conflict(Problem):
    """The row has changed in the meantime. `current` is its present representation."""

    status = HTTPStatus.CONFLICT

    def __init__(self, detail: str, current: Mapping[str, Any]):
        super().__init__(detail)
        self.current = current


class Gone(Problem):
    """A link that can't be used, or not any more."""

    status = HTTPStatus.GONE


class TooLarge(Problem):
    """The body, or the file in it, is larger than the endpoint takes."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaType(Problem):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class Unprocessable(Problem):
    """The request is well-formed but invalid. `errors`: field → messages."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class Unavailable(Problem):
    """Trying again in RETRY_AFTER seconds makes sense, or in those of the header."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None):
        super().__init__(detail, headers={"Retry-After": str(RETRY_AFTER), **(headers or {})})


class TooManyRequests(Problem):
    status = HTTPStatus.TOO_MANY_REQUESTS


def wants_html() -> bool:
    """Whether the client accepts HTML rather than JSON. `*/*`, as curl sends, means JSON. False on
    a stream's URL."""
    if "text/" not in request.headers.get("Accept", "").lower() or request.blueprint == "streams":
        return False
    offered = ["application/json", "text/html"]
    return request.accept_mimetypes.best_match(offered) == "text/html"


def answer(problem: Problem) -> BaseResponse:
    if wants_html():
        if problem.status is HTTPStatus.UNAUTHORIZED:
            return answer_unauthorized(problem)
        passes = "Retry-After" in problem.headers
        words = words_for(problem.status.value)
        page = render_template(
            "error.html",
            words=words,
            detail=problem.detail if words.detail else None,
            sentences=sentences(problem.errors),
            reload_after=problem.headers.get("Retry-After") if request.method == "GET" else None,
            fields=submitted_fields() if passes and request.method == "POST" else [],
        )
        return Response(page, problem.status, problem.headers)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
    }
    if problem.errors is not None:
        body["errors"] = problem.errors
    if isinstance(problem, Conflict):
        body["current"] = problem.current
    headers = dict(problem.headers)
    if problem.status is HTTPStatus.UNAUTHORIZED:
        headers.setdefault("WWW-Authenticate", "Bearer")  # RFC 9110, section 11.6.1
    return Response(json.dumps(body), problem.status, headers, "application/problem+json")


def answer_unauthorized(problem: Problem) -> BaseResponse:
    """A redirect to the login. A form is answered with what it held, to be sent again: the login
    would replace the only copy of a text."""
    if request.method in ("GET", "HEAD"):
        may_return = "token" not in request.args
        here = request.full_path.rstrip("?") if may_return else None
        return redirect(url_for("login.page", next=here))
    user = problem.user if isinstance(problem, SessionReplaced) else None
    fields = submitted_fields()
    if user is None and not fields:
        return redirect(url_for("login.page"))
    page = render_template("session_ended.html", user=user, fields=fields)
    return Response(page, problem.status, problem.headers)


def submitted_fields() -> list[tuple[str, str]]:
    """The fields of the request's form, without secrets."""
    try:
        fields = request.form.items(multi=True)
    except HTTPException:  # too long
        return []
    return [(name, value) for name, value in fields if name not in SECRETS]


def answer_http(error: HTTPException) -> BaseResponse:
    """The response for an error of Flask or an extension, in the same form."""
    if error.response is not None or error.code is None or error.code < 400:
        return error.get_response()
    if error.code == HTTPStatus.NOT_FOUND:
        return answer(NotFound())
    problem = Problem(error.description or "The request failed.")
    problem.status = HTTPStatus(error.code)
    allow = error.get_response().headers.get("Allow")
    problem.headers = {"Allow": allow} if allow else {}
    return answer(problem)


def init_app(app: Flask) -> None:
    app.register_error_handler(Problem, answer)
    app.register_error_handler(HTTPException, answer_http)
