"""The latency from a POST to the frame on a subscriber's socket, on a quiet machine."""

import http.client
import json
import time

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
    note = f"{report.events} of {posts}; a connection each, as curl does"
    lab.add(SCENARIO, "p50", report.p50_ms, "ms", floor.p50_ms, note)
    lab.add(SCENARIO, "p99", report.p99_ms, "ms", floor.p99_ms)
    lab.add(SCENARIO, "max", report.max_ms, "ms")
    lab.add(
        SCENARIO, "server CPU per POST", cpu / posts * 1e3, "ms", None, "2 events to the outbox"
    )


def post(server: Server) -> None:
    """POST a message whose text has the time, which the frame carries. Includes the connect."""
    body = json.dumps({"content": f"sent_at={time.monotonic_ns()} Hello, any news?"})
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {server.world.tokens[0]}",
    }
    connection.request("POST", f"/conversations/{CONVERSATION}/messages", body, headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    assert response.status == 201, (response.status, text)
