import pytest

from rtapp.extensions import db
from rtapp.models import Membership

from ..support import eventually

PATH = "/streams/accounts/1/presence"


@pytest.fixture
def present(request):
    """Opens a presence stream, and waits until it has its snapshot."""
    streams = []

    def present(who):
        stream = who.stream(PATH)
        streams.append(stream)
        stream.named("stream.open")
        return stream, stream.ephemeral("presence_update")["online_users"]

    yield present
    for stream in streams:
        stream.close()


def change_of(stream, who):
    """The next change that tells of `who`: one's own arrival may be told after the snapshot."""
    while True:
        data = stream.ephemeral("presence_update")
        if str(who.id) in data.get("changed", ()) or who.id in data.get("left", ()):
            return data


def test_whoever_listens_is_in_their_own_snapshot(ada, present):
    _, online = present(ada)
    assert online == {str(ada.id): "online"}


def test_an_arrival_is_told_once_to_those_who_listen(ada, kevin, present):
    stream, _ = present(ada)
    _, online = present(kevin)
    assert online == {str(ada.id): "online", str(kevin.id): "online"}
    assert change_of(stream, kevin) == {"changed": {str(kevin.id): "online"}, "left": []}
    present(kevin)  # a second tab says nothing new
    kevin.post("/accounts/1/presence", {"status": "busy"})
    assert change_of(stream, kevin) == {"changed": {str(kevin.id): "busy"}, "left": []}


def test_the_envelope_names_the_stream_and_has_no_id(ada, present):
    stream = ada.stream(PATH)
    stream.named("stream.open")
    stream.ephemeral("presence_update")
    frame = next(f for f in stream.raw.split("\n\n") if "presence_update" in f)
    assert frame.startswith('event: presence_update\ndata: {"event":"presence_update",')
    assert '"stream":"presence:1"' in frame
    stream.close()


def test_a_departure_is_told_after_the_grace(ada, kevin, present, hub):
    stream, _ = present(ada)
    kevins, _ = present(kevin)
    change_of(stream, kevin)
    kevins.close()
    # The lease that is left is the grace; time is not waited for, Redis is told that it passed.
    redis = hub.broker.redis
    leases = "rt:{1}:presence:presence:leases"

    def given_back():
        scores = dict(redis.zrange(leases, 0, -1, withscores=True))
        (score,) = (s for m, s in scores.items() if m.startswith(f"{kevin.id} ".encode()))
        return score < hub.broker.now_ms() + 10_100

    eventually(given_back)
    for member in redis.zrange(leases, 0, -1):
        if member.startswith(f"{kevin.id} ".encode()):
            redis.zadd(leases, {member: hub.broker.now_ms() - 1})
    hub.leases.renew()
    assert change_of(stream, kevin) == {"changed": {}, "left": [kevin.id]}


def test_who_chose_to_be_offline_is_not_seen_to_come_or_go(ada, kevin, present):
    kevin.post("/accounts/1/presence", {"status": "offline"})
    stream, _ = present(ada)
    _, online = present(kevin)
    assert online == {str(ada.id): "online"}
    kevin.post("/accounts/1/presence", {"status": "busy"})
    assert change_of(stream, kevin) == {"changed": {str(kevin.id): "busy"}, "left": []}
    kevin.post("/accounts/1/presence", {"status": "offline"})
    assert change_of(stream, kevin) == {"changed": {}, "left": [kevin.id]}
    assert ada.get("/accounts/1/presence").json["online_users"] == {str(ada.id): "online"}


def test_a_stream_that_is_cut_off_for_its_rights_is_a_departure_at_once(app, ada, kevin, present):
    stream, _ = present(ada)
    present(kevin)
    change_of(stream, kevin)
    with app.app_context():
        db.session.execute(db.delete(Membership).where(Membership.user_id == kevin.id))
        db.session.commit()
        app.extensions["broker"].recheck(kevin.id)
    assert change_of(stream, kevin) == {"changed": {}, "left": [kevin.id]}


def test_a_lost_pubsub_connection_is_made_up_for_by_a_new_snapshot(ada, kevin, present, hub):
    stream, _ = present(ada)
    connections = hub.topics.generation
    assert hub.broker.redis.client_kill_filter(_type="pubsub") == 1
    eventually(lambda: hub.topics.generation > connections)
    while "online_users" not in (data := stream.ephemeral("presence_update")):
        pass
    assert data == {"online_users": {str(ada.id): "online"}}
    present(kevin)
    assert change_of(stream, kevin)["changed"] == {str(kevin.id): "online"}


def test_what_was_lost_with_redis_is_held_again(ada, present, hub):
    stream, _ = present(ada)
    hub.broker.redis.flushall()
    hub.leases.renew()
    eventually(lambda: ada.get("/accounts/1/presence").json["online_users"])
    assert change_of(stream, ada)["changed"] == {str(ada.id): "online"}


def test_several_streams_on_one_connection_have_their_snapshots(ada):
    stream = ada.stream("/streams?stream=account:1&stream=conversation:1&stream=presence:1")
    stream.named("stream.open")
    assert stream.ephemeral("presence_update")["online_users"] == {str(ada.id): "online"}
    assert stream.ephemeral("conversation.viewers")["viewers"] == [{"id": ada.id, "name": "Ada"}]
    stream.close()
