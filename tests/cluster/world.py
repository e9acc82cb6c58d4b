"""Fifty accounts, each with one conversation, beside the demo's; three users administer all."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from ..faults.server import CHECKOUT
from ..faults.server import COMMAND_LIMIT
from ..faults.server import PREPARE
from ..faults.server import environment

ACCOUNTS = 50
USERS = ("Ada", "Kevin")
WITNESS = "Grace"
SECRET = "5e" * 32  # of all hosts

# After PREPARE: adds the accounts, and prints the conversation of each account as JSON.
COMPANIES = f"""
from sqlalchemy import select
from rtapp.extensions import db
from rtapp.models import Account, Conversation, Inbox, Membership
CHAT = seed.Thread("Chat", "Maria Lindqvist", "open", None, 5, ((seed.ASK, "Hello?"),))
with app.app_context():
    users = [user_with(p.email) for p in seed.PEOPLE if p.name in {(*USERS, WITNESS)!r}]
    for number in range({ACCOUNTS}):
        account = Account(name=f"Company {{number}}")
        db.session.add(account)
        db.session.flush()
        inboxes = {{"Chat": Inbox(account_id=account.id, name="Chat")}}
        db.session.add_all(inboxes.values())
        db.session.add_all(
            Membership(account_id=account.id, user_id=user.id, role="administrator")
            for user in users
        )
        db.session.flush()
        seed.add_thread(CHAT, account, inboxes, {{}}, {{}})
    db.session.commit()
    query = select(Conversation.account_id, Conversation.id).where(Conversation.account_id > 1)
    print(json.dumps([list(row) for row in db.session.execute(query)]))
"""


class World(NamedTuple):
    """The tokens of users by name, and the conversation of each account."""

    tokens: dict[str, str]
    conversations: dict[int, int]

    def account_of(self, conversation: int) -> int:
        (account,) = [a for a, c in self.conversations.items() if c == conversation]
        return account


def make_world(folder: Path, database: str) -> World:
    """Create the accounts in an empty database."""
    made = subprocess.run(
        [sys.executable, "-c", PREPARE + COMPANIES],
        cwd=CHECKOUT,
        env=environment(RTAPP_INSTANCE=str(folder), DATABASE_URL=database, SECRET_KEY=SECRET),
        capture_output=True, text=True, check=True, timeout=COMMAND_LIMIT,
    )  # fmt: skip
    tokens, rows = map(json.loads, made.stdout.splitlines()[-2:])
    world = World(tokens, dict(rows))
    assert len(world.conversations) == ACCOUNTS
    return world
