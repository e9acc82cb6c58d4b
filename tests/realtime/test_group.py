"""The members of a group at a given time. No test waits; Redis is a real one."""

import json
import re

import pytest

from rtapp.realtime import presence
from rtapp.realtime import typing
from rtapp.realtime.broker import GroupChanges
from rtapp.realtime.cursor import NOWHERE
from rtapp.realtime.group import Group
from rtapp.realtime.group import Transition
from rtapp.realtime.presence import PRESENCE
from rtapp.realtime.typing import TYPING
from rtapp.realtime.viewers import VIEWERS

from ..harness.waiting import PATIENCE
from .groups import ACCOUNT
from .groups import Clocked
from .groups import close
from .groups import hold
from .groups import ms
from .groups import restore


@pytest.fixture
def group(broker):
    group = Clocked(broker, presence.GROUP)
    yield group
    group.close()


ARRIVED = [Transition("7", "", "online")]
LEFT = [Transition("7", "online", "")]


def test_the_first_lease_of_a_user_is_an_arrival_and_the_second_is_not(group):
    assert group.at(0, hold("7", "a")) == ARRIVED
    assert group.at(1, hold("7", "b")) == []
    assert group.present() == {"7": "online"}


def test_releasing_one_of_two_leases_is_not_a_departure(group):
    group.at(0, hold("7", "a"), hold("7", "b"))
    assert group.at(1, close("7", "a")) == []
    assert group.at(30) == []
    assert group.present() == {"7": "online"}


def test_releasing_both_leases_is_one_departure_after_the_grace(group):
    group.at(0, hold("7", "a"), hold("7", "b"))
    assert group.at(1, close("7", "a"), close("7", "b")) == []
    assert group.next_expiry_ms == PRESENCE.grace * 1000
    assert group.at(10.9) == []
    assert group.at(11) == LEFT
    assert group.at(12) == []
    assert group.present() == {}


def test_a_new_lease_within_the_grace_is_neither_a_departure_nor_an_arrival(group):
    group.at(0, hold("7", "a"))
    group.at(1, close("7", "a"))
    assert group.at(10, hold("7", "b")) == []
    assert group.at(25) == []
    assert group.present() == {"7": "online"}


def test_a_new_lease_after_the_grace_is_a_departure_and_an_arrival(group):
    group.at(0, hold("7", "a"))
    group.at(1, close("7", "a"))
    assert group.at(12) == LEFT
    assert group.at(13, hold("7", "b")) == ARRIVED


def test_a_lease_lasts_without_being_taken_again(group):
    group.at(0, hold("7", "a"))
    assert group.next_expiry_ms == -1
    assert group.at(60 * 60) == []
    assert group.present() == {"7": "online"}


def test_a_lease_taken_again_in_its_grace_lasts_on(group):
    group.at(0, hold("7", "a"))
    group.at(1, close("7", "a"))
    assert group.at(5, restore("7", "a")) == []
    assert group.next_expiry_ms == -1
    assert group.at(60) == []


def test_a_status_chosen_while_present_is_announced_once(group):
    group.at(0, hold("7", "a"))
    choice = presence.choice(7, "busy")
    assert group.at(1, choice) == [Transition("7", "online", "busy")]
    assert group.at(2, choice) == []
    assert group.at(3, restore("7", "b", "online")) == []  # by a process with the old status
    assert group.present() == {"7": "busy"}


def test_a_status_chosen_while_absent_is_not_announced(group):
    assert group.at(0, presence.choice(7, "busy")) == []
    assert group.present() == {}
    assert group.at(1, hold("7", "a", "busy")) == [Transition("7", "", "busy")]


def test_a_lease_released_without_grace_is_an_immediate_departure(group):
    group.at(0, hold("7", "a"))
    assert group.at(1, close("7", "a", "0")) == LEFT


def test_releasing_a_lease_that_is_not_held_changes_nothing(group):
    assert group.at(0, close("7", "a"), close("7", "a", "0")) == []
    group.at(1, hold("7", "a"))
    assert group.at(2, close("7", "b", "0"), close("8", "a", "0")) == []
    assert group.present() == {"7": "online"}


def test_an_arrival_in_a_group_of_thousands_is_one_small_announcement(group):
    holders = [hold(str(user), f"a.{user}") for user in range(5000)]
    for start in range(0, 5000, 500):
        group.at(0, *holders[start : start + 500])
    assert len(group.present()) == 5000
    group.at(1, hold("9000", "a"))
    (diff,) = group.broker.change_groups(
        [GroupChanges(ACCOUNT, group.group, [hold("9001", "b")])], now_ms=ms(1)
    )
    message = group.pubsub.get_message(timeout=PATIENCE)
    assert len(message["data"]) < 150
    assert diff.transitions == [Transition("9001", "", "online")]


def test_typing_is_announced_at_its_start_and_when_its_lease_expires_only(broker):
    group = Clocked(broker, Group(TYPING, "conversation:1"))
    value = json.dumps({"name": "Ada", "private": False})
    for tenth in range(50):
        transitions = group.at(tenth / 10, typing.started("user:7", value))
        assert transitions == ([Transition("user:7", "", value)] if tenth == 0 else [])
    assert group.at(4.9 + 7.9) == []
    assert group.at(4.9 + 8) == [Transition("user:7", value, "")]
    assert group.at(30, typing.stopped("user:7")) == []
    group.close()


def test_the_end_of_one_holders_typing_leaves_anothers(broker):
    group = Clocked(broker, Group(TYPING, "conversation:1"))
    group.at(0, typing.started("user:7", "a"), typing.started("contact:7", "b"))
    assert group.at(1, typing.stopped("user:7")) == [Transition("user:7", "a", "")]
    assert group.present() == {"contact:7": "b"}
    group.close()


def test_a_snapshot_of_typing_contains_recently_stopped_holders_as_gone(broker):
    group = Group(TYPING, "conversation:1")
    broker.change_groups([GroupChanges(ACCOUNT, group, [typing.started("user:7", "a b")])])
    broker.change_groups([GroupChanges(ACCOUNT, group, [typing.stopped("user:7")])])
    (snapshot,) = broker.read(ACCOUNT, (), NOWHERE, [group]).snapshots
    assert (snapshot.present, snapshot.gone) == ({}, {"user:7": "a b"})


def test_an_announcement_of_viewers_has_the_siblings_of_the_same_conversation_only(broker):
    group = Clocked(broker, Group(VIEWERS, "inbox:1"))
    group.at(0, hold("42/7", "a", "Ada"), hold("4/8", "b", "Kevin"))
    (diff,) = broker.change_groups(
        [GroupChanges(ACCOUNT, group.group, [hold("42/9", "c", "Grace")])], now_ms=ms(1)
    )
    assert diff.siblings == {"42/7": "Ada", "42/9": "Grace"}
    group.close()


def test_a_snapshot_of_a_group_expires_old_leases_first(broker):
    group = Group(PRESENCE, presence.TOPIC)
    now = broker.now_ms()
    changes = [hold("7", "a"), hold("8", "b"), close("7", "a")]
    broker.change_groups([GroupChanges(ACCOUNT, group, changes)], now_ms=now - 11_000)
    (snapshot,) = broker.read(ACCOUNT, (), NOWHERE, [group]).snapshots
    assert snapshot.present == {"8": "online"}
    assert snapshot.gone == {"7": "online"}


def test_every_key_of_a_group_expires_and_is_of_one_shard(broker):
    group = Group(PRESENCE, presence.TOPIC)
    held = GroupChanges(ACCOUNT, group, [hold("7", "p.1"), hold("8", "p.2")], "p")
    broker.change_groups([held, GroupChanges(ACCOUNT, group, [close("8", "p.2", "0")], "p")])
    broker.renew([(ACCOUNT, "p")])
    keys = broker.redis.keys("*")
    assert len(keys) == 4 + 3  # of the group, and of the processes
    assert all(0 < broker.redis.pttl(key) <= 3 * 60 * 60 * 1000 for key in keys)
    assert all(re.match(rb"rt:\{1\}:", key) for key in keys)  # one shard of a cluster


def test_the_keys_of_an_empty_group_expire_soon(broker):
    """Millions of conversations have been looked at."""
    group = Group(VIEWERS, "conversation:1")
    broker.change_groups([GroupChanges(ACCOUNT, group, [hold("1/7", "p.1")], "p")])
    broker.change_groups([GroupChanges(ACCOUNT, group, [close("1/7", "p.1", "0")], "p")])
    left = [key for key in broker.redis.keys("*") if b":processes" not in key]
    assert left == [f"rt:{{{ACCOUNT}}}:{group.name}:gone".encode()]
    assert broker.redis.pttl(left[0]) <= 120_000
    assert broker.redis.zcard(f"rt:{{{ACCOUNT}}}:processes:groups") == 0
