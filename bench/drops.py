"""Delivery under drops: all connections are cut five times, and refused for two seconds each time.

A proxy in front of each server cuts them. The clients of all servers reconnect in the same way; a
server with replay is given the last event's id, as an EventSource does. Events go on all the time.
"""

import asyncio
import random
import re
import time
from typing import NamedTuple

from .lab import Lab
from .lab import log_progress
from .rival import Rival
from .rivals import RIVALS

SCENARIO = "drops"
CLIENTS = 200
CLIENTS_QUICK = 20
RATE = 20.0  # events/s
CUTS = 5
DOWN = 2.0  # s for which connections are refused
UP = 3.0  # s before each cut
RETRY = (0.5, 1.5)  # s until a client connects again
LIMIT = 15.0  # s after the last event for which missing ones are waited for
NUMBER = re.compile(rb"number=(\d+) ")
ID = re.compile(rb"^id: ([^\n]+)\n", re.MULTILINE)


class Found(NamedTuple):
    delivered: float  # share of the events, of all clients
    repeated: int  # events that a client received again
    whole: list[float]  # s after each cut until every client had all that it missed, where it did


def run(lab: Lab) -> None:
    for rival in RIVALS:
        if (missing := rival.missing()) is not None:
            log_progress(f"{rival.name} is not installed: {missing}")
            continue
        log_progress(f"{rival.name} under drops")
        with rival(lab) as running:
            found = asyncio.run(measure(running, CLIENTS_QUICK if lab.quick else CLIENTS))
        add_rows(lab, rival.name, found)


def add_rows(lab: Lab, name: str, found: Found) -> None:
    cuts = f"{CUTS} cuts of {DOWN:g} s, {RATE:g} events/s"
    lab.add(SCENARIO, f"{name}: delivered", found.delivered * 100, "%", None, cuts)
    lab.add(SCENARIO, f"{name}: delivered twice", found.repeated, "events")
    whole = f"{name}: cuts after which each client had every event"
    lab.add(SCENARIO, whole, len(found.whole), f"of {CUTS}")
    if found.whole:
        retry = f"clients reconnect after {RETRY[0]:g} to {RETRY[1]:g} s"
        lab.add(SCENARIO, f"{name}: until then, at most", max(found.whole), "s", None, retry)


async def measure(rival: Rival, count: int) -> Found:
    proxy = Proxy(rival.port)
    await proxy.mend()
    clients = [Client(rival, proxy.port, index) for index in range(count)]
    tasks = [asyncio.create_task(client.run()) for client in clients]
    await until(lambda: all(client.open for client in clients), 60)
    await asyncio.sleep(1)
    whole: list[float] = []
    watching: list[asyncio.Task[None]] = []
    publishing = Publishing(rival)
    publisher = asyncio.create_task(publishing.run())
    for _ in range(CUTS):
        await asyncio.sleep(UP)
        await proxy.cut()
        await asyncio.sleep(DOWN)
        await proxy.mend()
        watching.append(asyncio.create_task(watch(clients, publishing.number, whole)))
    await asyncio.sleep(UP)
    publishing.ended = True
    await publisher
    last = publishing.number
    await until(lambda: all(client.upto >= last for client in clients), LIMIT)
    for task in (*tasks, *watching):
        task.cancel()
    await asyncio.gather(*tasks, *watching, return_exceptions=True)
    await proxy.cut()
    received = sum(len(client.numbers) for client in clients)
    repeated = sum(client.received - len(client.numbers) for client in clients)
    return Found(received / (last * count), repeated, whole)


async def watch(clients: list["Client"], number: int, whole: list[float]) -> None:
    """Note the time from now until every client has all events up to this number."""
    since = time.monotonic()
    while not all(client.upto >= number for client in clients):
        await asyncio.sleep(0.02)
    whole.append(time.monotonic() - since)


async def until(true, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        await asyncio.sleep(0.05)


class Publishing:
    """Events from 1 on, at the rate, until it is `ended`."""

    def __init__(self, rival: Rival):
        self._rival = rival
        self.number = 0
        self.ended = False

    async def run(self) -> None:
        start = time.monotonic()
        while not self.ended:
            await asyncio.sleep(max(0.0, start + self.number / RATE - time.monotonic()))
            self._rival.publish(self.number + 1)
            self.number += 1


class Proxy:
    """Copies bytes between its clients and the server."""

    def __init__(self, upstream: int):
        self._upstream = upstream
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def mend(self) -> None:
        """Accept connections, at the same port each time."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, backlog=1024, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Reset all connections, and refuse new ones."""
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        server = None
        try:
            back, server = await asyncio.open_connection("127.0.0.1", self._upstream)
            self._writers.add(server)
            await asyncio.gather(copy(reader, server), copy(back, writer))
        except (OSError, asyncio.CancelledError):  # cut, or at the end
            pass
        finally:
            for each in filter(None, (writer, server)):
                self._writers.discard(each)
                each.transport.abort()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError


class Client:
    """One client, which comes back until it is cancelled."""

    def __init__(self, rival: Rival, port: int, index: int):
        targets = rival.targets()
        self._path, self._headers = targets[index % len(targets)]
        self._rival = rival
        self._port = port
        self._last_id = ""
        self.open = False  # whether it was ever open
        self.numbers: set[int] = set()
        self.received = 0
        self.upto = 0  # the newest number up to which it has all

    async def run(self) -> None:
        while True:
            writer = None
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.write(self._request())
                await self._receive(reader, writer)
            except OSError:
                pass
            finally:
                if writer is not None:
                    writer.transport.abort()
            await asyncio.sleep(random.uniform(*RETRY))

    def _request(self) -> bytes:
        http = self._rival.client.get("http", "HTTP/1.1")
        lines = [f"GET {self._path} {http}", "Host: bench", *self._headers]
        if self._rival.resumes and self._last_id:
            lines.append(f"Last-Event-ID: {self._last_id}")
        return "\r\n".join([*lines, "", ""]).encode()

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        options = self._rival.client
        delimiter = options.get("delimiter", "\n\n").encode()
        greeting, answer = options.get("greeting", ""), options.get("answer", "")
        marker = options.get("marker", "event: stream.open").encode()
        rest, answered = b"", not greeting
        self.open = self.open or not marker
        while data := await reader.read(1 << 16):
            whole, found, rest = (rest + data).rpartition(delimiter)
            whole += found
            if not answered and greeting.encode() in whole:
                writer.write(answer.encode("latin-1"))
                answered = True
            self.open = self.open or marker in whole
            for number in map(int, NUMBER.findall(whole)):
                self.received += 1
                self.numbers.add(number)
            while self.upto + 1 in self.numbers:
                self.upto += 1
            if ids := ID.findall(whole):
                self._last_id = ids[-1].decode()
