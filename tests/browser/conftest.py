"""Browser tests drive a real Chromium against a real server. Not under gevent: Playwright isn't."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext
from playwright.sync_api import sync_playwright

from tests.browser.writer import Writer

ROOT = Path(__file__).parent.parent.parent
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
         "--disable-component-update", "--no-first-run"]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of `python app.py` on a fresh demo, for the tests of one file."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {
        **os.environ,
        "PORT": str(port),
        "RTAPP_INSTANCE": str(tmp_path_factory.mktemp("i")),
        "RTAPP_STREAMS_PER_USER": "0",
        "RTAPP_RATE_LIMITS": "off",
    }
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 30
    while not answers(address):
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.05)
    yield address
    process.terminate()
    process.wait(30)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=1):
            return True
    except OSError:
        return False


@pytest.fixture
def writer(server):
    """Kevin from a script, at the server itself whatever stands before it."""
    writer = Writer(server)
    yield writer
    writer.close()


@pytest.fixture(scope="session")
def chromium():
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no Chromium on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


def sign_in(context: BrowserContext, name: str) -> None:
    credentials = {"email": f"{name}@example.com", "password": "password"}
    answer = context.request.post("/login", data=credentials)
    assert answer.ok, answer.text()


@pytest.fixture
def window(chromium, server):
    """`window("kevin")`: a window of its own, signed in; a script error fails the test."""
    contexts, errors = [], []

    def open_window(name: str, **options):
        context = chromium.new_context(**{"base_url": server, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        sign_in(context, name)
        page.goto("/accounts/1/conversations")
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert errors == []
