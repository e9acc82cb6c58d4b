"""The catch-up queue: equal readings are shared, and none is done twice at once."""

import pytest

from rtapp.realtime.broker import Topic
from rtapp.realtime.catch_up_queue import WORKERS
from rtapp.realtime.catch_up_queue import CatchUpKey
from rtapp.realtime.catch_up_queue import CatchUpQueue
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.shards import ONLY
from rtapp.realtime.subscriber import Subscriber
from rtapp.realtime.subscriber import Subscription


def subscriber(topic="a", ms=1, account_id=1):
    topics = (Topic(account_id, topic),)
    return Subscriber(-1, Subscription(account_id, ("x",), topics, cursor=Cursor("1", ms, 0)), 0.0)


@pytest.fixture
def ready():
    return []


@pytest.fixture
def queue(ready):
    return CatchUpQueue(lambda: ready.append(True))


def test_subscribers_with_the_same_topics_and_cursor_are_one_group(queue, ready):
    one, two = subscriber(), subscriber()
    queue.put(one)
    queue.put(two)
    assert queue.take() == (ONLY, CatchUpKey.of(one), [one, two])
    assert queue.take() is None
    assert len(ready) == 1


@pytest.mark.parametrize("other", [{"topic": "b"}, {"ms": 2}, {"account_id": 2}], ids=str)
def test_subscribers_with_another_topic_cursor_or_account_are_another_group(queue, other):
    one, two = subscriber(), subscriber(**other)
    queue.put(one)
    queue.put(two)
    assert [queue.take().subscribers, queue.take().subscribers] == [[one], [two]]


def test_a_subscriber_is_queued_once_until_it_has_been_served(queue):
    one = subscriber()
    queue.put(one)
    queue.put(one)
    taken = queue.take()
    assert taken.subscribers == [one]
    queue.put(one)
    assert queue.take() is None
    queue.done(taken)
    assert queue.take() is None
    queue.put(one)
    assert queue.take() == taken


def test_a_group_waits_while_its_key_is_being_served(queue, ready):
    one, later = subscriber(), subscriber()
    queue.put(one)
    taken = queue.take()
    queue.put(later)
    assert queue.take() is None
    assert len(ready) == 1
    queue.done(taken)
    assert len(ready) == 2
    assert queue.take() == taken._replace(subscribers=[later])


def test_groups_of_a_shard_that_does_not_answer_do_not_keep_those_of_others_waiting(ready):
    queue = CatchUpQueue(lambda: ready.append(True), lambda account: "ab"[account % 2])
    for ms in range(WORKERS + 2):
        queue.put(subscriber(ms=ms, account_id=2))
    under_way = [queue.take() for _ in range(WORKERS)]
    assert {taken.shard for taken in under_way} == {"a"}
    assert queue.take() is None, "the shard has as many under way as it may have"
    queue.put(other := subscriber(account_id=1))
    assert queue.take() == ("b", CatchUpKey.of(other), [other])
    assert queue.take() is None
    before = len(ready)
    queue.done(under_way.pop())
    assert len(ready) == before + 1
    assert queue.take().shard == "a"
    assert queue.take() is None


def test_a_group_that_waits_when_its_account_moves_is_served_as_one_of_the_old_shard(ready):
    shards = {1: "a"}
    queue = CatchUpQueue(lambda: ready.append(True), shards.get)
    queue.put(one := subscriber())
    shards[1] = "b"
    queue.put(two := subscriber())
    assert queue.take() == ("a", CatchUpKey.of(one), [one, two])
    assert queue.take() is None
