"""Browsers while the database is away: each is live again by itself."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from ..harness.postgres_server import PostgresServer
from ..harness.postgres_server import url
from ..harness.waiting import eventually
from .page import BLANK
from .page import live
from .restartable import Restartable
from .writer import Writer

THREAD = "/conversations/1"

# A page's own EventSource, which records what it receives.
NATIVE = """() => {
  window.received = [];
  window.source = new EventSource('/streams/conversations/1');
  for (const name of ['stream.open', 'stream.ping', 'message.created'])
    window.source.addEventListener(name, () => window.received.push(name));
}"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="rtapp-browser-"))
    server = PostgresServer(folder / "data")
    server.create()
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    with Restartable(folder, DATABASE_URL=url(postgres), RTAPP_RATE_LIMITS="off") as process:
        yield process.url


@pytest.fixture
def stopped(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A database that the test starts again."""
    yield postgres
    postgres.start_if_stopped()


def test_an_event_source_that_connects_without_a_database_is_live_when_it_is_back(
    window, server, stopped
):
    page = window("ada")
    kevin = Writer(server)
    stopped.stop()
    page.evaluate(NATIVE)
    eventually(lambda: page.evaluate("received.includes('stream.ping')"))
    assert page.evaluate("[source.readyState, received.includes('stream.open')]") == [1, False]
    stopped.start()
    eventually(lambda: page.evaluate("received.includes('stream.open')"))
    kevin.say(1, "Here again")
    eventually(lambda: page.evaluate("received.includes('message.created')"))
    assert page.evaluate("source.readyState") == 1
    kevin.close()


def test_a_page_that_is_loaded_without_a_database_loads_again_by_itself(window, stopped):
    page = window("ada")
    stopped.stop()
    response = page.goto(THREAD)
    assert response.status == 503
    expect(page.get_by_text("The database does not answer.")).to_be_visible()
    stopped.start()
    expect(page.locator("#live")).to_contain_text("Live")
    expect(page).to_have_url(re.compile(f"{THREAD}$"))


def test_a_message_sent_without_a_database_is_kept_and_arrives_once_when_it_is_back(
    window, stopped
):
    page = live(window("ada", BLANK), THREAD)
    stopped.stop()
    page.fill("#composer textarea", "Not lost")
    page.keyboard.press("Enter")
    bubble = page.locator("#sending > .message")
    expect(bubble).to_contain_text("The database does not answer.")
    stopped.start()
    bubble.get_by_role("button", name="Try again").click()
    expect(page.locator("#messages")).to_contain_text("Not lost")
    page.reload()
    expect(page.locator("#messages .content", has_text="Not lost")).to_have_count(1)
