"""Whatever happens, in whatever order: what the events say is what is fetched, and is right."""

import random

import pytest

from rtapp.extensions import db
from rtapp.models import Inbox
from rtapp.models import Membership
from rtapp.models import User
from rtapp.services.change_inbox_members import add_to_inbox
from rtapp.services.change_inbox_members import remove_from_inbox

from .numbers import listening

STATUSES = ("open", "pending", "snoozed", "resolved")
ACTIONS = 120
CHECKS = 4


class Chance:
    """Actions at random, by people who may not be allowed them."""

    def __init__(self, app, seed, people, visitor):
        self.app, self.people, self.visitor = app, people, visitor
        self.random = random.Random(seed)
        self.done = {}

    def act(self):
        act = self.random.choice(
            [self.write, self.write, self.note, self.visit, self.read, self.read, self.edit,
             self.delete, self.assign, self.status, self.move, self.narrow]
        )  # fmt: skip
        answer = act(self.random.choice(self.people), self.random.randint(1, 12))
        self.done[act.__name__] = self.done.get(act.__name__, 0) + (
            answer is None or answer.status_code < 300
        )

    def write(self, who, conversation):
        return who.send(conversation, "hello")

    def note(self, who, conversation):
        return who.send(conversation, "among us", private=True)

    def visit(self, who, conversation):
        return self.visitor.send(1, "any news?")

    def read(self, who, conversation):
        message = self.message(who, conversation)
        return who.post(f"/conversations/{conversation}/read", {"message_id": message})

    def edit(self, who, conversation):
        return who.post(f"/messages/{self.message(who, conversation)}", {"content": "better"})

    def delete(self, who, conversation):
        return who.post(f"/messages/{self.message(who, conversation)}/delete")

    def assign(self, who, conversation):
        to = self.random.choice([None, *(p.id for p in self.people)])
        return who.post(f"/conversations/{conversation}/assignee", {"assignee_id": to})

    def status(self, who, conversation):
        status = self.random.choice(STATUSES)
        return who.post(f"/conversations/{conversation}/status", {"status": status})

    def message(self, who, conversation):
        listed = who.get(f"/conversations/{conversation}/messages?limit=100").json
        return self.random.choice([m["id"] for m in listed.get("messages", ())] or [1])

    def move(self, who, conversation):
        """Into an inbox, or out of it."""
        service = self.random.choice([add_to_inbox, remove_from_inbox])
        with self.app.app_context():
            service(db.session.get(Inbox, self.random.randint(1, 2)), db.session.get(User, who.id))

    def narrow(self, who, conversation):
        """To see what is assigned, or all of the inbox."""
        with self.app.app_context():
            row = db.session.scalars(db.select(Membership).filter_by(user_id=who.id)).one()
            row.sees = self.random.choice(["inbox", "assigned"])
            db.session.commit()
            self.app.extensions["broker"].recheck(who.id)


@pytest.mark.parametrize("seed", range(2))
def test_events_a_fetch_and_the_rows_agree(app, seed, ada, kevin, grace, maria):
    chance = Chance(app, seed, [ada, kevin, grace], maria)
    with listening(ada, kevin, kevin, grace) as everyone:
        for _ in range(CHECKS):
            for _ in range(ACTIONS // CHECKS):
                chance.act()
            for numbers in everyone:
                numbers.agree()
    assert all(chance.done.values()), "every kind of action succeeded at least once"
