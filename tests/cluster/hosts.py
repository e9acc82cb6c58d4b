"""Two hosts of two workers each, and the balancer in front of them."""

import re
from pathlib import Path
from typing import NamedTuple

from rtapp.vapid import make_private_key

from ..faults.server import Demo
from ..faults.server import Endpoint
from ..faults.server import Server
from ..harness.waiting import eventually
from ..proxies.proxies import KINDS
from ..proxies.proxies import Proxy
from .world import SECRET
from .world import World

HOSTS, WORKERS = 2, 2
VAPID_KEY = make_private_key()


class Settings(NamedTuple):
    """What all hosts share: the contents of their environment file."""

    folder: Path  # of everything
    world: World
    database: str
    redis: str

    def host(self, name: str, workers: int = WORKERS) -> Server:
        """A host, not started, with a folder of its own."""
        (empty := self.folder / "empty").mkdir(exist_ok=True)
        return Server(
            self.folder / name, Demo(empty, self.world.tokens), None, workers,
            DATABASE_URL=self.database, REDIS_URL=self.redis,
            SECRET_KEY=SECRET, VAPID_PRIVATE_KEY=VAPID_KEY,
            RTAPP_FILES=str(self.folder / "files"), RTAPP_PROXIES="1",
        )  # fmt: skip


def start_all(hosts: list[Server]) -> None:
    """Start hosts beside each other."""
    for host in hosts:
        host.launch()
    for host in hosts:
        host.wait_until_it_serves()


class Balancer(Endpoint):
    """nginx in front of all hosts, with the file of `deploy/`."""

    def __init__(self, folder: Path, hosts: list[Server]):
        first, *others = [host.port for host in hosts]
        self._proxy = Proxy("nginx", KINDS["nginx"], folder, first, *others)
        super().__init__(self._proxy.place.port, hosts[0].tokens)

    def start(self) -> None:
        self._proxy.start()

    def stop(self) -> None:
        self._proxy.stop()

    def wait_until_used(self, host: Server) -> None:
        """Wait until a request has been answered by a host that has been away."""
        log = self._proxy.place.folder / "access.log"
        before = log.stat().st_size
        answered = re.compile(rf'" 20[0-9] [0-9]+ 127\.0\.0\.1:{host.port}$', re.MULTILINE)
        eventually(
            lambda: answered.search(log.read_text()[before:]), "the balancer uses the host again"
        )


def open_streams(host: Server) -> float:
    return host.metrics()["rtapp_open_streams"]


def wait_for_streams(host: Server, count: int) -> None:
    eventually(lambda: open_streams(host) == count, f"the host has {count} streams")
