"""The newest resets and gaps: a bounded list, in which equal ones in a row are one."""

from rtapp.realtime.incidents import KEPT
from rtapp.realtime.incidents import TOGETHER
from rtapp.realtime.incidents import Incident
from rtapp.realtime.incidents import Incidents


def reset(at, account=1, topics=("account",), reason="history_lost"):
    return Incident(at, "reset", account, topics, reason, 1)


def test_equal_resets_of_a_moment_are_one_with_the_number_of_streams():
    incidents = Incidents()
    for n in range(10_000):
        incidents.note(reset(100 + n / 20_000))
    assert incidents.of(1) == [reset(100)._replace(streams=10_000)]
    incidents.note(reset(100 + TOGETHER))
    assert [each.streams for each in incidents.of(1)] == [1, 10_000]


def test_resets_that_differ_stay_apart_the_newest_first():
    incidents = Incidents()
    several = [reset(1), reset(1, reason="published"), reset(1, topics=("inbox:1",)), reset(1, 2)]
    for each in several:
        incidents.note(each)
    assert incidents.of(1) == [several[2], several[1], several[0]]
    assert incidents.of(2) == [several[3]]
    assert incidents.of(3) == []


def test_no_more_than_so_many_are_kept():
    incidents = Incidents()
    for n in range(KEPT + 5):
        incidents.note(reset(10.0 * n))
    assert [each.at for each in incidents.of(1)] == [10.0 * n for n in range(KEPT + 4, 4, -1)]
