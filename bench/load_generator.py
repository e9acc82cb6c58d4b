"""Many clients in one process: `python -m bench.load_generator`.

One epoll loop over plain sockets. It reads commands as JSON lines from standard input, and answers
each with one line on standard output when it is done. Streams belong to named groups. See load.py.
"""

import json
import os
import re
import select
import socket
import time
from typing import Any

from bench.measures import percentile
from bench.measures import raise_descriptor_limit

STAMP = re.compile(rb"sent_at=(\d+)")  # CLOCK_MONOTONIC ns, which all processes share
EVENT = b"sent_at="  # once in every event, and only there
SOURCES = 8  # loopback addresses to connect from, should ports run short
SAMPLES = 1_000  # clients per group whose latencies are measured
BUFFER = 1 << 16  # bytes of one read
IP_BIND_ADDRESS_NO_PORT = 24  # ip(7); not in the socket module


class Client:
    __slots__ = ("events", "group", "ready", "request", "rest", "sampled", "socket")

    def __init__(self, connection: socket.socket, group: "Group", index: int):
        self.socket = connection
        self.group = group
        self.request = group.requests[index % len(group.requests)]
        self.sampled = index % group.step == 0
        self.ready = False
        self.events = 0
        self.rest = b""


class Group:
    """Streams that are opened, measured and closed together."""

    def __init__(self, command: dict[str, Any]):
        self.address = (command["host"], command["port"])
        self.requests = [
            "\r\n".join([f"GET {path} {command['http']}", "Host: bench", *headers, "", ""]).encode()
            for path, headers in command["targets"]
        ]
        self.count: int = command["count"]
        self.at_once: int = command["at_once"]
        self.marker: bytes = command["marker"].encode()
        self.receive_buffer: int = command["receive_buffer"]
        self.greeting: bytes = command["greeting"].encode()
        self.answer: bytes = command["answer"].encode("latin-1")
        self.delimiter: bytes = command["delimiter"].encode()
        self.step = max(1, self.count // SAMPLES)
        self.clients: list[Client] = []
        self.started = time.monotonic()
        self.ready = 0
        self.failed = 0
        self.failure = ""
        self.events = 0
        self.latencies: list[int] = []

    def all_have(self, events: int) -> bool:
        """Whether every client that is still connected has this many events."""
        if self.events < events * self.ready:
            return False  # cheap, and nearly always the answer
        return all(c.events >= events for c in self.clients if c.socket.fileno() >= 0)

    def report(self) -> dict[str, Any]:
        ms = [latency / 1e6 for latency in self.latencies]
        return {
            "seconds": time.monotonic() - self.started,
            "ready": self.ready,
            "failed": self.failed,
            "failure": self.failure,
            "events": self.events,
            "fewest": min((client.events for client in self.clients), default=0),
            "samples": len(ms),
            "p50_ms": percentile(ms, 0.5),
            "p99_ms": percentile(ms, 0.99),
            "max_ms": max(ms, default=float("nan")),
        }


class LoadGenerator:
    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.epoll.register(0, select.EPOLLIN)
        self.groups: dict[str, Group] = {}
        self.clients: dict[int, Client] = {}
        self.input = b""
        self.waiting: dict[str, Any] | None = None
        self.deadline = 0.0
        self.opened = 0
        self.buffer = memoryview(bytearray(BUFFER))

    def run(self) -> None:
        os.set_blocking(0, False)
        while True:
            for fd, mask in self.epoll.poll(0.05, 1024):
                if fd == 0:
                    if not self.listen():
                        return
                    continue
                client = self.clients.get(fd)
                if client is not None:
                    if mask & select.EPOLLOUT:
                        self.connected(client)
                    else:
                        self.receive(client)
            self.look()

    # Commands

    def listen(self) -> bool:
        data = os.read(0, 1 << 20)
        self.input += data
        while b"\n" in self.input:
            line, _, self.input = self.input.partition(b"\n")
            self.waiting = json.loads(line)
            self.deadline = time.monotonic() + self.waiting.get("timeout", 60)
            getattr(self, "begin_" + self.waiting["do"])(self.waiting)
        return bool(data)

    def begin_open(self, command: dict[str, Any]) -> None:
        self.groups[command["group"]] = Group(command)

    def begin_reset(self, command: dict[str, Any]) -> None:
        """Reset the counts to zero."""
        for group in self.groups.values():
            group.events, group.latencies, group.started = 0, [], time.monotonic()
            for client in group.clients:
                client.events = 0

    def begin_collect(self, command: dict[str, Any]) -> None:
        """Wait until every client of the group has this many events."""

    def begin_pause(self, command: dict[str, Any]) -> None:
        for client in self.groups[command["group"]].clients:
            self.epoll.modify(client.socket.fileno(), 0)

    def begin_resume(self, command: dict[str, Any]) -> None:
        for client in self.groups[command["group"]].clients:
            if client.socket.fileno() >= 0:
                self.epoll.modify(client.socket.fileno(), select.EPOLLIN)

    def begin_close(self, command: dict[str, Any]) -> None:
        for client in self.groups[command["group"]].clients:
            self.drop(client)

    def look(self) -> None:
        """Continue the running command, and answer it once it is done."""
        for group in self.groups.values():
            self.connect_more(group)
        command = self.waiting
        if command is None:
            return
        group = self.groups.get(command.get("group", ""))
        done = True
        if group is not None and command["do"] == "open":
            done = group.ready + group.failed >= group.count
        if group is not None and command["do"] in ("open", "collect"):
            done = done and group.all_have(command["events"])
        if done or time.monotonic() > self.deadline:
            report = group.report() if group is not None else {}
            print(json.dumps(report | {"timed_out": not done}), flush=True)
            self.waiting = None

    # Sockets

    def connect_more(self, group: Group) -> None:
        while len(group.clients) < group.count:
            if len(group.clients) - group.ready - group.failed >= group.at_once:
                return
            connection = socket.socket()
            connection.setblocking(False)
            if group.receive_buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, group.receive_buffer)
            connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            connection.bind((f"127.0.0.{2 + self.opened % SOURCES}", 0))
            self.opened += 1
            client = Client(connection, group, len(group.clients))
            group.clients.append(client)
            self.clients[connection.fileno()] = client
            connection.connect_ex(group.address)
            self.epoll.register(connection.fileno(), select.EPOLLOUT)

    def connected(self, client: Client) -> None:
        group = client.group
        problem = client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem:
            self.fail(client, os.strerror(problem))
            return
        client.socket.send(client.request)
        self.epoll.modify(client.socket.fileno(), select.EPOLLIN)
        if not group.marker:
            client.ready = True
            group.ready += 1

    def receive(self, client: Client) -> None:
        try:
            data = bytes(self.buffer[: client.socket.recv_into(self.buffer)])
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(client, str(error))
            return
        if not data:
            self.fail(client, client.rest[:200].decode(errors="replace") or "closed")
            return
        now = time.monotonic_ns()
        data, client.rest = client.rest + data, b""
        group = client.group
        delimiter = group.delimiter
        if not data.endswith((delimiter, delimiter + b"\r\n")):  # of a body in chunks
            end = data.rfind(delimiter) + len(delimiter)
            whole = end >= len(delimiter)
            data, client.rest = (data[:end], data[end:]) if whole else (b"", data)
        if group.greeting and not client.ready and group.greeting in data:
            client.socket.send(group.answer)
        if not client.ready and group.marker in data:
            client.ready = True
            group.ready += 1
        events = data.count(EVENT)
        client.events += events
        group.events += events
        if events and client.sampled:
            group.latencies.extend(now - int(stamp) for stamp in STAMP.findall(data))

    def fail(self, client: Client, why: str) -> None:
        client.group.failed += 1
        client.group.ready -= client.ready
        client.group.failure = client.group.failure or why
        self.drop(client)

    def drop(self, client: Client) -> None:
        if self.clients.pop(client.socket.fileno(), None) is not None:
            client.socket.close()


if __name__ == "__main__":
    raise_descriptor_limit()
    LoadGenerator().run()
