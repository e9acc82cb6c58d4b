"""What ends a server at its start, beside its settings and its database."""

from flask import Flask
from redis.exceptions import AuthenticationError
from redis.exceptions import RedisError

from rtapp.realtime.broker import Broker
from rtapp.realtime.diagnosis import diagnose
from rtapp.realtime.redis_client import NoCluster
from rtapp.realtime.redis_client import OldCluster
from rtapp.realtime.redis_client import RefusedByNode
from rtapp.realtime.redis_client import RefusedBySentinel
from rtapp.realtime.redis_client import UnknownMaster
from rtapp.realtime.redis_client import ping

# What no waiting mends. A Redis that can't be reached is waited for.
FINAL = (
    AuthenticationError, NoCluster, OldCluster, RefusedByNode, RefusedBySentinel, UnknownMaster,
)  # fmt: skip


class WrongRedis(Exception):
    """REDIS_URL can't ever lead to a Redis that works. The text says why, without the password."""


def refuse_wrong_redis(app: Flask) -> None:
    """Raises WrongRedis."""
    broker: Broker = app.extensions["broker"]
    try:
        ping(broker.for_requests.redis)
    except FINAL as error:
        raise WrongRedis(f"{diagnose(error).text} Correct REDIS_URL and start again.") from error
    except (RedisError, OSError):
        pass
