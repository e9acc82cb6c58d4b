"""Servers that can be killed, readers that count, writers that don't give up.

The servers are real processes; readers and writers are greenlets of this one.
"""

import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import NamedTuple
from urllib.parse import quote

import gevent
from flask import Flask
from gevent.event import Event as Gate
from redis import Redis
from redis.exceptions import RedisError

from rtapp import create_app
from rtapp.config import Settings
from rtapp.extensions import db
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.embedded_redis import redis_server

CHECKOUT = Path(__file__).resolve().parents[2]
ACCOUNT = 1  # of the demo
START_LIMIT = 30.0  # s until a server that does not answer has failed to start
PATIENCE = 20.0  # s for something that must happen
SILENCE = 45.0  # s without a byte until a reader takes its connection for dead
PAGE = 100  # messages asked for at once
AWAY = (OSError, http.client.HTTPException)

# Makes the demo's database and a token for each of its people, as JSON on standard output.
PREPARE = """
from app import app
import json
from rtapp import auth, seed, server
from rtapp.cli import user_with
server.prepare_database(app, app.extensions["settings"])
with app.app_context():
    print(json.dumps({p.name: auth.create_token(user_with(p.email)) for p in seed.PEOPLE}))
"""


def eventually(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Waits until the condition holds, and returns what it returned."""
    deadline = time.monotonic() + patience
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {patience} s: {what}"
        gevent.sleep(0.02)
    return result


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(**more: str) -> dict[str, str]:
    """This process's, without what would have the application use anything but the test's own."""
    ours = ("RTAPP_", "REDIS_", "DATABASE_", "SECRET_", "PROMETHEUS_", "WEB_CONCURRENCY", "FLASK_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**kept, "PYTHONPATH": str(CHECKOUT), **more}


class Demo(NamedTuple):
    """An instance folder to copy, and the tokens of the people in it, by name."""

    folder: Path
    tokens: dict[str, str]


def make_demo(folder: Path) -> Demo:
    made = subprocess.run(
        [sys.executable, "-c", PREPARE],
        cwd=CHECKOUT, env=environment(RTAPP_INSTANCE=str(folder)),
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return Demo(folder, json.loads(made.stdout.splitlines()[-1]))


class RedisServer:
    """A real redis-server on a unix socket, to be killed."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.socket = folder / "r.sock"
        self.url = f"unix://{self.socket}"
        self.client = Redis(unix_socket_path=str(self.socket), socket_timeout=5)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # "always": nothing is told to anyone before it is written, so killing it forgets nothing.
        self._process = subprocess.Popen([
            redis_server(), "--port", "0", "--unixsocket", str(self.socket),
            "--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "always",
            "--save", "", "--logfile", str(self.folder / "redis.log"),
        ])  # fmt: skip
        eventually(self._answers, "redis-server answers")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.client.connection_pool.disconnect()

    def forget(self) -> None:
        """Deletes the data of a killed server."""
        assert self._process is None
        for path in self.folder.glob("appendonly*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def pause(self) -> None:
        """It keeps its connections and answers nothing (a hung machine, a lost route)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def cut_pubsub(self) -> int:
        return self.client.client_kill_filter(_type="pubsub")

    def stop(self) -> None:
        self.kill()
        self.client.close()

    def _answers(self) -> bool:
        try:
            return self.client.ping()
        except RedisError:
            return False


class Server:
    """rtapp as processes: `python app.py`, or gunicorn when `workers` is not 0."""

    def __init__(self, folder: Path, demo: Demo, redis: RedisServer | None, workers: int = 0):
        shutil.copytree(demo.folder, folder, dirs_exist_ok=True)
        self.folder = folder
        self.tokens = demo.tokens
        self.port = free_port()
        self.workers = workers
        self.environment = environment(
            RTAPP_INSTANCE=str(folder),
            PORT=str(self.port),
            RTAPP_STREAMS_PER_USER="0",
            RTAPP_STREAMS_PER_ADDRESS="0",
            RTAPP_RATE_LIMITS="off",
            **({"REDIS_URL": redis.url} if redis else {}),
        )
        self._metrics = folder / "metrics"  # gunicorn's workers tell each other what they counted
        if workers:
            self.environment["WEB_CONCURRENCY"] = str(workers)
            self.environment["PROMETHEUS_MULTIPROC_DIR"] = str(self._metrics)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = (folder / "server.log").open("ab")

    @property
    def database(self) -> Path:
        return self.folder / "rtapp.sqlite3"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        command = ["-m", "gunicorn", "app:app"] if self.workers else ["app.py"]
        self._metrics.mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, *command],
            cwd=CHECKOUT, env=self.environment, stdout=self._log, stderr=self._log,
        )  # fmt: skip
        eventually(self._answers, "the server answers", START_LIMIT)
        if self.workers:
            eventually(lambda: len(self.worker_pids()) == self.workers, "all workers run")

    def terminate(self, limit: float = 60) -> None:
        """SIGTERM, and waits for the end, which must be in order."""
        assert self._process is not None
        self._process.terminate()
        eventually(lambda: self._process.poll() is not None, "the server ends", limit)
        assert self._process.returncode == 0, self.log()
        self._process = None

    def kill(self) -> None:
        """SIGKILL, its workers too."""
        if self._process is not None:
            for pid in [*self.worker_pids(), self._process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        self.kill()
        self._log.close()

    def worker_pids(self) -> list[int]:
        if not self.workers or self._process is None:
            return []
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def rss(self) -> int:
        """Resident bytes of the embedded server."""
        return resident(self.pid)

    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def command(self, *words: str) -> str:
        """`flask --app app …`, beside the running server."""
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", *words],
            cwd=CHECKOUT, env=self.environment, capture_output=True, text=True, check=True,
            timeout=30,
        ).stdout  # fmt: skip

    def ask(
        self, method: str, path: str, body: Any = None, who: str | None = "Ada", **headers: str
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        """One request on a connection of its own. Raises what AWAY names."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if who is not None:
            sent["Authorization"] = f"Bearer {self.tokens[who]}"
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, payload, {**sent, "Connection": "close"})
            response = connection.getresponse()
            return response.status, response.read(), response.headers
        finally:
            connection.close()

    def committed(self, conversation: int) -> list[tuple[int, str | None]]:
        """(id, client_id) of every message of a conversation, as the database has them."""
        found: list[tuple[int, str | None]] = []
        before = ""
        while True:
            path = f"/conversations/{conversation}/messages?limit={PAGE}{before}"
            status, body, _ = self.ask("GET", path)
            assert status == 200, body
            page = json.loads(body)
            found[:0] = [(m["id"], m["client_id"]) for m in page["messages"]]
            if page["next_before"] is None:
                return found
            before = f"&before={page['next_before']}"

    def metrics(self) -> Counter[str]:
        """What /metrics has: by name, and by name with its labels."""
        status, body, _ = self.ask("GET", "/metrics", who=None)
        assert status == 200, body
        counted: Counter[str] = Counter()
        for line in body.decode().splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                counted[name] += float(value)
                if "{" in name:
                    counted[name.partition("{")[0]] += float(value)
        return counted

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        try:
            return self.ask("GET", "/healthz", who=None)[0] == 200
        except AWAY:
            return False


def resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Writer:
    """Posts messages to one conversation, one after the other, until it is told to stop.

    What fails is sent again with the same client_id until it is answered.
    """

    def __init__(self, server: Server, conversation: int, rate: float = 25, size: int = 20):
        self.conversation = conversation
        self.answered: dict[str, int] = {}  # client_id → id of the message
        self.failures = 0  # tries that got no answer, or not one of success
        self.refused: Counter[int] = Counter()  # answers other than 200 and 201
        self._server, self._pause, self._size = server, 1 / rate, size
        self._stopping = False
        self._greenlet = gevent.spawn(self._run)

    def finish(self) -> None:
        """The message under way is the last one."""
        self._stopping = True
        with gevent.Timeout(PATIENCE * 2, AssertionError("a message was never accepted")):
            self._greenlet.get()

    def kill(self) -> None:
        self._greenlet.kill()

    def _run(self) -> None:
        while not self._stopping:
            self._send(uuid.uuid4().hex)
            gevent.sleep(self._pause * random.uniform(0.5, 1.5))

    def _send(self, client_id: str) -> None:
        path = f"/conversations/{self.conversation}/messages"
        body = {"content": client_id + "x" * self._size, "client_id": client_id}
        while True:
            try:
                status, answer, _ = self._server.ask("POST", path, body)
                if status in (200, 201):
                    self.answered[client_id] = json.loads(answer)["id"]
                    return
                self.refused[status] += 1
            except AWAY:
                pass
            self.failures += 1
            gevent.sleep(0.05)


class Event(NamedTuple):
    """As it arrived: on which connection, and when."""

    connection: int
    at: float
    id: str
    event: str
    data: Any


class Reader:
    """One client: reads Server-Sent Events from a raw socket, and resumes from its last id.

    `tear` says after how many bytes of body it tears its own connection, each time anew, or None;
    `gate` is waited for before each read. It obeys `stream.closed`, and counts what it is told.
    """

    def __init__(
        self,
        server: Server,
        *streams: str,
        who: str = "Ada",
        receive_buffer: int | None = None,
        headers: dict[str, str] | None = None,
    ):
        self.streams = streams
        self.events: list[Event] = []  # durable ones
        self.controls: list[Event] = []
        self.connection = 0  # how many it has had answered
        self.refusals: Counter[int] = Counter()
        self.cuts = 0  # connections that ended without stream.closed
        self.torn = 0  # of these, by itself
        self.cursor: str | None = None
        self.ended: str | None = None  # the reason of a stream.closed that says not to come back
        self.open = False  # whether stream.open was told on the present connection
        self.faults: list[str] = []  # what must never happen
        self.gate = Gate()
        self.gate.set()
        self.tear: Callable[[], int | None] = intact
        self._server, self._receive_buffer = server, receive_buffer
        self._headers = headers or {"Authorization": f"Bearer {server.tokens[who]}"}
        self._delay = 0.0
        self._wanted = True
        self._stands: Cursor | None = None
        self._greenlet = gevent.spawn(self._run)

    # What is known of it

    def told(self, event: str) -> list[Event]:
        return [control for control in self.controls if control.event == event]

    @property
    def resets(self) -> list[Event]:
        return self.told("stream.reset")

    @property
    def dead(self) -> bool:
        return self.ended is None and self._greenlet.dead

    def close(self) -> None:
        self._wanted = False
        self._greenlet.kill()

    # How it reads

    def _run(self) -> None:
        while self._wanted and self.ended is None:
            try:
                self._read_one()
            except OSError:
                pass
            self.open = False
            if self.ended is None and self._wanted:
                gevent.sleep(self._delay or random.uniform(0.02, 0.1))
                self._delay = 0

    def _read_one(self) -> None:
        path = f"/streams/{self.streams[0]}"
        if "?" in self.streams[0] or ":" in self.streams[0]:
            path = "/streams?" + "&".join(f"stream={quote(name)}" for name in self.streams)
        with socket.socket() as connection:
            if self._receive_buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
            connection.settimeout(SILENCE)
            connection.connect(("127.0.0.1", self._server.port))
            headers = {**self._headers, "Host": "127.0.0.1"}
            if self.cursor:
                headers["Last-Event-ID"] = self.cursor
            lines = [f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            self._read_body(connection, self._read_head(connection))

    def _read_head(self, connection: socket.socket) -> bytes:
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(4096)
            if not data:
                raise OSError("the connection ended before the head did")
            head += data
        head, _, body = head.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if status != 200:
            self.refusals[status] += 1
            raise OSError(f"answered {status}")
        assert b"text/event-stream" in head
        self.connection += 1
        return body

    def _read_body(self, connection: socket.socket, chunk: bytes) -> None:
        left: int | None = None
        rest = b""
        closed = False
        self._stands = None
        while True:
            if left is None:
                left = self.tear()
            if left is not None:
                chunk = chunk[:left]
                left -= len(chunk)
            *whole, rest = (rest + chunk).split(b"\n\n")
            for frame in whole:
                closed = self._take(frame) or closed
            if left == 0:
                self.torn += 1
                break
            self.gate.wait()
            try:
                chunk = connection.recv(65536)
            except OSError:
                break
            if not chunk:
                break
        if not closed:
            self.cuts += 1

    def _take(self, frame: bytes) -> bool:
        """One whole frame. Returns whether it was stream.closed."""
        fields: dict[str, str] = {}
        for line in frame.decode().split("\n"):
            name, _, value = line.partition(": ")
            fields[name] = value
        unknown = fields.keys() - {"id", "event", "data", "retry"}
        if unknown or ("data" not in fields and "retry" not in fields):
            self.faults.append(f"no frame of the protocol: {frame!r}")
        if "data" not in fields:
            return False
        event = Event(
            self.connection,
            time.monotonic(),
            fields.get("id", ""),
            fields["event"],
            json.loads(fields["data"]),
        )
        durable = not event.event.startswith("stream.")
        if event.id:
            self._move(event, durable)
        if durable:
            self.events.append(event)
            return False
        self.controls.append(event)
        self.open = self.open or event.event == "stream.open"
        if event.event != "stream.closed":
            return False
        if not event.data["reconnect"]:
            self.ended = event.data["reason"]
        self._delay = event.data["retry_after"] / 1000
        return True

    def _move(self, event: Event, durable: bool) -> None:
        """On a connection, ids only grow; an event comes after all that was known before."""
        if durable and not self.open:
            self.faults.append(f"{event} came before stream.open")
        cursor, stands = Cursor.parse(event.id), self._stands
        if event.event == "stream.reset":
            stands = None
        if stands is not None:
            if stands.epoch != cursor.epoch:
                self.faults.append(f"{event} is of another epoch than {stands}, without a reset")
            elif cursor < stands or (durable and cursor == stands):
                self.faults.append(f"{event} came after {stands}")
        self._stands, self.cursor = cursor, event.id


def intact() -> None:
    return None


@contextlib.contextmanager
def at_work(
    server: Server, readers: Iterable[Reader], conversations: Iterable[int], **more: Any
) -> Iterator["Check"]:
    """Writers at work while readers count; when the block ends, everything must have arrived."""
    readers = list(readers)
    eventually(lambda: all(reader.open for reader in readers), "every stream is open")
    check = Check(server, readers, tuple(conversations))
    writers = [Writer(server, conversation, **more) for conversation in check.conversations]
    check.writers = writers
    try:
        yield check
        for writer in writers:
            writer.finish()
        check.verify()
    finally:
        for writer in writers:
            writer.kill()
        for reader in readers:
            reader.close()


class Check:
    """Whether readers have exactly what was committed since this was made."""

    def __init__(self, server: Server, readers: list[Reader], conversations: tuple[int, ...]):
        self.server, self.readers, self.conversations = server, readers, conversations
        self.writers: list[Writer] = []
        self.resets_expected = 0
        self.duplicates = 0
        self._before = {c: len(server.committed(c)) for c in conversations}
        self.metrics_before = server.metrics()

    def verify(self) -> None:
        committed = {c: self.server.committed(c)[self._before[c] :] for c in self.conversations}
        for writer in self.writers:
            in_database = {client: id for id, client in committed[writer.conversation]}
            assert len(in_database) == len(committed[writer.conversation])  # none twice
            assert in_database.items() >= writer.answered.items()
        assert all(committed.values()), "nothing was written, so nothing is shown"
        ids = {c: [id for id, _ in rows] for c, rows in committed.items()}
        for reader in self.readers:
            if reader.ended is None:
                self._wait_for_the_last(reader, ids)
                self._verify(reader, ids)
        self.committed = ids

    def _wait_for_the_last(self, reader: Reader, ids: dict[int, list[int]]) -> None:
        def complete() -> bool:
            heard = {key: set(seen) for key, seen in heard_by(reader).items()}
            return all(rows[-1] in heard.get(key, ()) for key, rows in wanted(reader, ids))

        eventually(complete, f"{reader.streams} has the newest of every conversation")

    def _verify(self, reader: Reader, ids: dict[int, list[int]]) -> None:
        assert not reader.faults, reader.faults
        assert not reader.dead, "it was to go on reading"
        first: dict[str, int] = {}
        for event in reader.events:
            if event.id in first:
                assert first[event.id] < event.connection, f"{event} came twice on a connection"
                self.duplicates += 1
            first.setdefault(event.id, event.connection)
        assert len(reader.resets) == self.resets_expected, reader.resets
        heard = heard_by(reader)
        for key, rows in wanted(reader, ids):
            if not self.resets_expected:
                assert heard[key] == rows, self._difference(reader, key, heard[key], rows)
                continue
            # What the reset hides is a part in one piece: all before it, and all from it on.
            got = heard[key]
            assert got == sorted(got)
            assert set(got) <= set(rows)
            missed = [place for place, id in enumerate(rows) if id not in set(got)]
            assert missed == list(range(missed[0], missed[-1] + 1) if missed else [])
            assert got[-1] == rows[-1]

    def verify_after_reset(self, answered: list[set[int]]) -> None:
        """`answered`: the messages that each writer had an answer for when all had been reset."""
        for reader in self.readers:
            heard = heard_by(reader)
            for key, rows in wanted(reader, self.committed):
                known = set().union(*answered)
                after = [id for id in rows if id not in known][1:]  # one was under way
                assert after, "nothing was written after the reset, so nothing is shown"
                assert set(after) <= set(heard[key]), f"{reader.streams}: lost after its reset"

    @staticmethod
    def _difference(reader: Reader, key: Any, got: list[int], rows: list[int]) -> str:
        lost = [id for id in rows if id not in set(got)]
        extra = [id for id in got if id not in set(rows)]
        return f"{reader.streams}, {key}: lost {lost}, too many {extra}, else out of order"

    def tally(self) -> str:
        """How much there was of everything, for the summary of the run."""
        now, was = self.server.metrics(), self.metrics_before
        if now["process_start_time_seconds"] != was["process_start_time_seconds"]:
            was = Counter()  # a new process counts from 0
        counted = ", ".join(
            f"{name} {now[key] - was[key]:.0f}"
            for name, key in (
                ("catch-ups", "rtapp_catch_ups_total"),
                ("gaps repaired", "rtapp_gaps_total"),
                ("resets", "rtapp_resets_total"),
                ("Redis reconnects", "rtapp_redis_reconnects_total"),
            )
        )
        cuts = sum(reader.cuts for reader in self.readers)
        events = sum(len(reader.events) for reader in self.readers)
        committed = sum(len(rows) for rows in self.committed.values())
        return (
            f"{committed} messages committed, {events} events at {len(self.readers)} readers, "
            f"{cuts} cuts, {self.duplicates} duplicates; {counted}"
        )


def heard_by(reader: Reader) -> dict[tuple[str, int], list[int]]:
    """Ids of messages in the order of their first arrival, by (kind of stream, conversation)."""
    heard: dict[tuple[str, int], list[int]] = {}
    seen = set()
    for event in reader.events:
        if event.id in seen:
            continue
        seen.add(event.id)
        data = event.data["data"]
        if event.event == "message.created":
            heard.setdefault(("conversation", data["conversation_id"]), []).append(data["id"])
        elif event.event == "conversation.updated":
            heard.setdefault(("account", data["id"]), []).append(data["last_message"]["id"])
    return heard


def wanted(reader: Reader, ids: dict[int, list[int]]) -> list[tuple[tuple[str, int], list[int]]]:
    """What a reader's streams must have brought, of messages with these ids by conversation."""
    names = [name.replace("s/", ":") for name in reader.streams]
    return [
        *((("account", c), rows) for c, rows in ids.items() if f"account:{ACCOUNT}" in names),
        *((("conversation", c), rows) for c, rows in ids.items() if f"conversation:{c}" in names),
    ]


def several(server: Server, conversations: Iterable[int], **more: Any) -> list[Reader]:
    """A reader of each conversation, one of the account, and one of all of it on one connection."""
    conversations = list(conversations)
    return [
        *(Reader(server, f"conversations/{c}", **more) for c in conversations),
        Reader(server, f"accounts/{ACCOUNT}", **more),
        Reader(server, f"account:{ACCOUNT}", *(f"conversation:{c}" for c in conversations), **more),
    ]


@contextlib.contextmanager
def in_process(folder: Path, demo: Demo, redis: RedisServer) -> Iterator[Flask]:
    """The application in this process, its hub and relay at work, on a copy of the demo."""
    shutil.copytree(demo.folder, folder, dirs_exist_ok=True)
    app = create_app(
        Settings(
            instance=folder,
            database_url=f"sqlite:///{folder / 'rtapp.sqlite3'}",
            redis_url=redis.url,
            secret_key=(folder / "secret_key").read_text().strip(),
        )
    )
    app.extensions["hub"].start()
    app.extensions["relay"].start()
    try:
        yield app
    finally:
        app.extensions["relay"].stop()
        app.extensions["hub"].stop()
        app.extensions["broker"].redis.close()
        with app.app_context():
            db.session.remove()
            db.engine.dispose()
