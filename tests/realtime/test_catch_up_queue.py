"""The catch-up queue: equal readings are shared, and none is done twice at once."""

import pytest

from rtapp.realtime.broker import Topic
from rtapp.realtime.catch_up_queue import CatchUpKey
from rtapp.realtime.catch_up_queue import CatchUpQueue
from rtapp.realtime.cursor import Cursor
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
    assert queue.take() == (CatchUpKey.of(one), [one, two])
    assert queue.take() is None
    assert len(ready) == 1


@pytest.mark.parametrize("other", [{"topic": "b"}, {"ms": 2}, {"account_id": 2}], ids=str)
def test_subscribers_with_another_topic_cursor_or_account_are_another_group(queue, other):
    one, two = subscriber(), subscriber(**other)
    queue.put(one)
    queue.put(two)
    assert [queue.take()[1], queue.take()[1]] == [[one], [two]]


def test_a_subscriber_is_queued_once_until_it_has_been_served(queue):
    one = subscriber()
    queue.put(one)
    queue.put(one)
    key, group = queue.take()
    assert group == [one]
    queue.put(one)
    assert queue.take() is None
    queue.done(key, group)
    assert queue.take() is None
    queue.put(one)
    assert queue.take() == (key, [one])


def test_a_group_waits_while_its_key_is_being_served(queue, ready):
    one, later = subscriber(), subscriber()
    queue.put(one)
    key, group = queue.take()
    queue.put(later)
    assert queue.take() is None
    assert len(ready) == 1
    queue.done(key, group)
    assert len(ready) == 2
    assert queue.take() == (key, [later])
