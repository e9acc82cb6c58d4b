"""Browser tests drive a real Chromium against a real server, without gevent, for Playwright."""

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import BrowserContext
from playwright.sync_api import Page
from playwright.sync_api import Playwright
from playwright.sync_api import expect
from playwright.sync_api import sync_playwright

from ..harness.chromium import QUIET
from ..harness.chromium import chromium_path
from ..harness.waiting import PATIENCE
from .proxy import Proxy
from .restartable import Restartable
from .writer import Writer

ROOT = Path(__file__).parent.parent.parent

PATIENCE_MS = 1000 * PATIENCE
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def restartable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restartable]:
    """A server on a fresh demo, for the tests of one file."""
    folder = tmp_path_factory.mktemp("server")
    with Restartable(folder, RTAPP_STREAMS_PER_USER="0", RTAPP_RATE_LIMITS="off") as server:
        yield server


@pytest.fixture(scope="module")
def server(restartable: Restartable) -> str:
    """The server's URL."""
    return restartable.url


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    """A proxy in front of the server, which the test controls."""
    proxy = Proxy(server)
    yield proxy
    proxy.stop()


@pytest.fixture
def writer(server: str) -> Iterator[Writer]:
    """A script that posts as Kevin, directly to the server, not through a proxy."""
    writer = Writer(server)
    yield writer
    writer.close()


@pytest.fixture
def ada(server: str) -> Iterator[Writer]:
    """A script that posts as Ada."""
    ada = Writer(server, "ada")
    yield ada
    ada.close()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    yield from launched(playwright, chromium_path())


@pytest.fixture(scope="session")
def whole_chromium(playwright: Playwright) -> Iterator[Browser]:
    """Takes the place of `chromium` in a file whose tests need it."""
    yield from launched(playwright, chromium_path(whole=True))


def launched(playwright: Playwright, path: str | None) -> Iterator[Browser]:
    if path is None:
        pytest.skip("there is no Chromium on the PATH")
    browser = playwright.chromium.launch(executable_path=path, args=QUIET)
    yield browser
    browser.close()


def sign_in(context: BrowserContext, name: str) -> None:
    credentials = {"email": f"{name}@example.com", "password": "password"}
    answer = context.request.post("/login", data=credentials)
    assert answer.ok, answer.text()


@pytest.fixture
def window(chromium: Browser, server: str) -> Iterator[Callable[..., Page]]:
    """`window("kevin")` opens a separate signed-in window at `start`. A script error fails the
    test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_window(name: str, start: str = "/accounts/1/conversations", **options: Any) -> Page:
        context = chromium.new_context(**{"base_url": server, **options})
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        sign_in(context, name)
        page.goto(start)
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert errors == []
