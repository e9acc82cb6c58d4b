"""A broker whose time a test controls.

A state machine's run can then be repeated with the same cursors and epochs.
"""

import os
import shutil

from rtapp.realtime.broker import SCRIPTS
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import Topic
from rtapp.realtime.embedded_redis import EmbeddedRedis
from rtapp.realtime.high_water_marks import Load

HOUR = 60 * 60 * 1000  # ms
BEGINNING = 1_790_000_000_000  # ms
REDIS_TIME = "redis.call('TIME')"
KEPT_TIME = "redis.call('HMGET', 'clock', 's', 'us')"

Dump = dict[bytes, tuple[int, bytes]]  # the remaining ms and the DUMP of each key


class TimedBroker(Broker):
    """A broker whose scripts read the time from the key `clock`."""

    def __init__(self, url: str, load_newest: Load = lambda _: {}):
        super().__init__(url, load_newest)
        account = (SCRIPTS / "account.lua").read_text()
        assert account.count(REDIS_TIME) == 1
        self._publish, self._read = (
            self.redis.register_script(script.script.replace(REDIS_TIME, KEPT_TIME, 1))
            for script in (self._publish, self._read)
        )


class Clock:
    """The time of a redis-server's scripts, with its effect on the keys of one account."""

    def __init__(self, broker: Broker, account_id: int):
        self.redis, self._account_id = broker.redis, account_id
        self.now = self.latest = BEGINNING
        self.set()

    def set(self) -> None:
        seconds, ms = divmod(self.now, 1000)
        self.redis.hset("clock", mapping={"s": seconds, "us": ms * 1000})

    def step(self, ms: int) -> None:
        """Adjust the clock. No key grows older, as in Redis, whose expiry has its own clock."""
        self.now += ms
        self.latest = max(self.now, self.latest)
        self.set()

    def goes_on(self) -> None:
        """Set the clock later than ever before: later events are then of another ms."""
        self.step(self.latest + 2 - self.now)

    def passes(self, ms: int) -> None:
        self.step(ms)
        keys = keys_of(self.redis, self._account_id)
        with self.redis.pipeline(transaction=False) as pipeline:
            for key, left in zip(keys, lefts(self.redis, keys), strict=True):
                if left > 0:
                    pipeline.pexpire(key, left - ms)  # 0 or less deletes it at once
            pipeline.execute()


def keys_of(redis, account_id: int) -> list[bytes]:
    return redis.keys(Topic(account_id, "*").channel)


def lefts(redis, keys: list[bytes]) -> list[int]:
    """Return the remaining ms of each key; negative without an expiry."""
    with redis.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.pttl(key)
        return pipeline.execute()


def dumped(redis, account_id: int) -> Dump:
    """Return all keys of an account, as a snapshot does."""
    keys = sorted(keys_of(redis, account_id))
    with redis.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.dump(key)
        values = pipeline.execute()
    return dict(zip(keys, zip(lefts(redis, keys), values, strict=True), strict=True))


def restore(redis, account_id: int, dump: Dump) -> None:
    """Replace the account's keys by the snapshot's, as a restart from it does."""
    with redis.pipeline(transaction=False) as pipeline:
        for key in keys_of(redis, account_id):
            pipeline.delete(key)
        for key, (left, value) in dump.items():
            pipeline.restore(key, max(0, left), value)
        pipeline.execute()


def kill(server: EmbeddedRedis, redis) -> None:
    """End redis-server as the kernel would.

    With "everysec" its file may lack up to two seconds of acknowledged writes; another rule covers
    their loss.
    """
    redis.config_set("appendfsync", "always")
    redis.set("written", "up to here")
    os.kill(redis.info("server")["process_id"], 9)
    server.stop()


def start_without_data(server: EmbeddedRedis) -> None:
    for path in server.folder.glob("appendonly*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    server.start()
