"""The cost of the outbox in a POST of a message: CPU and latency, in one process, without HTTP.

The same POSTs go through the WSGI application without events, with events but no relay, and with
the relay. A last measurement is the relay's throughput on a backlog.

A separate process measures (`python -m bench.outbox [--quick]`, rows as JSON on standard output),
patched by gevent as the server is.
"""

if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import func
from sqlalchemy import select

from rtapp import create_app
from rtapp import seed
from rtapp.cli.find import user_with
from rtapp.config import Settings
from rtapp.events import outbox
from rtapp.events.relay import Relay
from rtapp.extensions import db
from rtapp.models import OutboxEvent
from rtapp.realtime.embedded_redis import EmbeddedRedis
from rtapp.services.change_tokens import create_token

from .databases import DATABASES
from .home import HOME
from .lab import Lab
from .lab import log_progress
from .measures import percentile

SCENARIO = "outbox"
POSTS = 1_500
POSTS_QUICK = 300
WARM_UP = 50
BACKLOG = 10_000
BACKLOG_QUICK = 2_000
CONVERSATIONS = 12  # of the demo, posted to in turn
ROUNDS = 3  # the variants run in turn, so that a busy moment affects all of them


Samples = list[tuple[float, float]]  # (latency, CPU of this process) in s
Rows = list[tuple[str, float, str]]  # what, value, unit


def run(lab: Lab) -> None:
    log_progress("POSTs with and without the outbox")
    command = [sys.executable, "-m", "bench.outbox", *(["--quick"] if lab.quick else [])]
    done = subprocess.run(command, cwd=HOME, stdout=subprocess.PIPE, check=True)
    for what, value, unit in json.loads(done.stdout):
        lab.add(SCENARIO, what, value, unit)


def main() -> None:
    quick = "--quick" in sys.argv
    rows: Rows = []
    with tempfile.TemporaryDirectory(prefix="rtapp-bench-redis-") as name:
        redis = EmbeddedRedis(Path(name))
        redis.start()
        try:
            for database in DATABASES:
                with database() as url:
                    rows += measure(Path(name), url, redis.url, quick)
        finally:
            redis.stop()
    print(json.dumps(rows))


def measure(folder: Path, url: str, redis_url: str, quick: bool) -> Rows:
    kind = url.partition(":")[0].partition("+")[0]
    app, token = prepared(folder, url, redis_url)
    relay: Relay = app.extensions["relay"]
    posts = (POSTS_QUICK if quick else POSTS) // ROUNDS
    variants: dict[str, Callable[[], Samples]] = {
        "without events": lambda: without_events(app, token, posts),
        "events written": lambda: written(app, token, posts),
        "written and published": lambda: published(app, token, posts, relay),
    }
    taken: dict[str, Samples] = {name: [] for name in variants}
    without_events(app, token, WARM_UP)
    for _ in range(ROUNDS):
        for name, variant in variants.items():
            taken[name] += variant()
    rows: Rows = []
    for name, samples in taken.items():
        walls, cpus = [wall for wall, _ in samples], [cpu for _, cpu in samples]
        rows += [
            (f"{kind}, {name}: CPU per POST", sum(cpus) / len(cpus) * 1e3, "ms"),
            (f"{kind}, {name}: p50", percentile(walls, 0.5) * 1e3, "ms"),
            (f"{kind}, {name}: p99", percentile(walls, 0.99) * 1e3, "ms"),
        ]
    rate = drained(app, relay, BACKLOG_QUICK if quick else BACKLOG)
    app.extensions["broker"].redis.close()
    with app.app_context():
        db.engine.dispose()
    return [*rows, (f"{kind}: backlog worked off", rate, "events/s")]


def prepared(folder: Path, url: str, redis_url: str) -> tuple[Flask, str]:
    app = create_app(
        Settings(instance=folder, database_url=url, redis_url=redis_url, secret_key="bench")
    )
    with app.app_context():
        upgrade()
        seed.seed_if_empty()
        return app, create_token(user_with(seed.PEOPLE[0].email), "Benchmark").text


def post(app: Flask, token: str, count: int) -> Samples:
    """Yield to greenlets between the POSTs, so that the relay publishes."""
    client = app.test_client()
    headers = {"Authorization": f"Bearer {token}"}
    samples = []
    for n in range(count):
        path = f"/conversations/{n % CONVERSATIONS + 1}/messages"
        cpu, wall = time.process_time(), time.perf_counter()
        response = client.post(path, json={"content": "Hello, any news?"}, headers=headers)
        wall = time.perf_counter() - wall
        gevent.sleep(0.002)  # the relay's work counts as CPU, not as latency
        samples.append((wall, time.process_time() - cpu))
        assert response.status_code == 201, response.get_data(as_text=True)
    return samples


def without_events(app: Flask, token: str, count: int) -> Samples:
    with replaced_record():
        return post(app, token, count)


def written(app: Flask, token: str, count: int) -> Samples:
    samples = post(app, token, count)
    clear(app)
    return samples


def published(app: Flask, token: str, count: int, relay: Relay) -> Samples:
    relay.start()
    try:
        samples = post(app, token, count)
        while waiting(app):
            gevent.sleep(0.01)
        return samples
    finally:
        relay.stop()


@contextmanager
def replaced_record() -> Iterator[None]:
    record = outbox.record
    outbox.record = lambda *_: None
    try:
        yield
    finally:
        outbox.record = record


def drained(app: Flask, relay: Relay, count: int) -> float:
    """Events published per second from a backlog of `count`, by one relay."""
    clear(app)
    with app.app_context():
        data = {"id": 1, "text": "x" * 300}
        row = {"event": "bench", "account_id": 1, "topics": ["account", "inbox:1"], "data": data}
        db.session.execute(outbox.insert(OutboxEvent), [row] * count)
        db.session.commit()
    start = time.perf_counter()
    while relay.publish_batch():
        pass
    return count / (time.perf_counter() - start)


def clear(app: Flask) -> None:
    with app.app_context():
        db.session.execute(OutboxEvent.__table__.delete())
        db.session.commit()


def waiting(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(OutboxEvent)) or 0


if __name__ == "__main__":
    main()
