"""A model of logs and streams: plain lists, without Redis."""

import codecs
import json
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from typing import NamedTuple

from httpx_sse import ServerSentEvent
from httpx_sse._decoders import SSEDecoder
from httpx_sse._decoders import SSELineDecoder

from rtapp.realtime.broker import RETENTION_MS
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import Topic
from rtapp.realtime.broker import pair
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.engine import Engine
from rtapp.realtime.frames import RESET
from rtapp.realtime.subscriber import State
from rtapp.realtime.subscriber import Subscription

from ..harness.chunks import ChunkDecoder

TOPICS = ("a", "b", "c")
UNSHOWN = 3  # every third event has no html or turbo rendering: only its id is sent


class Published(NamedTuple):
    """One event in one topic."""

    cursor: Cursor
    topic: str
    number: int | None  # None: a reset


@dataclass
class Log:
    """All events published in an account, and those that the test removed from Redis."""

    account_id: int
    epoch: str = ""
    events: list[Published] = field(default_factory=list)
    trimmed: dict[str, Cursor] = field(default_factory=dict)  # the newest one, of each topic

    def publish(self, broker: Broker, key: str, topics: list[str], number: int, size: int) -> None:
        """Publish, and record the event under its cursors in Redis's logs."""
        bodies = [(topic, body(topic, number, size)) for topic in topics]
        assert broker.publish(self.account_id, key, "message.created", bodies)
        self._record(broker, topics, number)

    def publish_reset(self, broker: Broker, key: str, topics: list[str]) -> None:
        assert broker.publish(self.account_id, key, RESET, [(topic, "{}") for topic in topics])
        self._record(broker, topics, None)

    def _record(self, broker: Broker, topics: list[str], number: int | None) -> None:
        with broker.redis.pipeline(transaction=False) as pipeline:
            pipeline.get(Topic(self.account_id, "position").channel)
            for topic in topics:
                pipeline.xrevrange(Topic(self.account_id, topic).channel, count=1)
            position, *newest = pipeline.execute()
        self.goes_on_in(position.decode().split()[0])
        for topic, ((entry, _),) in zip(topics, newest, strict=True):
            cursor = Cursor(self.epoch, *pair(entry))
            assert all(cursor > e.cursor for e in self.events if e.cursor.epoch == self.epoch)
            self.events.append(Published(cursor, topic, number))

    def goes_on_in(self, epoch: str) -> None:
        """Note the current epoch. A new one starts without removed events."""
        if epoch != self.epoch:
            self.epoch, self.trimmed = epoch, {}

    def after(self, cursor: Cursor, topics: Iterable[str]) -> list[Published]:
        wanted = set(topics)
        return [
            event
            for event in self.events
            if event.cursor.epoch == cursor.epoch and event.cursor > cursor
            if event.topic in wanted
        ]

    def trim(self, redis, topic: str, keep: int) -> None:
        """Trim the topic's log to its `keep` newest events."""
        there = [event.cursor for event in self.after(Cursor(self.epoch, 0, 0), [topic])]
        redis.xtrim(Topic(self.account_id, topic).channel, maxlen=keep, approximate=False)
        if len(there) > keep:
            self._lose(topic, there[-keep - 1])

    def evict(self, redis, topic: str) -> None:
        """Evict the topic's log. The next event must be of a later ms: Redis can't tell whether
        events of the ms of the log's newest one were lost, too."""
        redis.delete(Topic(self.account_id, topic).channel)
        there = self.after(Cursor(self.epoch, 0, 0), [topic])
        if there:
            self._lose(topic, there[-1].cursor._replace(n=10**9))

    def _lose(self, topic: str, cursor: Cursor) -> None:
        """Note that entries up to `cursor` are gone. A trim after an eviction brings none back."""
        self.trimmed[topic] = max(cursor, self.trimmed.get(topic, cursor))

    def why_lost(self, cursor: Cursor, topics: Iterable[str], now_ms: int) -> str | None:
        """Return why a reading can't resume from a cursor that was given out, or None."""
        if cursor.epoch != self.epoch:
            return "unknown_cursor"
        if now_ms - cursor.ms > RETENTION_MS:
            return "history_lost"
        if any(event.number is None for event in self.after(cursor, topics)):
            return "history_lost"
        if any(topic in self.trimmed and self.trimmed[topic] > cursor for topic in topics):
            return "history_lost"
        return None


@dataclass
class Segment:
    """A reader's events without a gap, from a stream.open or a stream.reset."""

    start: Cursor
    until: Cursor  # the newest id: every event up to it has been received
    events: list[Published] = field(default_factory=list)


class Reader:
    """A client with a small buffer that resumes from the last id it has read."""

    def __init__(self, engine: Engine, log: Log, topics: list[str], format: str):
        self.engine, self.log, self.topics, self.format = engine, log, topics, format
        self.asked: Cursor | None = None
        self.last_id: Cursor | None = None
        self.segments: list[Segment] = []
        self.resets: list[Cursor] = []  # its last id at each reset since the last check
        self.socket: socket.socket | None = None
        self._chunks: ChunkDecoder | None = None

    def __repr__(self) -> str:
        received = {event for segment in self.segments for event in segment.events}
        missing = [e for e in self.expected(self.segments[-1]) if e not in received]
        stalled = ", stalled" if self.subscriber in self.engine.sockets.blocked else ""
        return f"<Reader of {self.topics}: {self.subscriber.state}{stalled}, lacks {missing}>"

    def open(self, cursor: Cursor | None = None) -> None:
        """Connect from the last id if there is one, else from `cursor`, else live."""
        assert self.socket is None
        self.asked = self.last_id or cursor or self.asked
        ours, self.socket = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        ours.setblocking(False)
        self.socket.setblocking(False)
        self.here: set[Cursor] = set()  # ids of the events read on this connection
        self._opened = self._owed_a_reset = False
        self._text = codecs.getincrementaldecoder("utf-8")()
        self._lines, self._decoder = SSELineDecoder(), SSEDecoder()
        self._chunks = None if self._chunks else ChunkDecoder()  # every second connection
        topics = tuple(Topic(self.log.account_id, topic) for topic in self.topics)
        self.subscriber = self.engine.hub.open(
            ours.detach(),
            Subscription(
                self.log.account_id, tuple(self.topics), topics, self.format, cursor=self.asked
            ),
            chunked=self._chunks is not None,
        )

    def cut(self) -> None:
        """Close the connection with its unread data, unfinished events included."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def read(self, limit: int | None = None) -> None:
        """Read the available data, at most `limit` bytes."""
        while self.socket is not None and (limit is None or limit > 0):
            try:
                data = os.read(self.socket.fileno(), min(limit or 65536, 65536))
            except BlockingIOError:
                return
            except ConnectionError:
                data = b""
            if not data:
                self.cut()
                return
            if limit is not None:
                limit -= len(data)
            text = self._text.decode(self._chunks.feed(data) if self._chunks else data)
            for line in self._lines.decode(text) if text else ():
                event = self._decoder.decode(line)
                if event is not None:
                    self._take(event)

    def _take(self, event: ServerSentEvent) -> None:
        stood = self.last_id or self.asked
        if event.id:
            self.last_id = Cursor.parse(event.id)
        if event.event == "stream.open":
            self._take_open(json.loads(event.data))
        elif event.event == "stream.reset":
            assert self._opened, "stream.open comes first"
            assert stood is not None, "a stream without a cursor was reset"
            self.resets.append(stood)
            self._owed_a_reset = False
            self.segments.append(Segment(self.last_id, self.last_id))
        elif event.data and not event.event.startswith("stream."):
            assert self._opened, "stream.open comes first"
            self._take_event(json.loads(event.data[event.data.index("{") :]))
        if self._owed_a_reset:
            assert self.last_id in (None, self.asked), "an id that hides the reset"
        elif self.segments and self.last_id is not None:
            self.segments[-1].until = self.last_id

    def _take_open(self, fields: dict) -> None:
        assert not self._opened, "stream.open comes once"
        self._opened = True
        if fields["resumed"]:
            assert self.last_id == self.asked, "a resumed stream goes on from what was asked"
        self._owed_a_reset = self.asked is not None and not fields["resumed"]
        if not self._owed_a_reset and not self.segments:
            self.segments.append(Segment(self.last_id, self.last_id))

    def _take_event(self, body: dict) -> None:
        assert not self._owed_a_reset, "an event where stream.reset was due"
        published = Published(self.last_id, body["topic"], body["n"])
        segment = self.segments[-1]
        assert published.cursor not in self.here, "duplicates come only across a reconnect"
        self.here.add(published.cursor)
        if not segment.events or published.cursor > segment.events[-1].cursor:
            segment.events.append(published)
        else:
            assert published in segment.events, "out of order"

    def expected(self, segment: Segment) -> list[Published]:
        events = [e for e in self.log.after(segment.start, self.topics) if e.number is not None]
        if self.format == "json":
            return events
        return [event for event in events if event.number % UNSHOWN]

    def has_everything(self) -> bool:
        return (
            bool(self.segments)
            and self.segments[-1].start.epoch == self.log.epoch
            and self.segments[-1].events == self.expected(self.segments[-1])
            and self.subscriber.state is State.LIVE
        )

    def check(self, latest_ms: int) -> None:
        """Check that all events up to the newest id came in order, and resets only after a loss."""
        for segment in self.segments:
            assert segment.until.epoch == segment.start.epoch, "a new epoch without a reset"
            expected = [e for e in self.expected(segment) if e.cursor <= segment.until]
            assert segment.events == expected
            there = self.log.after(segment.start, self.topics)
            resets = [e for e in there if e.number is None and e.cursor <= segment.until]
            assert not resets, "a stream went on without a reset that was published"
        while self.resets:
            why = self.log.why_lost(self.resets.pop(), self.topics, latest_ms)
            assert why, "a stream was reset though nothing was lost"


def render(format: str, event: str, body: bytes) -> str | None:
    if json.loads(body)["n"] % UNSHOWN == 0:
        return None
    return f"{format}:{body.decode()}"


def body(topic: str, number: int, size: int) -> str:
    return json.dumps({"topic": topic, "n": number, "text": "é" * size}, ensure_ascii=False)
