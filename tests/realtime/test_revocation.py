"""Overlapping checks of access: the last one to start decides."""

from types import SimpleNamespace

import gevent
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
    gevent.joinall([first, second], timeout=5, raise_error=True)
    assert [answer.seen for answer in applied] == ["old", "new"]
