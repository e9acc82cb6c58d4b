"""What executes an example, and reads what it shows."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from playwright.sync_api import BrowserContext
from playwright.sync_api import Page

from ..harness.waiting import PATIENCE
from .firefox import Firefox
from .gateway import Door
from .rows import Row

# In front of a page's scripts: keeps each EventSource that they make.
INSTRUMENT = """<!doctype html><script>
  window.sources = [];
  window.EventSource = class extends EventSource {
    constructor(...args) {
      super(...args);
      window.sources.push(this);
    }
  };
</script>"""
LINES = "[...document.querySelectorAll('#messages > li')].map((line) => line.textContent)"


class Client(Protocol):
    """An example that runs."""

    def shown(self) -> list[str]:
        """Return what it has shown, a line a message."""

    def has_ended(self) -> bool:
        """Return whether it will not come back."""

    def stop(self) -> None: ...


class Program:
    """A process, whose output is what it shows."""

    def __init__(self, row: Row, door: Door, folder: Path, token: str, modules: Path | None):
        folder.mkdir()
        command, suffix = {
            "node": ([shutil.which("node") or "node"], "mjs"),
            "python": ([sys.executable], "py"),
            "bash": (["bash"], "sh"),
        }[row.runner]
        file = folder / f"example.{suffix}"
        file.write_text(row.text)
        if modules is not None:
            (folder / "node_modules").symlink_to(modules)
        self._output = folder / "output"
        with self._output.open("wb") as output, (folder / "errors").open("wb") as errors:
            self._process = subprocess.Popen(
                [*command, str(file)], stdin=subprocess.DEVNULL, stdout=output,
                stderr=errors, start_new_session=True,
                env={**os.environ, "RTAPP_URL": door.url, "RTAPP_TOKEN": token},
            )  # fmt: skip

    def shown(self) -> list[str]:
        return self._output.read_text().splitlines()

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        """Kill it, and what it has started."""
        try:
            os.killpg(self._process.pid, 9)
        except ProcessLookupError:
            pass
        self._process.wait(PATIENCE)


class ChromiumPage:
    def __init__(self, row: Row, door: Door, context: BrowserContext):
        self._row = row
        self._page: Page = context.new_page()
        self._page.goto(f"{door.url}/page.html")

    def shown(self) -> list[str]:
        lines: list[str] = self._page.evaluate(LINES)
        return lines

    def has_ended(self) -> bool:
        return bool(self._page.evaluate(self._row.ended))

    def stop(self) -> None:
        self._page.close()


class FirefoxPage:
    def __init__(self, row: Row, door: Door, firefox: Firefox):
        self._row, self._firefox = row, firefox
        self._window = firefox.new_window()
        firefox.show(self._window, f"{door.url}/page.html")

    def shown(self) -> list[str]:
        lines: list[str] = self._firefox.evaluate(self._window, LINES)
        return lines

    def has_ended(self) -> bool:
        return bool(self._firefox.evaluate(self._window, self._row.ended))

    def stop(self) -> None:
        self._firefox.show(self._window, "about:blank")


def page(text: str) -> bytes:
    """Return an example's page with the instrument in it."""
    assert text.startswith("<!doctype html>"), json.dumps(text[:40])
    return text.replace("<!doctype html>", INSTRUMENT, 1).encode()
