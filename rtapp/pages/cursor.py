from flask import current_app
from redis.exceptions import RedisError

from rtapp.realtime.broker import Broker
from rtapp.realtime.cursor import NOWHERE


def cursor_of(account_id: int) -> str:
    """The cursor that goes beside an account's data. To be read before the data is.

    While Redis is away it is one that no stream can resume from: whoever opens one is told to
    fetch again, and so misses nothing.
    """
    broker: Broker = current_app.extensions["broker"]
    try:
        return str(broker.position(account_id))
    except (RedisError, OSError):
        return str(NOWHERE)
