import gevent
import pytest
from sqlalchemy import create_engine
from sqlalchemy import text
from werkzeug.middleware.proxy_fix import ProxyFix

from rtapp import checks
from rtapp import database
from rtapp import schema
from rtapp.extensions import db
from rtapp.realtime import diagnosis
from rtapp.realtime.broker import EvictingRedis
from rtapp.realtime.broker import RequestBroker

from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually

LIMITS = checks.LIMIT, database.PROBE_LIMIT, RequestBroker.timeout
TOKEN = "a token of the operator".replace(" ", "-")
one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def faults(client) -> tuple[str, list[str]]:
    answer = client.get("/status")
    assert answer.status_code == 200
    return answer.json["status"], answer.json["faults"]


def revise(app, *revisions: str) -> None:
    """Note other revisions in the database: none of them is the one of its tables."""
    with app.app_context():
        db.session.execute(text("DELETE FROM alembic_version"))
        for revision in revisions:
            db.session.execute(text("INSERT INTO alembic_version VALUES (:r)"), {"r": revision})
        db.session.commit()


@pytest.fixture
def revisions(app):
    """The database's revisions, which are put back: a later test uses the same database."""
    with app.app_context():
        before = schema.applied_revisions()
    yield before
    revise(app, *before)


@pytest.fixture
def quick_probes(monkeypatch):
    """The limits as they are."""
    assert LIMITS[0] < 1
    monkeypatch.setattr(checks, "LIMIT", LIMITS[0])
    monkeypatch.setattr(database, "PROBE_LIMIT", LIMITS[1])
    monkeypatch.setattr(RequestBroker, "timeout", LIMITS[2])


def test_a_process_without_redis_is_ready_because_streams_are_held_and_status_says_degraded(
    app, nobody, ada, redis
):
    assert nobody.get("/readyz").json == {"status": "ready"}
    assert faults(nobody) == ("ready", [])
    redis.stop()
    try:
        assert nobody.get("/healthz").status_code == 200
        assert nobody.get("/readyz").status_code == 200
        word, (sentence,) = faults(nobody)
        assert word == "degraded"
        assert "Redis can't be reached" in sentence
        assert ada.send(1, "without Redis").status_code == 201
    finally:
        redis.start()


def test_a_draining_process_is_alive_but_not_ready(app, nobody):
    app.extensions["engine"].draining = True
    assert nobody.get("/healthz").status_code == 200
    assert "shutting down" in nobody.get("/readyz").json["detail"]
    assert nobody.get("/readyz").status_code == 503
    assert faults(nobody) == ("unready", ["This process is shutting down."])


@pytest.mark.parametrize(
    ("found", "sentence"),
    [((), schema.EMPTY), (("0001",), schema.OLDER), (("later",), schema.NEWER)],
    ids=["none", "older", "newer"],
)
def test_a_process_whose_database_has_tables_of_another_version_is_not_ready(
    app, nobody, revisions, found, sentence
):
    assert nobody.get("/readyz").status_code == 200
    revise(app, *found)
    answer = nobody.get("/readyz")
    assert (answer.status_code, answer.json["detail"]) == (503, sentence)
    assert faults(nobody) == ("unready", [sentence])
    revise(app, *revisions)
    assert nobody.get("/readyz").status_code == 200


def test_a_database_without_any_table_is_recognised_as_not_migrated(app, nobody, revisions):
    with app.app_context():
        db.session.execute(text("ALTER TABLE alembic_version RENAME TO hidden"))
        db.session.commit()
    try:
        assert nobody.get("/readyz").json["detail"] == schema.EMPTY
    finally:
        with app.app_context():
            db.session.execute(text("ALTER TABLE hidden RENAME TO alembic_version"))
            db.session.commit()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_readiness_status_and_metrics_answer_within_a_second_while_the_database_hangs(
    app, nobody, database_url, revisions, quick_probes
):
    """Another connection locks the tables that are read, so that every query waits."""
    other = create_engine(database_url)
    with other.connect() as connection:
        connection.execute(text("LOCK TABLE alembic_version, outbox_events"))
        for path, status in (("/readyz", 503), ("/status", 200), ("/metrics", 200)):
            with gevent.Timeout(PATIENCE):  # without a limit, the query waits for the lock
                assert nobody.get(path).status_code == status
        word, (sentence,) = faults(nobody)
        assert word == "unready"
        assert "database" in sentence
    other.dispose()
    eventually(lambda: nobody.get("/readyz").status_code == 200, "the process is ready again")


@one_database
def test_a_redis_that_hangs_leaves_the_process_ready_and_is_a_fault(quick_probes, nobody, broker):
    nobody.get("/status")  # connects
    broker.redis.client_pause(3_000)  # ms
    assert nobody.get("/readyz").status_code == 200
    assert faults(nobody) == ("degraded", [diagnosis.SILENT.text])
    eventually(lambda: faults(nobody) == ("ready", []), "Redis answers again")


@one_database
def test_a_check_that_fails_or_does_not_end_is_a_fault_itself(app, nobody, monkeypatch):
    def endless():
        gevent.sleep(3600)

    def broken():
        raise KeyError

    monkeypatch.setattr(checks, "LIMIT", 0.05)
    monkeypatch.setattr(checks, "SERVING", (lambda: None,))
    monkeypatch.setattr(checks, "LIVE", (endless, broken))
    word, (first, second) = faults(nobody)
    assert word == "degraded"
    assert "endless did not end" in first
    assert "broken failed" in second


@pytest.mark.parametrize(("policy", "limit", "word"), [
    ("allkeys-lru", "1gb", "degraded"), ("volatile-ttl", "1gb", "degraded"),
    ("noeviction", "1gb", "ready"), ("allkeys-lru", "0", "ready"),
])  # fmt: skip
@one_database
def test_a_redis_that_may_evict_keys_is_a_fault_and_refuses_subscriptions(
    nobody, broker, policy, limit, word
):
    broker.redis.config_set("maxmemory-policy", policy)
    broker.redis.config_set("maxmemory", limit)
    try:
        assert nobody.get("/readyz").status_code == 200
        assert faults(nobody)[0] == word
        if word == "degraded":
            assert f"maxmemory-policy {policy}" in faults(nobody)[1][0]
            with pytest.raises(EvictingRedis):
                broker.connect_pubsub()
        else:
            broker.connect_pubsub().close()
    finally:
        broker.redis.config_set("maxmemory-policy", "noeviction")
        broker.redis.config_set("maxmemory", "0")


def test_metrics_count_the_open_streams(ada, nobody):
    def open_streams():
        text = nobody.get("/metrics").get_data(as_text=True)
        return float(text.split("\nrtapp_open_streams ")[1].split()[0])

    before = open_streams()
    stream = ada.stream("/streams/conversations/1")
    stream.named("stream.open")
    assert open_streams() == before + 1
    stream.close()


GUARDED = pytest.mark.parametrize("path", ["/metrics", "/status"])


@one_database
@GUARDED
@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_a_client_on_the_same_machine_reads_metrics_and_status(app, path, address, host):
    environ = {"REMOTE_ADDR": address}
    answer = app.test_client().get(path, headers={"Host": host}, environ_base=environ)
    assert answer.status_code == 200


@one_database
@GUARDED
@pytest.mark.parametrize("address", ["10.0.0.1", "203.0.113.9", "2001:db8::1", "", "localhost"])
def test_a_client_on_another_machine_or_behind_a_socket_is_refused_metrics_and_status(
    app, path, address
):
    answer = app.test_client().get(path, environ_base={"REMOTE_ADDR": address})
    assert answer.status_code == 403
    assert "rtapp_open_streams" not in answer.text


@one_database
@GUARDED
@pytest.mark.parametrize("proxies", [0, 1])
@pytest.mark.parametrize("header", [
    "X-Forwarded-For", "x-forwarded-for", "Forwarded", "X-Real-IP", "X-Forwarded-Proto",
    "X-Forwarded-Host", "Via", "CF-Connecting-IP", "True-Client-IP",
])  # fmt: skip
def test_a_request_that_a_proxy_passed_on_is_refused_metrics_and_status(app, path, proxies, header):
    if proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)
    client = app.test_client()
    assert client.get(path).status_code == 200  # without a proxy's header
    for claimed in ("127.0.0.1", "203.0.113.9", ""):
        assert client.get(path, headers={header: claimed}).status_code == 403, claimed


@one_database
@GUARDED
@pytest.mark.parametrize(
    "host", ["inbox.example.com", "127.0.0.1.example.com", "localhost.example.com", "10.0.0.1", "x"]
)
def test_a_request_for_a_public_name_is_refused_metrics_and_status(app, path, host):
    """It came through a proxy without a header, or from a browser by DNS rebinding."""
    assert app.test_client().get(path, headers={"Host": host}).status_code == 403


@one_database
@GUARDED
def test_with_a_token_metrics_and_status_are_for_those_who_have_it_wherever_they_are(
    app, with_token, path
):
    def asked(address: str, **headers: str) -> int:
        environ = {"REMOTE_ADDR": address}
        return app.test_client().get(path, headers=headers, environ_base=environ).status_code

    for address in ("127.0.0.1", "203.0.113.9"):
        assert asked(address, Authorization=f"Bearer {TOKEN}") == 200
        assert asked(address, Authorization=f"bearer  {TOKEN} ") == 200
        for wrong in ("", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer", "Bearer é"):
            assert asked(address, Authorization=wrong) == 403
        assert asked(address) == 403


@pytest.fixture
def with_token(app):
    app.extensions["settings"] = app.extensions["settings"].__class__(
        **{**vars(app.extensions["settings"]), "metrics_token": TOKEN}
    )


@one_database
def test_readiness_and_liveness_are_for_everybody_and_name_no_fault_of_redis(app, redis):
    def asked(path: str):
        return app.test_client().get(path, environ_base={"REMOTE_ADDR": "203.0.113.9"})

    redis.stop()
    try:
        assert asked("/readyz").json == {"status": "ready"}
        assert asked("/healthz").json == {"status": "alive"}
    finally:
        redis.start()
