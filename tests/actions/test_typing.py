import json
from contextlib import closing
from math import ceil

import gevent
import pytest

from ..harness.waiting import PATIENCE
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
    """A subscription to the typing topic of the conversation's customers."""
    pubsub = broker.redis.pubsub()
    pubsub.subscribe("rt:{1}:visitor:1")
    assert pubsub.get_message(timeout=PATIENCE)["type"] == "subscribe"
    yield pubsub
    pubsub.close()


def typing(agent, is_typing=True, **more):
    answer = agent.post(PATH, {"typing": is_typing, **more})
    assert (answer.status_code, answer.data) == (204, b"")


def test_the_start_and_end_of_typing_are_published_to_the_thread(kevin, thread):
    typing(kevin)
    assert thread.ephemeral("typing") == {
        "conversation_id": 1, "user_id": kevin.id, "user_name": "Kevin",
        "is_typing": True, "private": False, "expires_in": 8,
    }  # fmt: skip
    typing(kevin, False)
    ended = thread.ephemeral("typing")
    assert (ended["user_id"], ended["is_typing"], ended["expires_in"]) == (kevin.id, False, 0)


def test_typing_posted_fifty_times_is_published_once(kevin, thread):
    for _ in range(50):
        typing(kevin)
    typing(kevin, False)
    assert thread.ephemeral("typing")["is_typing"] is True
    assert thread.ephemeral("typing")["is_typing"] is False
    assert thread.raw.count("event: typing") == 2


def test_an_end_of_typing_without_a_start_is_not_published(kevin, thread):
    typing(kevin, False)
    kevin.send(1, "without typing")
    thread.named("message.created")
    typing(kevin)
    assert thread.ephemeral("typing")["is_typing"] is True
    assert thread.raw.count("event: typing") == 1


def test_sending_a_message_ends_the_typing(kevin, thread):
    typing(kevin)
    thread.ephemeral("typing")
    kevin.send(1, "here it is")
    assert thread.ephemeral("typing")["is_typing"] is False


def test_closing_the_last_stream_ends_the_typing(kevin, thread):
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


def test_typing_without_an_end_expires_with_its_lease(kevin, thread, engine):
    """The lease's expiry is moved into the past, so no time has to pass."""
    typing(kevin)
    thread.ephemeral("typing")
    leases = "rt:{1}:typing:conversation:1:leases"
    eventually(lambda: engine.broker.redis.zcard(leases) == 1)
    ((member, ends),) = engine.broker.redis.zrange(leases, 0, -1, withscores=True)
    assert 7_000 < ends - engine.broker.now_ms() <= 8_000
    sweeps = engine.leases.of(1)._sweeps._due.items()
    (due,) = (at for key, at in sweeps if "typing:conv" in key.group.name)
    engine.broker.redis.zadd(leases, {member: engine.broker.now_ms() - 1})
    engine.leases.flush(due)  # what `run` does by itself at that time
    assert thread.ephemeral("typing")["is_typing"] is False


def test_a_stream_opened_later_receives_the_current_typing(kevin, thread, ada):
    typing(kevin)
    thread.ephemeral("typing")
    late = ada.stream("/streams/conversations/1")
    late.named("stream.open")
    assert late.ephemeral("typing")["user_name"] == "Kevin"
    late.close()


def test_typing_of_two_agents_is_published_for_both(kevin, ada, thread):
    typing(kevin)
    typing(ada)  # her own streams receive it, too
    events = [thread.ephemeral("typing") for _ in range(2)]
    assert {t["user_name"] for t in events} == {"Kevin", "Ada"}
    assert all(t["is_typing"] for t in events)


def test_typing_a_private_note_is_published_to_agents_only(kevin, thread, customer_visible, broker):
    typing(kevin, private=True)
    assert thread.ephemeral("typing")["private"] is True
    typing(kevin, False, private=True)
    assert thread.ephemeral("typing")["is_typing"] is False
    assert customer_visible.get_message(timeout=0.2) is None
    assert not broker.redis.keys("*visitor*:leases")
    typing(kevin)  # a reply
    thread.ephemeral("typing")
    payload = customer_visible.get_message(timeout=PATIENCE)["data"]
    assert b'"private\\": false' in payload


def test_typing_ends_for_the_customer_when_a_reply_becomes_a_private_note(
    kevin, thread, customer_visible
):
    typing(kevin)
    assert b"user:" in customer_visible.get_message(timeout=PATIENCE)["data"]
    typing(kevin, private=True)
    assert [thread.ephemeral("typing")["private"] for _ in range(2)] == [False, True]
    ended = json.loads(customer_visible.get_message(timeout=PATIENCE)["data"].split(b" ", 2)[2])
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
    ids=str,
)
def test_typing_with_a_malformed_body_is_refused_and_not_published(
    kevin, thread, broker, body, field
):
    answer = kevin.post(PATH, body)
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert list(answer.json["errors"]) == [field]
    gevent.sleep(0)
    assert not broker.redis.keys("*typing*")


def test_typing_is_refused_without_access_to_the_conversation(grace, nobody, thread, broker):
    assert grace.post(PATH, {"typing": True}).status_code == 404
    assert grace.post("/conversations/999/typing", {"typing": True}).status_code == 404
    assert nobody.post(PATH, {"typing": True}).status_code == 401
    gevent.sleep(0)
    assert not broker.redis.keys("*typing*")


def test_typing_is_accepted_when_the_leases_are_not_reachable(kevin, engine, monkeypatch, caplog):
    monkeypatch.setattr(engine.leases.of(1), "_broker", None)  # every use of it fails
    typing(kevin)
    eventually(lambda: "rtapp.realtime.shard_leases" in caplog.text, "the leases were used")


def test_typing_refuses_bad_input(refusals):
    refusals.check(
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


def test_a_snapshot_of_typing_has_the_time_that_is_left_of_each_typist(
    kevin, ada, maria, broker, thread
):
    """The leases are prolonged here, so that none ends during the test."""
    typing(kevin)
    assert thread.ephemeral("typing")["expires_in"] == 8
    typing(maria)
    assert thread.ephemeral("typing")["expires_in"] == 8
    leases = "rt:{1}:typing:conversation:1:leases"
    ends = {
        "Kevin": broker.redis.zincrby(leases, 100_000, f"user:{kevin.id} -"),
        "Maria Lindqvist": broker.redis.zincrby(leases, 50_000, f"contact:{maria.id} -"),
    }
    before = broker.now_ms()
    with closing(ada.stream("/streams/conversations/1")) as later:
        later.named("stream.open")
        shown = [later.ephemeral("typing") for _ in range(2)]
    after = broker.now_ms()
    assert all(data["is_typing"] for data in shown)
    assert {data["user_name"] for data in shown} == ends.keys()
    for data in shown:
        left = ends[data["user_name"]]
        assert ceil((left - after) / 1000) <= data["expires_in"] <= ceil((left - before) / 1000)
