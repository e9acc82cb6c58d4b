"""Three independent clients: httpx-sse, Chromium, and npm's `eventsource`; and our own source over
fetch, in Chromium and in node."""

import itertools
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import NamedTuple
from urllib.parse import urljoin

import gevent
import httpx
import httpx_sse
from gevent.queue import Empty
from gevent.queue import Queue

from ..harness.waiting import PATIENCE

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


class Fired(NamedTuple):
    type: str
    data: str
    id: str


class Failed(NamedTuple):
    """The connection was lost; `for_good` if the client does not reconnect."""

    for_good: bool


class Source:
    """An open stream, as one client reads it."""

    def __init__(self) -> None:
        self.queue: Queue[Fired | Failed] = Queue()

    def next(self) -> Fired:
        """Return the next event, skipping lost connections."""
        while isinstance(event := self.anything(), Failed):
            assert not event.for_good, "the client has given up"
        return event

    def anything(self) -> Fired | Failed:
        try:
            event: Fired | Failed = self.queue.get(timeout=PATIENCE)
            return event
        except Empty:
            raise AssertionError("nothing came") from None

    def until(self, name: str) -> list[Fired]:
        """Return the events up to and with the first one of that name."""
        events = [self.next()]
        while events[-1].type != name:
            events.append(self.next())
        return events

    def named(self, name: str) -> Fired:
        return self.until(name)[-1]

    def close(self) -> None:
        raise NotImplementedError


class HttpxSource(Source):
    """httpx-sse does not reconnect. After the first id, it also returns frames that fire no
    event."""

    def __init__(self, url: str, headers: dict[str, str]):
        super().__init__()
        self._greenlet = gevent.spawn(self._run, url, headers)

    def _run(self, url: str, headers: dict[str, str]) -> None:
        try:
            with (
                httpx.Client(trust_env=False, timeout=httpx.Timeout(PATIENCE)) as client,
                httpx_sse.connect_sse(client, "GET", url, headers=dict(headers)) as source,
            ):
                for event in source.iter_sse():
                    self.queue.put(Fired(event.event, event.data, event.id))
            self.queue.put(Failed(for_good=True))
        except (httpx.HTTPError, httpx_sse.SSEError):
            self.queue.put(Failed(for_good=True))

    def close(self) -> None:
        self._greenlet.kill()


class Httpx:
    def open(
        self, url: str, names: Sequence[str] = (), headers: dict[str, str] | None = None
    ) -> Source:
        return HttpxSource(url, headers or {})

    def stop(self) -> None:
        pass


class ProcessSource(Source):
    def __init__(self, process: "Process", key: int):
        super().__init__()
        self._process, self._key = process, key

    def close(self) -> None:
        self._process.send({"key": self._key})


class Process:
    """A client in a separate process, which ends with its standard input.

    In Node, `lastEventId` is the frame's own id and empty without one, against the standard.
    """

    def __init__(self, command: list[str], folder: Path):
        self._process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        self._keys = itertools.count()
        self._sources: dict[int, ProcessSource] = {}
        self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        for line in self._output:
            message = json.loads(line)
            if message.get("failed"):
                event: Fired | Failed = Failed(message["for_good"])
            else:
                event = Fired(message["type"], message["data"], message["id"])
            self._sources[message["key"]].queue.put(event)

    def send(self, request: dict[str, Any]) -> None:
        self._input.write(json.dumps(request) + "\n")
        self._input.flush()

    def open(
        self,
        url: str,
        names: Sequence[str] = (),
        headers: dict[str, str] | None = None,
        over: str = "EventSource",
    ) -> Source:
        """Open `url`, with listeners for `message` and `names`: EventSource has no wildcard."""
        key = next(self._keys)
        source = self._sources[key] = ProcessSource(self, key)
        page = urljoin(url, "/healthz")
        self.send(
            {
                "key": key,
                "url": url,
                "names": list(names),
                "headers": headers or {},
                "page": page,
                "over": over,
            }
        )
        return source

    def stop(self) -> None:
        self._input.close()
        self._process.wait(PATIENCE)
        self._greenlet.join(PATIENCE)
        self._output.close()


class OverFetch:
    """Our own source over fetch, in a client's process."""

    def __init__(self, process: Process):
        self._process = process

    def open(
        self, url: str, names: Sequence[str] = (), headers: dict[str, str] | None = None
    ) -> Source:
        return self._process.open(url, names, headers, over="fetch")


def chromium(path: str) -> Process:
    return Process([sys.executable, "-m", "tests.conformance.chromium", path], ROOT)


def node(path: str, folder: Path) -> Process:
    """`folder` has the installed package."""
    return Process([path, str(HERE / "reader.mjs")], folder)
