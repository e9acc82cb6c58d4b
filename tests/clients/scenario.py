"""All clients go through the same events at the same time, on one server. Each result is kept."""

import itertools
import json
import signal
import urllib.request
from collections.abc import Callable
from functools import partial

from ..harness.app_process import AppProcess
from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually
from .gateway import Door
from .gateway import Gateway
from .rows import ASKS_ONCE
from .rows import AT_ONCE
from .rows import ENDS
from .rows import FOR_EVER
from .rows import GIVES_UP
from .rows import MISSES
from .rows import OPENS
from .rows import RESUMES
from .rows import STOPS
from .rows import Row
from .runners import Client

ENDINGS = (GIVES_UP, STOPS)
REFUSALS = 2  # after which a client counts as one that asks for ever
# htmx 4 spreads the delay that it was given by 30 %, and clocks differ a little.
EARLIEST = 0.69
Results = dict[tuple[str, str], str]  # (row, check) → result, or what went wrong


class Attempt:
    """A row with its client, which is started again where it has ended."""

    def __init__(self, row: Row, door: Door, start: Callable[[], Client]):
        self.row, self.door, self._start = row, door, start
        self.client = start()
        self.before = 0  # streams of the door at the beginning of a check

    def restart(self) -> None:
        self.client.stop()
        self.client = self._start()

    def stop(self) -> None:
        self.client.stop()

    def is_live(self) -> bool:
        return self.door.is_open

    def is_cut(self) -> bool:
        return not self.door.is_open

    def is_refused_again(self) -> bool:
        return self.door.answered(401) >= REFUSALS

    def has_ended(self) -> bool:
        return self.client.has_ended()

    def has_shown(self, text: str) -> bool:
        return any(text in line for line in self.client.shown())

    def asked(self) -> int:
        """Return the requests for a stream in this check."""
        return len(self.door.streams) - self.before


class Scenario:
    def __init__(self, server: AppProcess, gateway: Gateway, attempts: list[Attempt]):
        self.server, self.gateway, self.attempts = server, gateway, attempts
        self.results: Results = {}
        self._poster = server.token("ada@example.com")
        self._numbers = itertools.count(1)

    def run(self) -> None:
        for check, work in (
            ("502 first", self.opening),
            ("at once", self.at_once),
            ("drain", self.drain),
            ("crash", self.crash),
            ("502 later", self.bad_gateway),
            ("signed out", self.signed_out),
        ):
            if check != "502 first":
                self._begin(check)
            work(check)

    def opening(self, check: str) -> None:
        """The gateway refuses from the start."""
        for attempt in self.attempts:
            self._expect(attempt, check, attempt.asked, "asks, and meets the 502")
        self.gateway.set("pass")
        for attempt in self.attempts:
            gives_up = attempt.row.opening in ENDINGS
            condition = attempt.has_ended if gives_up else attempt.is_live
            if self._expect(attempt, check, condition, attempt.row.opening):
                result = OPENS if attempt.is_live() else GIVES_UP
                self.results[attempt.row.name, check] = result

    def at_once(self, check: str) -> None:
        """A message is shown before the next one is sent."""
        for _ in range(2):
            text = self.post()
            for attempt in self.attempts:
                self._expect(attempt, check, partial(attempt.has_shown, text), f"shows {text}")
        for attempt in self.attempts:
            self.results.setdefault((attempt.row.name, check), AT_ONCE)

    def drain(self, check: str) -> None:
        self.server.process.send_signal(signal.SIGTERM)
        for attempt in self.attempts:
            eventually(attempt.is_cut, f"the stream of {attempt.row.name} ends")
        self.gateway.set("away")
        self.server.stop()
        self._come_back(check, self.server.start)
        for attempt in self.attempts:
            if self.results[attempt.row.name, check] == RESUMES:
                self._check_delay(attempt, check)

    def crash(self, check: str) -> None:
        self.gateway.set("away")
        self.server.stop(signal.SIGKILL)
        self._come_back(check, self.server.start)

    def bad_gateway(self, check: str) -> None:
        def meet_502() -> None:
            for attempt in self.attempts:
                self._expect(attempt, check, attempt.asked, "asks, and meets the 502")

        self.gateway.set("refuse")
        self._come_back(check, meet_502)

    def signed_out(self, check: str) -> None:
        self.server.flask("password", "set", "kevin@example.com", given="another password")
        for attempt in self.attempts:
            if attempt.row.signed_out == FOR_EVER:
                done = self._expect(attempt, check, attempt.is_refused_again, "asks for ever")
            else:
                done = self._expect(attempt, check, attempt.has_ended, "ends")
            if done:
                asked = attempt.asked()
                result = FOR_EVER if asked >= REFUSALS else {0: ENDS, 1: ASKS_ONCE}.get(asked)
                self.results[attempt.row.name, check] = result or f"asks {asked} times, and ends"

    def _begin(self, check: str) -> None:
        """Begin a check: every client is there, with an open stream."""
        for attempt in self.attempts:
            if attempt.has_ended():
                attempt.restart()
        for attempt in self.attempts:
            self._expect(attempt, check, attempt.is_live, "has a stream")
            attempt.before = len(attempt.door.streams)

    def _come_back(self, check: str, meanwhile: Callable[[], object]) -> None:
        """Send a message while no client is there, let them in, and send another one."""
        meanwhile()
        missed = self.post()
        self.gateway.set("pass")
        coming = [a for a in self.attempts if a.row.results[check] not in ENDINGS]
        for attempt in coming:
            self._expect(attempt, check, attempt.is_live, "comes back")
        live = self.post()
        for attempt in coming:
            if self._expect(attempt, check, partial(attempt.has_shown, live), f"shows {live}"):
                self.results[attempt.row.name, check] = self._completeness(attempt, missed, live)
        for attempt in self.attempts:
            if attempt not in coming and self._expect(
                attempt, check, attempt.has_ended, "gives up"
            ):
                seen = attempt.has_shown(missed) or attempt.has_shown(live)
                result = "comes back" if seen else attempt.row.results[check]
                self.results[attempt.row.name, check] = result

    def _completeness(self, attempt: Attempt, missed: str, live: str) -> str:
        lines = [line for line in attempt.client.shown() if missed in line or live in line]
        found = [missed if missed in line else live for line in lines]
        return {(missed, live): RESUMES, (live,): MISSES}.get(tuple(found), f"shows {found}")

    def _check_delay(self, attempt: Attempt, check: str) -> None:
        """It returned when the `retry` of its last stream was over."""
        last = attempt.door.streams[attempt.before - 1]
        assert last.ended is not None
        waited = attempt.door.streams[attempt.before].asked - last.ended
        if waited < EARLIEST * last.retry:
            result = f"waits {waited:.1f} s of {last.retry:.1f} s"
            self.results[attempt.row.name, check] = result

    def _expect(
        self, attempt: Attempt, check: str, condition: Callable[[], object], what: str
    ) -> bool:
        """Wait for it, and keep as the check's result that it did not happen."""
        if (attempt.row.name, check) in self.results:
            return False
        try:
            eventually(condition, what)
        except AssertionError as error:
            self.results[attempt.row.name, check] = f"{error}; showed {attempt.client.shown()[-3:]}"
            return False
        return True

    def post(self) -> str:
        """Send a message to the server itself. Return its text."""
        text = f"Message number {next(self._numbers):03}."
        request = urllib.request.Request(
            f"{self.server.url}/conversations/1/messages",
            json.dumps({"content": text}).encode(),
            {"Authorization": f"Bearer {self._poster}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            assert answer.status == 201
        return text
