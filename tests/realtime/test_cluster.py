"""The engine over the shards of a real Redis Cluster: slots that move, nodes that fail and come."""

import json
import re
import socket
import time

import gevent
import pytest

from rtapp.realtime import broker as broker_module
from rtapp.realtime import cluster as cluster_module
from rtapp.realtime import heartbeat
from rtapp.realtime import presence
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import RequestBroker
from rtapp.realtime.broker import Topic
from rtapp.realtime.cluster import slot_of
from rtapp.realtime.cursor import NOWHERE
from rtapp.realtime.engine import Engine
from rtapp.realtime.group import Group
from rtapp.realtime.group import LeaseSpec
from rtapp.realtime.high_water_marks import LostEvents
from rtapp.realtime.redis_client import UncoveredSlots
from rtapp.realtime.subscriber import State
from rtapp.realtime.subscriber import Subscription

from ..harness.gate import Gate
from ..harness.redis_cluster import RedisCluster
from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually

NEVER = "600000"  # ms: no node of these tests fails because the machine is slow


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """On a busy machine, a server that answers late does not hang."""
    monkeypatch.setattr(heartbeat, "POSITION_TIMEOUT", PATIENCE)
    monkeypatch.setattr(heartbeat, "BARRIER_TIMEOUT", PATIENCE)


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory):
    """A cluster whose nodes all live on; slots may move, and are put back by `cluster`."""
    cluster = RedisCluster(tmp_path_factory.mktemp("cluster"), cluster_node_timeout=NEVER)
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(unharmed):
    unharmed.flush()
    yield unharmed
    for number, node in enumerate(unharmed.primaries):
        node.go_on()
        for slot in unharmed.moved:
            if unharmed.home(slot) == number:
                unharmed.move(slot, node)


@pytest.fixture
def replicated(tmp_path):
    """A cluster with a replica of each primary, for one test."""
    cluster = RedisCluster(tmp_path, replicas=1, cluster_node_timeout=NEVER)
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def start():
    """Starts a process's engine on a cluster."""
    engines = []

    def start(cluster, **more):
        engine = Engine(Broker(cluster.url), lambda format, event, body: "", lambda s: s, **more)
        engines.append(engine)
        engine.start()
        eventually(lambda: engine.barrier(60), "it listens to every shard")
        return engine

    yield start
    for engine in engines:
        engine.stop()
        engine.broker.close()


@pytest.fixture
def opened():
    """Opens a stream of each account, and waits until they are live."""
    readers = []

    def opened(engine, accounts, **more):
        fresh = [Reader(engine, account, **more) for account in accounts]
        readers.extend(fresh)
        eventually(lambda: all(reader.is_live() for reader in fresh), "they are live")
        return fresh

    yield opened
    for reader in readers:
        reader.socket.close()


@pytest.fixture
def publisher():
    """Makes the broker of another process, which publishes."""
    brokers = []

    def publisher(cluster):
        brokers.append(Broker(cluster.url))
        return brokers[-1]

    yield publisher
    for broker in brokers:
        broker.close()


class Reader:
    """The client's end of a stream of one account, to which every event has a number."""

    def __init__(self, engine, account_id, topic="a", **more):
        self.account_id = account_id
        ours, self.socket = socket.socketpair()
        ours.setblocking(False)
        self.socket.setblocking(False)
        topics = (Topic(account_id, topic),)
        self.subscriber = engine.hub.open(
            ours.detach(), Subscription(account_id, (topic,), topics, user_id=account_id, **more)
        )
        self._got = b""

    def is_live(self):
        return self.subscriber.state is State.LIVE

    def read(self):
        try:
            while data := self.socket.recv(65536):
                self._got += data
        except BlockingIOError:
            pass
        return self._got.decode()

    def numbers(self):
        return [int(n) for n in re.findall(r'data: \{"n":(\d+)\}', self.read())]

    def resets(self):
        return self.read().count("event: stream.reset")

    def last_ping(self):
        """Its id, None without one, and its body."""
        frame = [f for f in self.read().split("\n\n") if "event: stream.ping" in f][-1]
        id = re.search(r"^id: (\S+)$", frame, re.MULTILINE)
        return id and id[1], json.loads(re.search(r"^data: (.*)$", frame, re.MULTILINE)[1])


class Writer:
    """Publishes numbered events to an account, as the relay does: what fails is tried again."""

    def __init__(self, broker, account_id):
        self.broker, self.account_id = broker, account_id
        self.published = 0

    def publish(self):
        key, body = f"k{self.account_id}.{self.published}", f'{{"n":{self.published}}}'
        self.broker.publish(self.account_id, key, "message.created", [("a", body)])
        self.published += 1

    def publish_surely(self):
        def published():
            try:
                self.publish()
            except Exception as error:
                return not error  # tried again
            return True

        eventually(published, "it is published")

    def run(self, events):
        for _ in range(events):
            self.publish_surely()
            gevent.sleep(0)


def accounts_of(cluster):
    """An account of each shard."""
    return [cluster.account_on(node) for node in cluster.primaries]


def generations(engine, readers):
    """Changes for each reader whose subscription was doubted."""
    return [engine.topics.generation_of(reader.subscriber.topics) for reader in readers]


def ping(engine, readers):
    engine.heartbeat.ping({reader.subscriber for reader in readers})


def ping_until_all_have_ids(engine, readers, also=()):
    def all_have():
        ping(engine, [*readers, *also])
        return all(reader.last_ping()[0] for reader in readers)

    eventually(all_have, "their pings have ids")


def shards_with_loss(engine):
    """Where the last pings found that events were lost."""
    states = engine.heartbeat._shards.items()
    return {shard for shard, s in states if s.problem and s.problem.name == LostEvents.name}


def test_events_of_every_shard_arrive_and_pings_have_ids(cluster, start, opened, publisher):
    engine, broker = start(cluster), publisher(cluster)
    readers = opened(engine, accounts_of(cluster))
    assert len({engine.broker.shard_of(reader.account_id) for reader in readers}) == 3
    for reader in readers:
        Writer(broker, reader.account_id).publish()
    eventually(lambda: all(reader.numbers() == [0] for reader in readers), "the events arrive")
    ping_until_all_have_ids(engine, readers)
    assert engine.redis_problem() is None


def test_while_a_slot_moves_its_account_misses_nothing_and_others_notice_nothing(
    cluster, start, opened, publisher
):
    engine, broker = start(cluster), publisher(cluster)
    accounts = accounts_of(cluster)
    readers = opened(engine, accounts)
    writers = [Writer(broker, account) for account in accounts]
    load = [gevent.spawn(writer.run, 300) for writer in writers]
    first, *others = readers
    before = generations(engine, others)
    slot = slot_of(first.account_id)
    for to in (1, 2, 0, 1):
        gevent.sleep(0.05)
        cluster.move(slot, cluster.primaries[to], meanwhile=lambda: gevent.sleep(0.02))
    gevent.joinall(load, raise_error=True)
    for reader, writer in zip(readers, writers, strict=True):
        eventually(lambda r=reader, w=writer: len(r.numbers()) == w.published, "all arrive")
        assert reader.numbers() == list(range(writer.published)), "in their order, each once"
        assert not reader.resets()
    assert generations(engine, others) == before
    eventually(first.is_live, "its account is followed")
    ping_until_all_have_ids(engine, readers)


def test_only_channels_that_the_server_unsubscribes_are_doubted(cluster, start, opened, publisher):
    engine, broker = start(cluster), publisher(cluster)
    account = cluster.account_on(cluster.primaries[0])
    neighbour = cluster.account_on(cluster.primaries[0], after=account)
    assert slot_of(account) != slot_of(neighbour)
    readers = opened(engine, [account, neighbour])
    before = generations(engine, readers)
    cluster.move(slot_of(account), cluster.primaries[1])
    eventually(lambda: generations(engine, readers)[0] > before[0], "it is doubted")
    assert generations(engine, readers)[1] == before[1]
    eventually(readers[0].is_live, "it follows to the other node")
    assert engine.broker.shard_of(account) == f"127.0.0.1:{cluster.primaries[1].port}"
    for reader in readers:
        Writer(broker, reader.account_id).publish()
    eventually(lambda: [r.numbers() for r in readers] == [[0], [0]], "both receive events")
    assert not any(reader.resets() for reader in readers)


def test_a_topic_whose_account_has_moved_without_notice_is_subscribed_to_where_it_is_now(
    cluster, start, opened, publisher
):
    engine = start(cluster)
    account = cluster.account_on(cluster.primaries[0])
    old = engine.broker.shard_of(account)
    cluster.move(slot_of(account), cluster.primaries[2])
    assert engine.broker.shard_of(account) == old, "the process has not noticed"
    (reader,) = opened(engine, [account])  # the old node answers MOVED
    assert engine.broker.shard_of(account) == f"127.0.0.1:{cluster.primaries[2].port}"
    Writer(publisher(cluster), account).publish()
    eventually(lambda: reader.numbers() == [0], "the event arrives")


def test_a_shard_that_hangs_concerns_its_accounts_only(cluster, start, opened, publisher):
    engine, broker = start(cluster), publisher(cluster)
    theirs, *others = opened(engine, accounts_of(cluster))
    before = generations(engine, others)
    cluster.primaries[0].pause()
    try:
        for reader in others:
            Writer(broker, reader.account_id).publish()
        eventually(lambda: all(r.numbers() == [0] for r in others), "events of others arrive")
        late = cluster.account_on(cluster.primaries[1], after=others[0].account_id)
        assert opened(engine, [late]), "others open streams"
        ping_until_all_have_ids(engine, others, also=[theirs])
        id, body = theirs.last_ping()
        assert id is None
        assert body["lag"] > 0
        assert body["reason"] == "redis_silent"
        assert "does not answer" in engine.redis_problem()
        assert generations(engine, others) == before
    finally:
        cluster.primaries[0].go_on()
    ping_until_all_have_ids(engine, [theirs])
    Writer(broker, theirs.account_id).publish_surely()
    eventually(lambda: theirs.numbers() == [0], "its events arrive")
    assert not any(reader.resets() for reader in (theirs, *others))


def test_lost_writes_of_a_failover_reset_the_accounts_of_that_shard_only(
    replicated, start, opened, publisher
):
    engine, broker = start(replicated), publisher(replicated)
    theirs, *others = opened(engine, accounts_of(replicated))
    writers = {r: Writer(broker, r.account_id) for r in (theirs, *others)}
    for reader, writer in writers.items():
        writer.publish()
        eventually(lambda r=reader: r.numbers() == [0])
    primary, (replica,) = replicated.primaries[0], replicated.replicas[0]
    with primary.client as client:
        assert client.wait(1, 10_000) == 1, "the replica has the first event"
        replica.pause()
        client.execute_command("CLIENT KILL TYPE replica")  # else the next is in its socket
    writers[theirs].publish()
    eventually(lambda: theirs.numbers() == [0, 1], "the event that will be lost has arrived")
    before = generations(engine, others)
    primary.kill()
    replica.go_on()
    replicated.fail_over(replica, "TAKEOVER")
    for writer in writers.values():
        writer.publish_surely()
    eventually(theirs.resets, "the loss is found")
    eventually(theirs.is_live, "and its streams go on")
    writers[theirs].publish_surely()
    eventually(lambda: theirs.numbers()[-1] == 3, "events arrive again")
    assert theirs.resets() == 1
    ping_until_all_have_ids(engine, [theirs, *others])
    assert shards_with_loss(engine) == {f"127.0.0.1:{replica.port}"}, "it is a problem of that one"
    for reader in others:
        eventually(lambda r=reader: r.numbers() == [0, 1])
        assert not reader.resets()
    assert generations(engine, others) == before
    ping_until_all_have_ids(engine, [theirs, *others])


def test_a_primary_that_hangs_is_left_for_the_replica_that_takes_over(
    replicated, start, opened, publisher
):
    engine, broker = start(replicated), publisher(replicated)
    theirs, *others = opened(engine, accounts_of(replicated))
    writers = {r: Writer(broker, r.account_id) for r in (theirs, *others)}
    for writer in writers.values():
        writer.publish()
    with replicated.primaries[0].client as client:
        assert client.wait(1, 10_000) == 1, "the replica has the event"
    before = generations(engine, others)
    replicated.primaries[0].pause()
    try:
        replicated.fail_over(replicated.replicas[0][0], "TAKEOVER")
        for writer in writers.values():
            writer.publish_surely()
        for reader in writers:
            eventually(lambda r=reader: r.numbers() == [0, 1], "its events arrive")
            assert not reader.resets()
        ping_until_all_have_ids(engine, [theirs, *others])
        assert generations(engine, others) == before
    finally:
        replicated.primaries[0].go_on()


def test_a_look_at_the_nodes_that_hangs_keeps_no_command_to_other_nodes_waiting(
    cluster, publisher, monkeypatch
):
    broker = publisher(cluster)
    theirs, *others = accounts_of(cluster)
    assert broker.position(theirs)
    gate = Gate("the nodes")
    monkeypatch.setattr(broker.shards._cluster, "refresh", lambda away: gate())
    monkeypatch.setattr(cluster_module, "REFRESH_PAUSE", -1.0)
    broker.shards.failed(broker.shard_of(theirs))
    looking = gevent.spawn(broker.position, theirs)
    gate.wait_reached()
    broker.shards.failed(broker.shard_of(theirs))
    asked = [gevent.spawn(broker.position, account) for account in (*others, theirs)]
    gevent.joinall(asked, timeout=PATIENCE, raise_error=True)
    assert all(greenlet.value for greenlet in asked)
    assert not looking.ready()
    gate.open()
    assert looking.get(timeout=PATIENCE)


def test_an_added_node_has_a_connection_as_long_as_it_has_slots(cluster, start, opened, publisher):
    engine, broker = start(cluster), publisher(cluster)
    account = cluster.account_on(cluster.primaries[0])
    (reader,) = opened(engine, [account])
    node = cluster.add()
    name = f"127.0.0.1:{node.port}"
    assert name not in engine.broker.shards.names()
    cluster.move(slot_of(account), node)
    eventually(lambda: len(engine.pubsubs.all()) == 4, "it has a connection")
    assert engine.broker.shard_of(account) == name
    Writer(broker, account).publish_surely()
    eventually(lambda: reader.numbers() == [0], "events arrive")
    eventually(reader.is_live)
    cluster.move(slot_of(account), cluster.primaries[0])
    eventually(lambda: len(engine.pubsubs.all()) == 3, "its connection ends")
    eventually(reader.is_live)
    assert not reader.resets()
    cluster.remove(node)


def test_a_control_message_reaches_each_process_once_and_with_a_node_that_hangs(
    cluster, start, monkeypatch
):
    engine, other = start(cluster), start(cluster)
    named = {engine: [], other: []}
    for each, names in named.items():
        monkeypatch.setattr(each.revocation, "recheck_named", names.append)
    engine.broker.recheck(7)
    eventually(lambda: all(named.values()), "it has arrived")
    assert all(each.barrier(60) for each in named), "what the other shards deliver has arrived, too"
    assert list(named.values()) == [["7"], ["7"]]
    cluster.primaries[0].pause()
    try:
        engine.broker.recheck(8)
        eventually(lambda: all(len(names) == 2 for names in named.values()), "it arrives")
    finally:
        cluster.primaries[0].go_on()
    assert list(named.values()) == [["7", "8"], ["7", "8"]]


def test_processes_are_asked_and_answer_through_a_node_that_answers(cluster, start, opened):
    engine, other = start(cluster), start(cluster)
    readers = opened(engine, [1]) + opened(other, [1])
    report = engine.inspection.report(1)
    assert (report.asked, report.answered, report.total) == (2, 2, 2)
    assert engine.broker.subscribed_processes() == 2
    assert {stream.user_id for stream in report.streams} == {1}
    assert len(readers) == 2


def test_a_request_about_a_shard_that_answers_does_not_wait_for_one_that_hangs(
    cluster, publisher, monkeypatch
):
    monkeypatch.setattr(broker_module, "SILENCE", 10 * PATIENCE)
    monkeypatch.setattr(RequestBroker, "timeout", 5.0)  # the others may be slow
    requests = publisher(cluster).for_requests
    assert isinstance(requests, RequestBroker)
    theirs, *others = accounts_of(cluster)
    for account in (theirs, *others):
        requests.position(account)
    cluster.primaries[0].pause()
    try:
        with pytest.raises(Exception, match=r"Timeout|timed out"):
            requests.position(theirs)
        with pytest.raises(Exception, match="has just not answered"):
            requests.position(theirs)
        for account in others:
            requests.position(account)
    finally:
        cluster.primaries[0].go_on()


def test_each_shard_is_tried_for_itself(cluster, publisher):
    broker = publisher(cluster)
    theirs, *others = accounts_of(cluster)
    assert all(broker.takes_events(account) for account in (theirs, *others))
    with cluster.primaries[0].client as client:
        client.config_set("maxmemory", 1)  # it refuses to write
    try:
        assert not broker.takes_events(theirs)
        assert all(broker.takes_events(account) for account in others)
        with pytest.raises(Exception, match="maxmemory"):
            broker.check()
    finally:
        with cluster.primaries[0].client as client:
            client.config_set("maxmemory", 0)
    broker.check()


def test_the_accounts_of_all_shards_are_forgotten_and_nothing_else(cluster, publisher):
    broker = publisher(cluster)
    for account in accounts_of(cluster):
        Writer(broker, account).publish()
        with cluster.owner(account).client as client:
            client.set(f"LIMITS:{{{account}}}", 1)
    broker.forget()
    for node in cluster.primaries:
        with node.client as client:
            assert [key[:7] for key in client.scan_iter()] == [b"LIMITS:"]


def test_an_account_whose_slot_no_node_has_waits_alone(cluster, start, opened, publisher):
    engine, broker = start(cluster), publisher(cluster)
    theirs, *others = opened(engine, accounts_of(cluster))
    owner, slot = cluster.owner(theirs.account_id), slot_of(theirs.account_id)
    for node in cluster.primaries:
        with node.client as client:
            client.execute_command("CLUSTER DELSLOTS", slot)
    try:
        engine.broker.shards.refresh()
        with pytest.raises(UncoveredSlots):
            engine.broker.check()
        assert "slots" in engine.redis_problem()
        with pytest.raises(UncoveredSlots):
            engine.broker.position(theirs.account_id)
        for reader in others:
            Writer(broker, reader.account_id).publish()
        eventually(lambda: all(r.numbers() == [0] for r in others), "events of others arrive")
        ping_until_all_have_ids(engine, others, also=[theirs])
        assert theirs.last_ping()[0] is None
        assert theirs.last_ping()[1]["reason"] == "redis_cluster_down"
    finally:
        with owner.client as client:
            client.execute_command("CLUSTER ADDSLOTS", slot)
        cluster.wait_until_whole()
    Writer(broker, theirs.account_id).publish_surely()
    eventually(lambda: theirs.numbers() == [0], "it goes on")
    assert not theirs.resets()


def lease(user_id, topic="a"):
    return LeaseSpec(presence.PRESENCE, (topic,), str(user_id), "Ada")


def present(broker, account_id):
    (snapshot,) = broker.read(account_id, (), NOWHERE, [Group(presence.PRESENCE, "a")]).snapshots
    return set(snapshot.present)


def test_leases_of_other_shards_are_taken_while_one_hangs(cluster, start, opened, publisher):
    engine, broker = start(cluster), publisher(cluster)
    theirs, *others = accounts_of(cluster)
    opened(engine, [theirs], leases=(lease(7),))
    assert present(broker, theirs) == {"7"}
    cluster.primaries[0].pause()
    try:
        stuck = Reader(engine, theirs, leases=(lease(8),))
        lane = engine.leases.of(theirs)
        eventually(lambda: lane._sending.locked(), "its lease is being taken")
        opened(engine, others, leases=(lease(9),))
        assert all(present(broker, account) == {"9"} for account in others)
        assert not stuck.is_live()
    finally:
        cluster.primaries[0].go_on()
    eventually(stuck.is_live, "it goes on")
    eventually(lambda: present(broker, theirs) == {"7", "8"}, "with its lease")
    stuck.socket.close()


def test_leases_of_an_account_follow_it_and_nobody_leaves(cluster, start, opened, publisher):
    engine, broker = start(cluster), publisher(cluster)
    account = cluster.account_on(cluster.primaries[0])
    readers = opened(engine, [account] * 3, leases=(lease(7),))
    before = generations(engine, readers)
    cluster.move(slot_of(account), cluster.primaries[1])
    eventually(lambda: generations(engine, readers) != before, "the move is noticed")
    eventually(lambda: all(reader.is_live() for reader in readers), "the streams go on")
    engine.leases.renew()
    engine.leases.flush(time.monotonic())
    holding = engine.leases.of(account)._holdings[account]
    assert (holding.streams, holding.doubtful) == (3, False), "Redis has all changes"
    assert present(broker, account) == {"7"}
    for reader in readers:
        reader.socket.close()
    eventually(lambda: not engine.hub.subscribers(), "the streams end")
    engine.leases.flush(time.monotonic())
    assert holding.streams == 0
    (snapshot,) = broker.read(account, (), NOWHERE, [Group(presence.PRESENCE, "a")]).snapshots
    assert 0 <= snapshot.next_expiry_ms <= 10_000, "they leave when their grace is over"
