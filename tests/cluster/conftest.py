from gevent import monkey

monkey.patch_all()  # readers and writers are greenlets

import shutil
import signal
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ..faults.server import Server
from ..faults.sizes import LONG
from ..harness.postgres_server import PostgresServer
from ..harness.postgres_server import url
from ..harness.supervision import supervised
from .hosts import HOSTS
from .hosts import Settings
from .hosts import start_all
from .redises import ClusterOfThree
from .redises import OneServer
from .redises import Redises
from .redises import WithSentinel
from .witness import Witness
from .world import World
from .world import make_world

# Nothing here must survive a power cut.
UNSAFE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
TALLIES = pytest.StashKey[list[str]]()
KINDS: dict[str, Callable[[Path], Redises]] = {
    "one server": OneServer,
    "cluster": ClusterOfThree,
}
if LONG:
    KINDS["Sentinel"] = WithSentinel


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TALLIES] = []


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A function that adds a line to the summary of the run."""
    return lambda text: request.config.stash[TALLIES].append(f"{request.node.name}: {text}")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if tallies := config.stash[TALLIES]:
        terminalreporter.section("hosts: messages and their delays")
        for line in tallies:
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def helpers() -> Iterator[None]:
    """Supervise the helper greenlets: one that fails ends its test at once."""
    with supervised():
        yield


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Not pytest's, which is private: PostgreSQL and nginx are other users."""
    folder = Path(tempfile.mkdtemp(prefix="rtapp-cluster-"))
    yield folder
    shutil.rmtree(folder)


class Seeded(NamedTuple):
    """A stopped PostgreSQL with the rows of the world, to copy."""

    server: PostgresServer
    world: World


@pytest.fixture(scope="session")
def seeded(folder: Path) -> Seeded:
    server = PostgresServer(folder / "seeded")
    server.create()
    server.start()
    try:
        world = make_world(folder / "world", url(server))
    finally:
        server.stop(signal.SIGINT)
    return Seeded(server, world)


@pytest.fixture(scope="session")
def world(seeded: Seeded) -> World:
    return seeded.world


@pytest.fixture(scope="session", params=KINDS)
def redises(request: pytest.FixtureRequest, folder: Path) -> Iterator[Redises]:
    """The servers that the hosts share, of each kind in turn."""
    redises = KINDS[request.param](folder / request.param.replace(" ", "-"))
    redises.start()
    yield redises
    redises.stop()


@pytest.fixture(scope="session")
def settings(redises: Redises, seeded: Seeded, folder: Path) -> Iterator[Settings]:
    """What hosts share: with each kind of Redis, the world in a PostgreSQL of its own."""
    own = Path(tempfile.mkdtemp(prefix="hosts-", dir=folder))
    own.chmod(0o755)
    postgres = PostgresServer(own / "postgres")
    postgres.copy(seeded.server)
    postgres.start(**UNSAFE)
    yield Settings(own, seeded.world, url(postgres), redises.url)
    postgres.stop()


@pytest.fixture(scope="session")
def hosts(settings: Settings) -> Iterator[list[Server]]:
    """Two hosts that run for all tests with one kind of Redis."""
    hosts = [settings.host(f"host{number}") for number in range(1, HOSTS + 1)]
    try:
        start_all(hosts)
        yield hosts
    finally:
        for host in hosts:
            host.stop()


@pytest.fixture
def witness(settings: Settings) -> Iterator[Witness]:
    """Streams of all accounts on a third host, which stays."""
    host = settings.host("witness", workers=0)
    host.start()
    witness = Witness(host, settings.world)
    yield witness
    witness.close()
    host.stop()
