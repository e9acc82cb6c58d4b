"""Who is present in an account, for requests."""

from flask import current_app

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
