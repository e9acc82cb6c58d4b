"""Requests of a user or a customer, in process."""

from typing import Any

from flask import Flask
from sqlalchemy import func
from sqlalchemy import select
from werkzeug.test import TestResponse

from rtapp import auth
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import OutboxEvent
from rtapp.models import User

from .stream import Stream
from .waiting import eventually


def outbox_drained(app: Flask) -> bool:
    """Waits until everything that has become true has been published."""

    def nothing_waits() -> bool:
        with app.app_context():
            return not db.session.scalar(select(func.count()).select_from(OutboxEvent))

    return eventually(nothing_waits, "the outbox is empty")


class ApiClient:
    """Requests of one user, by bearer token; of nobody if there is no `email`."""

    def __init__(self, app: Flask, email: str | None):
        self.app = app
        self.id = 0
        self.headers: dict[str, str] = {}
        if email is not None:
            with app.app_context():
                user = db.session.scalars(select(User).where(User.email == email)).one()
                self.id = user.id
                self.headers = {"Authorization": f"Bearer {auth.create_token(user)}"}

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.app.test_client().get(path, headers={**self.headers, **named(headers)})

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        return self.app.test_client().post(
            path, json=body, headers={**self.headers, **named(headers)}
        )

    def page(self, path: str) -> TestResponse:
        return self.get(path, accept="text/html")

    def send(self, conversation: int, content: str, **more: Any) -> TestResponse:
        return self.post(f"/conversations/{conversation}/messages", {"content": content, **more})

    def stream(self, path: str, **headers: str) -> Stream:
        return Stream(self.get(path, **headers))


class CustomerClient(ApiClient):
    """Requests of a customer, by visitor's token."""

    def __init__(self, app: Flask, email: str):
        super().__init__(app, None)
        with app.app_context():
            contact = db.session.scalars(select(Contact).where(Contact.email == email)).one()
            self.id = contact.id
            self.token = auth.create_customer_token(contact, 3600)
        self.headers = {"Authorization": f"Bearer {self.token}"}


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
