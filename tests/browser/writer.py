"""A script that writes messages, and fetches the state of a fresh load."""

import http.client
import json
import re
import threading
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from ..harness.waiting import PATIENCE


class Writer:
    def __init__(self, server: str, name: str = "kevin"):
        self._server = server
        self._connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=PATIENCE)
        self._headers = {"Accept": "application/json", "Content-Type": "application/json"}
        self._request("POST", "/login", {"email": f"{name}@example.com", "password": "password"})
        self._headers["Cookie"] = self._answer.headers["Set-Cookie"].partition(";")[0]
        self._headers["X-CSRF-Token"] = self._answer.headers["X-CSRF-Token"]
        self.said = 0
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def _request(self, method: str, path: str, body: object = None) -> Any:
        text = json.dumps(body) if body is not None else None
        self._connection.request(method, path, text, self._headers)
        self._answer = self._connection.getresponse()
        content = self._answer.read()
        self._connection.close()  # kept open, it may be closed by the server before the next one
        assert self._answer.status in (200, 201, 204), content
        return json.loads(content) if content else None

    @property
    def cookie(self) -> str:
        return self._headers["Cookie"]

    def post(self, path: str, **data: object) -> Any:
        """Return the action's answer."""
        return self._request("POST", path, data)

    def say(self, conversation: int, content: str = "", **more: object) -> int:
        """Post a message and return its id."""
        said = {"content": content or f"Number {self.said}", **more}
        message = self.post(f"/conversations/{conversation}/messages", **said)
        self.said += 1
        return int(message["id"])

    def keep_saying(self, conversations: list[int], every: float, most: int = 1_000_000) -> None:
        """Write to the conversations in turn, in the background, up to `most` messages.

        What fails there is raised by `is_at_work` and by `stop`.
        """

        def run() -> None:
            try:
                for i in range(most):
                    if self._stopped.wait(every):
                        return
                    self.say(conversations[i % len(conversations)])
            except BaseException as failure:
                self._failure = failure

        self._thread = threading.Thread(target=run)
        self._thread.start()

    @property
    def is_at_work(self) -> bool:
        self._raise_failure()
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def close(self) -> None:
        try:
            self.stop()
        finally:
            self._connection.close()

    def messages_after(self, conversation: int, message: int) -> list[int]:
        """Return the ids after `message` of a fresh load."""
        ids: list[int] = []
        while True:
            after = ids[-1] if ids else message
            path = f"/conversations/{conversation}/messages?limit=100&after={after}"
            page = [row["id"] for row in self._request("GET", path)["messages"]]
            if not page:
                return ids
            ids += page

    def newest(self, conversation: int) -> list[dict[str, Any]]:
        """Return the newest messages of a fresh load."""
        page = self._request("GET", f"/conversations/{conversation}/messages?limit=100")
        rows: list[dict[str, Any]] = page["messages"]
        return rows

    def messages(self, conversation: int) -> list[dict[str, Any]]:
        """Return all messages of the conversation."""
        rows: list[dict[str, Any]] = []
        before = ""
        while True:
            page = self._request("GET", f"/conversations/{conversation}/messages?limit=100{before}")
            rows += page["messages"]
            if page["next_before"] is None:
                return rows
            before = f"&before={page['next_before']}"

    def conversation(self, id: int) -> dict[str, Any]:
        """Return the conversation as a fresh load has it."""
        row: dict[str, Any] = self._request("GET", f"/conversations/{id}")["conversation"]
        return row

    def listed(self) -> list[int]:
        """Return the ids of all conversations, in the list's order."""
        ids: list[int] = []
        end = ""
        while end is not None:
            page = self._request("GET", f"/accounts/1/conversations?limit=100{end}")
            ids += [row["id"] for row in page["conversations"]]
            end = page["next_before"] and f"&before={page['next_before']}"
        return ids

    def versions(self) -> dict[str, int]:
        """Return the versions of the conversations in a fresh load of the list."""
        rows = self._request("GET", "/accounts/1/conversations?limit=100")["conversations"]
        return {str(row["id"]): row["version"] for row in rows}


def open_streams(server: str) -> int:
    """Return the number of open streams by the server's count."""
    with urllib.request.urlopen(f"{server}/metrics", timeout=PATIENCE) as answer:
        found = re.search(r"^rtapp_open_streams (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found is not None
    return round(float(found[1]))
