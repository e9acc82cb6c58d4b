"""Writers, which retry until a message is accepted."""

import json
import random
import uuid
from collections import Counter

import gevent
from gevent.event import Event

from ..harness.supervision import spawn
from ..harness.waiting import PATIENCE
from .server import AWAY
from .server import Endpoint


class Writer:
    """Posts messages to one conversation, one after the other, until `finish`.

    A failed post is sent again with the same client_id until it is answered.
    """

    def __init__(self, server: Endpoint, conversation: int, rate: float = 25, size: int = 20):
        self.conversation = conversation
        self.answered: dict[str, int] = {}  # client_id → id of the message
        self.failures = 0  # attempts without a successful answer
        self.refused: Counter[int] = Counter()  # answers other than 200 and 201
        self._server, self._pause, self._size = server, 1 / rate, size
        self._stopping = Event()
        self._greenlet = spawn(self._run)

    def finish(self) -> None:
        """Wait for the message in flight, the last one."""
        self._stopping.set()
        with gevent.Timeout(PATIENCE * 2, AssertionError("a message was never accepted")):
            self._greenlet.get()

    def kill(self) -> None:
        self._greenlet.kill()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._send(uuid.uuid4().hex)
            self._stopping.wait(self._pause * random.uniform(0.5, 1.5))

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
