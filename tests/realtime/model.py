"""What must be true of logs and streams, as simply as it can be said: lists, and no Redis."""

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
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.hub import Hub
from rtapp.realtime.subscriber import State
from rtapp.realtime.subscriber import Subscription

TOPICS = ("a", "b", "c")
UNSHOWN = 3  # every so manieth event shows nothing as html and turbo: only its id is sent


class Published(NamedTuple):
    """One event in one topic."""

    cursor: Cursor
    topic: str
    number: int


@dataclass
class Log:
    """All that was published in an account, and what of it Redis has been made to forget."""

    account_id: int
    epoch: str = ""
    events: list[Published] = field(default_factory=list)
    trimmed: dict[str, Cursor] = field(default_factory=dict)  # the newest one, of each topic

    def add(self, redis, topics: Iterable[str], number: int) -> None:
        """Notes what has just been published, under the cursors that Redis's logs have for it."""
        self.epoch = redis.get(Topic(self.account_id, "epoch").channel).decode()
        for topic in topics:
            ((entry, _),) = redis.xrevrange(Topic(self.account_id, topic).channel, count=1)
            cursor = Cursor(self.epoch, 0, 0).at(entry.decode())
            same = [event.cursor for event in self.events if event.cursor.epoch == self.epoch]
            assert not same or cursor > max(same), "cursors of one epoch grow strictly"
            self.events.append(Published(cursor, topic, number))

    def after(self, cursor: Cursor, topics: Iterable[str]) -> list[Published]:
        wanted = set(topics)
        return [
            event
            for event in self.events
            if event.cursor.epoch == cursor.epoch and event.cursor > cursor
            if event.topic in wanted
        ]

    def trim(self, redis, topic: str, keep: int) -> None:
        """Has the topic's log forget all but its `keep` newest events."""
        there = [event.cursor for event in self.after(Cursor(self.epoch, 0, 0), [topic])]
        redis.xtrim(Topic(self.account_id, topic).channel, maxlen=keep, approximate=False)
        if len(there) > keep:
            self.trimmed[topic] = there[-keep - 1]

    def why_lost(self, cursor: Cursor, topics: Iterable[str], now_ms: int) -> str | None:
        """The reason for which a reading must refuse to go on from a cursor once given out."""
        if cursor.epoch != self.epoch:
            return "unknown_cursor"
        if now_ms - cursor.ms > RETENTION_MS:
            return "history_lost"
        if any(topic in self.trimmed and self.trimmed[topic] > cursor for topic in topics):
            return "history_lost"
        return None

    def passes(self, ms: int) -> None:
        """Time goes by: everything becomes that much older."""
        self.events = [e._replace(cursor=older(e.cursor, ms)) for e in self.events]
        self.trimmed = {topic: older(cursor, ms) for topic, cursor in self.trimmed.items()}


def older(cursor: Cursor, ms: int) -> Cursor:
    return cursor._replace(ms=cursor.ms - ms)


@dataclass
class Segment:
    """What a reader was told without a break: from a stream.open or a stream.reset on."""

    start: Cursor
    events: list[Published] = field(default_factory=list)


class Reader:
    """A client with a small buffer, that comes back from the last id it has read."""

    def __init__(self, hub: Hub, account_id: int, topics: list[str], format: str):
        self.hub, self.account_id, self.topics, self.format = hub, account_id, topics, format
        self.asked: Cursor | None = None
        self.last_id: Cursor | None = None
        self.segments: list[Segment] = []
        self.resets = 0
        self.socket: socket.socket | None = None

    def open(self, cursor: Cursor | None = None) -> None:
        """Connects, from the last id if there is one, else from `cursor`, else from now on."""
        assert self.socket is None
        self.asked = self.last_id or cursor
        ours, self.socket = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        ours.setblocking(False)
        self.socket.setblocking(False)
        self.here: set[Cursor] = set()  # ids of the events read on this connection
        self._opened = self._owed_a_reset = False
        self._text = codecs.getincrementaldecoder("utf-8")()
        self._lines, self._decoder = SSELineDecoder(), SSEDecoder()
        self.subscriber = self.hub.open(
            ours.detach(),
            Subscription(
                self.account_id,
                tuple(self.topics),
                tuple(Topic(self.account_id, topic) for topic in self.topics),
                format=self.format,
                cursor=self.asked,
            ),
        )

    def cut(self) -> None:
        """Loses the connection and whatever of it was not read, unfinished events included."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def read(self, limit: int | None = None) -> None:
        """Takes what is there, at most `limit` bytes of it."""
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
            text = self._text.decode(data)
            for line in self._lines.decode(text) if text else ():
                event = self._decoder.decode(line)
                if event is not None:
                    self._take(event)

    def _take(self, event: ServerSentEvent) -> None:
        if event.id:
            self.last_id = Cursor.parse(event.id)
        if event.event == "stream.open":
            self._take_open(json.loads(event.data))
            return
        if event.event == "stream.reset":
            assert self._opened, "stream.open comes first"
            self.resets += 1
            self._owed_a_reset = False
            self.segments.append(Segment(self.last_id))
            return
        if event.event == "stream.ping":
            assert not self._owed_a_reset or not event.id
            return
        if event.data:
            assert self._opened, "stream.open comes first"
            assert not self._owed_a_reset, "an event where stream.reset was due"
            self._take_event(json.loads(event.data[event.data.index("{") :]))

    def _take_open(self, fields: dict) -> None:
        assert not self._opened, "stream.open comes once"
        self._opened = True
        if fields["resumed"]:
            assert self.last_id == self.asked, "a resumed stream goes on from what was asked"
        self._owed_a_reset = self.asked is not None and not fields["resumed"]
        if not self._owed_a_reset and not self.segments:
            self.segments.append(Segment(self.last_id))

    def _take_event(self, body: dict) -> None:
        published = Published(self.last_id, body["topic"], body["n"])
        segment = self.segments[-1]
        assert published.cursor not in self.here, "duplicates come only across a reconnect"
        self.here.add(published.cursor)
        if not segment.events or published.cursor > segment.events[-1].cursor:
            segment.events.append(published)
        else:
            assert published in segment.events, "out of order"

    def expected(self, log: Log, segment: Segment) -> list[Published]:
        events = log.after(segment.start, self.topics)
        if self.format == "json":
            return events
        return [event for event in events if event.number % UNSHOWN]

    def has_everything(self, log: Log) -> bool:
        return (
            bool(self.segments)
            and self.segments[-1].start.epoch == log.epoch
            and self.segments[-1].events == self.expected(log, self.segments[-1])
            and self.subscriber.state is State.LIVE
        )

    def check(self, log: Log) -> None:
        """Nothing was left out, added or moved, up to where each segment ended."""
        for segment in self.segments:
            expected = self.expected(log, segment)
            assert segment.events == expected[: len(segment.events)]
        assert self.resets >= len(self.segments) - 1


def render(format: str, event: str, body: bytes) -> str | None:
    if json.loads(body)["n"] % UNSHOWN == 0:
        return None
    return f"{format}:{body.decode()}"


def body(topic: str, number: int, size: int) -> str:
    return json.dumps({"topic": topic, "n": number, "text": "é" * size}, ensure_ascii=False)


def publish(broker: Broker, log: Log, key: str, topics: list[str], number: int, size: int) -> bool:
    """Publishes and notes it."""
    went_out = broker.publish(
        log.account_id, key, "message.created", [(t, body(t, number, size)) for t in topics]
    )
    if went_out:
        log.add(broker.redis, topics, number)
    return went_out
