"""A running server's streams, byte by byte and through the clients."""

import json
import random
import re
import signal
import socket
from datetime import UTC
from datetime import datetime
from email.utils import parsedate_to_datetime
from html import unescape

import gevent
import gevent.server
import h11
import httpx
import pytest

from rtapp.events.catalogue import EPHEMERAL
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.frames import FORMATS
from rtapp.testing.parsing import StreamParser
from rtapp.testing.stream import STATE
from rtapp.text import is_blank

from ..harness.chunks import ChunkDecoder
from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually
from .cases import CASES
from .cases import UNNAMED

CONVERSATION = "/streams/conversations/1"
NAMES = ["message.created", "stream.open", "stream.ping", "stream.reset", "stream.closed"]
CONTENT_LIMIT = 10_000  # characters
BEGINS = {"html": "<li ", "htmx": "<hx-partial ", "turbo": "<turbo-stream "}
CLOSE_DELIMITED, CHUNKED = "1.0", "1.1"  # versions of HTTP

# The API refuses content with NUL, of invisible characters alone, or over the limit.
WRITABLE = [
    case
    for case in CASES
    if "\0" not in case.data and not is_blank(case.data) and len(case.data) <= CONTENT_LIMIT
    if case.type == "message.created"
]


def post(app, path: str, body: dict) -> httpx.Response:
    return httpx.post(app.url + path, json=body, headers=app.headers, trust_env=False)


def send(app, content: str) -> dict:
    answer = post(app, "/conversations/1/messages", {"content": content})
    assert answer.status_code == 201, answer.text
    return answer.json()


class Connection:
    """A request on a bare socket, with every byte of the response."""

    def __init__(self, app, path: str, version: str = CHUNKED, method: str = "GET", **headers: str):
        self.socket = socket.create_connection(("127.0.0.1", app.port), timeout=PATIENCE)
        all_headers = {"Host": "localhost", **app.headers}
        all_headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {path} HTTP/{version}", *(f"{n}: {v}" for n, v in all_headers.items())]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.received = b""

    def until(self, text: bytes, after: int = 0) -> bytes:
        with gevent.Timeout(PATIENCE, AssertionError(f"no {text!r} in {self.received!r}")):
            while text not in self.received[after:]:
                data = self.socket.recv(65536)
                assert data, self.received
                self.received += data
        return self.received

    def until_event(self, name: str) -> None:
        """Read until the event's frame is complete."""
        begin = f"event: {name}\n".encode()
        self.until(b"\n\n", after=self.until(begin).index(begin))

    def to_the_end(self) -> bytes:
        with gevent.Timeout(PATIENCE, AssertionError("the stream does not end")):
            while data := self.socket.recv(65536):
                self.received += data
        return self.received

    def events(self):
        """Return all complete events so far."""
        return [frame.event for frame in StreamParser().feed(self.body)]

    @property
    def status(self) -> bytes:
        return self.received.partition(b"\r\n")[0]

    @property
    def headers(self) -> dict[str, str]:
        head = self.received.partition(b"\r\n\r\n")[0].decode()
        return {
            name.lower(): value
            for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])
        }

    @property
    def body(self) -> bytes:
        body = self.received.partition(b"\r\n\r\n")[2]
        return ChunkDecoder().feed(body) if "transfer-encoding" in self.headers else body

    def close(self) -> None:
        self.socket.close()


def newest_id(app) -> str:
    """Return the current cursor of conversation 1."""
    connection = Connection(app, CONVERSATION)
    connection.until_event("stream.open")
    id = connection.events()[-1].id
    connection.close()
    return id


@pytest.mark.parametrize(("version", "coding"), [("1.0", None), ("1.1", "chunked")])
def test_the_response_is_an_event_stream_in_chunks_for_http_1_1_alone(app_server, version, coding):
    connection = Connection(app_server, CONVERSATION, version)
    connection.until(b"stream.open")
    assert connection.status.split()[1] == b"200"
    headers = connection.headers
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert headers["connection"].lower() == "close"
    assert "content-length" not in headers
    assert headers.get("transfer-encoding") == coding
    assert "content-encoding" not in headers
    age = datetime.now(UTC) - parsedate_to_datetime(headers["date"])
    assert abs(age.total_seconds()) < PATIENCE
    assert connection.events()[0].event == "stream.open"
    connection.close()


def test_each_frame_is_a_chunk_as_an_independent_parser_reads_it(app_server):
    """A client that reads whole chunks has each event at once."""
    connection = Connection(app_server, f"{CONVERSATION}?format=html")
    connection.until_event("stream.open")
    for content in ("one", "two\nlines", "é" * 5_000):
        send(app_server, content)
    connection.until("é</div>".encode())
    connection.until(b"\n\n\r\n", after=connection.received.index("é</div>".encode()))
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target=CONVERSATION, headers=[("Host", "x")]))
    client.receive_data(connection.received)
    assert isinstance(client.next_event(), h11.Response)
    chunks, data = [], b""
    while isinstance(event := client.next_event(), h11.Data):
        data += event.data
        if event.chunk_end:
            chunks, data = [*chunks, bytes(data)], b""
    connection.close()
    assert len(chunks) > 3
    assert all(chunk.endswith(b"\n\n") and chunk.count(b"\n\n") == 1 for chunk in chunks)


@pytest.mark.parametrize("coding", [CHUNKED, CLOSE_DELIMITED])
def test_the_head_of_a_stream_announces_what_a_get_would(app_server, coding):
    """No `Content-Length: 0`, from which a cache could learn that the stream is empty."""
    connection = Connection(app_server, CONVERSATION, coding, method="HEAD")
    head = connection.to_the_end()
    assert head.endswith(b"\r\n\r\n")
    assert connection.status.split()[1] == b"200"
    assert connection.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "content-length" not in connection.headers
    assert ("transfer-encoding" in connection.headers) == (coding == CHUNKED)
    connection.close()


def test_a_stream_is_not_compressed_for_a_client_that_accepts_gzip(app_server):
    connection = Connection(app_server, CONVERSATION, Accept_Encoding="gzip, br")
    connection.until(b"event: stream.open\n")
    assert "content-encoding" not in connection.headers
    connection.close()


def test_a_resumed_stream_sends_retry_then_stream_open_then_missed_then_live_events(app_server):
    start = newest_id(app_server)
    missed = [send(app_server, f"missed {n}")["id"] for n in range(3)]
    connection = Connection(app_server, f"{CONVERSATION}?last_event_id={start}")
    connection.until(b"missed 2")
    live = send(app_server, "live")["id"]
    connection.until(b'"content":"live"')
    connection.until(b"}}\n\n")
    connection.close()
    assert re.match(
        rb"retry: [0-9]+\nid: [A-Za-z0-9.-]{1,48}\nevent: stream.open\n", connection.body
    )
    opened, *rest = connection.events()
    assert opened.event == "stream.open"
    assert opened.id == start
    fields = json.loads(opened.data)
    assert fields.pop("expires_in") > 0
    assert fields == {
        "streams": ["conversation:1"], "resumed": True, "heartbeat": 15, "id": start
    }  # fmt: skip
    messages = [event for event in rest if event.event == "message.created"]
    assert [json.loads(event.data)["data"]["id"] for event in messages] == [*missed, live]
    cursors = [Cursor.parse(event.id) for event in (opened, *messages)]
    assert cursors == sorted(set(cursors))
    assert {event.event for event in rest} <= {"message.created", "stream.ping", *EPHEMERAL}


def test_an_unknown_cursor_is_reset_before_any_other_event(app_server):
    send(app_server, "before")
    connection = Connection(app_server, f"{CONVERSATION}?last_event_id=0badcafe-1-0")
    connection.until_event("stream.reset")
    send(app_server, "after the reset")
    connection.until(b"after the reset")
    connection.until(b"}}\n\n")
    opened, reset, message = [
        event for event in connection.events() if event.event not in EPHEMERAL
    ]
    assert (opened.event, json.loads(opened.data)["resumed"]) == ("stream.open", False)
    assert reset.event == "stream.reset"
    assert json.loads(reset.data) == {"reason": "unknown_cursor", "id": reset.id}
    assert message.event == "message.created"
    assert b'"before"' not in connection.body
    connection.close()


def test_the_last_event_id_header_wins_over_the_query(app_server):
    early = newest_id(app_server)
    send(app_server, "between the two")
    late = newest_id(app_server)
    connection = Connection(app_server, f"{CONVERSATION}?last_event_id={early}", Last_Event_ID=late)
    send(app_server, "after both")
    connection.until(b"after both")
    assert b"between the two" not in connection.body
    assert connection.events()[0].id == late
    connection.close()
    other = Connection(app_server, f"{CONVERSATION}?last_event_id={late}", Last_Event_ID=early)
    other.until(b"between the two")
    other.close()


def test_an_empty_last_event_id_header_is_ignored(app_server):
    early = newest_id(app_server)
    send(app_server, "after the early one")
    connection = Connection(app_server, f"{CONVERSATION}?last_event_id={early}", Last_Event_ID="")
    connection.until(b"after the early one")
    connection.close()


@pytest.mark.parametrize(
    "cursor", ["nonsense", "a-b-c", "e-1-0%0d%0adata:x", "e-1-0-0", "%C3%A9-1-0"]
)
def test_a_malformed_cursor_is_refused_with_400(app_server, cursor):
    connection = Connection(
        app_server, f"{CONVERSATION}?last_event_id={cursor}", Connection="close"
    )
    connection.to_the_end()
    assert connection.status.split()[1] == b"400"
    assert connection.headers["content-type"] == "application/problem+json"
    connection.close()


def test_a_stopping_server_sends_stream_closed_and_ends_the_response(app_to_stop):
    connection = Connection(app_to_stop, CONVERSATION)
    connection.until_event("stream.open")
    app_to_stop.process.send_signal(signal.SIGTERM)
    assert connection.to_the_end().endswith(b"}\n\n\r\n0\r\n\r\n")
    body = connection.body
    *_, closed = connection.events()
    assert closed.event == "stream.closed"
    fields = json.loads(closed.data)
    assert (fields["reason"], fields["reconnect"]) == ("shutdown", True)
    assert re.search(rb"retry: %d\nevent: stream.closed" % fields["retry_after"], body)
    connection.close()


# Through the clients


def fragment_text(fragment: str) -> str:
    """Return the message's content as the fragment shows it."""
    return unescape(re.search(r'<div class="content"[^>]*>(.*?)</div>', fragment, re.DOTALL)[1])


@pytest.mark.parametrize("format", FORMATS)
def test_posted_content_arrives_unchanged_in_every_format(reader, app_server, format):
    url = f"{app_server.url}{CONVERSATION}?format={format}"
    source = reader.open(url, NAMES, headers=app_server.headers)
    opened = source.named("stream.open")
    assert json.loads(opened.data)["resumed"] is False
    sent = [send(app_server, case.data) for case in WRITABLE]
    name = "message" if format in UNNAMED else "message.created"
    for case, message in zip(WRITABLE, sent, strict=True):
        event = source.next()
        while event.type != name or STATE.match(event.data):
            assert event.type in ("stream.ping", "message", *EPHEMERAL)
            event = source.next()
        if format == "json":
            envelope = json.loads(event.data)
            assert envelope["data"] == message
            assert message["content"] == case.data.replace("\r\n", "\n")
        else:
            assert fragment_text(event.data) == case.arrives
            assert f'id="message-{message["id"]}"' in event.data
            assert event.data.startswith(BEGINS[format])
        assert Cursor.parse(event.id) > Cursor.parse(opened.id)
    source.close()


def test_an_event_over_sixteen_kibibytes_arrives_truncated_and_marked(reader, app_server):
    source = reader.open(app_server.url + CONVERSATION, NAMES, headers=app_server.headers)
    source.named("stream.open")
    content = "😀" * CONTENT_LIMIT
    message = send(app_server, content)
    assert message["content"] == content
    data = json.loads(source.named("message.created").data)["data"]
    assert data["truncated"] is True
    assert content.startswith(data["content"])
    assert 8 * 1024 < len(json.dumps(data, ensure_ascii=False).encode()) < 17 * 1024
    assert data["id"] == message["id"]
    source.close()


def test_oversized_content_is_refused_and_not_published(app_server):
    connection = Connection(app_server, CONVERSATION)
    connection.until_event("stream.open")
    before = post(app_server, "/conversations/1/messages", {"content": "x" * (CONTENT_LIMIT + 1)})
    assert before.status_code == 422
    body = {"content": "x" * 1024 * 1024}
    assert post(app_server, "/conversations/1/messages", body).status_code == 413
    send(app_server, "the next one")
    connection.until(b"the next one")
    assert b"xxxx" not in connection.body
    connection.close()


class Cable:
    """A proxy between a client and the server that can be cut."""

    def __init__(self, app):
        self._to = ("127.0.0.1", app.port)
        self._server = gevent.server.StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._open: list[socket.socket] = []
        self.heads: list[bytes] = []
        self.broken = False

    def _serve(self, downstream: socket.socket, address: object) -> None:
        if self.broken:
            downstream.close()
            return
        upstream = socket.create_connection(self._to)
        pair = [downstream, upstream]
        self._open += pair
        back = gevent.spawn(self._pump, upstream, downstream)
        self._pump(downstream, upstream, self.heads)
        back.join()
        for end in pair:
            end.close()
            self._open.remove(end)

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket, heads: list[bytes] | None = None) -> None:
        try:
            while data := source.recv(65536):
                if heads is not None:
                    heads.append(data)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def requests(self, path: str) -> int:
        return sum(path.encode() in head for head in self.heads)

    def cut(self) -> None:
        self.broken = True
        for end in self._open:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def mend(self) -> None:
        self.broken = False

    def stop(self) -> None:
        self.cut()
        self._server.stop()


@pytest.fixture
def cable(app_server):
    cable = Cable(app_server)
    yield cable
    cable.stop()


def test_an_event_source_that_reconnects_receives_every_missed_event(
    event_source, app_server, cable
):
    source = event_source.open(cable.url + CONVERSATION, NAMES, headers=app_server.headers)
    source.named("stream.open")
    send(app_server, "before the cut")
    last = source.named("message.created")
    cable.cut()
    missed = [send(app_server, f"during the cut {n}")["id"] for n in range(3)]
    cable.mend()
    opened = source.named("stream.open")
    assert json.loads(opened.data)["resumed"] is True
    assert opened.id == last.id
    arrived = [json.loads(source.named("message.created").data)["data"]["id"] for _ in missed]
    assert arrived == missed
    heads = [head for head in cable.heads if CONVERSATION.encode() in head]
    assert f"last-event-id: {last.id}".encode() in heads[-1].lower()
    source.close()


# By long polling


def messages(source, count: int) -> list[dict]:
    """The next so many messages, whatever requests they arrive in."""
    return [json.loads(source.named("message.created").data)["data"] for _ in range(count)]


def test_any_content_arrives_unchanged_and_once_by_long_polling(event_source, app_server):
    url = f"{app_server.url}{CONVERSATION}?wait=60"
    source = event_source.open(url, NAMES, headers=app_server.headers)
    source.named("stream.open")
    sent = [send(app_server, case.data) for case in WRITABLE]
    assert messages(source, len(sent)) == sent
    send(app_server, "the last one")
    assert messages(source, 1)[0]["content"] == "the last one"
    source.close()


def test_long_polling_that_is_cut_at_random_misses_and_repeats_no_message(
    event_source, app_server, cable
):
    source = event_source.open(f"{cable.url}{CONVERSATION}?wait=60", NAMES, app_server.headers)
    source.named("stream.open")
    sent, requests = [], 0  # before the last cut
    for n in range(40):
        sent.append(send(app_server, f"number {n}")["id"])
        if n % 10 == 5:
            eventually(lambda before=requests: cable.requests(CONVERSATION) > before)
            gevent.sleep(random.uniform(0, 0.2))  # anywhere within a response, or between two
            requests = cable.requests(CONVERSATION)
            cable.cut()
            cable.mend()
    assert [message["id"] for message in messages(source, len(sent))] == sent
    assert json.loads(source.named("stream.closed").data)["reason"] == "waited"
    source.close()
