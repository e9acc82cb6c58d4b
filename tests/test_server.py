"""`python app.py` as a separate process, read by third-party clients."""

import re
import signal
from collections.abc import Iterator

import httpx
import pytest
from httpx_sse import ServerSentEvent
from httpx_sse import connect_sse
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from rtapp.realtime.embedded_redis import EmbeddedRedis

from .harness.app_process import AppProcess
from .harness.waiting import PATIENCE
from .harness.waiting import eventually


class Server(AppProcess):
    def client(self, email: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=self.bearer(email), timeout=PATIENCE)

    def redis_answers(self) -> bool:
        path = str(EmbeddedRedis(self.folder / "redis").socket_path)
        with Redis(unix_socket_path=path) as client:
            try:
                return client.ping()
            except RedisConnectionError:
                return False


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server


def named(events: Iterator[ServerSentEvent], name: str) -> ServerSentEvent:
    """The next event of this name: others, as who views a conversation, come when they come."""
    return next(event for event in events if event.event == name)


def open_streams(client: httpx.Client) -> float:
    text = client.get("/metrics").text
    return float(text.split("\nrtapp_open_streams ")[1].split()[0])


def test_a_third_party_client_receives_a_message_over_a_real_socket(server):
    with (
        server.client("ada@example.com") as ada,
        server.client("kevin@example.com") as kevin,
        connect_sse(kevin, "GET", "/streams/conversations/1") as source,
    ):
        assert source.response.status_code == 200
        assert source.response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert "Content-Length" not in source.response.headers
        events = source.iter_sse()
        assert next(events).event == "stream.open"
        answer = ada.post("/conversations/1/messages", json={"content": "a\nb"})
        assert answer.status_code == 201
        event = named(events, "message.created")
        assert event.json()["data"] == answer.json()
        assert re.fullmatch(r"[A-Za-z0-9.-]{1,48}", event.id)


def test_a_disconnected_client_is_removed_before_the_next_heartbeat(server):
    with server.client("ada@example.com") as ada:
        eventually(lambda: open_streams(ada) == 0)
        with connect_sse(ada, "GET", "/streams/conversations/1") as source:
            events = source.iter_sse()  # kept: deleting it would close the connection
            assert next(events).event == "stream.open"
            assert open_streams(ada) == 1
        eventually(lambda: open_streams(ada) == 0)  # well before any heartbeat


def test_a_refused_stream_leaves_the_connection_usable(server):
    with server.client("grace@example.com") as grace:
        assert grace.get("/streams/conversations/1").status_code == 404
        assert grace.get("/me").json()["name"] == "Grace"


def test_two_servers_run_in_two_folders_and_a_second_server_in_one_folder_refuses_to_start(
    server, tmp_path
):
    other = Server(tmp_path).start()
    try:
        assert other.url != server.url
        for one in (server, other):
            assert httpx.get(f"{one.url}/readyz", timeout=PATIENCE).status_code == 200
        second = Server(server.folder)
        second.log = tmp_path / "second.log"
        assert second.run().process.wait(PATIENCE) != 0
        log = second.log.read_text()
        assert "Another rtapp is running" in log
        assert "RTAPP_INSTANCE" in log
        assert "Traceback" not in log
    finally:
        other.stop()
    assert httpx.get(f"{server.url}/readyz", timeout=PATIENCE).status_code == 200


def test_the_embedded_redis_ends_with_a_killed_server(tmp_path):
    server = Server(tmp_path).start()
    assert server.redis_answers()
    server.stop(signal.SIGKILL)
    eventually(lambda: not server.redis_answers())


def test_a_stream_resumes_without_a_loss_after_a_server_restart(tmp_path):
    server = Server(tmp_path).start()
    try:
        with server.client("ada@example.com") as ada:
            with connect_sse(ada, "GET", "/streams/conversations/1") as source:
                events = source.iter_sse()
                cursor = next(events).id
                server.process.send_signal(signal.SIGTERM)
                closed = named(events, "stream.closed").json()
                assert (closed["reason"], closed["reconnect"]) == ("shutdown", True)
            assert server.process.wait(PATIENCE) == 0
        server.start()
        with server.client("ada@example.com") as ada:
            ada.post("/conversations/1/messages", json={"content": "before it came back"})
            path = f"/streams/conversations/1?last_event_id={cursor}"
            with connect_sse(ada, "GET", path) as source:
                events = source.iter_sse()
                assert next(events).json()["resumed"] is True
                missed = named(events, "message.created").json()["data"]
                assert missed["content"] == "before it came back"
    finally:
        server.stop()
