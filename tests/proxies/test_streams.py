"""A stream through each proxy: opened, delivered to, resumed, hung up, revoked, and left alone."""

import time

import httpx
import pytest

from ..faults.server import Server
from ..harness.waiting import eventually
from .client import Stream
from .crowd import THREAD
from .crowd import open_streams
from .proxies import Kind
from .proxies import Place
from .proxies import Proxy
from .proxies import changed
from .proxies import nginx

MESSAGES = "/conversations/1/messages"
LONGEST_PATIENCE = 60  # s of silence, after which nginx, HAProxy, Apache and Varnish cut by default


@pytest.fixture(scope="module", autouse=True)
def quiet(helpers, proxies, server) -> dict[str, Stream]:
    """A stream without events through each proxy, opened before all others."""
    return {
        name: Stream(as_ada(proxy, server), "/streams/conversations/12")
        for name, proxy in proxies.items()
    }


def as_ada(proxy: Proxy, server: Server) -> httpx.Client:
    return proxy.route.client(**server.bearer("Ada"))


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def test_a_stream_opens_and_its_answer_is_unchanged(proxy, server, table):
    took = []
    for _ in range(3):
        stream = Stream(as_ada(proxy, server), THREAD)
        opened = stream.first("stream.open")
        assert opened.data["streams"] == ["conversation:1"]
        took.append(opened.at - stream.asked_at)
        stream.close()
    (answer,) = stream.answers
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store, no-transform"
    assert "Content-Encoding" not in answer.headers
    assert answer.http_version == ("HTTP/2" if "HTTP/2" in proxy.name else "HTTP/1.1")
    table.found(proxy.name, "open", milliseconds(min(took)))


def test_a_message_that_is_posted_through_a_proxy_arrives_at_once(proxy, server, table):
    client = as_ada(proxy, server)
    stream = Stream(client, THREAD)
    stream.first("stream.open")
    took, pushed = [], []
    for number in range(5):
        content, began = f"{proxy.name} {number}", time.monotonic()
        pings = len(stream.named("stream.ping"))
        answer = client.post(MESSAGES, json={"content": content})
        assert answer.status_code == 201, answer.text
        took.append(stream.message(content).at - began)
        pushed.append(len(stream.named("stream.ping")) > pings)
    assert not all(pushed)  # no later event is needed to push it through a buffer
    table.found(proxy.name, "deliver", milliseconds(min(took)))
    stream.close()


def test_a_stream_resumes_from_the_header_last_event_id(proxy, server, table):
    client = as_ada(proxy, server)
    stream = Stream(client, THREAD)
    last = stream.first("stream.open").id
    stream.close()
    missed = f"missed behind {proxy.name}"
    assert client.post(MESSAGES, json={"content": missed}).status_code == 201
    anew = Stream(client, THREAD)
    resumed = Stream(client, THREAD, **{"Last-Event-ID": last})
    assert resumed.first("stream.open").data["resumed"] is True
    resumed.message(missed)
    assert anew.first("stream.open").data["resumed"] is False
    assert anew.named("message.created") == []
    table.found(proxy.name, "resume", "yes")
    anew.close()
    resumed.close()


def test_the_server_notices_a_hang_up_behind_a_proxy(proxy, quiet, server, table):
    stream = Stream(as_ada(proxy, server), THREAD)
    stream.first("stream.open")
    before, pings = open_streams(server), len(quiet[proxy.name].named("stream.ping"))
    closed = time.monotonic()
    stream.close()
    eventually(lambda: open_streams(server) == before - 1, "the hang-up is noticed")
    took = time.monotonic() - closed
    # Each stream, so another one too, is pinged once in a heartbeat. Apache notices that the
    # client has gone as it writes for the second time, in the second heartbeat at the latest.
    begun = 3 if proxy.name == "Apache" else 1
    assert len(quiet[proxy.name].named("stream.ping")) - pings <= begun
    table.found(proxy.name, "hang-up", f"{took:.1f} s")


def test_a_session_that_ends_closes_its_stream_behind_a_proxy(proxy, server, table):
    client = proxy.route.client(Accept="application/json")
    signed_in = client.post("/login", json={"email": "kevin@example.com", "password": "password"})
    assert signed_in.is_success, signed_in.text
    token = client.get("/me").headers["X-CSRF-Token"]
    stream = Stream(client, THREAD)
    stream.first("stream.open")
    assert stream.named("stream.closed") == []
    page = {"X-CSRF-Token": token, "Referer": f"{proxy.route.url}/"}  # as a browser's page sends
    assert client.post("/logout", headers=page).status_code < 400
    closed = stream.first("stream.closed")
    assert closed.data["reason"] == "signed_out"
    eventually(lambda: stream.gave_up, "the client asks again, and is refused")
    assert stream.gave_up.startswith("401 ")
    table.found(proxy.name, "revoke", "yes")


def test_a_quiet_stream_outlives_the_patience_of_a_proxy(proxy, quiet, table):
    stream = quiet[proxy.name]
    opened = stream.first("stream.open")

    def age() -> float:
        """Of the connection, by the pings on it alone."""
        return max((ping.at for ping in stream.named("stream.ping")), default=opened.at) - opened.at

    eventually(lambda: age() > LONGEST_PATIENCE, "pings for longer than a proxy's patience",
               observed=lambda: stream.events[-1])  # fmt: skip
    assert len(stream.answers) == 1
    assert stream.failures == 0
    table.found(proxy.name, "idle", f"over {LONGEST_PATIENCE} s")


def test_a_proxy_whose_patience_is_shorter_than_a_heartbeat_cuts_a_quiet_stream(
    folder, server, proxies
):
    if "nginx" not in proxies:
        pytest.skip("SKIPPED: there is no nginx on this machine")
    impatient = Proxy("nginx", Kind("nginx", impatient_nginx), folder / "impatient", server.port)
    impatient.start()
    try:
        stream = Stream(as_ada(impatient, server), "/streams/conversations/11")
        eventually(lambda: stream.failures, "the stream is cut")
        assert stream.named("stream.closed") == []
    finally:
        impatient.stop()


def impatient_nginx(place: Place) -> list[str]:
    command = nginx(place)
    site = place.folder / "nginx.conf"
    limit = {"proxy_http_version 1.1;": "proxy_http_version 1.1; proxy_read_timeout 1s;"}
    site.write_text(changed(site.read_text(), limit))
    return command
