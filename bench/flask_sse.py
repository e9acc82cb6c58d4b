"""flask-sse, set up as in its documentation: see flask_sse_app.py."""

import json
import sys
from importlib.util import find_spec
from types import TracebackType

from .home import HOME
from .load import Target
from .publisher import EVENT
from .publisher import envelope
from .rival import OwnRedis
from .rival import Rival

CHANNEL = "sse"  # the default


class FlaskSse(Rival):
    name = "flask-sse"
    # No marker: it sends nothing, not even headers, before the first event.
    client = {"marker": "", "http": "HTTP/1.0"}  # noqa: RUF012

    @staticmethod
    def missing() -> str | None:
        return None if find_spec("flask_sse") else "see requirements-bench.txt"

    def start(self) -> None:
        self._redis = OwnRedis(self.folder)
        self.until(self._redis.client.ping)
        self.run(
            [sys.executable, "-m", "bench.flask_sse_app", str(self.port), self._redis.url], cwd=HOME
        )
        self.until(self.accepts)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._redis.stop()
        super().__exit__(kind, error, trace)

    def targets(self) -> list[Target]:
        return [("/stream", [])]

    def publish(self, number: int) -> None:
        """Publish as `sse.publish` does."""
        body = json.dumps({"data": envelope(1, number), "type": EVENT})
        self._redis.client.publish(CHANNEL, body)

    def wait_for(self, subscribers: int) -> None:
        count = self._redis.client.pubsub_numsub
        self.until(lambda: count(CHANNEL)[0][1] >= subscribers)
