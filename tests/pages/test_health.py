import pytest

from rtapp.realtime.broker import EvictingRedis


def test_a_process_without_redis_or_draining_is_alive_but_not_ready(app, nobody, redis):
    assert nobody.get("/readyz").json == {"status": "ready"}
    redis.stop()
    try:
        assert nobody.get("/healthz").status_code == 200
        assert nobody.get("/readyz").status_code == 503
    finally:
        redis.start()
    app.extensions["engine"].draining = True
    assert nobody.get("/readyz").status_code == 503


@pytest.mark.parametrize(("policy", "limit", "status"), [
    ("allkeys-lru", "1gb", 503), ("volatile-ttl", "1gb", 503),
    ("noeviction", "1gb", 200), ("allkeys-lru", "0", 200),
])  # fmt: skip
def test_a_redis_that_may_evict_keys_makes_the_process_unready_and_refuses_subscriptions(
    nobody, broker, policy, limit, status
):
    broker.redis.config_set("maxmemory-policy", policy)
    broker.redis.config_set("maxmemory", limit)
    try:
        answer = nobody.get("/readyz")
        assert answer.status_code == status
        if status == 503:
            assert f"maxmemory-policy {policy}" in answer.json["detail"]
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


def test_a_page_has_a_strict_content_security_policy_and_nosniff(ada):
    page = ada.page("/conversations/1")
    assert "unsafe-inline" not in page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
