"""API clients that send requests in process."""

from typing import Any

from flask import Flask
from sqlalchemy import func
from sqlalchemy import select
from werkzeug.test import TestResponse

from rtapp import scopes
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import OutboxEvent
from rtapp.models import User
from rtapp.services.change_tokens import create_token
from rtapp.services.change_tokens import create_visitor_token

from .stream import Stream
from .waiting import eventually


def outbox_drained(app: Flask) -> bool:
    """Wait until every committed event is published. Returns True; raises AssertionError after
    PATIENCE."""

    def is_empty() -> bool:
        with app.app_context():
            return not db.session.scalar(select(func.count()).select_from(OutboxEvent))

    return bool(eventually(is_empty, "the outbox is empty"))


class ApiClient:
    """A client of the API with a bearer token of the user with this e-mail address.

    The token allows whatever the user may, or has the `scope` of scopes.py. With None it sends no
    credentials. `id` is the user's id, or 0. Keyword arguments are headers, with `_` for `-` in
    their names. Raises NoResultFound for an unknown address.
    """

    def __init__(self, app: Flask, email: str | None, scope: str = scopes.ADMIN):
        self.app = app
        self.id = 0
        self.headers: dict[str, str] = {}
        if email is not None:
            with app.app_context():
                user = db.session.scalars(select(User).where(User.email == email)).one()
                self.id = user.id
                token = create_token(user, "Test", scope).text
                self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.app.test_client().get(path, headers={**self.headers, **dashed(headers)})

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        return self.app.test_client().post(
            path, json=body, headers={**self.headers, **dashed(headers)}
        )

    def page(self, path: str) -> TestResponse:
        return self.get(path, accept="text/html")

    def send(self, conversation: int, content: str, **more: Any) -> TestResponse:
        return self.post(f"/conversations/{conversation}/messages", {"content": content, **more})

    def stream(self, path: str, **headers: str) -> Stream:
        return Stream(self.get(path, **headers))


class CustomerClient(ApiClient):
    """A client of the API with a visitor's token, of the contact with this e-mail address.

    Raises NoResultFound for an unknown address, MultipleResultsFound if two accounts have it.
    """

    def __init__(self, app: Flask, email: str):
        super().__init__(app, None)
        with app.app_context():
            contact = db.session.scalars(select(Contact).where(Contact.email == email)).one()
            self.id = contact.id
            self.token = create_visitor_token(contact, 3600).text
        self.headers = {"Authorization": f"Bearer {self.token}"}


class VisitorClient(ApiClient):
    """A client of the API that has started a session of its own on the website with this key."""

    def __init__(self, app: Flask, key: str):
        super().__init__(app, None)
        self.key = key
        answer = self.post(f"/chat/{key}/session")
        session: Any = answer.json
        assert answer.status_code == 201, session
        self.id = session["contact"]["id"]
        self.token = session["token"]
        self.headers = {"Authorization": f"Bearer {self.token}"}

    def start(self, content: str, **more: Any) -> TestResponse:
        """Start a conversation."""
        return self.post(f"/chat/{self.key}/conversations", {"content": content, **more})


def dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
