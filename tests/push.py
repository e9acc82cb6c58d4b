"""Push notifications in tests: keys, and a browser whose session can subscribe."""

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from rtapp import vapid

VAPID_KEY = vapid.encode(b"\x01" * 32)
KEYS = {
    "p256dh": vapid.public_key(vapid.encode(b"\x02" * 32)),
    "auth": vapid.encode(b"\x02" * 16),
}


class SignedIn:
    """A browser in which the user is signed in."""

    def __init__(self, app: Flask, name: str, browser: FlaskClient | None = None):
        self.browser = browser or app.test_client()
        credentials = {"email": f"{name}@example.com", "password": "password"}
        answer = self.browser.post("/login", json=credentials)
        assert answer.status_code == 200, answer.json
        self.headers = {"X-CSRF-Token": answer.headers["X-CSRF-Token"]}

    def post(self, path: str, body: object = None) -> TestResponse:
        return self.browser.post(path, json=body, headers=self.headers)

    def subscribe(self, endpoint: str, **keys: str) -> TestResponse:
        return self.post("/push_subscription", {"endpoint": endpoint, **KEYS, **keys})

    @property
    def endpoint(self) -> str | None:
        """The endpoint that the server has."""
        answer = self.browser.get("/push_subscription")
        assert answer.status_code == 200, answer.json
        own: Any = answer.json
        found: str | None = own["endpoint"]
        return found
