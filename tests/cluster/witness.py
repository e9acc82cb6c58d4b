"""Streams on a host that is not restarted: what they receive of presence and viewers."""

import json

from ..faults.reader import Reader
from ..faults.server import Server
from ..harness.waiting import eventually
from .world import USERS
from .world import WITNESS
from .world import World


class Witness:
    """A third user's streams of every account, which see the USERS arrive and leave."""

    def __init__(self, host: Server, world: World):
        self._readers = [
            Reader(host, f"presence:{account}", f"conversation:{conversation}", who=WITNESS)
            for account, conversation in world.conversations.items()
        ]
        self._ids = {json.loads(host.ask("GET", "/me", who=who)[1])["id"] for who in USERS}
        self._arrived: dict[Reader, int] = {}  # ephemeral events until all were there

    def wait_for_arrivals(self) -> None:
        """Wait until the users are present in each account, and view its conversation."""
        eventually(
            lambda: all(self._are_there(reader) for reader in self._readers),
            "all users are present, and viewers",
            observed=lambda: sum(self._are_there(reader) for reader in self._readers),
        )
        self._arrived = {reader: len(reader.ephemeral) for reader in self._readers}

    def departures(self) -> list[object]:
        """The events since the arrivals by which a user is not there."""
        found: list[object] = []
        for reader in self._readers:
            for event in reader.ephemeral[self._arrived[reader] :]:
                data = event.data["data"]
                left = self._ids & set(data.get("left", ()))
                if left or ("viewers" in data and not self._are_viewers(data)):
                    found.append((reader.streams, event))
        return found

    def assert_undisturbed(self) -> None:
        """Its own streams have been open all the time, else it would have missed something."""
        assert all((reader.connection, reader.open) == (1, True) for reader in self._readers)

    def close(self) -> None:
        for reader in self._readers:
            reader.close()

    def _are_there(self, reader: Reader) -> bool:
        present, viewing = set(), False
        for event in reader.ephemeral:
            data = event.data["data"]
            if event.event == "presence_update":
                present |= {
                    int(id) for id in (*data.get("online_users", ()), *data.get("changed", ()))
                }
                present -= set(data.get("left", ()))
            if event.event == "conversation.viewers":
                viewing = self._are_viewers(data)
        return present >= self._ids and viewing

    def _are_viewers(self, data: dict[str, list[dict[str, int]]]) -> bool:
        return {viewer["id"] for viewer in data["viewers"]} >= self._ids
