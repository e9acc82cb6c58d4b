import logging

import gevent
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from rtapp.realtime.backoff import JITTER
from rtapp.realtime.backoff import LIFE
from rtapp.realtime.backoff import LOG_PERIOD
from rtapp.realtime.backoff import Backoff

AWAY = RedisConnectionError("Error 111 connecting to the server")


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def backoff(clock):
    return Backoff(logging.getLogger("rtapp.test"), "Nothing is sent", 1.0, 8.0, clock=clock)


@pytest.fixture
def lines(caplog):
    """The lines logged so far, taken out."""

    def lines():
        taken = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return taken

    return lines


def fail(backoff, clock, error=AWAY):
    """Fail, wait for as long as that takes, and return the wait."""
    delay = backoff.failed(error)
    clock.now += delay
    return delay


def within(delay, longest):
    low, high = JITTER
    return low * longest <= delay <= high * longest


def test_delays_double_up_to_the_longest_and_are_spread(backoff, clock):
    for expected in (1, 2, 4, 8, 8, 8):
        assert within(fail(backoff, clock), expected)
    assert len({fail(backoff, clock) for _ in range(20)}) > 10


def test_an_attempt_that_succeeds_and_fails_at_once_does_not_shorten_the_delay(backoff, clock):
    for expected in (1, 2, 4):
        backoff.succeeded()
        assert within(fail(backoff, clock), expected)
        clock.now += LIFE - 0.1  # while it failed: this does not count
    backoff.succeeded()
    clock.now += LIFE - 0.1
    backoff.succeeded()
    assert within(fail(backoff, clock), 8)


def test_a_failure_after_ten_seconds_of_success_is_waited_for_as_the_first(backoff, clock):
    for _ in range(4):
        fail(backoff, clock)
    backoff.succeeded()
    clock.now += LIFE / 2
    backoff.succeeded()
    clock.now += LIFE / 2
    assert within(fail(backoff, clock), 1)


def test_greenlets_that_fail_in_the_same_outage_double_the_delay_once(backoff, clock):
    assert all(within(backoff.failed(AWAY), 1) for _ in range(4))
    clock.now += 1
    assert all(within(backoff.failed(AWAY), 2) for _ in range(4))


def test_one_cause_is_logged_once_a_minute(backoff, clock, lines):
    started = clock.now
    while clock.now < started + LOG_PERIOD - 8:
        fail(backoff, clock, RedisConnectionError(f"Error 111 at {clock.now}"))
    (line,) = lines()
    assert line.startswith("Nothing is sent (ConnectionError: Error 111 at")
    clock.now = started + LOG_PERIOD
    fail(backoff, clock, RedisConnectionError("Error 112 at 7"))
    assert len(lines()) == 1


def test_each_cause_is_logged_by_itself(backoff, clock, lines):
    for _ in range(3):
        for error in (AWAY, OSError("The database is away"), RedisConnectionError("It hangs")):
            fail(backoff, clock, error)
    assert len(lines()) == 3


def test_an_unexpected_error_has_its_traceback_in_the_log_and_an_expected_one_has_not(
    backoff, clock, caplog
):
    fail(backoff, clock, KeyError("a mistake"))
    fail(backoff, clock, AWAY)
    unexpected, expected = caplog.records
    assert unexpected.exc_info
    assert not expected.exc_info


def test_lines_after_the_first_of_an_error_are_not_logged(backoff, clock, lines):
    fail(backoff, clock, OSError("It failed\n[SQL: …]\n[parameters: ('a secret',)]"))
    assert "secret" not in "".join(lines())


def test_wait_sleeps_and_lets_others_go_on():
    backoff = Backoff(logging.getLogger("rtapp.test"), "Nothing is sent", 0.001, 0.001)
    other = gevent.spawn(lambda: "went on")
    backoff.wait(AWAY)
    assert other.value == "went on"
