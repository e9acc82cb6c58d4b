"""What is shown once is shown nowhere else: no page, log line or metric has a token, a code, a link
or a password, over both servers, with everything that gunicorn can log."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest

from ..harness.waiting import PATIENCE
from .server import Server
from .test_logs import server

__all__ = ["server"]

ADA, KEVIN = 1, 2
PASSWORD = "a password that nobody reads"
HTML, JSON = {"Accept": "text/html"}, {"Accept": "application/json"}
PAGES = 40  # that are there, at least, as HTML and as JSON


class Browser:
    """A browser's cookies and CSRF token, without its pages."""

    def __init__(self, server: Server):
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{server.port}", timeout=PATIENCE, headers=JSON
        )

    def post(self, path: str, expected: int, **body: object) -> Any:
        answer = self.client.post(path, json=body)
        assert answer.status_code == expected, answer.text
        if "X-CSRF-Token" in answer.headers:
            self.client.headers["X-CSRF-Token"] = answer.headers["X-CSRF-Token"]
        return answer.json() if answer.content else None

    def get(self, path: str) -> Any:
        return self.client.get(path).json()


class Everything:
    """All secrets that were made, by name, and the browser that has seen them."""

    def __init__(self, server: Server):
        self.secrets = {"a script's token": server.tokens["Ada"]}
        self.ada, self.kevin, self.nora = Browser(server), Browser(server), Browser(server)
        nora = self.nora
        self.ada.post("/login", 200, email="ada@example.com", password="password")
        (self.secrets["a session"],) = self.ada.client.cookies.values()
        made = self.ada.post("/settings/tokens", 201, name="Script", scope="read")
        self.secrets["another token"] = made["token"]
        for name, email in (("an invitation", "nora@example.com"), ("an open invitation", None)):
            made = self.ada.post("/accounts/1/settings/invitations", 201, email=email)
            self.secrets[name] = made["url"].partition("token=")[2]
        made = self.ada.post("/accounts/1/settings/password-links", 201, user_id=KEVIN)
        self.secrets["a password link"] = made["url"].partition("token=")[2]
        self.secrets["a password"] = PASSWORD
        for wrong in ("mangled", self.secrets["an invitation"][:-1] + "!"):
            for path in ("/join", "/password"):
                assert nora.client.get(f"{path}?token={wrong}", headers=HTML).status_code < 500
        for name, path, browser in (
            ("an invitation", "/join", nora), ("a password link", "/password", self.kevin),
        ):  # fmt: skip
            moved = browser.client.get(f"{path}?token={self.secrets[name]}", headers=HTML)
            assert (moved.status_code // 100, moved.headers["Location"]) == (3, path)
            page = browser.client.get(path, headers=HTML)
            assert self.secrets[name] not in page.text
        nora.post("/join", 200, token=self.secrets["an invitation"], name="Nora", password=PASSWORD)
        self.kevin.post("/password", 200, token=self.secrets["a password link"], password=PASSWORD)
        secret = self.ada.get("/settings/second-factor")["secret"]
        code = pyotp.TOTP(secret).now()
        on = self.ada.post("/settings/second-factor", 200, code=code, present_password="password")
        codes = on["recovery_codes"]
        self.secrets |= {"the secret of codes": secret}
        self.secrets |= {f"recovery code {n}": code for n, code in enumerate(codes)}
        nora.post("/login", 401, email="ada@example.com", password="password")
        nora.post("/login/second-factor", 401, code="000000")
        nora.post("/login/second-factor", 200, code=codes.pop())

    def close(self) -> None:
        for browser in (self.ada, self.kevin, self.nora):
            browser.client.close()

    def found_in(self, text: str) -> list[str]:
        return [name for name, secret in self.secrets.items() if secret in text]


@pytest.fixture(scope="module")
def everything(server: Server) -> Iterator[Everything]:
    everything = Everything(server)
    yield everything
    everything.close()


def test_no_page_and_no_metric_shows_what_was_shown_once(everything: Everything) -> None:
    client = everything.ada.client
    described = client.get("/openapi.json").json()["paths"]
    paths = [path for path, operations in described.items() if "get" in operations]
    seen = 0
    for path in paths:
        path = re.sub(r"\{[a-z_]*filename\}", "css/app.css", path)
        path = re.sub(r"\{[a-z_]+\}", "1", path)
        if path.startswith("/streams"):
            continue
        for headers in (HTML, JSON):
            answer = client.get(path, headers=headers)
            own = ["the secret of codes"] if path == "/settings/second-factor" else []
            assert everything.found_in(answer.text) in ([], own), path
            assert not everything.found_in(str(answer.headers.get("Location"))), path
            seen += answer.status_code == 200
    assert seen > PAGES
    assert "/metrics" in paths


def test_no_line_of_the_log_shows_what_was_shown_once(
    server: Server, everything: Everything
) -> None:
    log = Path(server.folder / "server.log").read_text()
    assert "A code of user 1 was refused" in log  # it is the log of these requests
    assert everything.found_in(log) == []


def test_a_secret_in_a_page_or_a_log_is_found(everything: Everything) -> None:
    for name, secret in everything.secrets.items():
        assert name in everything.found_in(f"before {secret} after")
