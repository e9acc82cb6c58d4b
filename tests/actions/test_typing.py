import json

import gevent
import pytest

from ..support import eventually
from .refusals import Action

PATH = "/conversations/1/typing"


@pytest.fixture
def thread(ada):
    stream = ada.stream("/streams/conversations/1")
    stream.named("stream.open")
    yield stream
    stream.close()


@pytest.fixture
def customer_visible(broker):
    """Everything that is ever said where a customer could hear it."""
    listener = broker.redis.pubsub()
    listener.subscribe("rt:{1}:visitor:1")
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    yield listener
    listener.close()


def typing(who, is_typing=True, **more):
    answer = who.post(PATH, {"typing": is_typing, **more})
    assert (answer.status_code, answer.data) == (204, b"")


def test_beginning_and_end_are_told(kevin, thread):
    typing(kevin)
    assert thread.ephemeral("typing") == {
        "conversation_id": 1, "user_id": kevin.id, "user_name": "Kevin",
        "is_typing": True, "private": False, "expires_in": 8,
    }  # fmt: skip
    typing(kevin, False)
    ended = thread.ephemeral("typing")
    assert (ended["user_id"], ended["is_typing"], ended["expires_in"]) == (kevin.id, False, 0)


def test_saying_it_fifty_times_tells_it_once(kevin, thread):
    for _ in range(50):
        typing(kevin)
    typing(kevin, False)
    assert thread.ephemeral("typing")["is_typing"] is True
    assert thread.ephemeral("typing")["is_typing"] is False
    assert thread.raw.count("event: typing") == 2


def test_stopping_what_one_did_not_begin_is_told_to_nobody(kevin, thread):
    typing(kevin, False)
    kevin.send(1, "written without a word")
    thread.named("message.created")
    typing(kevin)
    assert thread.ephemeral("typing")["is_typing"] is True
    assert thread.raw.count("event: typing") == 1


def test_sending_the_message_ends_it(kevin, thread):
    typing(kevin)
    thread.ephemeral("typing")
    kevin.send(1, "here it is")
    assert thread.ephemeral("typing")["is_typing"] is False


def test_leaving_ends_it(kevin, thread):
    leaving = kevin.stream("/streams/conversations/1")
    staying = kevin.stream("/streams/conversations/1")
    leaving.named("stream.open")
    staying.named("stream.open")
    typing(kevin)
    assert thread.ephemeral("typing")["is_typing"] is True
    leaving.close()
    kevin.send(2, "meanwhile, elsewhere")  # a tab is still open, so nothing ends
    staying.close()
    assert thread.ephemeral("typing")["is_typing"] is False
    assert thread.raw.count("event: typing") == 2


def test_a_lost_stop_ends_by_itself(kevin, thread, hub):
    """Its end is due when the lease runs out; what is waited for is not the time."""
    typing(kevin)
    thread.ephemeral("typing")
    leases = "rt:{1}:typing:conversation:1:leases"
    eventually(lambda: hub.broker.redis.zcard(leases) == 1)
    ((member, ends),) = hub.broker.redis.zrange(leases, 0, -1, withscores=True)
    assert 7_000 < ends - hub.broker.now_ms() <= 8_000
    (due,) = (at for key, at in hub.leases._due.items() if "typing:conv" in key.group.name)
    hub.broker.redis.zadd(leases, {member: hub.broker.now_ms() - 1})
    hub.leases.flush(due)  # what `run` does by itself at that time
    assert thread.ephemeral("typing")["is_typing"] is False


def test_who_comes_late_sees_who_types(kevin, thread, ada):
    typing(kevin)
    thread.ephemeral("typing")
    late = ada.stream("/streams/conversations/1")
    late.named("stream.open")
    assert late.ephemeral("typing")["user_name"] == "Kevin"
    late.close()


def test_several_type_at_once(kevin, ada, thread):
    typing(kevin)
    typing(ada)  # who hears it in her own tabs, too
    told = [thread.ephemeral("typing") for _ in range(2)]
    assert {t["user_name"] for t in told} == {"Kevin", "Ada"}
    assert all(t["is_typing"] for t in told)


def test_typing_a_private_note_is_told_to_agents_only(kevin, thread, customer_visible, broker):
    typing(kevin, private=True)
    assert thread.ephemeral("typing")["private"] is True
    typing(kevin, False, private=True)
    assert thread.ephemeral("typing")["is_typing"] is False
    assert customer_visible.get_message(timeout=0.2) is None
    assert not broker.redis.keys("*visitor*:leases")
    typing(kevin)  # but a reply is
    thread.ephemeral("typing")
    said = customer_visible.get_message(timeout=5)["data"]
    assert b'"private\\": false' in said


def test_from_a_reply_to_a_note_the_customer_sees_it_end(kevin, thread, customer_visible):
    typing(kevin)
    assert b"user:" in customer_visible.get_message(timeout=5)["data"]
    typing(kevin, private=True)
    assert [thread.ephemeral("typing")["private"] for _ in range(2)] == [False, True]
    ended = json.loads(customer_visible.get_message(timeout=5)["data"].split(b" ", 2)[2])
    assert [change[2] for change in ended["changes"]] == [""]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "typing"),
        ({"typing": "yes"}, "typing"),
        ({"typing": 1}, "typing"),
        ({"typing": None}, "typing"),
        ({"typing": True, "private": "no"}, "private"),
        ({"typing": True, "loud": True}, "loud"),
    ],
)
def test_a_body_of_the_wrong_shape_is_told_to_nobody(kevin, thread, broker, body, field):
    answer = kevin.post(PATH, body)
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert list(answer.json["errors"]) == [field]
    gevent.sleep(0)
    assert not broker.redis.keys("*typing*")


def test_what_one_may_not_see_one_does_not_type_in(grace, nobody, thread, broker):
    assert grace.post(PATH, {"typing": True}).status_code == 404
    assert grace.post("/conversations/999/typing", {"typing": True}).status_code == 404
    assert nobody.post(PATH, {"typing": True}).status_code == 401
    gevent.sleep(0)
    assert not broker.redis.keys("*typing*")


def test_without_redis_typing_is_answered_and_lost(kevin, app, monkeypatch):
    hub = app.extensions["engine"]
    monkeypatch.setattr(hub.leases, "_broker", None)  # whatever it would do fails
    typing(kevin)


def test_bad_input_is_refused(refusals):
    refusals.hold(
        Action(
            path=PATH.replace("1", "{id}"),
            id=1,
            body={"typing": True},
            required=["typing"],
            bad={"typing": [None, "yes", 1, []], "private": [None, "no", 0]},
            visitor=204,
            stored=False,
        )
    )
