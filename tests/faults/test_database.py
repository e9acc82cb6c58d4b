"""A database that is away, for two hosts beside one Redis: nothing is lost, nobody is sent off."""

import contextlib
import json
import sqlite3
import subprocess
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import gevent
import pytest

from rtapp.database import PROBE_LIMIT

from ..harness.postgres_server import url
from ..harness.waiting import eventually
from .check import Check
from .check import at_work
from .reader import Reader
from .reader import several
from .server import Demo
from .server import Server
from .sizes import SIZES
from .writer import Writer

CONVERSATIONS = (1, 2)
PROMISED = 5.0  # s in which every request is answered, whatever the database does
SLOWNESS = 5.0  # s more for a machine that is busy with other tests
PROBES = 3  # failed ones in a row that take a server out, as is usual
LOCKED_FOR = 20.0  # s
MESSAGE = {"content": "Is anybody there?"}


class Hosts(NamedTuple):
    servers: list[Server]
    readers: list[Reader]
    check: Check

    def count(self) -> int:
        return sum(len(writer.answered) for writer in self.check.writers)

    def accept(self, more: int) -> None:
        """Wait until the writers' messages are accepted again."""
        before = self.count()
        eventually(
            lambda: self.count() >= before + more, "messages are accepted", observed=self.count
        )


def answered(
    server: Server, method: str, path: str, body: object = None, who: str | None = "Ada"
) -> int:
    """The status of a request, which is answered in time."""
    began = time.monotonic()
    status, content, headers = server.ask(method, path, body, who)
    took = time.monotonic() - began
    assert took < PROMISED + SLOWNESS, f"{method} {path} took {took:.1f} s"
    if status in (503, 507):
        assert int(headers["Retry-After"]) > 0
        assert headers["Content-Type"] == "application/problem+json"
        assert "database" in json.loads(content)["detail"], content
    return status


def on_two_hosts(
    start: Callable[..., Server], demo: Demo, fault: Callable[[Hosts], None], **settings: str
) -> str:
    """Run a fault while both hosts write and read. Return a tally."""
    servers = [start(0, demo, **settings) for _ in range(2)]
    readers = [reader for server in servers for reader in several(server, CONVERSATIONS)]
    with at_work(servers[0], readers, CONVERSATIONS, rate=SIZES.rate / 4) as check:
        check.writers += [Writer(servers[1], c, rate=SIZES.rate / 4) for c in CONVERSATIONS]
        hosts = Hosts(servers, readers, check)
        hosts.accept(8)
        fault(hosts)
        hosts.accept(8)
    for server in servers:
        assert "Traceback" not in server.log(), server.log()
    refused = {status for writer in check.writers for status in writer.refused}
    assert refused <= {503}, "an action was answered with another status"
    assert all(r.connection == 1 for r in readers), "an open stream was closed"
    return check.tally()


def late_readers(hosts: Hosts) -> list[Reader]:
    """Readers that come while the database is away: each is accepted, and pinged."""
    late = [reader for server in hosts.servers for reader in several(server, CONVERSATIONS)]
    eventually(
        lambda: all(r.told("stream.ping") for r in late), "each receives a ping without a database"
    )
    for reader in late:
        assert reader.connection == 1
        assert not reader.events
        assert {c.event for c in reader.controls} == {"stream.ping"}
        assert all(ping.data["lag"] > 0 and not ping.id for ping in reader.told("stream.ping"))
    return late


def opened_late(late: list[Reader]) -> None:
    eventually(
        lambda: all(r.open for r in late),
        "streams that came without a database are opened",
        observed=lambda: sum(r.open for r in late),
    )
    assert all(r.connection == 1 and not r.faults for r in late)
    for reader in late:
        reader.close()


def test_a_stopped_postgresql_costs_no_stream_no_message_and_no_500(start, seeded, postgres, tell):
    def stop_and_start(hosts: Hosts) -> None:
        postgres.stop()
        for server in hosts.servers:
            assert answered(server, "POST", "/conversations/1/messages", MESSAGE) == 503
            assert answered(server, "GET", "/conversations/1/messages") == 503
            assert answered(server, "GET", "/readyz", who=None) == 503
            assert answered(server, "GET", "/healthz", who=None) == 200
        late = late_readers(hosts)
        postgres.start()
        opened_late(late)

    tally = on_two_hosts(start, seeded.demo, stop_and_start, DATABASE_URL=url(postgres))
    tell(tally)


def test_a_postgresql_that_hangs_is_given_up_in_time_and_taken_up_again(
    start, seeded, postgres, tell
):
    def hang(hosts: Hosts) -> None:
        postgres.pause()
        asked = [
            gevent.spawn(answered, server, *request)
            for server in hosts.servers
            for request in (
                ("POST", "/conversations/1/messages", MESSAGE),
                ("GET", "/conversations/1/messages"),
                ("GET", "/readyz"),
                ("GET", "/metrics"),
            )
        ]
        statuses = [greenlet.get() for greenlet in asked]
        late = late_readers(hosts)
        postgres.go_on()
        assert statuses == [503, 503, 503, 200] * 2
        opened_late(late)

    tally = on_two_hosts(start, seeded.demo, hang, DATABASE_URL=url(postgres))
    tell(tally)


def test_a_failover_to_a_promoted_standby_loses_no_acknowledged_message(
    start, seeded, postgres, standby, tell
):
    def fail_over(hosts: Hosts) -> None:
        postgres.stop()
        gevent.sleep(SIZES.outage)
        standby.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
        standby.promote()

    both = url(postgres, standby)
    tally = on_two_hosts(start, seeded.demo, fail_over, DATABASE_URL=both)
    tell(tally)


def test_connections_killed_at_random_lose_no_message_and_answer_no_500(
    start, seeded, postgres, tell
):
    killed = 0

    def kill(hosts: Hosts) -> None:
        nonlocal killed
        for _ in range(SIZES.pubsub_cuts):
            killed += postgres.cut(0.5)
            hosts.accept(2)

    tally = on_two_hosts(start, seeded.demo, kill, DATABASE_URL=url(postgres))
    assert killed > SIZES.pubsub_cuts
    tell(f"{killed} connections to the database killed; {tally}")


def test_a_right_that_ended_while_the_database_was_away_closes_the_late_stream(
    start, seeded, postgres
):
    server = start(0, seeded.demo, DATABASE_URL=url(postgres))
    postgres.execute(
        "DELETE FROM tokens WHERE user_id = (SELECT id FROM users WHERE name = 'Kevin')"
    )
    postgres.stop()
    allowed = Reader(server, "conversations/1")
    ended = Reader(server, "conversations/1", who="Kevin")
    eventually(lambda: ended.told("stream.ping"), "a stream is accepted without the database")
    postgres.start()
    eventually(lambda: allowed.open, "a stream with its right is opened")
    eventually(lambda: ended.ended, "a stream without its right is closed")
    assert ended.ended == "signed_out"
    assert {control.event for control in ended.controls} == {"stream.ping", "stream.closed"}


def test_no_stream_is_accepted_without_a_database_for_an_unsigned_credential(
    start, seeded, postgres
):
    server = start(0, seeded.demo, DATABASE_URL=url(postgres))
    postgres.stop()
    path = "/streams/conversations/1"
    assert server.ask("GET", path, who=None)[0] == 401
    assert server.ask("GET", path, who=None, Authorization="Bearer x.y")[0] == 401
    assert server.ask("GET", path, who=None, Cookie="session=x.y.z")[0] == 401


def seconds_for_health(server: Server) -> float:
    began = time.monotonic()
    assert server.ask("GET", "/healthz", who=None)[0] == 200
    return time.monotonic() - began


def test_opening_many_streams_at_once_takes_turns_at_few_connections_and_readiness_is_quick(
    start, seeded, postgres, tell
):
    server = start(0, seeded.demo, DATABASE_URL=url(postgres), RTAPP_DATABASE_POOL="2")
    readers = [Reader(server, f"conversations/{1 + n % 2}") for n in range(SIZES.streams)]
    asked, slowest, failed = 0, 0.0, 0
    while not all(r.open for r in readers):
        began = time.monotonic()
        beside = gevent.spawn(seconds_for_health, server)
        is_ready = server.ask("GET", "/readyz", who=None)[0] == 200
        slowest = max(slowest, time.monotonic() - began)
        asked, failed = asked + 1, 0 if is_ready else failed + 1
        assert failed < PROBES, "a load balancer would take the server out"
        # Without the database, too, an answer takes long on a machine that is busy with other work.
        assert is_ready or beside.get() > PROBE_LIMIT / 2, "not ready, though it has the time"
    assert not any(r.refusals for r in readers), [r.refusals for r in readers if r.refusals]
    for reader in readers:
        reader.close()
    tell(f"{len(readers)} streams opened; /readyz asked {asked} times, at most {slowest:.2f} s")


def test_a_sqlite_locked_by_another_program_stops_nothing_but_changes(start, tell):
    server = start()
    readers = several(server, CONVERSATIONS)
    with at_work(server, readers, CONVERSATIONS) as check:
        gevent.sleep(SIZES.steady)
        with closing(sqlite3.connect(server.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            locked_at = time.monotonic()
            statuses, slowest = [], 0.0
            while time.monotonic() < locked_at + LOCKED_FOR:
                post = gevent.spawn(answered, server, "POST", "/conversations/1/messages", MESSAGE)
                while not post.ready():
                    began = time.monotonic()
                    assert server.ask("GET", "/healthz", who=None)[0] == 200
                    assert answered(server, "GET", "/conversations/1/messages") == 200
                    slowest = max(slowest, time.monotonic() - began)
                    gevent.sleep(0.1)
                statuses.append(post.get())
            other.execute("ROLLBACK")
        gevent.sleep(SIZES.steady)
    assert set(statuses) == {503}
    assert slowest < 3, "the lock held up what needs no lock"
    assert all(r.connection == 1 for r in readers)
    assert {status for w in check.writers for status in w.refused} <= {503}
    assert MESSAGE["content"] not in server.log()
    assert "INSERT" not in server.log()
    tell(f"{len(statuses)} changes refused; {check.tally()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], capture_output=True
    )
    if made.returncode:
        pytest.skip("only root can mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(ballast: Path) -> None:
    """Write until the file system has no room."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def test_a_full_disk_refuses_changes_until_there_is_room_and_loses_nothing(
    start, demo, small_disk, tell
):
    database = small_disk / "rtapp.sqlite3"
    database.write_bytes((demo.folder / "rtapp.sqlite3").read_bytes())
    server = start(0, demo, DATABASE_URL=f"sqlite:///{database}")
    readers = several(server, CONVERSATIONS)
    with at_work(server, readers, CONVERSATIONS) as check:
        gevent.sleep(SIZES.steady)
        ballast = small_disk / "ballast"
        fill(ballast)
        eventually(
            lambda: answered(server, "POST", "/conversations/1/messages", MESSAGE) == 507,
            "a change is refused for want of room",
        )
        assert answered(server, "GET", "/conversations/1/messages") == 200
        ballast.unlink()
        eventually(
            lambda: answered(server, "POST", "/conversations/1/messages", MESSAGE) == 201,
            "changes are accepted again",
        )
        gevent.sleep(SIZES.steady)
    assert all(r.connection == 1 for r in readers)
    assert {status for w in check.writers for status in w.refused} <= {507, 503}
    tell(check.tally())
