"""Foreign clients, run as docs/clients.md shows them, without gevent."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from .. import npm
from ..harness.app_process import AppProcess
from ..harness.chromium import QUIET
from ..harness.chromium import chromium_path
from . import firefox
from .gateway import Door
from .gateway import Gateway
from .rows import FAULTY
from .rows import RESUMING
from .rows import ROWS
from .rows import Row
from .rows import block
from .runners import ChromiumPage
from .runners import Client
from .runners import FirefoxPage
from .runners import Program
from .runners import page
from .scenario import Attempt
from .scenario import Results
from .scenario import Scenario

# Two sets, because htmx.org is there in two versions.
NODE = ("eventsource@4.1.0", "eventsource-parser@3.1.1", "eventsource-client@1.2.0")
PAGES = ("htmx.org@2.0.11", "htmx-ext-sse@2.2.4", "@hotwired/turbo@8.0.23",
         "reconnecting-eventsource@1.6.5", "@microsoft/fetch-event-source@2.0.1")  # fmt: skip
HTMX_4 = ("htmx.org@4.0.1",)
CREDENTIALS = {"email": "kevin@example.com", "password": "password"}


def firefox_in(profile: Path, stack: ExitStack) -> firefox.Firefox | None:
    """Return a Firefox that the stack ends, None if there is none that can be driven."""
    profile.mkdir()
    try:
        return stack.enter_context(firefox.Firefox(profile))
    except (AssertionError, OSError, RuntimeError) as error:
        print(f"SKIPPED: the rows of Firefox, because of {error!r}", file=sys.stderr)
        return None


@pytest.fixture(scope="session")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    """Each client that can run here has gone through all checks."""
    folder = tmp_path_factory.mktemp("clients")
    if chromium_path() is None:
        pytest.skip("SKIPPED: no Chromium on the PATH")
    modules = npm.installed(*NODE)
    pages = npm.installed(*PAGES)
    packages = {str(p.relative_to(pages)): p for p in [*pages.glob("[!.@]*"), *pages.glob("@*/*")]}
    packages |= {"htmx2": pages / "htmx.org", "htmx4": npm.installed(*HTMX_4) / "htmx.org"}
    with ExitStack() as stack:
        (folder / "server").mkdir()
        environ = {"RTAPP_STREAMS_PER_USER": "0", "RTAPP_RATE_LIMITS": "off"}
        server = stack.enter_context(AppProcess(folder / "server", **environ))
        gateway = stack.enter_context(Gateway(server.port))
        token = server.token("kevin@example.com")
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=QUIET)
        stack.callback(browser.close)
        context = browser.new_context()
        assert context.request.post(f"{server.url}/login", data=CREDENTIALS).ok
        fox = firefox_in(folder / "firefox", stack)
        if fox is not None:
            (cookie,) = context.cookies(server.url)
            fox.set_cookie(f"{server.url}/healthz", str(cookie["name"]), str(cookie["value"]))
        rows = [row for row in [*ROWS, *FAULTY] if row.runner != "firefox" or fox is not None]

        def start(row: Row, door: Door, number: Iterator[int]) -> Client:
            if row.runner == "chromium":
                return ChromiumPage(row, door, context)
            if row.runner == "firefox":
                assert fox is not None
                return FirefoxPage(row, door, fox)
            path = folder / f"{rows.index(row)}-{next(number)}"
            return Program(row, door, path, token, modules if row.runner == "node" else None)

        def attempt(row: Row) -> Attempt:
            pages = {"/resuming.js": block(*RESUMING).encode()}
            if row.language == "html":
                pages["/page.html"] = page(row.text)
            door = gateway.open(Door(pages, packages))
            return Attempt(row, door, partial(start, row, door, iter(range(100))))

        gateway.set("refuse")
        attempts = []
        for row in rows:
            attempts.append(attempt(row))
            stack.callback(attempts[-1].stop)
        scenario = Scenario(server, gateway, attempts)
        scenario.run()
        yield scenario


@pytest.fixture(scope="session")
def results(scenario: Scenario) -> Results:
    return scenario.results
