"""The checkouts that are measured: this one and, beside it, another, such as the version before.

Each scenario runs in a process of its own (see scenario.py), which imports `bench` from here and
`rtapp` from the checkout that it measures.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from .home import HOME
from .report import Row
from .server import World
from .server import build_world

OTHER = "before"  # the label of the other checkout's rows


class ScenarioError(Exception):
    """A scenario ended with an error, which it has written to standard error."""

    def __init__(self, rows: list[Row]):
        super().__init__()
        self.rows = rows


class Subject:
    """A checkout with its world. `name` labels its rows: "" is this one."""

    def __init__(self, name: str, checkout: Path, folder: Path):
        self.name = name
        self._checkout = checkout
        self._folder = folder / (name or "here")

    def prepare(self, conversations: int, users: int) -> None:
        """Make the folder, in which `bench` is this one, and the world. Raises ServerError."""
        self._folder.mkdir()
        (self._folder / "bench").symlink_to(HOME / "bench", target_is_directory=True)
        (self._folder / "scenarios").mkdir()
        world = build_world(
            self._folder / "world", conversations, users, self._folder, self._environment()
        )
        fields = asdict(world) | {"folder": str(world.folder)}
        (self._folder / "world.json").write_text(json.dumps(fields))

    def run(self, scenario: str, quick: bool) -> list[Row]:
        """Run the scenario. Raises ScenarioError with the rows that it had."""
        rows = self._folder / "rows.json"
        rows.unlink(missing_ok=True)
        command = [sys.executable, "-m", "bench.scenario", scenario, *["--quick"] * quick]
        done = subprocess.run(command, cwd=self._folder, env=self._environment())
        found = json.loads(rows.read_text()) if rows.exists() else []
        measured = [Row(**row, server=self.name) for row in found]
        if done.returncode:
            raise ScenarioError(measured)
        return measured

    def _environment(self) -> dict[str, str]:
        return dict(os.environ) | {"PYTHONPATH": str(self._checkout)}


def stored_world() -> World:
    """The world of the folder in which a scenario runs."""
    fields = json.loads(Path("world.json").read_text())
    return World(**fields | {"folder": Path(fields["folder"])})
