"""A Redis Cluster of real servers: slots that move, nodes that fail, hang, come and go.

https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError
from redis.exceptions import ResponseError

from rtapp.realtime.embedded_redis import KEEPER

from .postgres_server import free_port
from .redis_programs import modern_redis_server
from .waiting import eventually

SLOTS = 16384
NODE_TIMEOUT = 2000  # ms until a node that does not answer has failed, for the others
KEYS_AT_ONCE = 100


class RedisNode:
    """One redis-server of a cluster, with its data in `folder`. `options` are its configuration."""

    def __init__(self, folder: Path, **options: str):
        self.folder = folder
        self.port, self.bus_port = free_port(), free_port()
        self.options = {
            "appendonly": "no",
            "save": "",
            "cluster-node-timeout": str(NODE_TIMEOUT),
            "cluster-require-full-coverage": "no",  # one shard's failure is its own
            "cluster-allow-replica-migration": "no",
            "repl-diskless-sync-delay": "0",
            "shutdown-timeout": "0",
            **{name.replace("_", "-"): value for name, value in options.items()},
        }
        self._keeper: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self.is_paused = False

    @property
    def client(self) -> Any:
        """A client of this node alone; it follows no redirection."""
        password = self.options.get("requirepass")
        client = Redis("127.0.0.1", self.port, password=password, protocol=2, socket_timeout=10)
        for command in ("CLUSTER INFO", "CLUSTER NODES"):
            client.set_response_callback(command, bytes.decode)
        return client

    @property
    def id(self) -> str:
        with self.client as client:
            return str(client.execute_command("CLUSTER MYID").decode())

    def start(self) -> None:
        """Start the server, and wait until it answers. It knows the cluster in which it was."""
        self.folder.mkdir(parents=True, exist_ok=True)
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "logfile": str(self.folder / "redis.log"),
            "cluster-enabled": "yes",
            "cluster-port": str(self.bus_port),
            **self.options,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", KEEPER, "redis-keeper", modern_redis_server(), *words],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        eventually(self._answers, f"the node on port {self.port} answers")
        with self.client as client:
            self._pid = client.info("server")["process_id"]

    def stop(self) -> None:
        """End the server in order; without `save` and `appendonly`, its data is lost."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as the kernel would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Stop it by a signal: it keeps its connections and does not answer."""
        os.kill(self._pid, signal.SIGSTOP)
        self.is_paused = True

    def go_on(self) -> None:
        os.kill(self._pid, signal.SIGCONT)
        self.is_paused = False

    def is_running(self) -> bool:
        return self._keeper is not None

    def _end(self, how: signal.Signals) -> None:
        if self._keeper is not None:
            assert self._keeper.stdin is not None
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, how)
                self.go_on()
            self._keeper.wait()
            self._keeper.stdin.close()
            self._keeper = None

    def _answers(self) -> bool:
        assert self._keeper is not None
        assert self._keeper.poll() is None, (self.folder / "redis.log").read_text()
        try:
            with self.client as client:
                return bool(client.ping())
        except RedisError:
            return False


class RedisCluster:
    """`shards` primaries that share the slots, with `replicas` of each.

    `primaries[i]` had the i-th part of the slots at the start, `replicas[i]` are its replicas.
    """

    def __init__(self, folder: Path, shards: int = 3, replicas: int = 0, **options: str):
        self.folder, self._options = folder, options
        self._made = 0  # nodes so far
        self.primaries = [self._node() for _ in range(shards)]
        self.replicas = [[self._node() for _ in range(replicas)] for _ in range(shards)]
        self.added: list[RedisNode] = []
        self.moved: set[int] = set()  # slots that were moved

    def _node(self) -> RedisNode:
        self._made += 1
        return RedisNode(self.folder / f"node{self._made}", **self._options)

    @property
    def nodes(self) -> list[RedisNode]:
        return [*self.primaries, *(node for row in self.replicas for node in row), *self.added]

    @property
    def url(self) -> str:
        """The address for REDIS_URL: of every node that the cluster has now."""
        password = self._options.get("requirepass")
        user = f":{password}@" if password else ""
        return f"redis+cluster://{user}{self.addresses}"

    @property
    def addresses(self) -> str:
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> None:
        """Start every node, and wait until all agree on the slots."""
        for node in self.nodes:
            node.start()
        share = SLOTS / len(self.primaries)
        for number, node in enumerate(self.primaries):
            first, last = round(number * share), round((number + 1) * share) - 1
            with node.client as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        self._meet(self.nodes[1:])
        for primary, replicas in zip(self.primaries, self.replicas, strict=True):
            for replica in replicas:
                self.follow(replica, primary)
        self.wait_until_whole()

    def stop(self) -> None:
        for node in self.nodes:
            node.kill()

    def flush(self) -> None:
        """Delete every key."""
        for node in self.primaries + self.added:
            with node.client as client:
                try:
                    client.flushall()
                except ResponseError:
                    pass  # a replica by now

    def add(self) -> RedisNode:
        """Start another primary, which has no slot yet."""
        node = self._node()
        node.start()
        self.added.append(node)
        self._meet([node])
        self.wait_until_whole()
        return node

    def remove(self, node: RedisNode) -> None:
        """End a node that was added and has no slot any more."""
        self.added.remove(node)
        id = node.id
        node.kill()
        for other in self.nodes:
            with other.client as client:
                client.execute_command("CLUSTER FORGET", id)

    def home(self, slot: int) -> int:
        """The number of the primary that had the slot at the start."""
        return next(
            number
            for number in range(len(self.primaries))
            if slot < round((number + 1) * SLOTS / len(self.primaries))
        )

    def follow(self, replica: RedisNode, primary: RedisNode) -> None:
        """Make a node without slots a replica, and wait until it has the primary's data."""
        with replica.client as client:
            eventually(
                lambda: self._succeeds(client, "CLUSTER REPLICATE", primary.id),
                "the replica knows its primary",
            )
            eventually(
                lambda: client.info("replication").get("master_link_status") == "up",
                "the replica has the primary's data",
            )

    def owner(self, account_id: int) -> RedisNode:
        """The node that has the account now."""
        return self.owner_of(slot_of(account_id))

    def owner_of(self, slot: int) -> RedisNode:
        for node in self.nodes:
            if slot in self.slots_of(node):
                return node
        raise LookupError(f"no node has slot {slot}")

    def account_on(self, node: RedisNode, after: int = 0) -> int:
        """The next account id that the node has."""
        owned = self.slots_of(node)
        while slot_of(after := after + 1) not in owned:
            pass
        return after

    def move(
        self, slot: int, to: RedisNode, meanwhile: Callable[[], object] = lambda: None
    ) -> None:
        """Move a slot with its keys, as `redis-cli --cluster reshard`; `meanwhile` is called when
        a part of its keys has been moved."""
        source = self.owner_of(slot)
        if source is to:
            return
        self.moved.add(slot)
        with source.client as old, to.client as new:
            new.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", source.id)
            old.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", to.id)
            keys = old.execute_command("CLUSTER GETKEYSINSLOT", slot, KEYS_AT_ONCE)
            self._migrate(old, to, keys[: len(keys) // 2])
            meanwhile()
            while keys := old.execute_command("CLUSTER GETKEYSINSLOT", slot, KEYS_AT_ONCE):
                self._migrate(old, to, keys)
            # The new owner first: the slot is never without one.
            for node in (to, source, *self.nodes):
                with node.client as client:
                    if client.info("replication")["role"] == "master":
                        client.execute_command("CLUSTER SETSLOT", slot, "NODE", to.id)

    def fail_over(self, replica: RedisNode, *how: str) -> None:
        """Make the replica the primary: in agreement with its primary, or FORCE or TAKEOVER."""
        with replica.client as client:
            client.execute_command("CLUSTER FAILOVER", *how)
            eventually(
                lambda: client.info("replication")["role"] == "master", "the replica is the primary"
            )
        slot = min(self.slots_of(replica))
        eventually(lambda: self.owner_of(slot) is replica, "no other node has its slots")

    def wait_until_whole(self) -> None:
        """Wait until all nodes know one another and agree that every slot is served."""
        eventually(self._is_whole, "every node knows the whole cluster")

    def _is_whole(self) -> bool:
        for node in self.nodes:
            with node.client as client:
                text = client.execute_command("CLUSTER INFO")
            info = dict(line.split(":", 1) for line in text.split())
            known = int(info["cluster_known_nodes"])
            served = int(info["cluster_slots_ok"])
            if info["cluster_state"] != "ok" or known != len(self.nodes) or served != SLOTS:
                return False
        return True

    def _meet(self, nodes: list[RedisNode]) -> None:
        with self.primaries[0].client as client:
            for node in nodes:
                client.execute_command("CLUSTER MEET", "127.0.0.1", node.port, node.bus_port)

    def _migrate(self, source: Any, to: RedisNode, keys: list[bytes]) -> None:
        password = self._options.get("requirepass")
        auth = ["AUTH", password] if password else []
        if keys:
            source.execute_command(
                "MIGRATE", "127.0.0.1", to.port, "", 0, 10_000, *auth, "KEYS", *keys
            )

    def _succeeds(self, client: Any, *command: str) -> bool:
        try:
            client.execute_command(*command)
        except ResponseError:
            return False
        return True

    def slots_of(self, node: RedisNode) -> set[int]:
        """The slots that the node serves by its own account; none if it does not answer."""
        if node.is_paused:
            return set()
        try:
            with node.client as client:
                lines = client.execute_command("CLUSTER NODES").splitlines()
        except RedisError:
            return set()
        (own,) = [line.split() for line in lines if "myself" in line.split()[2]]
        if "master" not in own[2]:
            return set()
        found: set[int] = set()
        for part in own[8:]:
            if not part.startswith("["):  # a slot that is being moved is listed a second time
                first, _, last = part.partition("-")
                found.update(range(int(first), int(last or first) + 1))
        return found


def slot_of(account_id: int) -> int:
    """The slot of all keys and channels of an account."""
    return int(key_slot(f"rt:{{{account_id}}}:".encode()))
