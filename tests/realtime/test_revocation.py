"""Checks of rights that overlap: whoever asked last has the last word."""

from types import SimpleNamespace

import gevent
from gevent.event import Event

from rtapp.realtime.revocation import Revocation
from rtapp.realtime.subscriber import Subscriber
from rtapp.realtime.subscriber import Subscription


def test_of_two_checks_at_once_the_later_one_has_the_last_word():
    told = []
    subscriber = Subscriber(-1, Subscription(1, ("x",), ()), 0.0)
    hub = SimpleNamespace(change=lambda _, allowed: told.append(allowed), close=None)
    rights, asked, slow = ["old"], [], Event()

    def authorise(question):
        seen = rights[0]
        asked.append(seen)
        if len(asked) == 1:
            slow.wait()  # the database takes its time over the first answer
        return SimpleNamespace(seen=seen)

    revocation = Revocation(hub, authorise)
    first = gevent.spawn(revocation.recheck, [subscriber])
    gevent.idle()
    rights[0] = "new"
    second = gevent.spawn(revocation.recheck, [subscriber])
    gevent.idle()
    slow.set()
    gevent.joinall([first, second], timeout=5, raise_error=True)
    assert [answer.seen for answer in told] == ["old", "new"]
