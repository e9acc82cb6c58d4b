"""What ends a server at its start, beside its settings and its database."""

from flask import Flask
from redis.exceptions import AuthenticationError
from redis.exceptions import RedisError

from rtapp.realtime.broker import Broker
from rtapp.realtime.diagnosis import diagnose


class RedisPassword(Exception):
    """Redis refuses the password of REDIS_URL. The text says so, without the password."""


def refuse_redis_password(app: Flask) -> None:
    """Raises RedisPassword. A Redis that can't be reached is no reason to end: it is waited for,
    but it will not come to take another password by itself."""
    broker: Broker = app.extensions["broker"]
    try:
        broker.for_requests.redis.ping()
    except AuthenticationError as error:
        raise RedisPassword(f"{diagnose(error).text} Correct REDIS_URL and start again.") from error
    except (RedisError, OSError):
        pass
