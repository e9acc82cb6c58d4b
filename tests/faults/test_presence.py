"""Presence while pages load, tabs close, workers are killed and servers are deployed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import gevent
import psutil
import pytest

from rtapp.realtime import presence
from rtapp.realtime.broker import decode_push
from rtapp.realtime.markers import PREFIX as MARKER

from ..harness.supervision import spawn
from ..harness.waiting import eventually
from .reader import ACCOUNT
from .reader import Reader
from .server import CHECKOUT

STREAM = f"accounts/{ACCOUNT}/presence"
NAVIGATIONS = 20
PRESENT = 200  # users during a deploy
ARRIVING = 60  # users that arrive on two hosts at once

# Adds PRESENT members to the demo's account and prints a token for each, by name.
MEMBERS = f"""
from app import app
import json
from rtapp.extensions import db
from rtapp.models import Membership, User
from rtapp.services.change_tokens import create_token
with app.app_context():
    users = [User(name=f"M{{n}}", email=f"m{{n}}@example.com", password_hash="none")
             for n in range({PRESENT})]
    db.session.add_all(users)
    db.session.flush()
    db.session.add_all(Membership(account_id={ACCOUNT}, user_id=u.id) for u in users)
    db.session.commit()
    print(json.dumps({{u.name: create_token(u, "Test", "admin").text for u in users}}))
"""


class Announced:
    """All announcements of an account's presence, of every process."""

    def __init__(self, redis):
        self._pubsub = redis.client.pubsub()
        self._pubsub.subscribe(f"rt:{{{ACCOUNT}}}:{presence.TOPIC}")
        self.changes = []
        self._greenlet = spawn(self._listen)

    def _listen(self):
        for message in self._pubsub.listen():
            if message["type"] == "message" and not message["data"].startswith(MARKER):
                self.changes += decode_push(message["data"]).diff.transitions

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


def members(server):
    """Add PRESENT members to the demo's account. Return their tokens by name."""
    made = subprocess.run(
        [sys.executable, "-c", MEMBERS],
        cwd=CHECKOUT, env=server.environment, capture_output=True, text=True, check=True,
        timeout=600,
    )  # fmt: skip
    return json.loads(made.stdout.splitlines()[-1])


def user_id(server, who):
    return json.loads(server.ask("GET", "/me", who=who)[1])["id"]


def open_tab(server, who):
    """Open a tab of the user. Return it with the worker that holds its stream."""
    tab = Reader(server, STREAM, who=who)
    eventually(lambda: tab.open and tab.ephemeral, "the tab has its snapshot")
    for pid in server.worker_pids():
        connections = psutil.Process(pid).net_connections("tcp")
        if any(c.raddr and c.raddr.port == tab.port for c in connections):
            return tab, pid
    raise AssertionError("no worker holds the tab")


def open_tab_elsewhere(server, who, worker):
    """Open a tab of the user on another worker."""
    while True:
        tab, holder = open_tab(server, who)
        if holder != worker:
            return tab, holder
        tab.close()


def changes_heard(reader, user):
    """Return the changes of a user after the snapshot: statuses, None for a departure."""
    told = []
    for event in reader.ephemeral:
        data = event.data["data"]
        if str(user) in data.get("changed", ()):
            told.append(data["changed"][str(user)])
        if user in data.get("left", ()):
            told.append(None)
    return told


def test_presence_is_right_over_tabs_navigations_and_a_killed_worker(redis, start, tell, announced):
    server = start(workers=2)
    ada, adas_worker = open_tab(server, "Ada")
    kevin = user_id(server, "Kevin")

    tabs = [open_tab(server, "Kevin") for _ in range(3)]
    while len({worker for _, worker in tabs}) < 2:
        tabs.append(open_tab(server, "Kevin"))
    eventually(lambda: changes_heard(ada, kevin) == ["online"], "Kevin's arrival")

    began = time.monotonic()
    current = tabs.pop()[0]
    slow = 0  # pages that took longer than the grace to load, on a busy machine
    for _ in range(NAVIGATIONS):
        left = time.monotonic()
        current.close()
        current, _ = open_tab(server, "Kevin")
        slow += time.monotonic() - left > presence.PRESENCE.grace - 1
        gevent.sleep(0.3)  # the time on a page; loading took the rest
    navigated = time.monotonic() - began
    assert slow < NAVIGATIONS, "no page loaded within the grace"
    assert changes_heard(ada, kevin).count(None) <= slow
    before = changes_heard(ada, kevin)

    closed = time.monotonic()
    for tab in [current, *(tab for tab, _ in tabs)]:
        tab.close()
    eventually(lambda: changes_heard(ada, kevin) == [*before, None], "Kevin's departure")
    grace = time.monotonic() - closed
    assert grace > presence.PRESENCE.grace - 1

    # Their worker is killed: Kevin does not reconnect; Grace reconnects and has never left.
    kevins, worker = open_tab_elsewhere(server, "Kevin", adas_worker)
    graces, same = open_tab_elsewhere(server, "Grace", adas_worker)
    assert same == worker
    grace_id = user_id(server, "Grace")
    eventually(lambda: changes_heard(ada, kevin)[-1] == "online", "Kevin's second arrival")
    eventually(lambda: changes_heard(ada, grace_id) == ["online"], "Grace's arrival")
    os.kill(worker, signal.SIGKILL)
    kevins.close()
    killed = time.monotonic()
    eventually(lambda: changes_heard(ada, kevin)[-1] is None, "Kevin's departure after the kill")
    took = time.monotonic() - killed
    assert changes_heard(ada, kevin) == [*before, None, "online", None]
    assert (graces.connection, graces.open) == (2, True)
    eventually(lambda: len(leases(redis)) == 2, "the dead worker's leases have expired")
    assert announced.departures(grace_id) == []
    assert ada.connection == 1
    assert not ada.faults
    ada.close()
    graces.close()
    tell(
        f"{NAVIGATIONS} navigations in {navigated:.1f} s: 1 arrival, no departure; all closed: "
        f"gone after {grace:.1f} s; worker killed: gone after {took:.1f} s, or never"
    )


def leases(redis):
    return redis.client.zrange(f"rt:{{{ACCOUNT}}}:presence:{presence.TOPIC}:leases", 0, -1)


def test_typing_expires_for_every_reader_although_its_worker_was_killed(redis, start, tell):
    server = start(workers=2)
    readers = [Reader(server, "conversations/1") for _ in range(8)]  # of both workers
    eventually(lambda: all(r.open for r in readers), "all streams are open")

    def told(reader):
        return [e.data["data"]["is_typing"] for e in reader.ephemeral if e.event == "typing"]

    status, _, _ = server.ask("POST", "/conversations/1/typing", {"typing": True}, who="Kevin")
    began = time.monotonic()
    assert status == 204
    # Wait for the start first: a killed worker loses unpublished typing, which clients repeat.
    eventually(lambda: all(told(r) == [True] for r in readers), "every reader receives the start")
    os.kill(server.worker_pids()[0], signal.SIGKILL)  # perhaps the one with the request
    eventually(
        lambda: all(told(r)[-1] is False for r in readers),
        "every reader receives the end",
    )
    took = time.monotonic() - began
    assert took > 7.9
    for reader in readers:
        assert not reader.faults
        reader.close()
    tell(f"a lost stop ended by itself after {took:.1f} s for all of {len(readers)}")


def test_two_hundred_users_of_a_killed_worker_leave_once_and_who_is_elsewhere_stays(
    redis, start, tell, announced
):
    server = start(workers=2)
    server.tokens.update(members(server))
    ada, adas_worker = open_tab(server, "Ada")
    (worker,) = set(server.worker_pids()) - {adas_worker}
    tabs = [Reader(server, STREAM, who=f"M{n}") for n in range(PRESENT)]
    for _ in range(3):  # some have three more tabs: one is likely to be of Ada's worker
        tabs += [Reader(server, STREAM, who=f"M{n}") for n in range(0, PRESENT, 10)]
    eventually(lambda: all(tab.ephemeral for tab in tabs), "all have a snapshot")
    eventually(lambda: len(announced.changes) == PRESENT + 1, "all arrivals are announced")
    ids = {tab: user_id(server, f"M{n}") for n, tab in enumerate(tabs[:PRESENT])}
    ids |= {tab: ids[tabs[n % (PRESENT // 10) * 10]] for n, tab in enumerate(tabs[PRESENT:])}
    its_ports = ports(worker)
    lost = {tab for tab in tabs if tab.port in its_ports}
    stay = {ids[tab] for tab in tabs if tab not in lost}
    leave = {ids[tab] for tab in lost} - stay
    assert leave
    assert {ids[tab] for tab in lost} & stay, "nobody has tabs of both workers"

    os.kill(worker, signal.SIGSTOP)  # so that it does not notice that its clients leave
    for tab in lost:
        tab.close()
    killed = time.monotonic()
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: len(announced.departures()) >= len(leave), "all have left", 120)
    took = time.monotonic() - killed
    eventually(lambda: set(left_of(ada)) >= leave, "Ada has received all departures")
    assert sorted(c.holder for c in announced.departures()) == sorted(map(str, leave))
    assert sorted(left_of(ada)) == sorted(leave)
    assert ada.connection == 1
    assert not ada.faults
    for reader in [ada, *(tab for tab in tabs if tab not in lost)]:
        reader.close()
    tell(f"{len(leave)} of {len(lost)} tabs of a killed worker left after {took:.1f} s")


def ports(worker):
    """The clients' ports of a worker's connections."""
    return {c.raddr.port for c in psutil.Process(worker).net_connections("tcp") if c.raddr}


def left_of(reader):
    """The users whose departures a reader has received."""
    return [user for event in reader.ephemeral for user in event.data["data"].get("left", ())]


@pytest.mark.parametrize("workers", [0, 2], ids=["embedded", "gunicorn"])
def test_a_deploy_announces_no_departure_and_no_arrival(redis, start, tell, announced, workers):
    server = start(workers)
    server.tokens.update(members(server))
    readers = [Reader(server, STREAM, who=f"M{n}") for n in range(PRESENT)]
    eventually(lambda: all(r.ephemeral for r in readers), "all have a snapshot")
    eventually(lambda: len(announced.changes) == PRESENT, "all arrivals are announced")
    began = time.monotonic()
    server.terminate()
    down = time.monotonic() - began
    server.start()
    eventually(lambda: all(r.connection == 2 and r.open for r in readers), "all have reconnected")
    back = time.monotonic() - began
    eventually(
        lambda: len(leases(redis)) == PRESENT,
        "the old process's leases have expired",
        observed=lambda: len(leases(redis)),
    )
    assert announced.departures() == []
    assert len(announced.changes) == PRESENT
    for reader in readers:
        reader.close()
    tell(f"{PRESENT} present, down for {down:.1f} s, all back after {back:.1f} s: nobody left")


def arrivals(reader):
    """Return how often the reader has received the presence of each user as new."""
    received = Counter()
    for event in reader.ephemeral:
        data = event.data["data"]
        received.update([*data.get("online_users", ()), *data.get("changed", ())])
    return received


def test_each_of_many_arrivals_on_two_hosts_is_received_once(start, tell):
    first = start()
    tokens = members(first)
    hosts = [first, start(DATABASE_URL=f"sqlite:///{first.database}")]
    for host in hosts:
        host.tokens = {**first.tokens, **tokens}
    names = [f"M{n}" for n in range(ARRIVING)]
    readers = [Reader(first, STREAM, who=names[0])]
    eventually(lambda: readers[0].ephemeral, "one has a snapshot without the others")
    readers += [Reader(hosts[n % 2], STREAM, who=names[n]) for n in range(1, ARRIVING)]
    eventually(lambda: all(len(arrivals(r)) == ARRIVING for r in readers), "all have arrived")
    last = Reader(first, STREAM, who="Ada")
    ada = str(user_id(first, "Ada"))
    everybody = [*readers, last]
    eventually(lambda: all(ada in arrivals(r) for r in everybody), "Ada has arrived")
    for reader in everybody:
        received = arrivals(reader)
        assert set(received.values()) == {1}, received.most_common(3)
        assert len(received) == ARRIVING + 1
        assert reader.connection == 1
        assert not reader.faults
    changes = sum(len(reader.ephemeral) - 1 for reader in readers)
    assert changes > ARRIVING, "all were in snapshots: nothing could be received twice"
    for reader in everybody:
        reader.close()
    tell(f"{ARRIVING} arrivals at once: {changes} changes after {len(readers)} snapshots")
