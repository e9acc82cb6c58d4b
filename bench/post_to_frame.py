"""The latency from a POST to the frame on a subscriber's socket, and the CPU of a POST."""

import http.client
import json
import time

from .bare import cpu_per_insert
from .lab import Lab
from .lab import log_progress
from .load import Load
from .publisher import frame_size
from .server import Server

SCENARIO = "POST to frame"
POSTS = 400
POSTS_QUICK = 100
RATE = 20.0  # POSTs/s
CONVERSATION = 1
WARM = 50
SETTLE = 0.5  # s after the last POST, for the relay


def run(lab: Lab) -> None:
    posts = POSTS_QUICK if lab.quick else POSTS
    log_progress(f"{posts} POSTs, each to a frame")
    floor = lab.floor(1, RATE, frame_size())
    with lab.server() as server, Load() as load:
        paths = [f"/streams/conversations/{CONVERSATION}"]
        load.open("reader", server.port, server.world.targets(paths), 1)
        for _ in range(10):
            post(server)
        load.collect("reader", 10)
        load.reset()
        cpu, start = server.cpu(), time.monotonic()
        for n in range(posts):
            time.sleep(max(0.0, start + n / RATE - time.monotonic()))
            post(server)
        report = load.collect("reader", posts)
        cpu = server.cpu() - cpu
        busy = cpu_back_to_back(server, posts)
    insert = cpu_per_insert(lab.folder, posts, RATE)
    busy_insert = cpu_per_insert(lab.folder, posts)
    note = f"{report.events} of {posts}; a connection each, as curl does"
    lab.add(SCENARIO, "p50", report.p50_ms, "ms", floor.p50_ms, note)
    lab.add(SCENARIO, "p99", report.p99_ms, "ms", floor.p99_ms)
    lab.add(SCENARIO, "max", report.max_ms, "ms")
    rows = "2 events to the outbox; floor: a bare Flask view that inserts a row and commits"
    lab.add(SCENARIO, "server CPU per POST", cpu / posts * 1e3, "ms", insert * 1e3, rows)
    what = "server CPU per POST, back to back"
    lab.add(SCENARIO, what, busy * 1e3, "ms", busy_insert * 1e3, "on one connection")


def cpu_back_to_back(server: Server, posts: int) -> float:
    """CPU seconds per POST, one after the other on one connection, the relay's work included."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for _ in range(WARM):
        post_on(connection, server)
    cpu = server.cpu()
    for _ in range(posts):
        post_on(connection, server)
    time.sleep(SETTLE)
    cpu = server.cpu() - cpu
    connection.close()
    return cpu / posts


def post(server: Server) -> None:
    """POST a message whose text has the time, which the frame carries. Includes the connect."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    post_on(connection, server)
    connection.close()


def post_on(connection: http.client.HTTPConnection, server: Server) -> None:
    body = json.dumps({"content": f"sent_at={time.monotonic_ns()} Hello, any news?"})
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {server.world.tokens[0]}",
    }
    connection.request("POST", f"/conversations/{CONVERSATION}/messages", body, headers)
    response = connection.getresponse()
    text = response.read()
    assert response.status == 201, (response.status, text)
