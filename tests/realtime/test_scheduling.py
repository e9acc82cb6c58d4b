import socket

import gevent
import pytest

from rtapp.realtime.scheduling import yield_to_loop


@pytest.fixture
def ready():
    """A greenlet that waits for a socket, which has just become readable."""
    ours, theirs = socket.socketpair()
    greenlet = gevent.spawn(ours.recv, 1)
    yield_to_loop()
    theirs.send(b"x")
    assert not greenlet.ready()
    yield greenlet
    greenlet.kill()
    ours.close()
    theirs.close()


def test_whoever_gives_way_goes_on_after_a_socket_that_is_ready(ready):
    yield_to_loop()
    assert ready.ready()


def test_sleeping_for_no_time_at_all_would_not_give_way(ready):
    for _ in range(30):
        gevent.sleep(0)
    assert not ready.ready()
