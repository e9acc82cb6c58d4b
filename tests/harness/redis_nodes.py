"""Redis-servers and Sentinels of one test, on TCP ports of this machine."""

import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from .postgres_server import free_port
from .redis_programs import modern_redis_server
from .waiting import eventually

SLOTS = 16384
BUS = 10_000
DOWN_AFTER = 1000  # ms of silence after which Sentinel holds a server for down


class RedisNode:
    """`options` are those of its command line. `client`: how a test reaches it, for redis-py."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        binary: str | None = None,
        port: int | None = None,
        **client: Any,
    ):
        folder.mkdir(parents=True)
        self.folder, self.options = folder, options
        self.port = free_port() if port is None else port
        self._binary = binary or modern_redis_server()
        self._process: subprocess.Popen[bytes] | None = None
        ports = ("--port", "0", "--tls-port") if "ssl" in client else ("--port",)
        self.options = (*ports, str(self.port), *options)
        self.client = Redis("127.0.0.1", self.port, socket_timeout=5, protocol=2, **client)

    def start(self, *more: str) -> None:
        self._process = subprocess.Popen([*self.command(), *self.options, *more])
        eventually(self.answers, "redis-server answers")

    def command(self) -> list[str]:
        log = str(self.folder / "redis.log")
        return [self._binary, "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "",
                "--logfile", log]  # fmt: skip

    def command_of_cluster(self, *words: str | int) -> None:
        client: Any = self.client
        assert client.execute_command("CLUSTER", *words) in (b"OK", True), words

    def cluster_info(self) -> dict[str, str]:
        client: Any = self.client
        info: dict[str, str] = client.execute_command("CLUSTER INFO")
        return info

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except (RedisError, OSError):
            return False

    def pause(self) -> None:
        """Stop the process: it keeps its connections and does not answer (a hung machine)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def is_running(self) -> bool:
        return self._process is not None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.client.connection_pool.disconnect()

    def stop(self) -> None:
        self.kill()
        self.client.close()


class SentinelNode(RedisNode):
    """A Sentinel that looks after one master."""

    def __init__(
        self,
        folder: Path,
        name: str,
        master: RedisNode,
        *lines: str,
        down_after: int,
        **client: Any,
    ):
        super().__init__(folder, **client)
        self.name = name
        (folder / "sentinel.conf").write_text("\n".join([
            f"port {self.port}", "bind 127.0.0.1", f"dir {folder}",
            f"logfile {folder / 'sentinel.log'}",
            f"sentinel monitor {name} 127.0.0.1 {master.port} 1",
            f"sentinel down-after-milliseconds {name} {down_after}",
            f"sentinel failover-timeout {name} 10000",
            *lines, "",
        ]))  # fmt: skip

    def command(self) -> list[str]:
        return [self._binary, str(self.folder / "sentinel.conf"), "--sentinel"]

    def start(self, *more: str) -> None:
        self._process = subprocess.Popen(self.command())
        eventually(self.answers, "Sentinel answers")

    def master(self) -> int:
        """The port of the master."""
        found: Any = self.client.sentinel_get_master_addr_by_name(self.name)
        return int(found[1])

    def replicas_online(self) -> int:
        replicas: Any = self.client.sentinel_slaves(self.name)
        return sum(not each["is_sdown"] and not each["is_disconnected"] for each in replicas)


class Replicated:
    """A master with a replica, and Sentinels that look after them, with a password each kind."""

    name = "support"
    password, sentinel_password = "of-the-servers", "of-the-sentinels"

    def __init__(self, folder: Path, sentinels: int = 1, down_after: int = DOWN_AFTER):
        options = ("--requirepass", self.password, "--masterauth", self.password)
        self.nodes = [RedisNode(folder / name, *options, password=self.password) for name in "ab"]
        self.sentinels = [
            SentinelNode(
                folder / f"sentinel{n}", self.name, self.nodes[0],
                f"sentinel auth-pass {self.name} {self.password}",
                f"requirepass {self.sentinel_password}",
                password=self.sentinel_password, down_after=down_after,
            )
            for n in range(sentinels)
        ]  # fmt: skip
        self.hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        self.url = (
            f"redis+sentinel://:{self.password}@{self.hosts}/{self.name}"
            f"?sentinel_password={self.sentinel_password}"
        )

    def start(self) -> None:
        first, second = self.nodes
        first.start()
        second.start("--replicaof", "127.0.0.1", str(first.port))
        for sentinel in self.sentinels:
            sentinel.start()
        eventually(self.whole, "Sentinel knows the replica")

    def whole(self) -> bool:
        return self.sentinels[0].replicas_online() == 1 and self.synchronised()

    def synchronised(self) -> bool:
        info: Any = self.replica().client.info("replication")
        return bool(info["role"] == "slave" and info["master_link_status"] == "up")

    def master(self) -> RedisNode:
        port = self.sentinels[0].master()
        (found,) = (node for node in self.nodes if node.port == port)
        return found

    def replica(self) -> RedisNode:
        (found,) = (node for node in self.nodes if node is not self.master())
        return found

    def stop_replication(self) -> None:
        """What the master gets from now on does not reach its replica."""
        self.replica().client.config_set("masterauth", "of-nothing")
        self.master().client.client_kill_filter(_type="replica")
        eventually(lambda: not self.synchronised(), "the replica has lost its master")

    def resume_replication(self) -> None:
        """Have a node accept a master again: the replica, or the master that it has become."""
        for node in self.nodes:
            if node.answers():
                node.client.config_set("masterauth", self.password)

    def fail_over(self) -> None:
        """Have Sentinel promote the replica; the master becomes its replica. Waits for both."""
        old = self.master()
        self.sentinels[0].client.sentinel_failover(self.name)
        self.wait_for_promotion(old)
        eventually(self.synchronised, "the old master is its replica")

    def wait_for_promotion(self, old: RedisNode) -> None:
        """Wait until Sentinel has replaced a master that died or hangs."""
        eventually(lambda: self.master() is not old, "Sentinel has promoted the replica")

    def stop(self) -> None:
        for each in [*self.sentinels, *self.nodes]:
            each.stop()


class ClusterNodes:
    """Three masters of a cluster, each with a third of the slots."""

    def __init__(self, folder: Path, *options: str, binary: str | None = None, **client: Any):
        self.nodes = [
            RedisNode(
                folder / name, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000",
                *options, binary=binary, port=port_of_cluster(), **client,
            )
            for name in "abc"
        ]  # fmt: skip
        self.hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        self.url = f"redis+cluster://{self.hosts}"

    def start(self) -> None:
        for number, node in enumerate(self.nodes):
            node.start()
            slots = range(number * SLOTS // 3, (number + 1) * SLOTS // 3)
            node.command_of_cluster("ADDSLOTS", *slots)
            node.command_of_cluster("SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            node.command_of_cluster("MEET", "127.0.0.1", self.nodes[0].port)
        eventually(lambda: all(map(self.ok, self.nodes)), "the cluster is whole")

    def ok(self, node: RedisNode) -> bool:
        info = node.cluster_info()
        return bool(
            info["cluster_state"] == "ok"
            and info["cluster_slots_ok"] == str(SLOTS)
            and info["cluster_known_nodes"] == str(len(self.nodes))
        )

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


def port_of_cluster() -> int:
    """A free port; the one that the nodes use among themselves, 10 000 higher, is free too."""
    while True:
        port = free_port()
        with socket.socket() as other:
            try:
                other.bind(("127.0.0.1", port + BUS))
            except (OSError, OverflowError):
                continue
            return port
