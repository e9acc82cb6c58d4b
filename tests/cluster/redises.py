"""The kinds of Redis that hosts may share, with the faults that each can have."""

from abc import ABC
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from redis.exceptions import ResponseError

from ..faults.redis_server import RedisServer
from ..harness.redis_cluster import RedisCluster
from ..harness.redis_cluster import RedisNode
from ..harness.redis_cluster import slot_of
from ..harness.redis_nodes import Replicated
from ..harness.waiting import eventually

# Sentinel and the nodes of a cluster promote a replica when a test asks for it, and never because a
# busy machine is late.
NEVER = 600_000  # ms


class Redises(ABC):
    """Servers that keep the streams of all accounts, each of them on one primary.

    A fault concerns the primary of an account, and lasts until `repair`. After it, `settle` makes
    the servers whole again.
    """

    url: str
    replicates_late: bool  # a primary answers before its replicas have what it was sent

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def stop(self) -> None: ...

    @abstractmethod
    def accounts_beside(self, account: int, accounts: Iterable[int]) -> set[int]:
        """The accounts on the same primary."""

    @abstractmethod
    def kill(self, account: int) -> None:
        """End the primary at once."""

    @abstractmethod
    def prepare_loss(self, account: int) -> None:
        """What the primary gets from now on is lost when it is killed."""

    @abstractmethod
    def hang(self, account: int) -> None:
        """Stop the primary: it keeps its connections, and does not answer."""

    @abstractmethod
    def repair(self) -> None:
        """Have a primary again in place of the one that failed."""

    @abstractmethod
    def settle(self) -> None:
        """Have as many servers as at the start."""


class OneServer(Redises):
    """One redis-server, which has written to disk what it has answered."""

    replicates_late = False

    def __init__(self, folder: Path):
        folder.mkdir()
        self._server = RedisServer(folder)
        self.url = self._server.url
        self._loses = self._hangs = False

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def accounts_beside(self, account: int, accounts: Iterable[int]) -> set[int]:
        return set(accounts)

    def kill(self, account: int) -> None:
        self._server.kill()
        if self._loses:
            self._server.forget()

    def prepare_loss(self, account: int) -> None:
        self._loses = True

    def hang(self, account: int) -> None:
        self._hangs = True
        self._server.pause()

    def repair(self) -> None:
        if self._hangs:
            self._server.go_on()
        else:
            self._server.start()
        self._loses = self._hangs = False

    def settle(self) -> None:
        pass


class WithSentinel(Redises):
    """A primary with a replica, and Sentinel, which promotes it."""

    replicates_late = True

    def __init__(self, folder: Path):
        folder.mkdir()
        self._servers = Replicated(folder, down_after=NEVER)
        self.url = self._servers.url

    def start(self) -> None:
        self._servers.start()

    def stop(self) -> None:
        self._servers.stop()

    def accounts_beside(self, account: int, accounts: Iterable[int]) -> set[int]:
        return set(accounts)

    def kill(self, account: int) -> None:
        self._failed = self._servers.master()
        self._failed.kill()

    def prepare_loss(self, account: int) -> None:
        self._servers.stop_replication()

    def hang(self, account: int) -> None:
        self._failed = self._servers.master()
        self._failed.pause()

    def repair(self) -> None:
        eventually(self._promotes, "Sentinel promotes the replica")
        self._servers.wait_for_promotion(self._failed)

    def settle(self) -> None:
        self._servers.resume_replication()
        if self._failed.is_running():
            self._failed.go_on()  # still a primary, until Sentinel notices
        else:
            self._failed.start("--replicaof", "127.0.0.1", str(self._servers.master().port))
        eventually(self._servers.whole, "the old primary is a replica")

    def _promotes(self) -> bool:
        sentinel, *_ = self._servers.sentinels
        try:
            command: Any = sentinel.client.execute_command
            command("SENTINEL FAILOVER", self._servers.name)
        except ResponseError:
            return False  # it does not know yet that the replica is there
        return True


class ClusterOfThree(Redises):
    """Three primaries that share the accounts, with a replica each."""

    replicates_late = True

    def __init__(self, folder: Path):
        folder.mkdir()
        self.cluster = RedisCluster(folder, 3, 1, cluster_node_timeout=str(NEVER))
        self.url = self.cluster.url

    def start(self) -> None:
        self.cluster.start()

    def stop(self) -> None:
        self.cluster.stop()

    def accounts_beside(self, account: int, accounts: Iterable[int]) -> set[int]:
        owner = self.cluster.owner(account)
        return {each for each in accounts if self.cluster.owner(each) is owner}

    def kill(self, account: int) -> None:
        self._fails(account)
        self._failed.kill()

    def prepare_loss(self, account: int) -> None:
        primary = self.cluster.owner(account)
        with self._replica_of(primary).client as replica, primary.client as client:
            replica.config_set("masteruser", "nobody")
            replica.config_set("masterauth", "none")
            client.client_kill_filter(_type="replica")
            eventually(
                lambda: replica.info("replication")["master_link_status"] == "down",
                "the replica has lost its primary",
            )

    def hang(self, account: int) -> None:
        self._fails(account)
        self._failed.pause()

    def repair(self) -> None:
        self.cluster.fail_over(self._successor, "TAKEOVER")

    def settle(self) -> None:
        with self._successor.client as client:
            client.config_set("masteruser", "")
            client.config_set("masterauth", "")
        if self._failed.is_running():
            self._failed.go_on()  # still a primary, until it hears of its successor
        else:
            self._failed.start()
        with self._failed.client as client:
            eventually(
                lambda: client.info("replication").get("master_link_status") == "up",
                "the old primary is a replica",
            )
        self.cluster.wait_until_whole()

    def _fails(self, account: int) -> None:
        self._failed = self.cluster.owner(account)
        self._successor = self._replica_of(self._failed)

    def _replica_of(self, primary: RedisNode) -> RedisNode:
        for node in self.cluster.nodes:
            with node.client as client:
                if client.info("replication").get("master_port") == primary.port:
                    return node
        raise LookupError(f"the node on port {primary.port} has no replica")

    # Slots

    def another(self, account: int) -> RedisNode:
        """A primary that does not have the account."""
        owner = self.cluster.owner(account)
        return next(
            node for node in self.cluster.nodes
            if node is not owner and self.cluster.slots_of(node)
        )  # fmt: skip

    def add(self) -> RedisNode:
        """A new node, without slots."""
        return self.cluster.add()

    def move(self, account: int, node: RedisNode) -> None:
        self.cluster.move(slot_of(account), node)
