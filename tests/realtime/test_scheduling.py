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


def test_yield_to_loop_lets_a_greenlet_with_a_readable_socket_run(ready):
    yield_to_loop()
    assert ready.ready()


def test_sleep_zero_does_not_let_a_greenlet_with_a_readable_socket_run(ready):
    for _ in range(30):
        gevent.sleep(0)
    assert not ready.ready()
