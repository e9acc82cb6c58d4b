"""A server for a browser that a test can restart or reach from a shell."""

import json
import urllib.request

from ..harness.app_process import AppProcess
from ..harness.waiting import PATIENCE


class Restartable(AppProcess):
    """A server that restarts at the same address, with the same data."""

    preloaded = True

    def post(self, token: str, path: str, **data: object) -> None:
        """Post from a script, with a token."""
        request = urllib.request.Request(
            self.url + path,
            json.dumps(data).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            assert answer.status in (200, 201, 204)

    def say(self, conversation: int, content: str) -> None:
        """Post a message as Ada, from a script."""
        token = self.token("ada@example.com")
        self.post(token, f"/conversations/{conversation}/messages", content=content)
