"""Automatic assignment by several processes on one database, SQLite and PostgreSQL."""

import json
import subprocess
import sys
from collections import Counter

import gevent
import pytest

from ..harness.postgres_server import url
from ..harness.supervision import spawn
from ..harness.waiting import eventually
from .reader import ACCOUNT
from .reader import Reader
from .server import CHECKOUT
from .server import COMMAND_LIMIT
from .server import Server

MEMBERS = 4  # online, of one inbox
AT_ONCE = 30  # conversations that become open at the same time
INBOX = 1

# Adds MEMBERS agents to an inbox without others, with AT_ONCE resolved conversations in it; prints
# the tokens of the agents by name, and those of the customers by conversation.
PREPARE = f"""
from app import app
import json
from rtapp.extensions import db
from rtapp.models import Contact, Conversation, Inbox, InboxMember, Membership, User
from rtapp.services.change_tokens import create_token, create_visitor_token
with app.app_context():
    db.session.query(InboxMember).filter_by(inbox_id={INBOX}).delete()
    db.session.get_one(Inbox, {INBOX}).auto_assign = True
    users = [User(name=f"M{{n}}", email=f"m{{n}}@example.com", password_hash="none")
             for n in range({MEMBERS})]
    contacts = [Contact(account_id={ACCOUNT}, name=f"C{{n}}", email=f"c{{n}}@example.com")
                for n in range({AT_ONCE})]
    threads = [Conversation(account_id={ACCOUNT}, inbox_id={INBOX}, contact=contact,
                            status="resolved") for contact in contacts]
    db.session.add_all([*users, *threads])
    db.session.flush()
    db.session.add_all(Membership(account_id={ACCOUNT}, user_id=u.id) for u in users)
    db.session.add_all(InboxMember(inbox_id={INBOX}, user_id=u.id) for u in users)
    db.session.commit()
    print(json.dumps([
        {{u.name: create_token(u, "Test", "admin").text for u in users}},
        {{t.id: create_visitor_token(t.contact, 3600).text for t in threads}},
    ]))
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def hosts(request, start) -> list[Server]:
    """Two servers on one database."""
    if request.param == "sqlite":
        first = start()
        return [first, start(DATABASE_URL=f"sqlite:///{first.database}")]
    seeded = request.getfixturevalue("seeded")
    database = url(request.getfixturevalue("postgres"))
    return [start(demo=seeded.demo, DATABASE_URL=database) for _ in range(2)]


def prepared(server: Server) -> tuple[dict[str, str], dict[int, str]]:
    made = subprocess.run(
        [sys.executable, "-c", PREPARE],
        cwd=CHECKOUT, env=server.environment, capture_output=True, text=True, check=True,
        timeout=COMMAND_LIMIT,
    )  # fmt: skip
    agents, customers = json.loads(made.stdout.splitlines()[-1])
    return agents, {int(id): token for id, token in customers.items()}


def listed(server: Server) -> dict[int, str | None]:
    """The assignees' names of the account's open conversations."""
    status, body, _ = server.ask("GET", f"/accounts/{ACCOUNT}/conversations?status=open&limit=100")
    assert status == 200
    rows = json.loads(body)["conversations"]
    return {row["id"]: row["assignee"] and row["assignee"]["name"] for row in rows}


def write_all(hosts: list[Server], customers: dict[int, str]) -> None:
    """All customers write at once, each to one of the hosts."""

    def write(id: int, token: str) -> None:
        server, path = hosts[id % len(hosts)], f"/conversations/{id}/messages"
        body = {"content": "It is broken again", "client_id": "again"}
        status = 503  # also of a database that has too much to do
        while status == 503:
            status, answer, _ = server.ask(
                "POST", path, body, who=None, Authorization=f"Bearer {token}"
            )
        assert status in (200, 201), answer

    jobs = [spawn(write, id, token) for id, token in customers.items()]
    gevent.joinall(jobs, raise_error=True)


@pytest.mark.parametrize("first_online", [True, False], ids=["at once", "later, by pollers"])
def test_conversations_opened_at_once_on_two_hosts_are_assigned_once_each_and_evenly(
    hosts, tell, first_online
):
    agents, customers = prepared(hosts[0])
    for host in hosts:
        host.tokens = {**host.tokens, **agents}
    ada = Reader(hosts[1], f"accounts/{ACCOUNT}")
    members: list[Reader] = []

    def come_online() -> None:
        for n, name in enumerate(agents):
            members.append(Reader(hosts[n % 2], f"accounts/{ACCOUNT}/presence", who=name))
        eventually(lambda: all(member.open for member in members), "the members are online")

    if first_online:
        come_online()
    write_all(hosts, customers)
    if not first_online:
        assert {listed(hosts[0])[id] for id in customers} == {None}
        come_online()

    eventually(
        lambda: all(listed(hosts[0])[id] for id in customers), "each conversation is assigned"
    )
    assignees = {id: listed(hosts[0])[id] for id in customers}

    def assignments() -> Counter[int]:
        return Counter(
            event.data["data"]["id"]
            for event in ada.events
            if event.event == "conversation.assignee_changed"
        )

    eventually(lambda: set(assignments()) == set(customers), "Ada receives each assignment")
    assert set(assignments().values()) == {1}
    if first_online:
        spread = Counter(assignees.values())
        assert set(spread) == set(agents)
        assert max(spread.values()) - min(spread.values()) <= 1, spread
    for id in customers:
        lines = [content for content in thread(hosts[0], id) if content.endswith("automatically")]
        assert len(lines) == 1
    for reader in [ada, *members]:
        assert not reader.faults
        reader.close()
    tell(f"{len(customers)} conversations: {dict(Counter(assignees.values()))}")


def thread(server: Server, id: int) -> list[str]:
    status, body, _ = server.ask("GET", f"/conversations/{id}/messages")
    assert status == 200
    return [message["content"] for message in json.loads(body)["messages"]]
