"""The limits on streams count those of all workers, also after one is killed."""

import os
import signal
import socket
from collections import Counter

import gevent
import pytest

from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually
from .test_workers import descriptors

MOST = 6


@pytest.fixture
def connections():
    """Open streams; closed at the end."""
    connections: list[socket.socket] = []
    yield connections
    for connection in connections:
        connection.close()


def opened(server, connections):
    """The answer to one more stream of Ada. One that is open is added to `connections`."""
    connection = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
    connection.sendall(server.request("/streams/conversations/1", server.bearer("Ada")))
    status = int(connection.recv(4096).split(b" ", 2)[1])
    if status == 200:
        connections.append(connection)
    else:
        connection.close()
    return status


def test_of_streams_asked_for_at_once_two_workers_open_as_many_as_the_limit(start, connections):
    server = start(workers=2, RTAPP_STREAMS_PER_USER=str(MOST))
    jobs = [gevent.spawn(opened, server, connections) for _ in range(MOST * 3)]
    gevent.joinall(jobs, raise_error=True)
    assert Counter(job.value for job in jobs) == {200: MOST, 429: MOST * 2}
    connections.pop().close()
    eventually(lambda: opened(server, connections) == 200, "the closed stream's place is free")
    assert opened(server, connections) == 429


def test_the_streams_of_a_killed_worker_do_not_count_for_long(start, connections):
    server = start(workers=2, RTAPP_STREAMS_PER_USER=str(MOST))
    eventually(lambda: opened(server, connections) == 429, "the limit is reached")
    assert len(connections) == MOST
    os.kill(max(server.worker_pids(), key=descriptors), signal.SIGKILL)
    eventually(lambda: any(map(is_at_its_end, connections)), "the worker is gone")
    eventually(lambda: opened(server, connections) == 200, "a killed stream's place is free")
    while opened(server, connections) == 200:
        pass
    assert sum(not is_at_its_end(connection) for connection in connections) == MOST


def is_at_its_end(connection):
    """Whether its worker is gone."""
    connection.settimeout(0.1)
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True
