"""A group of leases at a given time: its changes, and what is announced of them. No test waits."""

from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import GroupChanges
from rtapp.realtime.broker import decode_push
from rtapp.realtime.group import Group
from rtapp.realtime.group import Transition
from rtapp.realtime.presence import PRESENCE

from ..harness.waiting import PATIENCE

NOON = 1_800_000_000_000  # ms
ACCOUNT = 1
GRACE = str(round(PRESENCE.grace * 1000))


def ms(seconds: float) -> int:
    return NOON + round(seconds * 1000)


class Clocked:
    """A group and its announcements, at seconds after noon."""

    def __init__(self, broker: Broker, group: Group):
        self.broker, self.group = broker, group
        self.channel = f"rt:{{{ACCOUNT}}}:{group.topic}"
        self.pubsub = broker.redis.pubsub()
        self.pubsub.subscribe(self.channel)
        assert self.pubsub.get_message(timeout=PATIENCE)["type"] == "subscribe"

    def at(self, seconds: float, *changes: tuple[str, ...], process: str = "") -> list[Transition]:
        """Apply the changes and return the transitions; exactly these must be announced."""
        (diff,) = self.broker.change_groups(
            [GroupChanges(ACCOUNT, self.group, changes, process)], now_ms=ms(seconds)
        )
        self.next_expiry_ms = diff.next_expiry_ms
        message = self.pubsub.get_message(timeout=PATIENCE if diff.transitions else 0.1)
        if not diff.transitions:
            assert message is None
        else:
            assert decode_push(message["data"]).diff == diff
        return diff.transitions

    def present(self) -> dict[str, str]:
        stored = self.broker.redis.hgetall(f"rt:{{{ACCOUNT}}}:{self.group.name}")
        return {holder.decode(): value.decode() for holder, value in stored.items()}

    def close(self) -> None:
        self.pubsub.close()


def hold(holder: str, connection: str, value: str = "online") -> tuple[str, ...]:
    return "hold", holder, connection, value


def restore(holder: str, connection: str, value: str = "online") -> tuple[str, ...]:
    return "restore", holder, connection, value


def close(holder: str, connection: str, grace: str = GRACE) -> tuple[str, ...]:
    return "release", holder, connection, grace
