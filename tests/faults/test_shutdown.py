"""SIGTERM with many open streams: each is closed with a reconnect, and loses no event."""

from statistics import mean

import gevent
import pytest

from ..harness.waiting import eventually
from .check import at_work
from .reader import Reader
from .reader import several
from .sizes import SIZES

CONVERSATIONS = (1, 2)


@pytest.mark.parametrize("workers", [0, 2], ids=["embedded", "gunicorn"])
def test_a_restart_closes_streams_spread_over_time_with_spread_reconnects_and_loses_no_event(
    redis, start, tell, workers
):
    server = start(workers)
    many = SIZES.streams - len(CONVERSATIONS) - 2
    readers = [Reader(server, "conversations/1") for _ in range(many)]
    readers += several(server, CONVERSATIONS)
    eventually(
        lambda: all(r.open for r in readers),
        "all streams are open",
        observed=lambda: sum(r.open for r in readers),
    )
    with at_work(server, readers, CONVERSATIONS) as check:
        gevent.sleep(SIZES.steady)
        server.terminate()
        # The server is gone; what it sent last may still be in the readers' sockets.
        eventually(
            lambda: not any(r.open for r in readers),
            "every reader has read its connection to the end",
            observed=lambda: sum(r.open for r in readers),
        )
        farewells = [r.told("stream.closed") for r in readers]
        server.start()
    assert [len(closed) for closed in farewells] == [1] * len(readers)
    told = [closed[0] for closed in farewells]
    assert {t.data["reason"] for t in told} == {"shutdown"}
    assert all(t.data["reconnect"] is True for t in told)
    delays = [t.data["retry_after"] for t in told]
    assert len(set(delays)) > len(delays) / 4, "the reconnects are not spread"
    assert max(delays) > 1.5 * min(delays)
    moments = sorted(t.at for t in told)
    took = moments[-1] - moments[0]
    assert took > 0.5, "they were closed all at once"
    in_a_tenth = max(
        sum(moment <= m < moment + took / 10 for m in moments) for moment in moments[::5]
    )
    assert in_a_tenth < len(moments) / 2, "the streams were closed at once"
    assert all(r.connection == 2 and r.cuts == 0 for r in readers)
    assert all(r.told("stream.open")[-1].data["resumed"] for r in readers)
    tell(
        f"{len(readers)} streams closed over {took:.1f} s, asked to come back after "
        f"{mean(delays):.0f} ms on average ({min(delays)} to {max(delays)}); {check.tally()}"
    )
