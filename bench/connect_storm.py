"""All clients connect at once, signed in: streams opened per second, and per CPU second."""

import http.client
import json

from rtapp.seed import PASSWORD

from .lab import Lab
from .lab import log_progress
from .load import Load
from .load import Target
from .publisher import frame_size
from .server import Server

SCENARIO = "connect storm"
STREAMS = 5_000
STREAMS_QUICK = 1_000
SIGNED_IN = 20  # sessions of browsers, each shared by many streams
WARM = 50


def run(lab: Lab) -> None:
    streams = STREAMS_QUICK if lab.quick else STREAMS
    floor = lab.floor(streams, 10, frame_size(), seconds=1).open_us
    path = "/streams/conversations/1"
    for credential in ("bearer tokens", "session cookies"):
        log_progress(f"connect storm with {credential}")
        with lab.server() as server, Load() as load:
            if credential == "bearer tokens":
                targets = server.world.targets([path])
            else:
                targets = [(path, [f"Cookie: {cookie}"]) for cookie in sign_in(server)]
            storm(lab, server, load, targets, streams, credential, floor)


def storm(
    lab: Lab,
    server: Server,
    load: Load,
    targets: list[Target],
    streams: int,
    credential: str,
    floor: float,
) -> None:
    load.open("warm", server.port, targets, WARM)
    cpu = server.cpu()
    report = load.open("storm", server.port, targets, streams)
    cpu = server.cpu() - cpu
    note = f"{streams} streams; {report.seconds:.1f} s in all; loop: accept, read, answer"
    lab.add(
        SCENARIO,
        f"{credential}: server CPU per stream opened",
        cpu / streams * 1e6,
        "µs",
        floor,
        note,
    )
    lab.add(SCENARIO, f"{credential}: opened per CPU second", streams / cpu, "1/s", 1e6 / floor)
    lab.add(SCENARIO, f"{credential}: opened per second", streams / report.seconds, "1/s")


def sign_in(server: Server) -> list[str]:
    """The session cookies of this many browsers, each signed in by POST /login."""
    cookies = []
    for email in server.world.emails[:SIGNED_IN]:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        body = json.dumps({"email": email, "password": PASSWORD})
        connection.request("POST", "/login", body, {"Content-Type": "application/json"})
        cookie = connection.getresponse().getheader("Set-Cookie")
        connection.close()
        assert cookie is not None, f"{email} could not sign in"
        cookies.append(cookie.partition(";")[0])
    return cookies
