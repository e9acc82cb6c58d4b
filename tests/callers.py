"""Those who call: the demo's people by their bearer token or in a browser, and nobody."""

from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from rtapp import auth
from rtapp import seed
from rtapp.extensions import db
from rtapp.models import User

from .reading import Stream


def address(name: str) -> str:
    return f"{name}@example.com"


class Caller:
    """Requests with the caller's credentials. `csrf` goes along with what changes something."""

    def __init__(self, app: Flask, headers: dict[str, str] | None = None):
        self.client = app.test_client()
        self.headers = dict(headers or {})
        self.csrf: str | None = None
        self._streams: list[Stream] = []

    def get(self, path: str, headers: dict[str, str] | None = None, **more: Any) -> TestResponse:
        return self.client.get(path, headers={**self.headers, **(headers or {})}, **more)

    def post(self, path: str, headers: dict[str, str] | None = None, **more: Any) -> TestResponse:
        sent = {**self.headers, **(headers or {})}
        if self.csrf is not None:
            sent.setdefault("X-CSRF-Token", self.csrf)
        return self.client.post(path, headers=sent, **more)

    def page(self, path: str) -> TestResponse:
        return self.get(path, headers={"Accept": "text/html"})

    def say(self, conversation_id: int, content: str, **more: Any) -> dict[str, Any]:
        """Posts a message, which must succeed."""
        body = {"content": content, **more}
        answer = self.post(f"/conversations/{conversation_id}/messages", json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json

    def stream(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> Stream:
        """The stream, which must be answered, from its first byte on."""
        answer = self.get(path, headers=headers, query_string=query)
        assert answer.status_code == 200, answer.text
        stream = Stream(answer.response, answer.close)
        self._streams.append(stream)
        return stream

    def listen(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> Stream:
        """The stream, opened and read up to what follows `stream.open`."""
        stream = self.stream(path, headers, **query)
        stream.begin()
        return stream

    def hang_up(self) -> None:
        while self._streams:
            self._streams.pop().close()


class Callers:
    """Makes callers of one application, and hangs up for them in the end."""

    def __init__(self, app: Flask):
        self.app = app
        self._made: list[Caller] = []

    def nobody(self) -> Caller:
        return self._with(Caller(self.app))

    def token(self, name: str, expires_in: int | None = None) -> str:
        with self.app.app_context():
            user = db.session.scalars(select(User).where(User.email == address(name))).one()
            return auth.create_token(user, expires_in)

    def bearer(self, name: str) -> Caller:
        return self.with_token(self.token(name))

    def with_token(self, token: str) -> Caller:
        return self._with(Caller(self.app, {"Authorization": f"Bearer {token}"}))

    def browser(self, name: str) -> Caller:
        """Signed in by a session cookie, with the CSRF token that goes with it."""
        caller = self._with(Caller(self.app))
        answer = caller.post("/login", json={"email": address(name), "password": seed.PASSWORD})
        assert answer.status_code == 200, answer.text
        caller.csrf = answer.headers["X-CSRF-Token"]
        return caller

    def hang_up(self) -> None:
        for caller in self._made:
            caller.hang_up()

    def _with(self, caller: Caller) -> Caller:
        self._made.append(caller)
        return caller
