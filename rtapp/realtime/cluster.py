"""The shards of a Redis Cluster: each is a primary, by its address, which has some of the slots.

The map of the slots is redis-py's. A command goes to the node that has its slot by the map; errors
by which a node names another one, or is away, correct the map.

https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from redis import Redis
from redis.cluster import ClusterNode
from redis.commands.core import Script
from redis.crc import key_slot
from redis.exceptions import AskError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MovedError
from redis.exceptions import NoScriptError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.exceptions import TryAgainError

from .redis_client import UNCOVERED
from .redis_client import Cluster
from .redis_client import UncoveredSlots
from .shards import NAMES_AT_ONCE
from .shards import Call
from .shards import Result
from .shards import Shards
from .shards import in_pipeline

SLOTS = 16384
NONE = "-"  # the name of the shard of slots that no known node has
REDIRECTIONS = 5  # followed by a command
MIGRATING = 0.02  # s between two attempts at a key whose slot is being moved
REFRESH_PAUSE = 0.5  # s between two looks at the map because of nodes that are away
ACCOUNTS_KEPT = 100_000  # whose slots are remembered, some 100 bytes each


def shards_of(redis: Redis) -> Shards:
    """The shards of a client of `connect`."""
    return ClusterShards(redis) if isinstance(redis, Cluster) else Shards(redis)


class ClusterShards(Shards):
    are_several = True
    publish = "SPUBLISH"
    subscribe = "SSUBSCRIBE"
    unsubscribe = "SUNSUBSCRIBE"

    def __init__(self, cluster: Cluster):
        self._cluster = cluster
        self._owners: dict[int, str] = {}  # by slot
        self._nodes: dict[str, ClusterNode] = {}  # the shards by name
        self._watchers: list[Callable[[], object]] = []
        self._away: str | None = None  # a node that failed: the map may be outdated
        self._refreshing = False
        self._refreshed_at = -REFRESH_PAUSE
        cluster.on_change(self._changed)

    # Reading the map

    def names(self) -> list[str]:
        return list(self._nodes)

    def known(self) -> list[str]:
        self._cluster.connect()
        return self.names()

    def of(self, account_id: int) -> str:
        return self._of_slot(slot_of(account_id))

    def of_key(self, key: str) -> str:
        return self._of_slot(key_slot(key.encode()))

    def refuse_gaps(self) -> None:
        if len(self._owners) < SLOTS:
            raise UncoveredSlots(UNCOVERED)

    def _of_slot(self, slot: int) -> str:
        return self._owners.get(slot, NONE)

    def server(self, shard: str) -> Redis:
        if shard not in self._nodes:
            raise RedisConnectionError(f"No node {shard} of Redis has a slot by now")
        return self._cluster.get_redis_connection(self._nodes[shard])

    def batches(self, channels: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        by_slot: dict[int, list[bytes]] = {}
        for channel in channels:
            by_slot.setdefault(key_slot(channel), []).append(channel)
        for names in by_slot.values():
            for start in range(0, len(names), NAMES_AT_ONCE):
                yield names[start : start + NAMES_AT_ONCE]

    # Correcting the map

    def watch(self, on_change: Callable[[], object]) -> None:
        self._watchers.append(on_change)

    def refresh(self) -> None:
        """A node that failed is asked last: it may hang."""
        away, self._away, self._refreshing = self._away, None, True
        try:
            self._cluster.refresh(away)
        finally:
            self._refreshing, self._refreshed_at = False, time.monotonic()

    def note(self, refusal: str) -> None:
        code, _, rest = refusal.partition(" ")
        if code == "MOVED":
            self._moved(MovedError(rest))

    def failed(self, shard: str) -> None:
        self._away = shard

    def doubt(self, shard: str) -> None:
        self.failed(shard)

    def _moved(self, error: MovedError) -> None:
        if error.slot_id in self._owners:  # else redis-py has no entry to correct
            self._cluster.nodes_manager.move_slot(error)
        elif not self._refreshing:
            self.refresh()

    def _changed(self) -> None:
        """Redis-py has a new map. Waits for nothing, so that no command falls in between."""
        primaries = {slot: nodes[0] for slot, nodes in self._cluster.slots.items() if nodes}
        owners = {slot: node.name for slot, node in primaries.items()}
        before, self._nodes = self._nodes, {node.name: node for node in primaries.values()}
        for name in before.keys() - self._cluster.node_names:
            self._cluster.get_redis_connection(before[name]).connection_pool.disconnect()
        if owners != self._owners:
            self._owners = owners
            for on_change in self._watchers:
                on_change()

    # Commands

    def call(self, key: str, command: Callable[[Redis], Result]) -> Result:
        slot = key_slot(key.encode())
        for attempt in range(REDIRECTIONS):
            node = self._owner(slot)
            try:
                return command(self._cluster.get_redis_connection(node))
            except MovedError as error:
                self._moved(error)
            except (AskError, TryAgainError):
                # The slot is being moved. A script needs all its keys on one node: the new one has
                # them in the end.
                if attempt == REDIRECTIONS - 1:
                    raise
                time.sleep(MIGRATING)
            except RedisTimeoutError:
                self._away = node.name
                raise
            except (RedisConnectionError, OSError):
                self._away = node.name
                if self._owner(slot).name == node.name:
                    raise
        raise RedisConnectionError("The nodes of Redis do not agree on a slot")

    def call_all(self, script: Script, calls: Sequence[Call]) -> list[Any]:
        answers: dict[int, Any] = {}
        by_shard: dict[str, list[int]] = {}
        self._cluster.connect()
        for number, call in enumerate(calls):
            by_shard.setdefault(self.of_key(call.keys[0]), []).append(number)
        for shard, numbers in by_shard.items():
            some = [calls[number] for number in numbers]
            answers |= zip(numbers, self._pipeline(shard, script, some), strict=True)
        for number, answer in answers.items():
            if isinstance(answer, MovedError | AskError | TryAgainError | NoScriptError):
                answers[number] = self._alone(script, calls[number])
        for answer in answers.values():
            if isinstance(answer, Exception):
                raise answer
        return [answers[number] for number in range(len(calls))]

    def _pipeline(self, shard: str, script: Script, calls: Sequence[Call]) -> Sequence[Any]:
        try:
            return in_pipeline(self.server(shard), script, calls, raise_on_error=False)
        except (RedisError, OSError) as error:
            self._away = shard
            return [error] * len(calls)

    def _alone(self, script: Script, call: Call) -> Any:
        try:
            return self.call(
                call.keys[0],
                lambda redis: script(keys=call.keys, args=call.args, client=redis),
            )
        except (RedisError, OSError) as error:
            return error

    def _owner(self, slot: int) -> ClusterNode:
        """The node that has the slot. The map is looked at again if it may be outdated about it:
        commands to other nodes don't wait for that."""
        self._cluster.connect()
        is_doubtful = self._owners.get(slot) in (None, self._away) and not self._refreshing
        if is_doubtful and time.monotonic() - self._refreshed_at > REFRESH_PAUSE:
            self.refresh()
        if slot not in self._owners:
            raise UncoveredSlots(UNCOVERED)
        return self._nodes[self._owners[slot]]


@lru_cache(ACCOUNTS_KEPT)
def slot_of(account_id: int) -> int:
    """The slot of all keys and channels of an account, by their hash tag."""
    return int(key_slot(b"%d" % account_id))
