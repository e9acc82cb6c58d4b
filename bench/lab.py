"""The laboratory that each scenario receives: its servers, clients, sizes and results."""

import sys
import time
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from . import floor
from . import measures
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
    _folders: int = 0

    def server(self, beside: Server | None = None) -> Server:
        """A fresh server on a fresh copy of the world or, as another process, of another's."""
        return Server(self.world, self.fresh_folder("server"), beside)

    def fresh_folder(self, name: str) -> Path:
        """A path in the folder at which there is nothing yet."""
        self._folders += 1
        return self.folder / f"{name}-{self._folders}"

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

    def add_kernel_memory(
        self, scenario: str, what: str, before: float | None, connections: int
    ) -> None:
        """Add a row of `kernel_memory`, if it can be measured."""
        held = self.kernel_memory(before, connections)
        if held is not None:
            note = "slab of sockets, descriptors and epoll, one end; only root can read it"
            self.add(scenario, f"{what}: kernel memory each", held / 1024, "KiB", None, note)

    @staticmethod
    def kernel_memory(before: float | None, connections: int) -> float | None:
        """Bytes of one end of a connection, by the growth since `measures.socket_memory()`."""
        after = measures.socket_memory()
        if before is None or after is None:
            return None
        return (after - before) / connections / 2  # both ends are on this machine

    def seconds(self, full: float, quick: float) -> float:
        return quick if self.quick else full

    def floor(
        self, sockets: int, rate: float, size: int, per_round: int = 0, seconds: float = 0
    ) -> floor.Floor:
        """Measure the loop: see `floor.measure`."""
        seconds = seconds or self.seconds(5, 2)
        with Load() as load:
            return floor.measure(load, sockets, rate, seconds, size, per_round)


def log_progress(text: str) -> None:
    """Print a line of progress with the time, to standard error."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
