"""The laboratory that each scenario receives: its servers, clients, sizes and results."""

import sys
import time
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from . import floor
from .load import Load
from .report import Row
from .server import Server
from .server import World


@dataclass
class Lab:
    folder: Path
    world: World
    quick: bool
    rows: list[Row] = field(default_factory=list)
    _servers: int = 0

    def server(self) -> Server:
        """A fresh server on a fresh copy of the world."""
        self._servers += 1
        return Server(self.world, self.folder / f"server-{self._servers}")

    def add(
        self,
        scenario: str,
        what: str,
        value: float,
        unit: str,
        floor: float | None = None,
        note: str = "",
    ) -> None:
        self.rows.append(Row(scenario, what, value, unit, floor, note))

    def seconds(self, full: float, quick: float) -> float:
        return quick if self.quick else full

    def floor(
        self, sockets: int, rate: float, size: int, per_round: int = 0, seconds: float = 0
    ) -> floor.Floor:
        seconds = seconds or self.seconds(5, 2)
        with Load() as load:
            return floor.measure(load, sockets, rate, seconds, size, per_round)


def log_progress(text: str) -> None:
    """Print a line of progress with the time, to standard error."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
