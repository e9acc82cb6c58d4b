"""The doctor finds what is wrong with real programs, and nothing where nothing is."""

import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..faults.redis_server import RedisServer
from ..faults.server import CHECKOUT
from ..faults.server import COMMAND_LIMIT
from ..faults.server import Demo
from ..faults.server import Server
from ..harness.shifted_clock import shifted
from .proxies import KINDS
from .proxies import Kind
from .proxies import Place
from .proxies import Proxy
from .proxies import caddy
from .proxies import changed
from .proxies import haproxy
from .proxies import installed
from .proxies import nginx
from .proxies import plain

FIVE_MINUTES = 300  # s
PLAIN = [name for name, kind in KINDS.items() if kind.ours and kind.route is plain]
FOUND = re.compile(r"^(ok|warning|problem) +([\w ]+?): (.+)$", re.MULTILINE)


@dataclass
class Report:
    """What the doctor printed: by check, its verdict and sentence. `code`: it ended with it."""

    code: int
    text: str

    def __post_init__(self) -> None:
        found = FOUND.findall(self.text)
        self.verdicts = {check: verdict for verdict, check, _ in found}
        self.sentences = {check: sentence for _, check, sentence in found}

    @property
    def problems(self) -> set[str]:
        return {check for check, verdict in self.verdicts.items() if verdict == "problem"}


@pytest.fixture(scope="module")
def instance(folder: Path, demo: Demo) -> Iterator[Server]:
    """A server with a Redis of its own, both of which the tests start again with other settings."""
    (folder / "doctor-redis").mkdir()
    redis = RedisServer(folder / "doctor-redis")
    redis.start()
    server = Server(folder / "doctor-server", demo, redis, workers=2, RTAPP_PROXIES="1")
    server.start()
    yield server
    server.stop()
    redis.stop()


def examine(server: Server, url: str = "", **settings: str) -> Report:
    """What `flask --app app doctor` says beside the server, with its settings."""
    environ = server.environment | {"RTAPP_URL": url} | settings
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", "doctor"],
        cwd=CHECKOUT, env=environ, capture_output=True, text=True, timeout=COMMAND_LIMIT,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return Report(done.returncode, done.stdout)


@contextmanager
def behind(
    folder: Path, name: str, make: Callable[[Place], list[str]], server: Server
) -> Iterator[str]:
    """The address of the server behind a proxy that runs with these files."""
    kind = Kind(KINDS[name].binary, make)
    if not installed(kind):
        pytest.skip(f"SKIPPED: there is no {kind.binary} on this machine")
    proxy = Proxy(name, kind, folder / f"doctor-{uuid.uuid4().hex}", server.port)
    proxy.start()
    try:
        yield f"http://127.0.0.1:{proxy.place.port}"
    finally:
        proxy.stop()


def rewritten(place: Place, file: str, changes: dict[str, str]) -> None:
    path = place.folder / file
    path.write_text(changed(path.read_text(), changes))


def buffering(place: Place) -> list[str]:
    """Over HTTP/1.0, nginx's default, it collects; over 1.1 it passes each chunk on."""
    command = nginx(place)
    rewritten(place, "nginx.conf", {
        "proxy_http_version 1.1;": "proxy_http_version 1.0;",
        "    location /streams {\n": "    location /streams {\n        proxy_buffering on;\n"
        "        proxy_ignore_headers X-Accel-Buffering;\n",
    })  # fmt: skip
    return command


def without_scheme(place: Place) -> list[str]:
    command = nginx(place)
    rewritten(place, "nginx.conf", {
        "proxy_set_header X-Forwarded-Proto $scheme;": "proxy_set_header X-Forwarded-Proto https;",
    })  # fmt: skip
    return command


def compressing(place: Place) -> list[str]:
    command = caddy(place)
    encode = "encode {\n gzip\n minimum_length 1\n match {\n header Content-Type text/*\n }\n }\n"
    rewritten(place, "Caddyfile", {"\treverse_proxy": f"\t{encode}\treverse_proxy"})
    return command


def delaying(place: Place) -> list[str]:
    command = haproxy(place)
    rewritten(place, "haproxy.cfg", {"option http-no-delay": "no option http-no-delay"})
    return command


@pytest.mark.parametrize("name", PLAIN)
def test_nothing_is_wrong_behind_a_proxy_with_its_file_of_deploy(folder, instance, name):
    with behind(folder, name, KINDS[name].make, instance) as url:
        report = examine(instance, url)
    assert report.problems == set(), report.text
    assert report.code == 0
    assert set(report.verdicts.values()) <= {"ok"}, report.text
    assert {"database", "migrations", "Redis", "persistence", "eviction", "memory", "proxies",
            "worker class", "stream", "scheme"} <= report.verdicts.keys()  # fmt: skip
    assert re.search(r"after \d+ ms, past it after \d+ ms", report.sentences["stream"])


def test_a_proxy_that_holds_streams_back_is_found_and_the_remedy_named(folder, instance):
    with behind(folder, "nginx", buffering, instance) as url:
        report = examine(instance, url)
    assert report.problems == {"stream"}, report.text
    assert report.code == 1
    assert "holds the stream back" in report.sentences["stream"]
    assert re.search(r"within \d s, and after \d+ ms past it", report.sentences["stream"])
    for server in ("nginx: `proxy_buffering off`", "HAProxy", "Caddy", "Apache"):
        assert server in report.text


def test_a_proxy_that_compresses_streams_is_found(folder, instance):
    with behind(folder, "Caddy", compressing, instance) as url:
        report = examine(instance, url)
    assert report.verdicts["compression"] == "warning", report.text
    assert "gzip" in report.sentences["compression"]


def test_a_scheme_that_is_not_the_clients_is_found(folder, instance):
    with behind(folder, "nginx", without_scheme, instance) as url:
        report = examine(instance, url)
    assert "scheme" in report.problems, report.text
    assert "arrive as https" in report.sentences["scheme"]


@pytest.mark.parametrize(("number", "word"), [("0", "share"), ("2", "make addresses up")])
def test_a_number_of_proxies_that_does_not_fit_is_found(folder, instance, number, word):
    """The doctor and the server have the same settings: it is started again."""
    restarted(instance, RTAPP_PROXIES=number)
    try:
        with behind(folder, "nginx", nginx, instance) as url:
            report = examine(instance, url)
        assert "proxies" in report.problems, report.text
        assert word in report.sentences["proxies"]
        assert "Set RTAPP_PROXIES=1" in report.text
        assert report.code == 1
    finally:
        restarted(instance, RTAPP_PROXIES="1")


def restarted(server: Server, **settings: str) -> None:
    server.kill()
    server.environment |= settings
    server.start()


def test_no_proxy_where_one_is_expected_is_found(instance):
    report = examine(instance, f"http://127.0.0.1:{instance.port}")
    assert report.problems == {"proxies"}, report.text
    assert "RTAPP_PROXIES=0" in report.text


def test_an_address_at_which_nothing_or_something_else_answers_is_found(
    folder, instance, demo, redis
):
    with behind(folder, "nginx", nginx, instance) as url:
        pass
    away = examine(instance, url)
    assert away.problems == {"public address"}, away.text
    assert "can't be reached" in away.sentences["public address"]
    other = Server(folder / "doctor-other", demo, redis)
    other.environment["SECRET_KEY"] = "x" * 32
    other.start()
    try:
        report = examine(instance, f"http://127.0.0.1:{other.port}")
    finally:
        other.stop()
    assert report.problems == {"public address"}
    assert "SECRET_KEY" in report.text


def test_a_redis_that_evicts_or_persists_nothing_is_found(instance, folder):
    redis = RedisServer(folder / "doctor-redis")
    for name, value in (("maxmemory", "100mb"), ("maxmemory-policy", "allkeys-lru")):
        redis.client.config_set(name, value)
    redis.client.config_set("appendonly", "no")
    try:
        report = examine(instance)
        assert report.problems == {"eviction"}, report.text
        assert "allkeys-lru" in report.sentences["eviction"]
        assert report.verdicts["persistence"] == "warning"
        assert report.code == 1
    finally:
        redis.client.config_set("maxmemory", "0")
        redis.client.config_set("maxmemory-policy", "noeviction")
        redis.client.config_set("appendonly", "yes")
        redis.client.close()
    assert examine(instance).problems == set()


def test_a_missing_migration_is_found(instance):
    """In a new database that has the first migrations only."""
    url = f"sqlite:///{instance.folder}/older.sqlite3"
    older = instance.environment | {"DATABASE_URL": url}
    for words in (("db", "upgrade", "0010"),):
        subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", *words],
            cwd=CHECKOUT, env=older, check=True, capture_output=True, timeout=COMMAND_LIMIT,
        )  # fmt: skip
    report = examine(instance, DATABASE_URL=url)
    assert report.problems == {"migrations"}, report.text
    assert "Run `flask --app app db upgrade`" in report.text


@pytest.mark.parametrize("seconds", [FIVE_MINUTES, -FIVE_MINUTES])
def test_a_clock_that_is_five_minutes_off_is_found(instance, folder, tmp_path, seconds):
    """That of this machine, in the doctor's process: those of Redis and the database are right."""
    report = examine(instance, **shifted(tmp_path, seconds))
    assert report.problems == {"clock of Redis"}, report.text
    direction = "behind" if seconds > 0 else "ahead of"
    assert f"5 minutes {direction}" in report.sentences["clock of Redis"]
    assert report.code == 1


def test_a_redis_that_is_away_is_found_and_the_rest_is_checked(instance, tmp_path):
    report = examine(instance, REDIS_URL=f"unix://{tmp_path}/nobody.sock")
    assert report.problems == {"Redis", "clock of Redis"}, report.text
    assert report.verdicts["database"] == "ok"
