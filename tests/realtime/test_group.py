"""Who is in a group, at a given time. Nothing here waits; Redis is a real one."""

import json
import re

import pytest

from rtapp.realtime import presence
from rtapp.realtime import typing
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import GroupChanges
from rtapp.realtime.broker import decode_push
from rtapp.realtime.cursor import NOWHERE
from rtapp.realtime.group import Group
from rtapp.realtime.group import Transition
from rtapp.realtime.presence import PRESENCE
from rtapp.realtime.typing import TYPING
from rtapp.realtime.viewers import VIEWERS

from ..harness.waiting import PATIENCE

NOON = 1_800_000_000_000  # ms
ACCOUNT = 1
GRACE = str(round(PRESENCE.grace * 1000))


def ms(seconds: float) -> int:
    return NOON + round(seconds * 1000)


class Clocked:
    """A group, and what is said of it, at seconds after noon."""

    def __init__(self, broker: Broker, group: Group):
        self.broker, self.group = broker, group
        self.channel = f"rt:{{{ACCOUNT}}}:{group.topic}"
        self.listener = broker.redis.pubsub()
        self.listener.subscribe(self.channel)
        assert self.listener.get_message(timeout=PATIENCE)["type"] == "subscribe"

    def at(self, seconds: float, *transitions: tuple[str, ...]) -> list[Transition]:
        """What changes by them, which must be just what everybody is told."""
        (diff,) = self.broker.change_groups(
            [GroupChanges(ACCOUNT, self.group, transitions)], now_ms=ms(seconds)
        )
        self.next_expiry_ms = diff.next_expiry_ms
        message = self.listener.get_message(timeout=0.1 if not diff.transitions else 5)
        if not diff.transitions:
            assert message is None
        else:
            assert decode_push(message["data"]).diff == diff
        return diff.transitions

    def present(self) -> dict[str, str]:
        stored = self.broker.redis.hgetall(f"rt:{{{ACCOUNT}}}:{self.group.name}")
        return {holder.decode(): value.decode() for holder, value in stored.items()}

    def close(self) -> None:
        self.listener.close()


def hold(holder: str, connection: str, value: str = "online") -> tuple[str, ...]:
    return "hold", holder, connection, value


def renew(holder: str, connection: str, value: str = "online") -> tuple[str, ...]:
    return "renew", holder, connection, value


def close(holder: str, connection: str, grace: str = GRACE) -> tuple[str, ...]:
    return "release", holder, connection, grace


@pytest.fixture
def group(broker):
    group = Clocked(broker, presence.GROUP)
    yield group
    group.close()


ARRIVED = [Transition("7", "", "online")]
LEFT = [Transition("7", "online", "")]


def test_the_first_tab_is_an_arrival_and_the_second_none(group):
    assert group.at(0, hold("7", "a")) == ARRIVED
    assert group.at(1, hold("7", "b")) == []
    assert group.present() == {"7": "online"}


def test_closing_one_of_two_tabs_is_no_departure(group):
    group.at(0, hold("7", "a"), hold("7", "b"))
    assert group.at(1, close("7", "a")) == []
    assert group.at(30, renew("7", "b")) == []
    assert group.present() == {"7": "online"}


def test_closing_both_is_one_departure_after_the_grace(group):
    group.at(0, hold("7", "a"), hold("7", "b"))
    assert group.at(1, close("7", "a"), close("7", "b")) == []
    assert group.next_expiry_ms == PRESENCE.grace * 1000
    assert group.at(10.9) == []
    assert group.at(11) == LEFT
    assert group.at(12) == []
    assert group.present() == {}


def test_coming_back_within_the_grace_is_neither_departure_nor_arrival(group):
    group.at(0, hold("7", "a"))
    group.at(1, close("7", "a"))
    assert group.at(10, hold("7", "b")) == []
    assert group.at(25, renew("7", "b")) == []
    assert group.present() == {"7": "online"}


def test_coming_back_after_the_grace_is_both(group):
    group.at(0, hold("7", "a"))
    group.at(1, close("7", "a"))
    assert group.at(12) == LEFT
    assert group.at(13, hold("7", "b")) == ARRIVED


def test_a_lease_that_nobody_renews_runs_out(group):
    """As when the process that held it was killed; others look after the group meanwhile."""
    group.at(0, hold("7", "a"), hold("8", "b"))
    for second in (15, 30, 44.9):
        assert group.at(second, renew("8", "b")) == []
    assert group.at(45, renew("8", "b")) == LEFT
    assert group.present() == {"8": "online"}


def test_a_lease_that_is_renewed_as_it_runs_out_goes_on(group):
    group.at(0, hold("7", "a"))
    group.at(20)
    assert group.at(46, renew("7", "a")) == []
    assert group.present() == {"7": "online"}


def test_after_an_outage_of_redis_nobody_has_left_until_they_had_time_to_renew(group):
    group.at(0, hold("7", "a"), hold("8", "b"))
    assert group.at(300, renew("7", "a")) == []  # for five minutes nobody could look
    assert group.at(329, renew("7", "a")) == []
    assert group.at(331, renew("7", "a")) == [Transition("8", "online", "")]


def test_a_status_chosen_while_there_is_told_once(group):
    group.at(0, hold("7", "a"))
    choice = presence.choice(7, "busy")
    assert group.at(1, choice) == [Transition("7", "online", "busy")]
    assert group.at(2, choice) == []
    assert group.at(3, renew("7", "a", "online")) == []  # by a process that does not know yet
    assert group.present() == {"7": "busy"}


def test_a_status_chosen_while_absent_is_told_to_nobody(group):
    assert group.at(0, presence.choice(7, "busy")) == []
    assert group.present() == {}
    assert group.at(1, hold("7", "a", "busy")) == [Transition("7", "", "busy")]


def test_who_is_cut_off_is_gone_at_once(group):
    group.at(0, hold("7", "a"))
    assert group.at(1, close("7", "a", "0")) == LEFT


def test_giving_back_what_one_does_not_hold_changes_nothing(group):
    assert group.at(0, close("7", "a"), close("7", "a", "0")) == []
    group.at(1, hold("7", "a"))
    assert group.at(2, close("7", "b", "0"), close("8", "a", "0")) == []
    assert group.present() == {"7": "online"}


def test_one_of_thousands_who_comes_is_one_small_announcement(group):
    everyone = [hold(str(user), f"a.{user}") for user in range(5000)]
    for start in range(0, 5000, 500):
        group.at(0, *everyone[start : start + 500])
    assert len(group.present()) == 5000
    group.at(1, hold("9000", "a"))
    (diff,) = group.broker.change_groups(
        [GroupChanges(ACCOUNT, group.group, [hold("9001", "b")])], now_ms=ms(1)
    )
    message = group.listener.get_message(timeout=PATIENCE)
    assert len(message["data"]) < 150
    assert diff.transitions == [Transition("9001", "", "online")]


def test_typing_ends_by_itself_and_is_told_at_beginning_and_end_only(broker):
    group = Clocked(broker, Group(TYPING, "conversation:1"))
    value = json.dumps({"name": "Ada", "private": False})
    for tenth in range(50):
        transitions = group.at(tenth / 10, typing.started("user:7", value))
        assert transitions == ([Transition("user:7", "", value)] if tenth == 0 else [])
    assert group.at(4.9 + 7.9) == []
    assert group.at(4.9 + 8) == [Transition("user:7", value, "")]
    assert group.at(30, typing.stopped("user:7")) == []
    group.close()


def test_several_type_at_once_and_each_stops_alone(broker):
    group = Clocked(broker, Group(TYPING, "conversation:1"))
    group.at(0, typing.started("user:7", "a"), typing.started("contact:7", "b"))
    assert group.at(1, typing.stopped("user:7")) == [Transition("user:7", "a", "")]
    assert group.present() == {"contact:7": "b"}
    group.close()


def test_who_stopped_lately_is_told_in_a_snapshot(broker):
    group = Group(TYPING, "conversation:1")
    broker.change_groups([GroupChanges(ACCOUNT, group, [typing.started("user:7", "a b")])])
    broker.change_groups([GroupChanges(ACCOUNT, group, [typing.stopped("user:7")])])
    (snapshot,) = broker.read(ACCOUNT, (), NOWHERE, [group]).snapshots
    assert (snapshot.present, snapshot.gone) == ({}, {"user:7": "a b"})


def test_an_announcement_of_viewers_names_the_others_of_the_same_conversation_only(broker):
    group = Clocked(broker, Group(VIEWERS, "inbox:1"))
    group.at(0, hold("42/7", "a", "Ada"), hold("4/8", "b", "Kevin"))
    (diff,) = broker.change_groups(
        [GroupChanges(ACCOUNT, group.group, [hold("42/9", "c", "Grace")])], now_ms=ms(1)
    )
    assert diff.siblings == {"42/7": "Ada", "42/9": "Grace"}
    group.close()


def test_a_snapshot_sweeps_first(broker):
    group = Group(PRESENCE, presence.TOPIC)
    now = broker.now_ms()
    transitions = [GroupChanges(ACCOUNT, group, [hold("7", "a"), hold("8", "b")])]
    broker.change_groups(transitions, now_ms=now - 46_000)
    broker.change_groups([GroupChanges(ACCOUNT, group, [renew("8", "b")])], now_ms=now - 20_000)
    (snapshot,) = broker.read(ACCOUNT, (), NOWHERE, [group]).snapshots
    assert snapshot.present == {"8": "online"}
    assert snapshot.gone == {"7": "online"}


def test_nothing_of_a_group_stays_in_redis_for_ever(broker):
    group = Group(PRESENCE, presence.TOPIC)
    broker.change_groups([GroupChanges(ACCOUNT, group, [hold("7", "a")])])
    keys = broker.redis.keys("*presence*")
    assert len(keys) >= 4
    assert all(0 < broker.redis.pttl(key) <= 180_000 for key in keys)
    assert all(re.match(rb"rt:\{1\}:", key) for key in keys)  # one shard of a cluster
