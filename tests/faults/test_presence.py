"""Who is there, while pages load, tabs close, workers die and servers are deployed."""

import json
import os
import signal
import subprocess
import sys
import time

import gevent
import psutil
import pytest

from rtapp.realtime import presence
from rtapp.realtime.broker import heard

from .reader import ACCOUNT
from .reader import Reader
from .server import CHECKOUT
from .waiting import eventually

STREAM = f"accounts/{ACCOUNT}/presence"
NAVIGATIONS = 20
PRESENT = 200  # users during a deploy

# Adds that many members to the demo's account, and prints a token for each, by name.
MEMBERS = f"""
from app import app
import json
from rtapp import auth
from rtapp.extensions import db
from rtapp.models import Membership, User
with app.app_context():
    users = [User(name=f"M{{n}}", email=f"m{{n}}@example.com", password_hash="none")
             for n in range({PRESENT})]
    db.session.add_all(users)
    db.session.flush()
    db.session.add_all(Membership(account_id={ACCOUNT}, user_id=u.id) for u in users)
    db.session.commit()
    print(json.dumps({{u.name: auth.create_token(u) for u in users}}))
"""


class Announced:
    """Everything that is said of an account's presence, whoever says it."""

    def __init__(self, redis):
        self._pubsub = redis.client.pubsub()
        self._pubsub.subscribe(f"rt:{{{ACCOUNT}}}:{presence.TOPIC}")
        self.changes = []
        self._greenlet = gevent.spawn(self._listen)

    def _listen(self):
        for message in self._pubsub.listen():
            if message["type"] == "message":
                self.changes += heard(message["data"]).told.changes

    def arrivals(self, user_id):
        return [c for c in self.changes if c.holder == str(user_id) and not c.before]

    def departures(self, user_id=None):
        return [c for c in self.changes if not c.after and user_id in (None, int(c.holder))]

    def close(self):
        self._greenlet.kill()
        self._pubsub.close()


@pytest.fixture
def announced(redis):
    announced = Announced(redis)
    yield announced
    announced.close()


def user_id(server, who):
    return json.loads(server.ask("GET", "/me", who=who)[1])["id"]


def open_tab(server, who):
    """A tab of theirs, and the worker that holds it."""
    tab = Reader(server, STREAM, who=who)
    eventually(lambda: tab.open and tab.ephemeral, "the tab has its snapshot")
    for pid in server.worker_pids():
        connections = psutil.Process(pid).net_connections("tcp")
        if any(c.raddr and c.raddr.port == tab.port for c in connections):
            return tab, pid
    raise AssertionError("no worker holds the tab")


def open_tab_elsewhere(server, who, worker):
    """A tab of theirs on another worker."""
    while True:
        tab, holder = open_tab(server, who)
        if holder != worker:
            return tab, holder
        tab.close()


def changes_heard(reader, user):
    """What a reader was told of a user after its snapshot: their statuses, None for a departure."""
    told = []
    for event in reader.ephemeral:
        data = event.data["data"]
        if str(user) in data.get("changed", ()):
            told.append(data["changed"][str(user)])
        if user in data.get("left", ()):
            told.append(None)
    return told


def test_tabs_navigations_and_a_killed_worker_are_told_truly(redis, start, tell, announced):
    server = start(workers=2)
    ada, adas_worker = open_tab(server, "Ada")
    kevin = user_id(server, "Kevin")

    tabs = [open_tab(server, "Kevin") for _ in range(3)]
    while len({worker for _, worker in tabs}) < 2:
        tabs.append(open_tab(server, "Kevin"))
    eventually(lambda: changes_heard(ada, kevin) == ["online"], "Ada sees him come")

    began = time.monotonic()
    current = tabs.pop()[0]
    for _ in range(NAVIGATIONS):
        current.close()
        current, _ = open_tab(server, "Kevin")
        gevent.sleep(0.3)  # as long as one looks at a page; its loading took the rest
    navigated = time.monotonic() - began
    assert changes_heard(ada, kevin) == ["online"]

    closed = time.monotonic()
    for tab in [current, *(tab for tab, _ in tabs)]:
        tab.close()
    eventually(lambda: changes_heard(ada, kevin) == ["online", None], "she sees him go")
    grace = time.monotonic() - closed
    assert grace > presence.PRESENCE.grace - 1

    # A tab on another worker than Ada's: that worker is killed, and he does not come back.
    tab, worker = open_tab_elsewhere(server, "Kevin", adas_worker)
    eventually(lambda: changes_heard(ada, kevin)[-1] == "online", "he is there again")
    heard_before = changes_heard(ada, kevin)
    os.kill(worker, signal.SIGKILL)
    tab.close()
    killed = time.monotonic()
    eventually(
        lambda: changes_heard(ada, kevin) == [*heard_before, None], "one departure", patience=60
    )
    took = time.monotonic() - killed

    # And one who does come back has never been away.
    tab, worker = open_tab_elsewhere(server, "Kevin", adas_worker)
    departures = len(announced.departures(kevin))
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: tab.connection == 2 and tab.open, "he is back by himself")
    leases = f"rt:{{{ACCOUNT}}}:presence:{presence.TOPIC}:leases"
    eventually(
        lambda: (
            [m for m in redis.client.zrange(leases, 0, -1) if m.startswith(b"%d " % kevin)]
            and len(redis.client.zrange(leases, 0, -1)) == 2
        ),
        "the killed worker's lease has run out",
        patience=60,
    )
    assert len(announced.departures(kevin)) == departures
    assert ada.connection == 1
    assert not ada.faults
    ada.close()
    tab.close()
    tell(
        f"{NAVIGATIONS} navigations in {navigated:.1f} s: 1 arrival, no departure; all closed: "
        f"gone after {grace:.1f} s; worker killed: gone after {took:.1f} s"
    )


@pytest.mark.parametrize("workers", [0, 2], ids=["embedded", "gunicorn"])
def test_a_deploy_is_nobodys_departure(redis, start, tell, announced, workers):
    server = start(workers)
    made = subprocess.run(
        [sys.executable, "-c", MEMBERS],
        cwd=CHECKOUT, env=server.environment, capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    server.tokens.update(json.loads(made.stdout.splitlines()[-1]))
    readers = [Reader(server, STREAM, who=f"M{n}") for n in range(PRESENT)]
    eventually(lambda: all(r.ephemeral for r in readers), "all are there", patience=60)
    eventually(lambda: len(announced.changes) == PRESENT, "all have been announced")
    began = time.monotonic()
    server.terminate()
    down = time.monotonic() - began
    server.start()
    eventually(lambda: all(r.connection == 2 and r.open for r in readers), "all are back", 60)
    back = time.monotonic() - began
    leases = f"rt:{{{ACCOUNT}}}:presence:{presence.TOPIC}:leases"
    eventually(
        lambda: len(redis.client.zrange(leases, 0, -1)) == PRESENT,
        "the old process's leases have run out",
        patience=90,
    )
    assert announced.departures() == []
    assert len(announced.changes) == PRESENT
    for reader in readers:
        reader.close()
    tell(f"{PRESENT} present, down for {down:.1f} s, all back after {back:.1f} s: nobody left")
