"""What a message costs the database: CPU of PostgreSQL's processes per POST, its events included.

A separate process posts (`python -m bench.primary POSTS`, CPU seconds per POST on standard output),
patched by gevent as the server is.
"""

if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()

import subprocess
import sys
import tempfile
from pathlib import Path

from sqlalchemy import text

from rtapp.events.relay import Relay
from rtapp.extensions import db
from rtapp.realtime.embedded_redis import EmbeddedRedis

from . import measures
from .databases import postgres
from .home import HOME
from .lab import Lab
from .lab import log_progress
from .outbox import WARM_UP
from .outbox import prepared
from .outbox import published

SCENARIO = "database"
POSTS, POSTS_QUICK = 1_500, 300


def run(lab: Lab) -> None:
    log_progress("what a message costs PostgreSQL")
    posts = POSTS_QUICK if lab.quick else POSTS
    command = [sys.executable, "-m", "bench.primary", str(posts)]
    done = subprocess.run(command, cwd=HOME, stdout=subprocess.PIPE, text=True, check=True)
    cpu = float(done.stdout.splitlines()[-1])
    note = "all its processes; the outbox and the relay included, no network and no vacuum of size"
    lab.add(SCENARIO, "PostgreSQL: CPU per message", cpu * 1e3, "ms", None, note)


def main() -> None:
    posts = int(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="rtapp-bench-redis-") as name:
        redis = EmbeddedRedis(Path(name))
        redis.start()
        try:
            with postgres() as url:
                print(cpu_per_post(Path(name), url, redis.url, posts))
        finally:
            redis.stop()


def cpu_per_post(folder: Path, url: str, redis_url: str, posts: int) -> float:
    app, token = prepared(folder, url, redis_url)
    relay: Relay = app.extensions["relay"]
    with app.app_context():
        data = db.session.execute(text("SHOW data_directory")).scalar_one()
        db.session.remove()
    postmaster = int((Path(data) / "postmaster.pid").read_text().split()[0])
    published(app, token, WARM_UP, relay)  # opens the connections, whose processes stay
    before = cpu_of(postmaster)
    published(app, token, posts, relay)
    used = cpu_of(postmaster) - before
    app.extensions["broker"].redis.close()
    with app.app_context():
        db.engine.dispose()
    return used / posts


def cpu_of(postmaster: int) -> float:
    return sum(map(measures.cpu_seconds, (postmaster, *measures.children(postmaster))))


if __name__ == "__main__":
    main()
