"""Redis as the engine uses it: publish to a log and a channel at once, read a log, subscribe.

Every key of an account carries the same hash tag (`rt:{7}:…`), so that its scripts run on one shard
of a Redis Cluster. A topic's log and its channel have the same name.
"""

import secrets
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any
from typing import NamedTuple
from typing import TypeVar

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError
from redis.exceptions import RedisError as RedisError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from . import controls
from .cluster import shards_of
from .cursor import NOWHERE
from .cursor import Cursor
from .diagnosis import UnfitRedis
from .diagnosis import code_of
from .group import Group
from .group import GroupDiff
from .group import Snapshot
from .high_water_marks import HighWaterMark
from .high_water_marks import HighWaterMarks
from .high_water_marks import Load
from .markers import Marker
from .pubsub_connection import PubSubConnection
from .redis_address import RedisAddress
from .redis_client import ClusterNodeRedis
from .redis_client import connect
from .redis_client import is_cluster
from .shards import ONLY
from .shards import Call

RETENTION_MS = 24 * 60 * 60 * 1000  # a cursor older than this can't be resumed
LOG_LIMIT = 10_000  # entries a topic's log keeps, about; older ones are trimmed
READ_LIMIT = 64  # entries per topic in one reading: at most about 1 MiB of bodies
MAX_CONNECTIONS = 50  # commands under way at once; more wait for their turn
COMMAND_TIMEOUT = 5  # s until a silent Redis counts as away
REQUEST_TIMEOUT = 0.5  # s, likewise for a request, which can do without
SILENCE = 1.0  # s after such a timeout for which no request asks Redis again

# The keys of scripts/processes.lua.
PROCESS_KEYS = ("processes", "processes:changes", "processes:groups")
MAX_LAPSED = 500  # groups of lapsed processes that one renewal names

PREFIX = "rt:{"  # of every key and channel of an account
STREAMS = "rt:{streams}:"  # of the numbers of open streams, by subject
ALIVE = f"{STREAMS}alive"  # the processes that count
STREAMS_KEPT_MS = 2 * 60 * 60 * 1000  # longer than a stream lasts
SCANNED = 1000  # keys looked at in one command, some ten microseconds
CONTROL = "rt:control"  # the channel that names streams for every process to authorise again
INSPECT = "rt:inspect"  # the channel on which every process is asked about its open streams
SUBSCRIBING = 0.05  # s until it is asked again if no process was there
ANSWERS_KEPT = 5  # s for which the answers to such a question are kept

PROBED = 10_000  # numbers of accounts that do not exist, by which a shard may be tried

Result = TypeVar("Result")

SCRIPTS = Path(__file__).parent / "scripts"


class Topic(NamedTuple):
    """A name within an account, to publish and subscribe to."""

    account_id: int
    name: str

    @property
    def channel(self) -> str:
        return f"rt:{{{self.account_id}}}:{self.name}"


class Message(NamedTuple):
    """A durable event, as logged. `previous` is the entry before it in the same topic."""

    cursor: Cursor
    previous: tuple[int, int]
    event: str
    body: bytes


class Announcement(NamedTuple):
    """The published change of a group of the topic. It has no log entry and no cursor."""

    kind: str
    diff: GroupDiff


class GroupChanges(NamedTuple):
    """Changes to a group: (operation, holder, connection, value or grace in ms) for each.

    `process`: whose they are, in whose count of changes they are one; "" for changes by no process.
    """

    account_id: int
    group: Group
    changes: Sequence[tuple[str, ...]]
    process: str = ""


class Renewal(NamedTuple):
    """What the renewal of a process's lease found.

    `changes`: how many changes by the process are there; -1 if its lease had lapsed.
    `next_lapse_ms`: the ms until another process lapses; -1 if there is no other one.
    `lapsed`: names of groups in which lapsed processes hold leases: they are to be swept.
    """

    changes: int
    next_lapse_ms: int
    lapsed: list[str]


class Publication(NamedTuple):
    """A durable event to publish, with a body for each topic (name, body), in that order.

    `key` makes it idempotent: an event is published once per key.
    """

    key: str
    event: str
    bodies: Sequence[tuple[str, str | bytes]]


class Reading(NamedTuple):
    """Logs and groups as of one moment: the account's position and, per topic, the next messages.

    `complete` is False when the logs have more than one reading returns; `intact` is False when
    Redis has evicted a part of them.
    """

    position: Cursor
    now_ms: int
    intact: bool
    topics: list[list[Message]]
    snapshots: list[Snapshot]

    @property
    def complete(self) -> bool:
        return all(len(messages) < READ_LIMIT for messages in self.topics)

    def merged(self) -> list[Message]:
        """Return the messages in their total order, up to where all topics have been read."""
        messages = sorted(message for topic in self.topics for message in topic)
        cut = [topic[-1].cursor for topic in self.topics if len(topic) >= READ_LIMIT]
        if not cut:
            return messages
        return [message for message in messages if message.cursor <= min(cut)]


class EvictingRedis(UnfitRedis):
    """This Redis may evict events."""

    name = "redis_evicts"


class ReplicaRedis(UnfitRedis):
    """This Redis is a replica: what is published elsewhere may not reach it."""

    name = "redis_replica"


class Broker:
    """One per process. Every method may raise RedisError when Redis is away or refuses.

    Each call about an account passes its high-water mark to Redis, whose scripts begin a new epoch
    if their data is behind it. `load_newest`: see high_water_marks.py; the default has none.
    """

    timeout: float = COMMAND_TIMEOUT
    retry = Retry(ExponentialBackoff(cap=0.1, base=0.01), 1)

    def __init__(self, url: str | RedisAddress, load_newest: Load = lambda _: {}):
        self.address = RedisAddress.parse(url) if isinstance(url, str) else url
        self.redis = connect(
            self.address,
            timeout=self.timeout,
            retry=self.retry,
            max_connections=MAX_CONNECTIONS,
        )
        self.shards = shards_of(self.redis)
        self._publish = self._script("account", "publish")
        self._read = self._script("account", "processes", "group", "read")
        self._change = self._script("processes", "group", "leases")
        self._renew = self._script("processes", "renew")
        self._count = self._script("count")
        self.high_water_marks = HighWaterMarks(load_newest)

    @cached_property
    def for_requests(self) -> "RequestBroker":
        return RequestBroker(self.address, self.high_water_marks)

    def shard_of(self, account_id: int) -> str:
        """Return the name of the shard that has the account, as far as known: see shards.py."""
        return self.shards.of(account_id)

    def publish(
        self, account_id: int, key: str, event: str, bodies: Iterable[tuple[str, str | bytes]]
    ) -> bool:
        """Publish one event. Return whether it was published now: see `publish_all`."""
        return bool(self.publish_all(account_id, [Publication(key, event, tuple(bodies))]))

    def publish_all(self, account_id: int, events: Iterable[Publication]) -> int:
        """Publish events of one account in their order. Return how many were published now; the
        others had been published before.

        Saving an event to the logs of its topics and publishing it are one atomic step. Raises
        ResponseError if Redis refuses one: those before it are published, it and the rest are not.
        """
        keys = self._keys(account_id)
        args: list[str | bytes | int] = [*self._args(account_id), RETENTION_MS, LOG_LIMIT]
        for key, event, bodies in events:
            keys += keys_of(account_id, (f"done:{key}", *(name for name, _ in bodies)))
            args += (event, len(bodies), *(body for _, body in bodies))
        epoch, newest, published = self._call(self._publish, keys, args)
        self.high_water_marks.observe(account_id, Cursor(epoch.decode(), *pair(newest)))
        return int(published)

    def takes_events(self, account_id: int) -> bool:
        """Return whether the account's shard publishes at all now: tried with an event without
        subscribers, of an account that does not exist."""
        shard = self.shards.of(account_id)
        tried = next(n for n in range(0, -PROBED, -1) if self.shards.of(n) == shard)
        try:
            return self.publish(tried, secrets.token_hex(16), "probe", [("probe", "")])
        except RedisError:
            return False

    def read(
        self,
        account_id: int,
        names: Sequence[str],
        after: Cursor,
        groups: Sequence[Group] = (),
        marker: Marker | None = None,
    ) -> Reading:
        """Return the messages of the topics `names` after `after`, up to READ_LIMIT of each, and
        the members of the groups. The `marker` is published at that moment, to the topic of the
        first group."""
        group_names = [name for group in groups for name in group.names]
        all_names = (*names, *(PROCESS_KEYS if groups else ()), *group_names)
        keys = [*self._keys(account_id), *keys_of(account_id, all_names)]
        args: list[str | bytes | int] = [
            *self._args(account_id),
            after.entry,
            READ_LIMIT,
            len(names),
            marker.token if marker else "",
            *(text for group in groups for text in group.behaviour),
        ]
        epoch, now, last, newest, intact, logs, snapshots = self._call(self._read, keys, args)
        position = Cursor(epoch.decode(), *pair(last))
        self.high_water_marks.merge(
            account_id, HighWaterMark(position, Cursor(position.epoch, *pair(newest)))
        )
        messages = [[decode_entry(position.epoch, *entry) for entry in log] for log in logs]
        snapshots = [Snapshot.parse(*snapshot) for snapshot in snapshots]
        return Reading(position, int(now), bool(intact), messages, snapshots)

    def position(self, account_id: int) -> Cursor:
        """Return a cursor that is not before any event published in the account so far."""
        return self.read(account_id, (), NOWHERE).position

    def change_groups(
        self, batch: Sequence[GroupChanges], now_ms: int | None = None
    ) -> list[GroupDiff]:
        """Make the changes and sweep the groups, in one pipeline. `now_ms` replaces its clock."""
        now = "" if now_ms is None else str(now_ms)
        calls = [
            Call(
                keys_of(account_id, (*PROCESS_KEYS, *group.names)),
                (now, process, *group.behaviour, *(word for change in changes for word in change)),
            )
            for account_id, group, changes, process in batch
        ]
        return [GroupDiff.parse(text) for text in self.shards.call_all(self._change, calls)]

    def renew(
        self, processes: Sequence[tuple[int, str]], now_ms: int | None = None
    ) -> list[Renewal]:
        """Renew the lease of a process in each of these accounts, in one pipeline."""
        now = "" if now_ms is None else str(now_ms)
        calls = [
            Call(keys_of(account_id, PROCESS_KEYS), (now, process, str(MAX_LAPSED)))
            for account_id, process in processes
        ]
        return [
            Renewal(changes, next_lapse_ms, [name.decode() for name in lapsed])
            for changes, next_lapse_ms, lapsed in self.shards.call_all(self._renew, calls)
        ]

    def count_streams(
        self,
        process: str,
        lease: float,
        numbers: Mapping[str, int],
        asked: Sequence[Sequence[tuple[str, int]]],
    ) -> tuple[bool, list[bool]]:
        """Set the numbers of the process's open streams by subject, and add those that are asked
        for, in order, unless all processes together have reached a limit (subject, most) of one.

        Return whether the process had its lease, which lasts for `lease` seconds again; and for
        each stream whether it is counted. `numbers` has every subject.
        """
        keys = [ALIVE, *(f"{STREAMS}{subject}" for subject in numbers)]
        at = {subject: number for number, subject in enumerate(numbers, start=1)}
        args: list[str | bytes | int] = [process, round(lease * 1000), STREAMS_KEPT_MS]
        args += numbers.values()
        for limits in asked:
            args += (len(limits), *(word for name, most in limits for word in (at[name], most)))
        had_lease, granted = self._call(self._count, keys, args)
        return bool(had_lease), [bool(fits) for fits in granted]

    def check(self) -> None:
        """Raise what would keep a shard from publishing now: a RedisError or an OSError."""
        shards = self.shards.known()
        self.shards.refuse_gaps()
        for shard in shards:
            key = self._key_on(shard, "rt:check")
            with self._at(shard):
                # A write is refused where a read is not.
                self.shards.server(shard).set(key, "", px=1000)
                self.server(shard)
                self.refuse_eviction(shard)

    def server(self, shard: str = ONLY) -> str | None:
        """Return the id of the run of the shard's server, None if it is not permitted to ask.
        Raises ReplicaRedis.

        https://redis.io/docs/latest/commands/role/ and …/commands/info/ (run_id).
        """
        with self.shards.server(shard).pipeline(transaction=False) as pipeline:
            pipeline.role()
            pipeline.info("server")
            role, info = pipeline.execute(raise_on_error=False)
        for answer in (role, info):
            if isinstance(answer, Exception) and not isinstance(answer, NoPermissionError):
                raise answer
        if self.address.kind == "server" and isinstance(info, dict) and is_cluster(info):
            self.shards.doubt(shard)
            raise ClusterNodeRedis(
                "This Redis is a node of a cluster, which could not be reached at the start: start "
                "again, or write redis+cluster:// in the place of redis:// in REDIS_URL."
            )
        if isinstance(role, list) and role[0] != b"master":
            self.shards.doubt(shard)
            raise ReplicaRedis(
                "This Redis is a replica of another one, which may have events that do not reach "
                "it: REDIS_URL must lead to the master."
            )
        return info["run_id"] if isinstance(info, dict) else None

    def now_ms(self) -> int:
        """Return the clock of a server of Redis in Unix milliseconds (`TIME`)."""
        seconds, microseconds = self._on_any(lambda shard: self.shards.server(shard).time())
        return seconds * 1000 + microseconds // 1000

    def recheck(self, name: int | str) -> None:
        """Have every process authorise open streams again: those of a user id, or of a stream."""
        payload = controls.message(str(name))
        self._on_any(lambda shard: self.shards.server(shard).publish(CONTROL, payload))

    def ask_processes(self, question: str, patience: float) -> tuple[int, list[bytes]]:
        """Ask every process. Return how many were asked, and the answers within `patience` seconds,
        which must be less than the timeout of a command.

        A question is "KEY TEXT". A process appends its answer to the list `rt:inspect:KEY`.
        """
        return self._on_any(lambda shard: self._ask_by(shard, question, patience))

    def _ask_by(self, shard: str, question: str, patience: float) -> tuple[int, list[bytes]]:
        """A server counts its own subscribers only, and every process has subscribed on each. The
        list of answers is on this one, too."""
        redis, until = self.shards.server(shard), time.monotonic() + patience
        answers_key = self._key_on(shard, f"{INSPECT}:{secrets.token_hex(16)}")
        key = answers_key.removeprefix(f"{INSPECT}:")
        payload = controls.message(f"{key} {question}")
        while not (asked := int(redis.publish(INSPECT, payload))):
            if time.monotonic() > until:
                return 0, []
            time.sleep(SUBSCRIBING)  # the processes connect again
        answers: list[bytes] = []
        while len(answers) < asked and (left := until - time.monotonic()) > 0:
            # A wait of 0 would have no end.
            popped: Any = redis.blpop([answers_key], max(left, 0.01))
            if popped is not None:
                answers.append(popped[1])
        return asked, answers

    def answer(self, key: str, answer: str) -> None:
        """Answer a question of `ask_processes`."""
        answers = f"{INSPECT}:{key}"

        def push(redis: Redis) -> None:
            with redis.pipeline() as pipeline:
                pipeline.rpush(answers, answer)
                pipeline.expire(answers, ANSWERS_KEPT)
                pipeline.execute()

        self.shards.call(answers, push)

    def subscribed_processes(self) -> int:
        """Return how many processes have subscribed: those of servers, and no command."""

        def count(shard: str) -> int:
            ((_, number),) = self.shards.server(shard).pubsub_numsub(CONTROL)
            return int(number)

        return self._on_any(count)

    def forget(self) -> None:
        """Delete the positions, logs and groups of all accounts, as a Redis that lost its data."""
        for shard in self.shards.known():
            redis = self.shards.server(shard)
            for key in redis.scan_iter(f"{PREFIX}*", count=SCANNED):
                redis.unlink(key)

    def connect_pubsub(self, shard: str = ONLY) -> PubSubConnection:
        """Open a pub/sub connection to the shard. Raises EvictingRedis as `refuse_eviction`."""
        self.refuse_eviction(shard)
        return PubSubConnection(self.shards.server(shard).connection_pool)

    def refuse_eviction(self, shard: str = ONLY) -> None:
        """Raise EvictingRedis if Redis would evict keys when its memory is full, and with them
        events that are not yet delivered. An eviction is detected anyway: this is the warning."""
        try:
            memory = self.shards.server(shard).info("memory")
        except NoPermissionError:
            return
        policy = memory.get("maxmemory_policy", "noeviction")
        if memory.get("maxmemory") and policy != "noeviction":
            raise EvictingRedis(
                f"Redis evicts keys when its memory is full (maxmemory-policy {policy}), and with "
                "them events that are still to be delivered. Set maxmemory-policy to noeviction."
            )

    def close(self) -> None:
        """Close every connection that is not in use."""
        self.redis.close()

    def _script(self, *names: str) -> Script:
        """The script of these files. Its PUBLISH is the command that publishes."""
        files = [(SCRIPTS / f"{name}.lua").read_text() for name in names]
        return Script(self.redis, "".join([f"local PUBLISH = '{self.shards.publish}'\n", *files]))

    def _call(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
        def run(redis: Redis) -> Any:
            return script(keys=keys, args=args, client=redis)

        with self._at(self.shards.of_key(keys[0])):
            return self.shards.call(keys[0], run)

    @contextmanager
    def _at(self, shard: str) -> Iterator[None]:
        """A block in which the shard is asked."""
        try:
            yield
        except ResponseError as error:
            if code_of(error) == "READONLY":
                self.shards.doubt(shard)
            raise

    def _on_any(self, command: Callable[[str], Result]) -> Result:
        """Run a command that any shard may answer: on the first that does."""
        failed: Exception = RedisConnectionError("No server of Redis is known")
        for shard in self.shards.known():
            try:
                with self._at(shard):
                    return command(shard)
            except (RedisError, OSError) as error:
                failed = error
        raise failed

    def _key_on(self, shard: str, beginning: str) -> str:
        """A key that the shard has."""
        keys = (f"{beginning}:{number}" for number in count())
        return next(key for key in keys if self.shards.of_key(key) == shard)

    def _keys(self, account_id: int) -> list[str]:
        return keys_of(account_id, ("position", "heads"))

    def _args(self, account_id: int) -> list[str]:
        return [f"{cursor.epoch} {cursor.entry}" for cursor in self.high_water_marks.of(account_id)]


class RequestBroker(Broker):
    """The broker of requests, which must not wait for a Redis that hangs.

    A call takes REQUEST_TIMEOUT at most, beside the loading of the account's high-water mark. After
    one that timed out, calls to this shard fail at once for SILENCE seconds.
    """

    timeout = REQUEST_TIMEOUT
    # One retry for a connection that a restart of Redis closed, none after a timeout.
    retry = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))

    def __init__(self, url: str | RedisAddress, high_water_marks: HighWaterMarks):
        super().__init__(url)
        self.high_water_marks = high_water_marks
        self._silent_until: dict[str, float] = {}  # by shard

    @contextmanager
    def _at(self, shard: str) -> Iterator[None]:
        if time.monotonic() < self._silent_until.get(shard, 0.0):
            raise RedisTimeoutError("Redis has just not answered")
        try:
            with super()._at(shard):
                yield
        except RedisTimeoutError:
            self._silent_until[shard] = time.monotonic() + SILENCE
            raise


def keys_of(account_id: int, names: Iterable[str]) -> list[str]:
    return [Topic(account_id, name).channel for name in names]


def pair(entry: bytes) -> tuple[int, int]:
    ms, _, n = entry.partition(b"-")
    return int(ms), int(n)


def decode_entry(epoch: str, entry: bytes, fields: list[bytes]) -> Message:
    """Decode a log entry of the epoch, as `read.lua` returns it."""
    _, previous, _, event, _, body = fields
    return Message(Cursor(epoch, *pair(entry)), pair(previous), event.decode(), body)


def decode_push(payload: bytes) -> Message | Announcement:
    """Decode a pub/sub payload, as `publish.lua` and `group.lua` make it."""
    if payload.startswith(b"~ "):
        _, kind, diff = payload.split(b" ", 2)
        return Announcement(kind.decode(), GroupDiff.parse(diff))
    epoch, entry, previous, event, body = payload.split(b" ", 4)
    ms, n = pair(entry)
    return Message(Cursor(epoch.decode(), ms, n), pair(previous), event.decode(), body)
