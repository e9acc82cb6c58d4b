"""A window outlives its server: it comes back by itself, and has missed nothing."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 30_000  # ms, more than the longest that a window waits at first


class Restartable:
    """A server that comes back at the same address, with the same data."""

    def __init__(self, folder: Path):
        self.log = folder / "server.log"
        self.environ = {**os.environ, "PORT": "0", "RTAPP_INSTANCE": str(folder)}

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=ROOT, env=self.environ, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while not (ready := re.search(r"ready: (\S+)", self.log.read_text())):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)
        self.address = ready[1]
        self.environ["PORT"] = self.address.rpartition(":")[2]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(40)

    def say(self, conversation: int, content: str) -> None:
        """As Ada, from a script."""
        command = [sys.executable, "-m", "flask", "--app", "app", "token", "create"]
        token = subprocess.run(
            [*command, "ada@example.com"], cwd=ROOT, env=self.environ, capture_output=True,
            text=True, check=True, timeout=60,
        ).stdout.strip()  # fmt: skip
        request = urllib.request.Request(
            f"{self.address}/conversations/{conversation}/messages",
            json.dumps({"content": content}).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 201


@pytest.fixture
def restartable(tmp_path):
    server = Restartable(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(restartable):
    return restartable.address


def test_what_was_said_while_the_window_was_cut_off_is_there_without_reloading(window, restartable):
    kevin = window("kevin")
    kevin.goto("/conversations/2")
    expect(kevin.locator("#live")).to_contain_text("Live")
    kevin.evaluate("window.notReloaded = true")
    restartable.stop()
    expect(kevin.locator("#live")).to_contain_text("Reconnecting")
    kevin.context.set_offline(True)  # so that it can't come back before something is said
    restartable.start()
    restartable.say(2, "Said while you were away.")
    expect(kevin.locator("#messages")).not_to_contain_text("Said while you were away.")
    kevin.context.set_offline(False)
    expect(kevin.locator("#messages")).to_contain_text(
        "Said while you were away.", timeout=PATIENCE
    )
    expect(kevin.locator("#live")).to_contain_text("Live")
    restartable.say(2, "And afterwards.")
    expect(kevin.locator("#messages")).to_contain_text("And afterwards.")
    assert kevin.locator("#messages > .message", has_text="Said while you were away.").count() == 1
    assert kevin.evaluate("window.notReloaded")
