"""Overlapping checks of access: the last one to start decides."""

from contextlib import contextmanager
from itertools import chain
from types import SimpleNamespace

import gevent
import pytest
from gevent.event import Event

from rtapp.realtime.revocation import Revocation
from rtapp.realtime.subscriber import Subscriber
from rtapp.realtime.subscriber import Subscription


def test_the_later_of_two_concurrent_access_checks_is_applied_last():
    applied = []
    subscriber = Subscriber(-1, Subscription(1, ("x",), ()), 0.0)
    hub = SimpleNamespace(change=lambda _, allowed: applied.append(allowed), close=None)
    rights, asked, slow = ["old"], [], Event()

    def authorise(question):
        seen = rights[0]
        asked.append(seen)
        if len(asked) == 1:
            slow.wait()  # the database is slow for the first check
        return SimpleNamespace(seen=seen)

    revocation = Revocation(hub, authorise)
    first = gevent.spawn(revocation.recheck, [subscriber])
    gevent.idle()
    rights[0] = "new"
    second = gevent.spawn(revocation.recheck, [subscriber])
    gevent.idle()
    slow.set()
    gevent.joinall([first, second], timeout=60, raise_error=True)
    assert [answer.seen for answer in applied] == ["old", "new"]


def test_questions_of_one_credential_are_asked_in_one_block():
    names = ("token b", "token a", "token b", "token a")
    subscribers = [
        Subscriber(-1, Subscription(1, (f"conversation:{n}",), (), credential=name), 0.0)
        for n, name in enumerate(names)
    ]
    hub = SimpleNamespace(change=lambda *_: None, close=None)
    blocks, failing = [], ["conversation:1"]

    @contextmanager
    def together(questions):
        assert len(questions) == len(names)
        blocks.append([])
        yield

    def authorise(question):
        blocks[-1].append(question.credential)
        if question.streams[0] in failing:
            raise ValueError("one question has no answer")
        return question

    revocation = Revocation(hub, authorise, together=together)
    with pytest.raises(ValueError, match="no answer"):
        revocation.recheck(subscribers)
    assert blocks == [["token a", "token a", "token b", "token b"]]
    failing.clear()
    revocation.recheck(subscribers)
    assert len(blocks) == 2, "an earlier block's answers were used"


@pytest.mark.parametrize(
    ("credentials", "streams", "sizes"),
    [(1, 120, [50, 50, 20]), (25, 1, [10, 10, 5]), (3, 40, [50, 50, 20]), (0, 0, [])],
)
def test_a_block_has_few_questions_and_fewer_credentials(credentials, streams, sizes):
    subscribers = [
        Subscriber(-1, Subscription(1, (f"conversation:{n}",), (), credential=f"{c:02}"), 0.0)
        for n in range(streams)
        for c in range(credentials)
    ]
    blocks, asked = [], []

    @contextmanager
    def together(questions):
        blocks.append(questions)
        yield

    hub = SimpleNamespace(change=lambda *_: None, close=None)
    authorise = lambda question: asked.append(question) or question  # noqa: E731
    Revocation(hub, authorise, together=together).recheck(subscribers)
    assert [len(block) for block in blocks] == sizes
    assert list(chain(*blocks)) == asked
    assert len(asked) == len(subscribers)
