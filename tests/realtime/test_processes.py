"""The leases of processes at a given time: lapses, and what is found missing. No test waits."""

import pytest

from rtapp.realtime import presence
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import GroupChanges
from rtapp.realtime.broker import Renewal
from rtapp.realtime.cursor import NOWHERE
from rtapp.realtime.group import Group
from rtapp.realtime.group import Transition
from rtapp.realtime.leases import KINDS
from rtapp.realtime.presence import PRESENCE
from rtapp.realtime.shard_leases import RENEWAL
from rtapp.realtime.viewers import VIEWERS

from .groups import ACCOUNT
from .groups import Clocked
from .groups import close
from .groups import hold
from .groups import ms

LASTS = 45  # s, as in scripts/processes.lua
LEFT = [Transition("7", "online", "")]


@pytest.fixture
def group(broker):
    group = Clocked(broker, presence.GROUP)
    yield group
    group.close()


def renew(broker: Broker, seconds: float, process: str) -> Renewal:
    (renewal,) = broker.renew([(ACCOUNT, process)], now_ms=ms(seconds))
    return renewal


def test_three_renewals_may_be_lost_before_a_process_lapses(broker, group):
    assert LASTS >= 3 * RENEWAL
    group.at(0, hold("7", "p.1"), process="p")
    for second in (15, 30, LASTS - 0.1):
        renew(broker, second, "q")
        assert group.at(second) == []
    assert group.at(LASTS) == LEFT


def test_what_a_process_holds_lasts_while_it_is_renewed(broker, group):
    group.at(0, hold("7", "p.1"), process="p")
    for quarter in range(1, 100):
        renewal = renew(broker, 15 * quarter, "p")
        assert renewal == Renewal(changes=1, next_lapse_ms=-1, lapsed=[])
    assert group.at(15 * 99 + 44) == []
    assert group.present() == {"7": "online"}


def test_a_user_of_two_processes_stays_if_one_of_them_lapses(broker, group):
    group.at(0, hold("7", "p.1"), hold("8", "p.2"), process="p")
    group.at(0, hold("7", "q.1"), process="q")
    for second in (15, 30, 44):
        assert renew(broker, second, "q").lapsed == []
    assert renew(broker, 45, "q").lapsed == [group.group.name]
    assert group.at(45) == [Transition("8", "online", "")]
    assert group.present() == {"7": "online"}


def test_a_renewal_says_when_the_next_process_lapses(broker, group):
    group.at(0, hold("7", "p.1"), process="p")
    group.at(5, hold("8", "q.1"), process="q")
    assert renew(broker, 40, "q").next_lapse_ms == 5_000
    assert renew(broker, 44, "p").next_lapse_ms == 41_000


def test_the_groups_of_a_lapsed_process_are_named_until_they_are_swept(broker):
    groups = [Group(VIEWERS, f"conversation:{n}") for n in range(5)]
    held = [
        GroupChanges(ACCOUNT, group, [hold(f"{n}/7", f"p.{n}")], "p")
        for n, group in enumerate(groups)
    ]
    broker.change_groups(held, now_ms=ms(0))
    for second in (15, 30, 45):
        renewal = renew(broker, second, "q")
    assert [Group.named(name, KINDS) for name in renewal.lapsed] == groups
    broker.change_groups([GroupChanges(ACCOUNT, groups[2], [])], now_ms=ms(45))
    assert groups[2].name not in renew(broker, 46, "q").lapsed
    diffs = broker.change_groups([GroupChanges(ACCOUNT, g, []) for g in groups], now_ms=ms(46))
    assert [len(diff.transitions) for diff in diffs] == [1, 1, 0, 1, 1]
    assert renew(broker, 46, "q") == Renewal(0, -1, [])
    assert broker.redis.zcard("rt:{1}:processes") == 0


def test_a_group_of_a_kind_of_another_release_is_left_to_that_release():
    assert Group.named("presence:presence", KINDS) == presence.GROUP
    assert Group.named("viewers:conversation:1", KINDS) == Group(VIEWERS, "conversation:1")
    assert Group.named("screens:conversation:1", KINDS) is None


def test_two_processes_that_sweep_at_once_announce_a_departure_once(broker, group):
    group.at(0, hold("7", "p.1"), process="p")
    for second in (15, 30, 45):
        renewals = [renew(broker, second, name) for name in ("q", "r")]
    assert [renewal.lapsed for renewal in renewals] == [[group.group.name]] * 2
    assert group.at(45) == LEFT
    assert group.at(45) == []


def test_a_process_that_wakes_after_its_lapse_finds_that_it_has_to_hold_everything_again(
    broker, group
):
    group.at(0, hold("7", "p.1"), hold("8", "p.2"), process="p")
    for second in (15, 30, 44):
        renew(broker, second, "q")
    assert renew(broker, 46, "p").changes == -1
    # Until then, it holds what it held.
    assert group.at(60) == []
    assert group.present() == {"7": "online", "8": "online"}
    assert renew(broker, 61, "p").changes == 1, "once it has held it under this name"


def test_a_process_that_was_swept_finds_that_its_changes_are_missing(broker, group):
    group.at(0, hold("7", "p.1"), process="p")
    for second in (15, 30, 45):
        renew(broker, second, "q")
    assert group.at(45) == LEFT
    assert renew(broker, 45, "q").lapsed == []  # which forgets it
    assert renew(broker, 46, "p").changes == 0


def test_a_change_after_a_lapse_is_not_lost_and_the_changes_before_it_are_missing(broker, group):
    group.at(0, hold("7", "p.1"), hold("8", "p.2"), process="p")
    group.at(0, hold("9", "p.3"), process="p")
    for second in (15, 30, 44):
        renew(broker, second, "q")
    assert group.at(46, hold("5", "p.4"), process="p") == [Transition("5", "", "online")]
    assert renew(broker, 47, "p").changes == 1  # of 3
    assert group.at(48) == []


def test_changes_that_a_failover_lost_are_found_missing(broker, group):
    group.at(0, hold("7", "p.1"), process="p")
    saved = {key: broker.redis.dump(key) for key in broker.redis.keys("*")}
    group.at(1, hold("8", "p.2"), process="p")
    assert renew(broker, 2, "p").changes == 2
    broker.redis.flushall()
    for key, value in saved.items():
        broker.redis.restore(key, 0, value)
    assert renew(broker, 3, "p").changes == 1
    group.at(4, hold("9", "p.3"), process="p")
    assert renew(broker, 5, "p").changes == 2  # of 3: a later change does not hide it


def test_no_process_lapses_by_an_outage_before_it_had_time_to_renew(broker, group):
    group.at(0, hold("7", "p.1"), process="p")
    group.at(0, hold("8", "q.1"), process="q")
    assert renew(broker, 300, "p") == Renewal(1, 30_000, [])  # Redis was away for five minutes
    assert renew(broker, 315, "p").lapsed == []
    assert group.at(329) == []
    assert renew(broker, 330, "p").lapsed == [group.group.name]
    assert group.at(330) == [Transition("8", "online", "")]


def test_an_outage_is_pardoned_once_however_often_somebody_looks(broker, group):
    """Nobody renews: the processes of that time are all dead."""
    group.at(0, hold("7", "p.1"), process="p")
    assert group.at(100) == []
    assert group.at(125) == []
    assert group.at(130) == LEFT


def test_nobody_leaves_by_an_outage_if_a_snapshot_is_read_before_any_renewal(broker, group):
    now = broker.now_ms()
    held = GroupChanges(ACCOUNT, group.group, [hold("7", "p.1"), hold("8", "p.2")], "p")
    broker.change_groups([held], now_ms=now - 300_000)
    released = GroupChanges(ACCOUNT, group.group, [close("8", "p.2")], "p")
    broker.change_groups([released], now_ms=now - 299_000)
    (snapshot,) = broker.read(ACCOUNT, (), NOWHERE, [group.group]).snapshots
    assert snapshot.present == {"7": "online", "8": "online"}
    assert 0 < snapshot.next_expiry_ms <= 30_000  # the grace goes on
    (renewal,) = broker.renew([(ACCOUNT, "p")])
    assert renewal.changes == 2


def test_a_clock_that_is_ahead_after_a_failover_makes_nobody_leave(broker, group):
    group.at(0, hold("7", "p.1"), process="p")
    for second in (15, 30, 45, 60 + 600, 75 + 600, 90 + 600):
        assert renew(broker, second, "p").changes == 1
        assert group.at(second) == []


def test_a_clock_that_is_behind_after_a_failover_keeps_who_is_there(broker, group):
    group.at(600, hold("7", "p.1"), hold("8", "q.1"), process="p")
    group.at(600, process="q")
    for second in (0, 15, 30, 45, 60):
        assert renew(broker, second, "p").changes == 1
        assert group.at(second) == []
    assert group.present() == {"7": "online", "8": "online"}


def test_a_member_whose_other_lease_is_in_its_grace_leaves_with_that(broker, group):
    group.at(0, hold("7", "q.1"), process="q")
    group.at(0, hold("7", "p.1"), process="p")
    for second in (15, 30):
        renew(broker, second, "q")
    group.at(40, close("7", "q.1"), process="q")
    assert group.at(45) == []  # its process has lapsed
    assert group.at(49.9) == []
    assert group.at(50) == LEFT


def test_the_leases_of_an_older_release_expire_and_its_renewals_go_on(broker, group):
    """It may run beside this one while servers are deployed: its leases are scores of now and 45 s,
    and it reads those of this release by its own rules."""
    key = f"rt:{{{ACCOUNT}}}:{group.group.name}"
    group.at(0, hold("9", "p.1"), process="p")
    for holder in ("7", "8", "9"):
        broker.redis.hset(key, holder, "online")
        broker.redis.zadd(f"{key}:leases", {f"{holder} 0a0b0c0d.5": ms(45)})
        broker.redis.hincrby(f"{key}:counts", holder, 1)
    for second in (15, 30, 44):
        renew(broker, second, "p")
    broker.redis.zadd(f"{key}:leases", {"8 0a0b0c0d.5": ms(44 + 45)})
    assert group.at(45) == LEFT
    assert group.next_expiry_ms == 44_000
    for second in (59, 74):
        renew(broker, second, "p")
    assert group.at(89) == [Transition("8", "online", "")]
    assert group.present() == {"9": "online"}
    ends = broker.redis.zscore(f"{key}:leases", "9 p.1")
    assert ms(60 * 60) < ends < ms(4 * 60 * 60), "after which the older release lets it expire"


def test_a_process_without_leases_renews_none_and_still_has_the_lapsed_swept(broker, group):
    """Its streams show who is there."""
    group.at(0, hold("7", "p.1"), process="p")
    for second in (15, 30):
        assert renew(broker, second, "q") == Renewal(0, (45 - second) * 1000, [])
    assert renew(broker, 45, "q").lapsed == [group.group.name]
    assert broker.redis.zrange("rt:{1}:processes", 0, -1) == [b"p"]


def test_a_process_of_thousands_lapses_in_one_announcement(broker, group):
    holders = [hold(str(user), f"p.{user}") for user in range(2_000)]
    group.at(0, *holders, hold("9000", "q.1"), process="p")
    for second in (15, 30, 45):
        renew(broker, second, "r")
    group.at(30, process="q")
    assert len(group.at(45)) == 2_000
    assert group.present() == {"9000": "online"}
    assert broker.redis.hgetall("rt:{1}:presence:presence:counts") == {b" q": b"1", b"9000": b"1"}
    assert PRESENCE.held_by_connection
