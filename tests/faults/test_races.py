"""Faults between two particular steps, which a gate holds, in this process."""

import socket
import time

import pytest

from rtapp.events.relay import Relay
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import User
from rtapp.realtime import replay
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import Topic
from rtapp.realtime.engine import Engine
from rtapp.realtime.scheduling import yield_to_loop
from rtapp.realtime.subscriber import State
from rtapp.realtime.subscriber import Subscription
from rtapp.services.send_message import send_message

from ..harness.gate import Gate
from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually
from .server import in_process

TOPIC = Topic(1, "a")
CLOCK = "local time = {redis.call('GET', 'clock'), '0'}"  # in s, in place of Redis's own


@pytest.fixture
def engine(redis):
    engine = Engine(
        Broker(redis.url), lambda format, event, body: "", lambda subscription: subscription
    )
    engine.start()
    yield engine
    engine.stop()
    engine.broker.redis.close()


class Peer:
    """The client's end of a stream."""

    def __init__(self, engine, cursor=None):
        ours, self.socket = socket.socketpair()
        ours.setblocking(False)
        self.socket.setblocking(False)
        self.subscriber = engine.hub.open(
            ours.detach(), Subscription(1, ("a",), (TOPIC,), cursor=cursor)
        )
        self._got = b""

    @property
    def live(self):
        return self.subscriber.state is State.LIVE

    @property
    def got(self):
        try:
            while data := self.socket.recv(65536):
                self._got += data
        except BlockingIOError:
            pass
        return self._got

    def heard(self, n):
        return b'data: {"n":%d}\n' % n in self.got


def publish(engine, n):
    assert engine.broker.publish(1, f"key {n}", "message.created", [("a", f'{{"n":{n}}}')])


def test_a_reconnect_between_a_reading_and_going_live_loses_no_event(engine, redis, monkeypatch):
    """A reading from before the loss of the pub/sub connection lacks the events since."""
    publish(engine, 0)
    gate = Gate("the first turn in the middle of a group")

    def turn():
        """Hold the first yield in the middle of a group."""
        serving = any(p.live for p in peers) and not all(p.live for p in peers)
        if serving and not gate.reached:
            gate()
        yield_to_loop()

    peers = []
    monkeypatch.setattr(replay, "yield_to_loop", turn)
    since = engine.broker.position(1)
    peers += [Peer(engine, since) for _ in range(replay.SUBSCRIBERS_PER_TURN + 10)]
    gate.wait_reached()
    (channel,) = engine.topics.channels.values()
    assert redis.cut_pubsub() == 1
    eventually(lambda: not channel.subscribed, "the cut is detected")
    publish(engine, 1)
    eventually(lambda: channel.subscribed, "the connection is made again")
    gate.open()
    eventually(lambda: all(p.live for p in peers), "all have caught up")
    engine.heartbeat.ping({p.subscriber for p in peers})  # its id covers all earlier events
    deaf = [p for p in peers if not p.heard(1)]
    for peer in peers:
        peer.socket.close()
    assert not deaf, f"{len(deaf)} of {len(peers)} advanced past an event that they never received"


def test_a_relay_overtaken_by_another_deletes_only_the_rows_it_published(redis, demo, tmp_path):
    """A slow relay must not delete a row that was written since."""
    with in_process(tmp_path, demo, redis) as app:
        app.extensions["relay"].stop()
        broker = app.extensions["broker"]
        quick = Relay(app, broker)

        def send(content):
            with app.app_context():
                send_message(db.session.get(User, 1), db.session.get(Conversation, 1), content)

        class OvertakenOnce:
            overtaken = False
            high_water_marks = broker.high_water_marks

            def publish_all(self, *events):
                result = broker.publish_all(*events)
                if not self.overtaken:
                    self.overtaken = True
                    assert quick.publish_batch() == 3
                    send("second")
                return result

        send("first")
        Relay(app, OvertakenOnce()).publish_batch()
        while quick.publish_batch():
            pass
        log = broker.redis.xrange("rt:{1}:conversation:1")
        bodies = [fields[b"b"].decode() for _, fields in log]
        assert ["first" in bodies[0], "second" in bodies[-1], len(bodies)] == [True, True, 2]


def test_an_event_published_after_the_clock_stepped_back_is_not_skipped_as_old(redis, engine):
    """The clock was corrected, or a replica on another machine has taken over."""
    broker = engine.broker
    broker._publish, broker._read = (
        broker.redis.register_script(
            script.script.replace("local time = redis.call('TIME')", CLOCK, 1)
        )
        for script in (broker._publish, broker._read)
    )
    assert CLOCK in broker._publish.script
    now = int(time.time())
    redis.client.set("clock", now)
    peer = Peer(engine)
    eventually(lambda: peer.live, "it is live")
    publish(engine, 0)
    eventually(lambda: peer.heard(0), "events arrive")
    redis.client.set("clock", now + 10)
    engine.heartbeat.ping({peer.subscriber})
    told = peer.subscriber.cursor
    assert told.ms // 1000 >= now + 9
    redis.client.set("clock", now + 5)
    publish(engine, 1)
    later = Peer(engine, told)  # resumes from that ping's id
    eventually(lambda: later.live, "it has resumed")
    assert engine.barrier(PATIENCE)
    deaf = [
        name
        for name, p in (("live", peer), ("resuming", later))
        if not p.heard(1) and b"stream.reset" not in p.got
    ]
    peer.socket.close()
    later.socket.close()
    assert not deaf, f"neither the event nor a reset arrived: {deaf}"
