from flask import current_app
from redis.exceptions import RedisError

from rtapp.realtime.broker import Broker
from rtapp.realtime.cursor import NOWHERE


def cursor_of(account_id: int) -> str:
    """The cursor to send with an account's data. Read it before the data.

    While Redis is away or hangs it is NOWHERE, from which no stream resumes: a client that opens
    one receives stream.reset and fetches again.
    """
    broker: Broker = current_app.extensions["broker"]
    try:
        return str(broker.for_requests.position(account_id))
    except (RedisError, OSError):
        return str(NOWHERE)
