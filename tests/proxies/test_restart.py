"""The server is restarted behind each proxy: a drain, an outage, and the way back."""

import time
from typing import NamedTuple

import httpx
import pytest

from ..faults.server import AWAY
from ..faults.server import Server
from ..harness.supervision import spawn
from ..harness.waiting import eventually
from .client import Route
from .client import Stream
from .crowd import THREAD
from .proxies import Proxy
from .proxies import tunnelled

# Squid waits longer than a test does. A forward proxy is not ours, and answers 503.
WAITS, NOT_OURS = "Squid", "Squid, forward"
SECURE = "Caddy, HTTP/2"
TUNNEL = "a tunnel through Squid"


class Asked:
    """A new stream that is asked for while the server is away."""

    def __init__(self, route: Route, bearer: dict[str, str]):
        self.outcome: str | None = None
        self.took = 0.0  # s until the answer
        self._began = time.monotonic()
        spawn(self._ask, route.client(**bearer))

    def _ask(self, client: httpx.Client) -> None:
        try:
            with client.stream("GET", THREAD) as answer:
                self.took = time.monotonic() - self._began
                kind = answer.headers["Content-Type"].partition(";")[0]
                opened = answer.headers.get("Cache-Control") != "no-store"
                body = "" if opened else answer.read().decode()
                self.outcome = f"{answer.status_code} {kind} {body}".strip()
        except httpx.TransportError:
            self.took = time.monotonic() - self._began
            self.outcome = "no answer"


class Restarted(NamedTuple):
    """A restart, with a stream through each proxy, and another one asked for in the outage.

    `started_at`: the time of its end (s, monotonic)."""

    streams: dict[str, Stream]
    asked: dict[str, Asked]
    started_at: float


@pytest.fixture(scope="module")
def restarted(helpers: None, proxies: dict[str, Proxy], server: Server) -> Restarted:
    bearer = server.bearer("Ada")
    routes = {name: proxy.route for name, proxy in proxies.items()}
    if {NOT_OURS, SECURE} <= proxies.keys():
        routes[TUNNEL] = tunnelled(proxies[NOT_OURS].place, proxies[SECURE].place)
    streams = {name: Stream(route.client(**bearer), THREAD) for name, route in routes.items()}
    for stream in streams.values():
        stream.first("stream.open")
    server.terminate()
    asked = {name: Asked(proxy.route, bearer) for name, proxy in proxies.items()}
    for name, one in asked.items():
        if name != WAITS:
            eventually(lambda one=one: one.outcome, f"{name} answers while the server is away")
    assert not answers(server)
    server.start()
    return Restarted(streams, asked, time.monotonic())


def answers(server: Server) -> bool:
    try:
        return server.ask("GET", "/healthz")[0] == 200
    except AWAY:
        return False


def test_a_stream_behind_a_proxy_is_closed_for_the_shutdown(proxy, restarted, table):
    (closed,) = restarted.streams[proxy.name].named("stream.closed")
    assert (closed.data["reason"], closed.data["reconnect"]) == ("shutdown", True)
    table.found(proxy.name, "drain", "yes")


def test_a_stream_that_is_asked_for_in_a_restart_is_never_refused(proxy, restarted, table):
    asked = restarted.asked[proxy.name]
    eventually(lambda: asked.outcome, "it is answered")
    if proxy.name == NOT_OURS:
        assert asked.outcome == "503 text/html"
        table.found(proxy.name, "while it restarts", "503")
        return
    empty = asked.outcome == "200 text/event-stream retry: 3000"
    waited = asked.outcome == "200 text/event-stream"
    assert empty or waited or asked.outcome == "no answer"
    assert waited == (proxy.name == WAITS)
    name = {empty: "an empty stream", waited: "waits"}.get(True, "closes the connection")
    after = f" after {asked.took:.0f} s" if asked.took >= 1 and not waited else ""
    table.found(proxy.name, "while it restarts", f"{name}{after}")


def test_a_bare_eventsource_is_back_after_a_restart(proxy, restarted, server, table):
    stream = restarted.streams[proxy.name]
    if proxy.name == NOT_OURS:
        eventually(lambda: stream.gave_up, "it gives up")
        assert stream.gave_up == "503 text/html"
        table.found(proxy.name, "back", "no: over HTTPS only")
        return
    again = stream.first("stream.open", after=1)
    assert stream.gave_up is None
    assert again.data["resumed"] is True
    content = f"after the restart, by {proxy.name}"
    posted = proxy.route.client(**server.bearer("Ada")).post(
        "/conversations/1/messages", json={"content": content}
    )
    assert posted.status_code == 201
    stream.message(content)
    table.found(proxy.name, "back", f"{max(0, again.at - restarted.started_at):.0f} s")


def test_a_bare_eventsource_behind_a_forward_proxy_is_back_over_https(restarted):
    if TUNNEL not in restarted.streams:
        pytest.skip("SKIPPED: there is no squid, or no caddy, on this machine")
    stream = restarted.streams[TUNNEL]
    assert stream.first("stream.open", after=1).data["resumed"] is True
    assert stream.gave_up is None


def test_an_empty_stream_fires_no_event(restarted, proxies):
    """What a proxy answers in the server's place has an unfinished block: clients take its `retry`,
    and none reports an event."""
    given = {name: stream.empty for name, stream in restarted.streams.items()}
    assert any(given.values()), given
    for stream in restarted.streams.values():
        assert {event.event for event in stream.events} >= {"stream.open"}
        assert "message" not in {event.event for event in stream.events}
