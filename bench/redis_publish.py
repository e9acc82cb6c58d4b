"""What one shard costs: events that the publish script publishes, with and without hubs.

`python -m bench.redis_publish URL SECONDS` publishes as fast as it can, and prints the number.
"""

import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path

from redis import Redis

from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import Publication
from rtapp.realtime.embedded_redis import EmbeddedRedis

from .home import HOME
from .lab import Lab
from .lab import log_progress
from .publisher import ACCOUNT
from .publisher import EVENT
from .publisher import envelope

SCENARIO = "redis publish"
BATCH = 20  # events of one script call, as of a busy relay
EVENTS, EVENTS_QUICK = 20_000, 2_000
CALLS, CALLS_QUICK = 10_000, 2_000
HUBS = (0, 1, 17)  # connections that are subscribed to the topic
TOPICS = ("conversation:1", "inbox:1", "account")  # what a message goes to
FRESH_TOPICS = ("conversation:2", "inbox:2", "account:2")
KEPT = 5_000  # events, fewer than a log keeps
PUBLISHERS = 2  # processes that publish as fast as they can
SECONDS = (8, 2)


def run(lab: Lab) -> None:
    log_progress("what one shard costs")
    with tempfile.TemporaryDirectory(prefix="rtapp-bench-shard-") as name:
        redis = EmbeddedRedis(Path(name))
        redis.start()
        try:
            measure(lab, redis.url)
        finally:
            redis.stop()


def measure(lab: Lab, url: str) -> None:
    broker = Broker(url)
    events = EVENTS_QUICK if lab.quick else EVENTS
    publish(broker, TOPICS, BATCH)  # loads the script
    for hubs in HUBS:
        with Hubs(url, hubs):
            used = redis_cpu(broker, lambda: publish(broker, TOPICS[:1], events)) / events
        what = f"1 topic, {hubs} hubs: Redis CPU per event"
        lab.add(SCENARIO, what, used * 1e6, "µs", None, f"{BATCH} events a call, appendonly yes")
    used = redis_cpu(broker, lambda: publish(broker, TOPICS, events)) / events
    lab.add(SCENARIO, f"{len(TOPICS)} topics, 0 hubs: Redis CPU per event", used * 1e6, "µs")
    empty = broker.redis.info("memory")["used_memory"]
    publish(broker, FRESH_TOPICS, KEPT)
    held = (broker.redis.info("memory")["used_memory"] - empty) / KEPT
    note = f"{len(FRESH_TOPICS)} topics' logs and the event's key"
    lab.add(SCENARIO, "memory of Redis per event", held / 1024, "KiB", None, note)
    calls = CALLS_QUICK if lab.quick else CALLS
    used = redis_cpu(broker, lambda: [broker.position(ACCOUNT) for _ in range(calls)]) / calls
    lab.add(SCENARIO, "position: Redis CPU per call", used * 1e6, "µs")
    leases = [(ACCOUNT, "bench")] * BATCH
    used = redis_cpu(broker, lambda: [broker.renew(leases) for _ in range(calls // BATCH)]) / calls
    lab.add(SCENARIO, "renewal of a lease: Redis CPU per account", used * 1e6, "µs")
    saturate(lab, broker, url)
    broker.redis.close()


def saturate(lab: Lab, broker: Broker, url: str) -> None:
    seconds = lab.seconds(*SECONDS)
    command = [sys.executable, "-m", "bench.redis_publish", url, str(seconds)]
    with Hubs(url, 1):
        cpu = cpu_of(broker.redis)
        running = [
            subprocess.Popen(command, cwd=HOME, stdout=subprocess.PIPE, text=True)
            for _ in range(PUBLISHERS)
        ]
        counts = [int(process.communicate()[0]) for process in running]
        cpu = cpu_of(broker.redis) - cpu
    note = f"{PUBLISHERS} processes, 1 topic, 1 hub; redis-server used {cpu / seconds:.2f} cores"
    lab.add(SCENARIO, "events/s published at once", sum(counts) / seconds, "1/s", None, note)
    lab.add(SCENARIO, "events per second of Redis CPU", sum(counts) / cpu, "1/s")


def publish(broker: Broker, topics: Sequence[str], count: int) -> None:
    body = envelope(1, 1)
    bodies = [(topic, body) for topic in topics]
    for _ in range(count // BATCH):
        keys = (f"bench:{time.monotonic_ns()}:{n}" for n in range(BATCH))
        broker.publish_all(ACCOUNT, [Publication(key, EVENT, bodies) for key in keys])


def redis_cpu(broker: Broker, work: Callable[[], object]) -> float:
    """CPU seconds of redis-server for the work."""
    before = cpu_of(broker.redis)
    work()
    return cpu_of(broker.redis) - before


def cpu_of(redis: Redis) -> float:
    used = redis.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


class Hubs:
    """So many connections that are subscribed to the topic, and read all that comes."""

    def __init__(self, url: str, count: int):
        self._clients = [Redis.from_url(url, protocol=2) for _ in range(count)]
        self._ended = False

    def __enter__(self) -> "Hubs":
        self._pubsubs = [client.pubsub() for client in self._clients]
        for pubsub in self._pubsubs:
            pubsub.subscribe(f"rt:{{{ACCOUNT}}}:{TOPICS[0]}")
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join()
        for client in self._clients:
            client.close()

    def _read(self) -> None:
        sockets = [pubsub.connection._sock for pubsub in self._pubsubs]
        while not self._ended:
            for readable in select.select(sockets, [], [], 0.1)[0]:
                readable.recv(1 << 18)


def main() -> None:
    broker = Broker(sys.argv[1])
    deadline = time.monotonic() + float(sys.argv[2])
    count = 0
    while time.monotonic() < deadline:
        publish(broker, TOPICS[:1], BATCH)
        count += BATCH
    print(count)


if __name__ == "__main__":
    main()
