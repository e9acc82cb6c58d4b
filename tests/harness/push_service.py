"""Push services: npm's web-push-testing, which decrypts what it receives, and one that answers as a
test wants."""

import json
import re
import socket
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from typing import Any
from typing import NamedTuple

from .. import npm
from .waiting import PATIENCE
from .waiting import eventually

PACKAGE = "web-push-testing@1.2.2"
# Its own command starts a process of its own in the background.
START = """
const [, , modules, port] = process.argv;
const { PushApiModel } = require(`${modules}/web-push-testing/src/PushApiModel.js`);
const Server = require(`${modules}/web-push-testing/src/server.js`);
new Server(new PushApiModel(), Number(port)).startServer();
"""


class Subscription(NamedTuple):
    """As a browser has it. `id` names it to the push service."""

    id: str
    endpoint: str
    p256dh: str
    auth: str

    @property
    def keys(self) -> dict[str, str]:
        return {"p256dh": self.p256dh, "auth": self.auth}


class PushService:
    """web-push-testing: it checks the signature of VAPID and decrypts, as a browser does."""

    def __init__(self, port: int):
        self.host = f"localhost:{port}"

    def subscribe(self, public_key: str) -> Subscription:
        options = {"userVisibleOnly": "true", "applicationServerKey": public_key}
        data = self._post("/subscribe", options)["data"]
        return Subscription(data["clientHash"], data["endpoint"], **data["keys"])

    def expire(self, subscription: Subscription) -> None:
        self._post(f"/expire-subscription/{subscription.id}")

    def received(self, subscription: Subscription) -> list[dict[str, Any]]:
        """The contents of the pushes, in their order."""
        answer = self._post("/get-notifications", {"clientHash": subscription.id})
        return [json.loads(text) for text in answer["data"]["messages"]]

    def answers(self) -> bool:
        try:
            self._post("/status")
        except OSError:
            return False
        return True

    def _post(self, path: str, body: object = None) -> Any:
        request = urllib.request.Request(
            f"http://{self.host}{path}",
            json.dumps(body or {}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            content = answer.read()
        return json.loads(content) if content.startswith(b"{") else None


@contextmanager
def push_service() -> Iterator[PushService]:
    """The push service as a process. Skips the test where npm can't install it."""
    modules = npm.installed(PACKAGE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["node", "-e", START, "-", str(modules), str(port)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    service = PushService(port)
    try:
        eventually(service.answers, "the push service answers")
        yield service
    finally:
        process.kill()
        process.wait()


class Request(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class Scripted:
    """A push service that answers every request alike, and keeps it. Its endpoints are `url`."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.status = 201
        self.headers: dict[str, str] = {}
        self.requests: list[Request] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.requests.append(Request(self.path, dict(self.headers), body))
                self.send_response(service.status)
                for name, value in service.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            do_GET = do_POST  # noqa: N815 (the name is the library's)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}/send"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def topics(requests: list[Request]) -> list[str]:
    return [re.sub(r"\D", "", request.headers["Topic"]) for request in requests]
