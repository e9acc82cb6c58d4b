"""redis-py's client of an address. It connects with its first command, never before.

With Sentinel, each new connection asks Sentinel where the master is. A cluster is asked for its
nodes and slots at the first command; then and later its errors are RedisErrors, as all others.
"""

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import replace
from threading import RLock
from typing import Any
from typing import cast

from redis import BlockingConnectionPool
from redis import Redis
from redis import RedisCluster
from redis._parsers import Encoder
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.cluster import ClusterPipeline
from redis.cluster import NodesManager
from redis.connection import Connection
from redis.connection import SSLConnection
from redis.connection import UnixDomainSocketConnection
from redis.event import AfterSlotsCacheRefreshEvent
from redis.event import EventDispatcher
from redis.event import EventListenerInterface
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException
from redis.exceptions import RedisError
from redis.exceptions import ResponseError
from redis.exceptions import SlotNotCoveredError
from redis.retry import Retry
from redis.sentinel import Sentinel
from redis.sentinel import SentinelConnectionPool
from redis.sentinel import SentinelManagedConnection
from redis.sentinel import SentinelManagedSSLConnection

from .diagnosis import UnfitRedis
from .redis_address import RedisAddress

SHARDED = (
    "spublish"  # the command of sharded pub/sub: https://redis.io/docs/latest/commands/spublish/
)

SLOTS = 16384
UNCOVERED = (
    "Some slots of the Redis Cluster have no node that is up: events of their accounts wait. See "
    "`redis-cli --cluster check`."
)


class ClusterNodeRedis(UnfitRedis):
    """The server of a plain address is a node of a cluster."""

    name = "redis_cluster"


class NoCluster(UnfitRedis):
    """The server of a cluster's address is no part of one."""

    name = "redis_cluster"


class OldCluster(UnfitRedis):
    """The cluster has no sharded pub/sub: it is older than Redis 7."""

    name = "redis_cluster"


class UncoveredSlots(UnfitRedis):
    """No node of the cluster has some of the slots."""

    name = "redis_cluster_down"


class UnknownMaster(UnfitRedis):
    """No Sentinel that answers knows the master."""

    name = "redis_sentinel"


class NoMaster(UnfitRedis):
    """Sentinel holds the master for down, and has not promoted another one yet."""

    name = "redis_sentinel"


class SentinelsAway(UnfitRedis):
    """No Sentinel answers."""

    name = "redis_sentinel"


class RefusedByNode(UnfitRedis):
    """A node of the cluster wants another password."""

    name = "redis_refuses"


class RefusedBySentinel(UnfitRedis):
    """Sentinel wants another password."""

    name = "redis_sentinel"


def connect(address: RedisAddress, *, timeout: float, retry: Retry, max_connections: int) -> Redis:
    """Return the client: of a cluster a `Cluster`, which has the same commands.

    `timeout` seconds hold for connecting, for each command, and for a connection of the pool to be
    free. `max_connections` are those of the pool, in a cluster of each node.
    """
    options = {
        "max_connections": max_connections,
        "timeout": timeout,
        "protocol": 2,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "username": address.username,
        "password": address.password,
        "client_name": address.client_name,
        **(address.tls or {}),
    }
    if address.kind == "cluster":
        return cast(Redis, Cluster(address, retry, options))
    options |= {"db": address.database, "retry": retry}
    if address.kind == "sentinel":
        return Redis.from_pool(sentinel_pool(address, timeout, options))
    if address.path:
        place: dict[str, Any] = {"path": address.path}
        connection: type[Any] = UnixDomainSocketConnection
    else:
        ((host, port),) = address.nodes
        place = {"host": host, "port": port}
        connection = Connection if address.tls is None else SSLConnection
    pool: Any = BlockingConnectionPool
    return Redis.from_pool(pool(connection_class=connection, **place, **options))


def resolved(address: RedisAddress, timeout: float) -> RedisAddress:
    """The address, or that of the cluster if its server is reached now and is a node of one. Never
    raises: a server that can't be reached is what the address says."""
    if address.kind != "server" or address.path or address.database:
        return address
    client = connect(address, timeout=timeout, retry=Retry(NoBackoff(), 0), max_connections=1)
    try:
        info: Any = client.info("server")
    except (RedisError, OSError):
        return address
    finally:
        client.close()
    return replace(address, kind="cluster") if is_cluster(info) else address


def is_cluster(info: Mapping[str, Any]) -> bool:
    """Whether the answer to `INFO server` is that of a cluster's node."""
    return info.get("redis_mode") == "cluster"


def ping(client: Redis) -> None:
    """Raises what a server answers that is asked for nothing: in a cluster, any of the masters."""
    if isinstance(client, Cluster):
        client.ping_masters()
    else:
        client.ping()


# Sentinel


def sentinel_pool(address: RedisAddress, timeout: float, options: dict[str, Any]) -> "SentinelPool":
    secure = address.tls is not None
    untyped: Any = Sentinels
    sentinels = untyped(
        address.nodes,
        sentinel_kwargs={
            "username": address.sentinel_username,
            "password": address.sentinel_password,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            "ssl": secure,
            **(address.tls or {}),
        },
    )
    connection = SentinelManagedSSLConnection if secure else SentinelManagedConnection
    pool: Any = SentinelPool
    return cast(
        SentinelPool, pool(address.service, sentinels, connection_class=connection, **options)
    )


class SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Sentinel's pool, which waits for a free connection as the pool of one server does."""


class Sentinels(Sentinel):
    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return the address of the master, by the first Sentinel that knows it to be up. Raises
        UnfitRedis with a sentence for operators, or RedisError."""
        known = answered = False
        refusal: RedisError | None = None
        for sentinel in list(self.sentinels):
            try:
                masters: Any = sentinel.sentinel_masters()
            except (AuthenticationError, ResponseError) as error:
                refusal = error
                continue
            except (RedisError, OSError):
                continue
            answered = True
            state = masters.get(service_name)
            known = known or state is not None
            if state and self.check_master_state(state, service_name):  # type: ignore[no-untyped-call]
                self.sentinels.remove(sentinel)
                self.sentinels.insert(0, sentinel)  # is asked first from now on
                return state["ip"], int(state["port"])
        if known:
            raise NoMaster(
                f"Sentinel holds the master {service_name} for down, and has not promoted a "
                "replica yet."
            )
        if answered:
            raise UnknownMaster(
                f"Sentinel knows no master {service_name}: correct the name at the end of "
                "REDIS_URL, or see `sentinel monitor`."
            )
        if refusal is not None:
            raise RefusedBySentinel(
                "Sentinel refuses the user or password: see sentinel_username and "
                "sentinel_password in REDIS_URL."
            ) from refusal
        raise SentinelsAway("No Sentinel of REDIS_URL can be reached.")


# Cluster


class Cluster(RedisCluster):
    """RedisCluster, but its constructor asks nothing, and every error is a RedisError or OSError.

    https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
    """

    def __init__(self, address: RedisAddress, retry: Retry, options: dict[str, Any]):
        self._address = address
        self._nodes: NodesManager | None = None
        self._connected = False
        self._connecting = RLock()
        encoder: Any = Encoder
        self.encoder = encoder("utf-8", "strict", False)  # scripts are registered with it
        connection = Connection if address.tls is None else SSLConnection
        self._watchers: list[Callable[[], object]] = []
        events: Any = EventDispatcher()
        events.register_listeners({AfterSlotsCacheRefreshEvent: [OnChange(self._changed)]})
        self._options = {
            **options,
            "retry": retry,
            "connection_class": connection,
            "event_dispatcher": events,
        }

    @property
    def slots(self) -> dict[int, list[ClusterNode]]:
        """The nodes that have each slot, as far as known, the primary first."""
        return self._nodes.slots_cache if self._nodes is not None else {}

    @property
    def node_names(self) -> set[str]:
        """The names of all nodes that are known, replicas too."""
        return set(self._nodes.nodes_cache) if self._nodes is not None else set()

    def on_change(self, function: Callable[[], object]) -> None:
        """Call the function whenever `slots` may have changed. It must not wait for anything."""
        self._watchers.append(function)

    def refresh(self, away: str | None = None) -> None:
        """Ask for the nodes and slots again: the node `away` last. Raises as `nodes_manager`."""
        nodes = self.nodes_manager
        try:
            nodes.initialize(disconnect_startup_nodes_pools=False, last_failed_node_name=away)
        except RedisClusterException as error:
            raise self._failed(error) from None

    def _changed(self) -> None:
        if self._connected:  # not in the midst of it
            for function in self._watchers:
                function()

    @property
    def nodes_manager(self) -> NodesManager:
        """Raises RedisError or OSError where the cluster can't be reached, or is none."""
        self.connect()
        assert self._nodes is not None
        return self._nodes

    @nodes_manager.setter
    def nodes_manager(self, nodes: NodesManager) -> None:
        self._nodes = nodes

    def connect(self) -> None:
        """Ask for the nodes and slots, unless that has been done. Raises as `nodes_manager`."""
        if self._connected:
            return
        with self._connecting:
            if self._nodes is not None:  # by the constructor below, or meanwhile
                return
            try:
                self._construct()
                self._connected = True
                self._changed()
            finally:
                if not self._connected:
                    self._nodes = None

    def execute_command(self, *args: Any, **options: Any) -> Any:
        self.connect()
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except RedisClusterException as error:
            raise self._failed(error) from None

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> "Pipeline":
        self.connect()
        return Pipeline(
            nodes_manager=self.nodes_manager,
            commands_parser=self.commands_parser,
            startup_nodes=list(self.nodes_manager.startup_nodes.values()),
            result_callbacks=self.result_callbacks,
            cluster_response_callbacks=self.cluster_response_callbacks,
            reinitialize_steps=self.reinitialize_steps,
            retry=self.retry,
            lock=self._lock,
            transaction=transaction,
            event_dispatcher=self._event_dispatcher,
        )

    def ping_masters(self) -> None:
        """Raises what any of the masters answers, and UncoveredSlots."""
        nodes: Any = self.nodes_manager.get_nodes_by_server_type("primary")
        for node in nodes:
            try:
                self.get_redis_connection(node).ping()
            except AuthenticationError as error:
                raise RefusedByNode(
                    f"The node {node.name} of the Redis Cluster refuses the user or password of "
                    "REDIS_URL."
                ) from error
        self.refuse_uncovered()

    def refuse_uncovered(self) -> None:
        """Raises UncoveredSlots where a node holds that not all slots have one that is up."""
        info: Any = self.execute_command("CLUSTER INFO")
        if info["cluster_state"] != "ok" or int(info["cluster_slots_ok"]) < SLOTS:
            raise UncoveredSlots(UNCOVERED)

    def close(self) -> None:
        if self._nodes is not None:
            self._nodes.close()

    def _construct(self) -> None:
        (host, port), *others = self._address.nodes
        asked: list[Any] = [ClusterNode(*node) for node in others]  # type: ignore[no-untyped-call]
        try:
            super().__init__(
                url=f"redis://[{host}]:{port}" if ":" in host else f"redis://{host}:{port}",
                startup_nodes=asked,
                connection_pool_class=BlockingConnectionPool,
                require_full_coverage=False,  # an account whose slot is covered is served
                **self._options,
            )
        except RedisClusterException as error:
            raise plain(error) from None
        finally:
            for node in asked:  # RedisCluster makes other clients for the nodes that it finds
                if node.redis_connection is not None:
                    node.redis_connection.connection_pool.disconnect()
        if SHARDED not in self.commands_parser.commands:
            raise OldCluster(
                "This Redis Cluster has no sharded pub/sub: it is older than Redis 7. Install "
                "Redis 7 or newer, or Valkey, on its nodes."
            )

    def _failed(self, error: RedisClusterException) -> Exception:
        """The error to raise. Where no known node can be reached, the next command begins again
        with those of the address: the cluster may have moved to others by then."""
        if self._nodes is not None and not isinstance(error, SlotNotCoveredError):
            self._nodes.close()
            self._nodes, self._connected = None, False
        return plain(error)


class OnChange(EventListenerInterface):
    """Calls a function when redis-py has changed its map of the slots."""

    def __init__(self, function: Callable[[], object]):
        self._function = function

    def listen(self, event: object) -> None:
        self._function()


class Pipeline(ClusterPipeline):
    """ClusterPipeline, whose errors are RedisErrors too, and which takes scripts."""

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        """By the slot of its keys. Raises NoScriptError in `execute` for a node without it."""
        return self.execute_command("EVALSHA", sha, numkeys, *keys_and_args)  # type: ignore[no-untyped-call]

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        try:
            return super().execute(raise_on_error)
        except RedisClusterException as error:
            raise plain(error) from None


def plain(error: RedisClusterException) -> Exception:
    """The error behind one of RedisCluster, which is no RedisError: of a node, or what it means."""
    if isinstance(error, SlotNotCoveredError):
        return UncoveredSlots(UNCOVERED)
    cause: BaseException | None = error
    while isinstance(cause, RedisClusterException):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ResponseError) and "cluster support disabled" in str(cause):
        return NoCluster(
            "This Redis is no cluster: write redis:// in the place of redis+cluster:// in "
            "REDIS_URL."
        )
    if isinstance(cause, RedisError | OSError):
        return cause
    return RedisConnectionError(str(error))
