"""Who is present in an account, for requests."""

from typing import NamedTuple

from flask import current_app
from redis.exceptions import RedisError

from rtapp.realtime import inbox_presence
from rtapp.realtime import presence
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import Reading
from rtapp.realtime.cursor import NOWHERE


def present(account_id: int) -> Reading:
    """The reading whose one snapshot has the users present, whichever status they chose.

    Takes half a second at most: see RequestBroker. Raises RedisError or OSError while Redis is
    away.
    """
    broker: Broker = current_app.extensions["broker"]
    return broker.for_requests.read(account_id, (), NOWHERE, [presence.GROUP])


class InboxPresence(NamedTuple):
    """Whether a member of an inbox is there for its visitors, and the cursor of that moment."""

    present: bool
    cursor: str


def of_inbox(account_id: int, inbox_id: int) -> InboxPresence:
    """The presence of an inbox's members. While Redis is away nobody is there, and the cursor is
    one from which no stream resumes."""
    broker: Broker = current_app.extensions["broker"]
    group = inbox_presence.group(inbox_id)
    try:
        reading = broker.for_requests.read(account_id, (), NOWHERE, [group])
    except (RedisError, OSError):
        return InboxPresence(False, str(NOWHERE))
    (snapshot,) = reading.snapshots
    return InboxPresence(bool(snapshot.present), str(reading.position))
