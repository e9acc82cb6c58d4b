from gevent import monkey

monkey.patch_all()  # the clients are greenlets

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..faults.redis_server import RedisServer
from ..faults.server import Demo
from ..faults.server import Server
from ..faults.server import make_demo
from ..harness.supervision import supervised
from .crowd import STREAMS_PER_ADDRESS
from .proxies import KINDS
from .proxies import Proxy
from .proxies import installed
from .table import DOCUMENT
from .table import Table


@pytest.fixture(scope="module", autouse=True)
def helpers() -> Iterator[None]:
    """Supervise the clients, and end them with their module."""
    with supervised():
        yield


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Not pytest's, which is private: the proxies are another user."""
    folder = Path(tempfile.mkdtemp(prefix="rtapp-proxies-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def demo(folder: Path) -> Demo:
    return make_demo(folder / "demo")


@pytest.fixture(scope="session")
def redis(folder: Path) -> Iterator[RedisServer]:
    (folder / "redis").mkdir()
    server = RedisServer(folder / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def server(folder: Path, demo: Demo, redis: RedisServer) -> Iterator[Server]:
    """The server of all tests, behind one proxy of ours."""
    server = Server(folder / "server", demo, redis, RTAPP_PROXIES="1")
    server.environment["RTAPP_STREAMS_PER_ADDRESS"] = str(STREAMS_PER_ADDRESS)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def proxies(folder: Path, server: Server) -> Iterator[dict[str, Proxy]]:
    """Every proxy that this machine has, in front of the server."""
    running: dict[str, Proxy] = {}
    try:
        for number, (name, kind) in enumerate(KINDS.items()):
            if installed(kind):
                running[name] = Proxy(name, kind, folder / f"proxy{number}", server.port)
                running[name].start()
        yield running
    finally:
        for proxy in running.values():
            proxy.stop()


@pytest.fixture(params=KINDS)
def proxy(request: pytest.FixtureRequest, proxies: dict[str, Proxy]) -> Proxy:
    if request.param not in proxies:
        pytest.skip(f"SKIPPED: there is no {KINDS[request.param].binary} on this machine")
    return proxies[request.param]


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    """What the tests find. With RTAPP_WRITE_DOCS=1 it becomes the table of the document."""
    table = Table()
    yield table
    if os.environ.get("RTAPP_WRITE_DOCS") == "1":
        table.write(DOCUMENT)
