"""ActionCable on Puma: Debian's ruby-actioncable, puma and ruby-redis, by action_cable.ru."""

import base64
import json
import os
import shutil
import subprocess
from types import TracebackType

from .home import HOME
from .load import Target
from .publisher import envelope
from .rival import OwnRedis
from .rival import Rival

BROADCASTING = "conversation"
# RFC 6455, section 4.1: any 16 bytes in Base64 are a key.
HANDSHAKE = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}",
    "Sec-WebSocket-Protocol: actioncable-v1-json",
    "Origin: http://bench",
]
IDENTIFIER = json.dumps({"channel": "ConversationChannel"})
SUBSCRIBE = json.dumps({"command": "subscribe", "identifier": IDENTIFIER})
PACKAGES = ("action_cable", "redis", "puma")


def text_frame(text: str) -> bytes:
    """A client's frame of a short text, masked with zeros (RFC 6455, section 5.2)."""
    data = text.encode()
    assert len(data) < 126
    return bytes([0x81, 0x80 | len(data)]) + bytes(4) + data


class ActionCable(Rival):
    name = "ActionCable"
    client = {  # noqa: RUF012
        "marker": "confirm_subscription",
        "greeting": "welcome",
        "answer": text_frame(SUBSCRIBE).decode("latin-1"),
        "delimiter": "}",
    }

    @staticmethod
    def missing() -> str | None:
        command = ["ruby", *(f"-r{name}" for name in PACKAGES), "-e", ""]
        there = shutil.which("puma") is not None and shutil.which("ruby") is not None
        if there and subprocess.run(command, capture_output=True).returncode == 0:
            return None
        return "apt-get install ruby-actioncable puma ruby-redis"

    def start(self) -> None:
        self._redis = OwnRedis(self.folder)
        self.until(self._redis.client.ping)
        rackup = HOME / "bench" / "action_cable.ru"
        self.run(
            ["puma", "-e", "production", "-t", "5:5", "-b", f"tcp://127.0.0.1:{self.port}", rackup],
            cwd=self.folder,
            env=dict(os.environ) | {"REDIS_URL": self._redis.url},
        )
        self.until(self.accepts)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        self._redis.stop()

    def targets(self) -> list[Target]:
        return [("/", HANDSHAKE)]

    def publish(self, number: int) -> None:
        """Publish as `ActionCable.server.broadcast` does."""
        self._redis.client.publish(BROADCASTING, envelope(1, number))
