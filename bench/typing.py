"""All users type: POSTs per second and core. Only changes are published."""

import http.client

from .bare import cpu_per_nothing
from .lab import Lab
from .lab import log_progress
from .load import Load
from .server import Server

SCENARIO = "typing"
POSTS = 4_000
POSTS_QUICK = 1_000
WRITERS = 8  # keep-alive connections, each typing in a conversation of its own
WARM = 100


def run(lab: Lab) -> None:
    posts = POSTS_QUICK if lab.quick else POSTS
    log_progress(f"{posts} POSTs of typing")
    with lab.server() as server, Load() as load:
        paths = [f"/streams/conversations/{c}" for c in server.world.conversations[:WRITERS]]
        load.open("readers", server.port, server.world.targets(paths), WRITERS)
        writers = [Writer(server, n) for n in range(WRITERS)]
        for n in range(WARM):
            writers[n % WRITERS].post()
        cpu = server.cpu()
        for n in range(posts):
            writers[n % WRITERS].post()
        cpu = server.cpu() - cpu
        for writer in writers:
            writer.connection.close()
    nothing = cpu_per_nothing(lab.folder, posts)
    note = f"{WRITERS} kept connections, bearer tokens; floor: a bare Flask view that answers 204"
    lab.add(SCENARIO, "server CPU per POST", cpu / posts * 1e6, "µs", nothing * 1e6, note)
    lab.add(SCENARIO, "POSTs per CPU second", posts / cpu, "1/s")


class Writer:
    def __init__(self, server: Server, number: int):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port)
        self._path = f"/conversations/{server.world.conversations[number]}/typing"
        self._headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {server.world.tokens[number]}",
        }

    def post(self) -> None:
        self.connection.request("POST", self._path, b'{"typing": true}', self._headers)
        response = self.connection.getresponse()
        response.read()
        assert response.status == 204, response.status
