import pytest

from rtapp.extensions import db
from rtapp.models import Membership

from ..support import eventually

PATH = "/streams/accounts/1/presence"


@pytest.fixture
def present(request):
    """Open a presence stream and wait for its snapshot."""
    streams = []

    def present(agent):
        stream = agent.stream(PATH)
        streams.append(stream)
        stream.named("stream.open")
        return stream, stream.ephemeral("presence_update")["online_users"]

    yield present
    for stream in streams:
        stream.close()


def change_of(stream, agent):
    """Return the next change, which must be the agent's."""
    data = stream.ephemeral("presence_update")
    assert str(agent.id) in data.get("changed", ()) or agent.id in data.get("left", ())
    return data


def test_a_presence_snapshot_contains_its_reader(ada, present):
    _, online = present(ada)
    assert online == {str(ada.id): "online"}


def test_an_arrival_is_published_once_and_not_again_for_a_second_stream(ada, kevin, present):
    stream, _ = present(ada)
    _, online = present(kevin)
    assert online == {str(ada.id): "online", str(kevin.id): "online"}
    assert change_of(stream, kevin) == {"changed": {str(kevin.id): "online"}, "left": []}
    present(kevin)  # a second tab publishes nothing
    kevin.post("/accounts/1/presence", {"status": "busy"})
    assert change_of(stream, kevin) == {"changed": {str(kevin.id): "busy"}, "left": []}


def test_a_presence_event_names_its_stream_and_has_no_id(ada, present):
    stream = ada.stream(PATH)
    stream.named("stream.open")
    stream.ephemeral("presence_update")
    frame = next(f for f in stream.raw.split("\n\n") if "presence_update" in f)
    assert frame.startswith('event: presence_update\ndata: {"event":"presence_update",')
    assert '"stream":"presence:1"' in frame
    stream.close()


def test_a_departure_is_published_after_the_grace(ada, kevin, present, engine):
    stream, _ = present(ada)
    kevins, _ = present(kevin)
    change_of(stream, kevin)
    kevins.close()
    # The remaining lease is the grace. Its score is moved into the past, so no time has to pass.
    redis = engine.broker.redis
    leases = "rt:{1}:presence:presence:leases"

    def in_grace():
        scores = dict(redis.zrange(leases, 0, -1, withscores=True))
        (score,) = (s for m, s in scores.items() if m.startswith(f"{kevin.id} ".encode()))
        return score < engine.broker.now_ms() + 10_100

    eventually(in_grace)
    for member in redis.zrange(leases, 0, -1):
        if member.startswith(f"{kevin.id} ".encode()):
            redis.zadd(leases, {member: engine.broker.now_ms() - 1})
    engine.leases.renew()
    assert change_of(stream, kevin) == {"changed": {}, "left": [kevin.id]}


def test_an_agent_with_status_offline_arrives_and_departs_by_status_only(ada, kevin, present):
    kevin.post("/accounts/1/presence", {"status": "offline"})
    stream, _ = present(ada)
    _, online = present(kevin)
    assert online == {str(ada.id): "online"}
    kevin.post("/accounts/1/presence", {"status": "busy"})
    assert change_of(stream, kevin) == {"changed": {str(kevin.id): "busy"}, "left": []}
    kevin.post("/accounts/1/presence", {"status": "offline"})
    assert change_of(stream, kevin) == {"changed": {}, "left": [kevin.id]}
    assert ada.get("/accounts/1/presence").json["online_users"] == {str(ada.id): "online"}


def test_an_agent_whose_stream_is_revoked_departs_without_grace(app, ada, kevin, present):
    stream, _ = present(ada)
    present(kevin)
    change_of(stream, kevin)
    with app.app_context():
        db.session.execute(db.delete(Membership).where(Membership.user_id == kevin.id))
        db.session.commit()
        app.extensions["broker"].recheck(kevin.id)
    assert change_of(stream, kevin) == {"changed": {}, "left": [kevin.id]}


def test_a_lost_pubsub_connection_is_followed_by_a_new_presence_snapshot(
    ada, kevin, present, engine
):
    stream, _ = present(ada)
    connections = engine.topics.generation
    assert engine.broker.redis.client_kill_filter(_type="pubsub") == 1
    eventually(lambda: engine.topics.generation > connections)
    while "online_users" not in (data := stream.ephemeral("presence_update")):
        pass
    assert data == {"online_users": {str(ada.id): "online"}}
    present(kevin)
    assert change_of(stream, kevin)["changed"] == {str(kevin.id): "online"}


def test_presence_leases_are_renewed_after_redis_lost_its_data(ada, present, engine):
    stream, _ = present(ada)
    engine.broker.redis.flushall()
    engine.leases.renew()
    eventually(lambda: ada.get("/accounts/1/presence").json["online_users"])
    assert change_of(stream, ada)["changed"] == {str(ada.id): "online"}


def test_each_of_several_streams_on_one_connection_gets_its_snapshot(ada):
    stream = ada.stream("/streams?stream=account:1&stream=conversation:1&stream=presence:1")
    stream.named("stream.open")
    assert stream.ephemeral("presence_update")["online_users"] == {str(ada.id): "online"}
    assert stream.ephemeral("conversation.viewers")["viewers"] == [{"id": ada.id, "name": "Ada"}]
    stream.close()
