"""The handler of the pub/sub connection to one shard: from what it receives to the components.

What is lost with a connection, or with a subscription, concerns the accounts of this shard only.
"""

from __future__ import annotations

from collections.abc import Sequence

from .broker import CONTROL
from .broker import INSPECT
from .broker import Broker
from .channel import Channel
from .controls import Controls
from .fan_out import FanOut
from .grants import Grants
from .hub import Hub
from .inspection import Inspection
from .leases import Leases
from .markers import Markers
from .pubsubs import PubSubs
from .revocation import Revocation
from .topics import Topics


class Listener:
    """One for each shard."""

    def __init__(
        self,
        shard: str,
        broker: Broker,
        pubsubs: PubSubs,
        hub: Hub,
        topics: Topics,
        markers: Markers,
        leases: Leases,
        fan_out: FanOut,
        revocation: Revocation,
        inspection: Inspection,
        controls: Controls,
        grants: Grants,
    ):
        self._shard = shard
        self._broker = broker
        self._pubsubs = pubsubs
        self._hub = hub
        self._topics = topics
        self._markers = markers
        self._leases = leases
        self._fan_out = fan_out
        self._revocation = revocation
        self._inspection = inspection
        self._controls = controls
        self._grants = grants

    def control(self) -> Sequence[bytes]:
        return [CONTROL.encode(), INSPECT.encode()]

    def names(self) -> Sequence[bytes]:
        return [channel.name for channel in self._topics.on(self._shard)]

    def missing(self) -> Sequence[bytes]:
        return self._topics.missing(self._shard)

    def connected(self) -> None:
        self._leases.renew(self._shard)

    def subscribed(self, name: bytes) -> None:
        if name == CONTROL.encode():
            self._grants.listen()
        channel = self._own(name)
        if channel is not None and channel.confirm():
            self._hub.catch_up_all(channel)

    def unsubscribed(self, names: Sequence[bytes]) -> None:
        """A channel that was asked for has moved to another server, which may have published to it
        already: https://redis.io/docs/latest/develop/pubsub/#sharded-pubsub."""
        lost = [channel for name in names if (channel := self._own(name)) and channel.subscribed]
        if lost:
            self._lose(lost)
            self._pubsubs.doubt()

    def messages(self, name: bytes, payloads: list[bytes]) -> None:
        if name == CONTROL.encode():
            for payload in self._controls.fresh(payloads):
                self._grants.forget(payload.decode())
                self._revocation.recheck_named(payload.decode())
        elif name == INSPECT.encode():
            for payload in self._controls.fresh(payloads):
                self._inspection.asked(payload)
        elif (channel := self._own(name)) is not None:
            self._fan_out.deliver(channel, payloads)

    def disconnected(self) -> None:
        self._grants.interrupt()
        self._broker.high_water_marks.invalidate(self._has)
        self._markers.invalidate(self._has)
        self._lose(self._topics.on(self._shard))

    def _own(self, name: bytes) -> Channel | None:
        """The channel, unless it has moved: what another server sends of it comes too late."""
        channel = self._topics.channels.get(name)
        return channel if channel is not None and channel.shard == self._shard else None

    def _has(self, account_id: int) -> bool:
        return self._broker.shards.of(account_id) == self._shard

    def _lose(self, channels: Sequence[Channel]) -> None:
        self._topics.invalidate(channels)
        self._hub.catch_up_all(*channels)
