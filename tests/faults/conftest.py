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

from ..harness.postgres_server import PostgresServer
from ..harness.postgres_server import url
from ..harness.supervision import supervised
from .redis_server import RedisServer
from .server import Demo
from .server import Server
from .server import make_demo

TALLIES = pytest.StashKey[list[str]]()

Start = Callable[..., Server]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TALLIES] = []


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A function that adds a line to the summary of the run."""

    def tell(text: str) -> None:
        print(text)
        request.config.stash[TALLIES].append(f"{request.node.name}: {text}")

    return tell


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    tallies = config.stash[TALLIES]
    if tallies:
        terminalreporter.section("faults: events, cuts and repairs")
        for line in tallies:
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def helpers() -> Iterator[None]:
    """Supervise the helper greenlets: one that fails ends its test at once."""
    with supervised():
        yield


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return make_demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A redis-server of this test, which may be killed."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def start(tmp_path: Path, demo: Demo, redis: RedisServer) -> Iterator[Start]:
    """Starts a server on a demo and this test's Redis; `workers=2` for gunicorn."""
    servers: list[Server] = []

    def start(workers: int = 0, demo: Demo = demo, **settings: str) -> Server:
        folder = tmp_path / f"instance{len(servers)}"
        server = Server(folder, demo, redis, workers, **settings)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()


class Seeded(NamedTuple):
    """A stopped server with the demo's rows, to copy, and the demo."""

    server: PostgresServer
    demo: Demo


@pytest.fixture(scope="session")
def public_folder() -> Iterator[Path]:
    """Not pytest's, which another run makes private: postgres is another user."""
    folder = Path(tempfile.mkdtemp(prefix="rtapp-faults-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def seeded(public_folder: Path) -> Seeded:
    server = PostgresServer(public_folder / "seeded")
    server.create()
    server.start()
    try:
        demo = make_demo(public_folder / "demo", DATABASE_URL=url(server))
    finally:
        server.stop(signal.SIGINT)
    return Seeded(server, demo)


@pytest.fixture
def postgres(seeded: Seeded, public_folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(public_folder / "primary")
    server.copy(seeded.server)
    server.start()
    yield server
    server.stop()
    server.remove()


@pytest.fixture
def standby(postgres: PostgresServer, public_folder: Path) -> Iterator[PostgresServer]:
    """A synchronous standby: it has every commit that the primary has answered."""
    server = PostgresServer(public_folder / "standby")
    server.follow(postgres)
    server.start()
    yield server
    server.stop()
    server.remove()
