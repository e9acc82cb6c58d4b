"""A channel's position, and a subscriber's readiness to go live."""

import pytest

from rtapp.realtime.broker import Message
from rtapp.realtime.broker import Topic
from rtapp.realtime.burst import Ephemeral
from rtapp.realtime.channel import MAX_RECENT
from rtapp.realtime.channel import Advance
from rtapp.realtime.channel import Channel
from rtapp.realtime.channel import Readiness
from rtapp.realtime.cursor import Cursor


def at(ms, epoch="1"):
    return Cursor(epoch, ms, 0)


def message(ms, previous=0, epoch="1"):
    return Message(at(ms, epoch), (previous, 0), "message.created", b"{}")


def channel(position=None, subscribed=True):
    made = Channel(Topic(1, "a"))
    if subscribed:
        assert made.confirm()
    if position is not None:
        assert made.advance(message(position.ms, epoch=position.epoch)) is Advance.NEXT
    return made


@pytest.mark.parametrize(
    ("position", "received", "advance", "after"),
    [
        (None, message(5), Advance.NEXT, at(5)),
        (at(5), message(7, previous=5), Advance.NEXT, at(7)),
        (at(5), message(7, previous=3), Advance.NEXT, at(7)),
        (at(5), message(7, previous=6), Advance.GAP, at(7)),
        (at(5), message(5), Advance.SEEN, at(5)),
        (at(5), message(3), Advance.SEEN, at(5)),
        (at(5), message(1, epoch="2"), Advance.GAP, at(1, "2")),
    ],
    ids=["first", "next", "after-a-ping", "gap", "again", "older", "new-epoch"],
)
def test_a_message_advances_the_channel_or_is_seen_or_shows_a_gap(
    position, received, advance, after
):
    one = channel(position)
    assert one.advance(received) is advance
    assert one.position == after


@pytest.mark.parametrize(
    ("position", "subscribed", "cursor", "readiness"),
    [
        (None, True, at(5), Readiness.READY),
        (at(5), True, at(5), Readiness.READY),
        (at(5), True, at(6), Readiness.READY),
        (at(5), True, at(4), Readiness.BEHIND),
        (None, False, at(5), Readiness.BEHIND),
        (at(5), True, at(9, "2"), Readiness.OTHER_EPOCH),
    ],
    ids=["no-position", "at-it", "after-it", "before-it", "not-subscribed", "other-epoch"],
)
def test_a_subscriber_is_ready_when_it_has_all_that_the_channel_received(
    position, subscribed, cursor, readiness
):
    assert channel(position, subscribed).readiness(cursor) is readiness


def test_a_lost_connection_leaves_no_position_and_no_subscription():
    one = channel(at(5))
    one.record(1, Ephemeral("typing", b""))
    one.invalidate(2, generation=1)
    assert (one.position, one.subscribed, one.generation) == (None, False, 1)
    assert one.since(1) is None
    assert one.since(2) == []


def test_recent_ephemeral_events_are_kept_up_to_the_limit():
    one = channel()
    for seq in range(1, MAX_RECENT + 2):
        one.record(seq, Ephemeral("typing", b"%d" % seq))
    assert one.since(0) is None
    kept = one.since(1)
    assert kept is not None
    assert [seq for seq, _ in kept] == list(range(2, MAX_RECENT + 2))
