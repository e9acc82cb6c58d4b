"""Thousands of users present in one account: the cost of an arrival, and of staying present."""

import re
import socket
import time

from .lab import Lab
from .lab import log_progress
from .load import Load
from .server import Server
from .server import build_world

SCENARIO = "presence"
PRESENT = 5_000
PRESENT_QUICK = 500
ARRIVALS = 20
PATH = "/streams/accounts/1/presence"
PERIOD = 15.0  # s between two renewals
UPDATE = re.compile(rb'event: presence_update\ndata: [^\n]*"changed"[^\n]*\n\n')


def run(lab: Lab) -> None:
    present = PRESENT_QUICK if lab.quick else PRESENT
    log_progress(f"{present} users present in one account")
    world = build_world(lab.folder / "crowd", 1, present + ARRIVALS)
    with Server(world, lab.folder / "presence") as server, Load() as load:
        targets = world.targets([PATH])
        cpu = server.cpu()
        opened = load.open("crowd", server.port, targets[:present], present, timeout=300)
        note = f"{opened.seconds:.1f} s in all; each receives a snapshot and the later arrivals"
        lab.add(
            SCENARIO, f"{present} arrive: server CPU per arrival",
            (server.cpu() - cpu) / present * 1e6, "µs", None, note,
        )  # fmt: skip
        time.sleep(3)  # until the last arrivals are published
        renewals(lab, server, present)
        arrivals(lab, server, present)


def renewals(lab: Lab, server: Server, present: int) -> None:
    periods = 2 if lab.quick else 4
    cpu, calls, busy = server.cpu(), *scripts(server)
    time.sleep(periods * PERIOD)
    cpu, (calls_after, busy_after) = server.cpu() - cpu, scripts(server)
    note = f"{(calls_after - calls) / periods:.0f} script calls, pipelined; pings included"
    what = f"{present} stay: CPU per {PERIOD:.0f} s"
    lab.add(SCENARIO, f"{what}, server", cpu / periods * 1e3, "ms", None, note)
    lab.add(SCENARIO, f"{what}, Redis", (busy_after - busy) / periods * 1e3, "ms")


def arrivals(lab: Lab, server: Server, present: int) -> None:
    """Users arrive one after the other; one who is present receives the updates."""
    with listener(server, 0) as witness:
        read_until(witness, lambda data: b'"online_users"' in data)
        cpu, size, opened = server.cpu(), 0, []
        for n in range(ARRIVALS):
            opened.append(listener(server, present + n))
            size += len(read_until(witness, lambda data: UPDATE.search(data) is not None))
        cpu = server.cpu() - cpu
        for connection in opened:
            connection.close()
    lab.add(SCENARIO, f"one more beside {present}: told to each", size / ARRIVALS, "bytes")
    lab.add(
        SCENARIO, f"one more beside {present}: server CPU per socket told",
        cpu / ARRIVALS / present * 1e6, "µs", None, "opening and its snapshot included",
    )  # fmt: skip


def listener(server: Server, user: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    token = server.world.tokens[user]
    head = f"GET {PATH} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def read_until(connection: socket.socket, complete) -> bytes:
    data = b""
    while not complete(data):
        received = connection.recv(1 << 16)
        assert received, "the stream has ended"
        data += received
    found = UPDATE.search(data)
    return found[0] if found else data


def scripts(server: Server) -> tuple[int, float]:
    """The number of script calls in Redis, and their time in seconds."""
    stats = server.broker.redis.info("commandstats").get("cmdstat_evalsha", {})
    return stats.get("calls", 0), stats.get("usec", 0) / 1e6
