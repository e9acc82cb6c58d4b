"""Shards: which server has which accounts. A single server, or Sentinel's master, is the one shard.

All keys and channels of an account carry its hash tag, so that they are on one shard.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple
from typing import TypeVar

from redis import Redis
from redis.commands.core import Script
from redis.exceptions import NoScriptError

ONLY = ""  # the name of the one shard
NAMES_AT_ONCE = 1000  # channels in one command

Result = TypeVar("Result")


class Call(NamedTuple):
    """A call of a script. All keys are of one account."""

    keys: Sequence[str]
    args: Sequence[str | bytes | int]


class Shards:
    """The one shard. ClusterShards has several."""

    are_several = False
    publish = "PUBLISH"  # the commands of pub/sub
    subscribe = "SUBSCRIBE"
    unsubscribe = "UNSUBSCRIBE"

    def __init__(self, redis: Redis):
        self._redis = redis

    def names(self) -> list[str]:
        """The shards that are known now, each by a name that is its own."""
        return [ONLY]

    def of(self, account_id: int) -> str:
        """The shard that has the account, as far as known: nothing is asked."""
        return ONLY

    def of_key(self, key: str) -> str:
        """The shard that has the key, likewise."""
        return ONLY

    def known(self) -> list[str]:
        """As `names`, which are asked for if they are not known yet. Raises RedisError or
        OSError."""
        return self.names()

    def refuse_gaps(self) -> None:
        """Raise UncoveredSlots if some accounts have no shard."""

    def server(self, shard: str) -> Redis:
        """A client of the shard's server. Raises RedisError if the shard is not known any more."""
        return self._redis

    def call(self, key: str, command: Callable[[Redis], Result]) -> Result:
        """Run a command on the server that has the key."""
        return command(self._redis)

    def call_all(self, script: Script, calls: Sequence[Call]) -> list[Any]:
        """Call the script with each of these keys and arguments, in one pipeline to each server.
        Raises the first error, when all calls that can be made are made."""
        try:
            return in_pipeline(self._redis, script, calls)
        except NoScriptError:  # before anything was changed: this server is a new one
            self._redis.script_load(script.script)
            return in_pipeline(self._redis, script, calls)

    def batches(self, channels: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Parts of the channels of a shard that one command may name."""
        for start in range(0, len(channels), NAMES_AT_ONCE):
            yield channels[start : start + NAMES_AT_ONCE]

    def watch(self, on_change: Callable[[], object]) -> None:
        """Call `on_change` whenever `names` or `of` has changed. It must not wait for anything."""

    def refresh(self) -> None:
        """Ask which server has what. Raises RedisError or OSError."""

    def note(self, refusal: str) -> None:
        """Learn from an error that a server answered."""

    def failed(self, shard: str) -> None:
        """Note that the shard does not answer: another server may have what it had."""

    def doubt(self, shard: str) -> None:
        """Use new connections: the address may lead to another server by now."""
        self._redis.connection_pool.disconnect(inuse_connections=False)


def in_pipeline(
    redis: Redis, script: Script, calls: Sequence[Call], raise_on_error: bool = True
) -> list[Any]:
    """Without `script` itself: in a pipeline, it checks each time that Redis has the script."""
    with redis.pipeline(transaction=False) as pipeline:
        for keys, args in calls:
            pipeline.evalsha(script.sha, len(keys), *keys, *args)
        return pipeline.execute(raise_on_error)
