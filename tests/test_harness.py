"""The harness: a failed helper ends its test, a failed wait names its condition, a gate holds."""

import gevent
import pytest
from gevent.event import Event

from rtapp.testing import eventually
from rtapp.testing.parsing import StreamParser

from .harness.gate import Gate
from .harness.supervision import HelperFailed
from .harness.supervision import spawn
from .harness.supervision import supervised


def fail():
    gevent.sleep(0)
    raise ConnectionResetError("the other side has gone")


WAITS = {
    "an event": lambda: Event().wait(),
    "a condition": lambda: eventually(lambda: False, "never", patience=100_000),
    "a condition that takes errors of connections for no": lambda: eventually(
        lambda: suppressed(Event().wait), "never", patience=100_000
    ),
}


def suppressed(function):
    try:
        function()
    except Exception:
        return False


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_a_failed_helper_ends_its_test_at_once_during_any_wait(wait):
    def waits_while_a_helper_fails():
        with supervised():
            spawn(fail)
            wait()

    with pytest.raises(HelperFailed, match="the other side has gone") as failure:
        waits_while_a_helper_fails()
    assert isinstance(failure.value.__cause__, ConnectionResetError)


@pytest.mark.filterwarnings("default")
def test_a_failed_greenlet_without_a_supervisor_does_not_end_its_test():
    """What the supervisor is for: the same helper, and the test waits on."""
    ended = Event()
    helper = gevent.spawn(fail)
    helper.link(lambda _: ended.set())
    assert ended.wait(60)
    gevent.sleep(0)
    assert isinstance(helper.exception, ConnectionResetError)


def test_helpers_that_return_or_are_killed_do_not_end_their_test():
    with supervised() as supervisor:
        short = spawn(lambda: 7)
        long = spawn(Event().wait)
        assert short.get() == 7
        assert not long.dead
    assert long.dead
    with supervised():
        killed = supervisor.spawn(Event().wait)
        killed.kill()
    gevent.sleep(0)


def test_spawning_a_helper_without_a_supervisor_is_refused():
    with pytest.raises(AssertionError, match="inside `with supervised"):
        spawn(fail)


def test_a_failed_wait_names_its_condition_and_the_last_observation():
    with pytest.raises(AssertionError, match=r"not within 0\.05 s: three arrive; .*: \[1, 2\]"):
        eventually(lambda: False, "three arrive", 0.05, observed=lambda: [1, 2])
    with pytest.raises(AssertionError, match=r"lambda: len\(\[\]\).*last observed: 0"):
        eventually(lambda: len([]), patience=0)


def test_a_wait_continues_as_long_as_its_observation_changes():
    moves = iter(range(1_000))
    steps = []
    assert eventually(
        lambda: len(steps) == 30, "30 steps", 0.05, lambda: steps.append(next(moves)) or len(steps)
    )


def test_a_wait_returns_the_value_of_its_condition():
    values = iter([None, "", "there"])
    assert eventually(lambda: next(values), "a value") == "there"


def test_a_closed_gate_holds_a_greenlet_until_it_is_opened():
    gate, passed = Gate(), []
    with supervised():
        helper = spawn(gate.before(passed.append), "through")
        gate.wait_reached()
        assert passed == []
        gate.open()
        helper.get()
    assert passed == ["through"]
    gate.close()
    assert not gate.reached


def test_an_open_gate_does_not_hold_a_greenlet():
    gate = Gate(closed=False)
    gate()
    assert gate.reached


def test_a_stream_in_any_pieces_gives_the_same_frames():
    stream = "retry: 5\n\nid: a-1\nevent: x\ndata: é\ndata: b\n\ndata: c\n\n".encode()
    for size in range(1, len(stream) + 1):
        parser = StreamParser()
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        frames = [frame for piece in pieces for frame in parser.feed(piece)]
        assert [(f.id, f.event.event, f.event.data, f.fires) for f in frames] == [
            ("", "message", "", False), ("a-1", "x", "é\nb", True), ("", "message", "c", True)
        ]  # fmt: skip
        assert parser.unexpected == []


def test_a_field_that_the_protocol_does_not_have_is_noticed():
    parser = StreamParser()
    parser.feed(b"data: a\nforged: b\n\n")
    assert parser.unexpected == ["forged: b"]
