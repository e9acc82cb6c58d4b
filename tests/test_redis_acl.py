"""The rights that docs/production.md gives to the user of Redis: what rtapp needs, and no more."""

import shlex
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from rtapp import create_app
from rtapp import ratelimits
from rtapp.doctor import redis
from rtapp.realtime.diagnosis import diagnose

from .conftest import settings
from .harness.redis_nodes import ClusterNodes
from .harness.redis_nodes import RedisNode
from .support import ApiClient
from .support import envelope
from .support import eventually
from .support import outbox_drained
from .support import release

PAGE = Path(__file__).parent.parent / "docs" / "production.md"
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def exercise(app):
    """Do all that rtapp does with Redis."""
    broker, engine = app.extensions["broker"], app.extensions["engine"]
    engine.start()
    app.extensions["relay"].start()
    ada, kevin = ApiClient(app, "ada@example.com"), ApiClient(app, "kevin@example.com")
    with (
        closing(ada.stream("/streams?stream=account:1&stream=conversation:1&stream=presence:1"))
        as adas,
        closing(kevin.stream("/streams/conversations/1")) as kevins,
    ):  # fmt: skip
        adas.named("stream.open")
        kevins.named("stream.open")
        assert kevin.post("/conversations/1/typing", {"typing": True}).status_code == 204
        assert adas.ephemeral("typing")["is_typing"] is True
        assert kevin.post("/conversations/1/typing", {"typing": False}).status_code == 204
        assert kevin.post("/accounts/1/presence", {"status": "busy"}).status_code == 200
        sent = kevin.send(1, "Hello")
        assert sent.status_code == 201
        assert envelope(adas.until("message.created")[-1])["data"]["content"] == "Hello"
        assert outbox_drained(app)
        last = adas.raw.rpartition("\nid: ")[2].partition("\n")[0]
        engine.leases.renew()
        engine.heartbeat.ping(set(engine.hub.subscribers()))
        assert engine.heartbeat.problem is None
        assert engine.barrier(10)
        assert len(ada.get("/accounts/1/settings/inspect").json["streams"]) == 2
        broker.recheck(kevin.id)
        wrong = {"email": "kevin@example.com", "password": "guess"}
        assert app.test_client().post("/login", json=wrong).status_code == 401
        right = {"email": "kevin@example.com", "password": "password"}
        assert app.test_client().post("/login", json=right).status_code == 200
    eventually(lambda: not engine.hub.subscribers(), "both streams are closed")
    kevin.send(1, "Meanwhile")
    assert outbox_drained(app)
    with closing(ada.stream("/streams/conversations/1", last_event_id=last)) as resumed:
        assert envelope(resumed.until("message.created")[-1])["data"]["content"] == "Meanwhile"
    eventually(lambda: not engine.hub.subscribers(), "it is closed")
    engine.heartbeat.tick(float("inf"))  # topics without streams
    assert broker.subscribed_processes() == 1
    assert app.test_client().get("/readyz").status_code == 200
    with app.app_context():
        found = {each.check: each.verdict for each in redis.check()}
    assert found == {
        "Redis": "ok", "publishing": "ok", "persistence": "warning", "eviction": "ok",
        "memory": "ok",
    }  # fmt: skip
    broker.forget()
    assert engine.redis_problem() is None


def rights(beginning):
    """The rest of the documented command that begins so, one word a right."""
    page = PAGE.read_text().replace("\\\n", "")
    begin = f"    redis-cli ACL SETUSER rtapp {beginning} "
    (line,) = (line for line in page.splitlines() if line.startswith(begin))
    return shlex.split(line.removeprefix(begin))


def commands(rule):
    return {word.removeprefix("+") for word in rule if word.startswith("+")}


def used(node):
    """The commands that the user of the rule has called, by themselves or in a script."""
    stats = node.client.info("commandstats").items()
    names = {name.removeprefix("cmdstat_"): stat for name, stat in stats}
    return {name for name, stat in names.items() if stat["calls"] > stat["failed_calls"]}


def permit(node, rule):
    node.client.execute_command("ACL SETUSER", "rtapp", "reset", *rule)


@pytest.fixture
def node(tmp_path):
    node = RedisNode(tmp_path / "server")
    node.start()
    yield node
    node.stop()


@pytest.fixture
def cluster(tmp_path):
    cluster = ClusterNodes(tmp_path / "cluster")
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def run(tmp_path, database_url):
    """`run(url)`: the whole application with Redis at this address."""

    def run(url):
        app = create_app(replace(settings(tmp_path, database_url, url), rate_limits=True))
        ratelimits.limiter._storage_dead = False
        try:
            exercise(app)
        finally:
            app.extensions["relay"].stop()
            app.extensions["engine"].stop()
            release(app)
            ratelimits.limiter.enabled = False

    return run


ALWAYS = {"auth"}  # needs no right
BY_TESTS = {
    "acl|setuser", "acl|log", "cluster|addslots", "cluster|meet", "cluster|set-config-epoch",
}  # fmt: skip
SERVER, CLUSTER = "on '>PASSWORD' resetkeys", "+asking"


def test_the_documented_user_can_do_all_that_rtapp_does_and_no_more(node, run):
    rule = ["on", ">PASSWORD", "resetkeys", *rights(SERVER)]
    permit(node, rule)
    run(f"redis://rtapp:PASSWORD@127.0.0.1:{node.port}")
    assert node.client.acl_log() == []
    assert used(node) - ALWAYS - BY_TESTS == commands(rule)


def test_the_documented_user_of_a_cluster_needs_some_more(cluster, run):
    rule = ["on", ">PASSWORD", "resetkeys", *rights(SERVER), CLUSTER, *rights(CLUSTER)]
    for node in cluster.nodes:
        permit(node, rule)
    run(cluster.url.replace("//", "//rtapp:PASSWORD@"))
    assert [node.client.acl_log() for node in cluster.nodes] == [[], [], []]
    calls = set().union(*map(used, cluster.nodes))
    assert commands(rights(CLUSTER)) <= calls
    assert calls - commands(rule) <= ALWAYS | BY_TESTS


@pytest.mark.parametrize(
    "missing", ["+evalsha", "+publish", "+xadd", "+subscribe", "+set", "~rt:*", "&rt:*"]
)
def test_a_right_that_is_missing_is_shown_in_one_sentence(node, missing, database_url, tmp_path):
    rule = rights(SERVER)
    assert missing in rule
    permit(node, ["on", ">PASSWORD", "resetkeys", *(word for word in rule if word != missing)])
    app = create_app(
        settings(tmp_path, database_url, f"redis://rtapp:PASSWORD@127.0.0.1:{node.port}")
    )
    app.extensions["engine"].start()
    broker, engine = app.extensions["broker"], app.extensions["engine"]

    def refused():
        try:
            broker.publish(1, "key", "probe", [("probe", "")])
            broker.for_requests.check()
        except RedisError as error:
            return diagnose(error).text
        return engine.heartbeat.problem and engine.heartbeat.problem.text

    stream = ApiClient(app, "ada@example.com").stream("/streams/conversations/1")
    try:
        engine.heartbeat.ping(set(engine.hub.subscribers()))
        text = eventually(refused, "it is noticed")
        assert "Redis does not permit what rtapp does (NOPERM): see the ACL" in text
    finally:
        stream.close()
        engine.stop()
        release(app)
