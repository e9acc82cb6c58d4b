"""Random actions: events and a fetch give the same unread counts, and these are right."""

import random

import pytest

from rtapp.extensions import db
from rtapp.models import Inbox
from rtapp.models import Membership
from rtapp.models import User
from rtapp.models.conversation import STATUSES
from rtapp.services.change_inbox_members import add_to_inbox
from rtapp.services.change_inbox_members import remove_from_inbox

from .numbers import follow_unread

ACTIONS = 120
CHECKS = 4


class RandomActions:
    """Random actions of random agents; some are not permitted."""

    def __init__(self, app, seed, agents, customer):
        self.app, self.agents, self.customer = app, agents, customer
        self.random = random.Random(seed)
        self.done = {}

    def act(self):
        act = self.random.choice(
            [self.write, self.write, self.note, self.reply, self.read, self.read, self.edit,
             self.delete, self.assign, self.status, self.move, self.narrow]
        )  # fmt: skip
        answer = act(self.random.choice(self.agents), self.random.randint(1, 12))
        self.done[act.__name__] = self.done.get(act.__name__, 0) + (
            answer is None or answer.status_code < 300
        )

    def write(self, agent, conversation):
        return agent.send(conversation, "hello")

    def note(self, agent, conversation):
        return agent.send(conversation, "among us", private=True)

    def reply(self, agent, conversation):
        return self.customer.send(1, "any news?")

    def read(self, agent, conversation):
        message = self.message(agent, conversation)
        return agent.post(f"/conversations/{conversation}/read", {"message_id": message})

    def edit(self, agent, conversation):
        message = self.message(agent, conversation, ("outgoing",))
        return agent.post(f"/messages/{message}", {"content": "better"})

    def delete(self, agent, conversation):
        return agent.post(f"/messages/{self.message(agent, conversation)}/delete")

    def assign(self, agent, conversation):
        to = self.random.choice([None, *(a.id for a in self.agents)])
        return agent.post(f"/conversations/{conversation}/assignee", {"assignee_id": to})

    def status(self, agent, conversation):
        status = self.random.choice(STATUSES)
        return agent.post(f"/conversations/{conversation}/status", {"status": status})

    def message(self, agent, conversation, types=("incoming", "outgoing", "activity")):
        listed = agent.get(f"/conversations/{conversation}/messages?limit=100").json
        ids = [m["id"] for m in listed.get("messages", ()) if m["message_type"] in types]
        return self.random.choice(ids or [1])

    def move(self, agent, conversation):
        """Add the agent to an inbox or remove them from it."""
        service = self.random.choice([add_to_inbox, remove_from_inbox])
        with self.app.app_context():
            service(
                db.session.get(Inbox, self.random.randint(1, 2)), db.session.get(User, agent.id)
            )

    def narrow(self, agent, conversation):
        """Restrict the agent to assigned conversations, or to their inboxes."""
        with self.app.app_context():
            row = db.session.scalars(db.select(Membership).filter_by(user_id=agent.id)).one()
            row.sees = self.random.choice(["inbox", "assigned"])
            db.session.commit()
            self.app.extensions["broker"].recheck(agent.id)


@pytest.mark.parametrize("seed", range(2))
def test_unread_counts_of_events_fetch_and_rows_agree_after_random_actions(
    app, seed, ada, kevin, grace, maria
):
    actions = RandomActions(app, seed, [ada, kevin, grace], maria)
    with follow_unread(ada, kevin, kevin, grace) as all_counts:
        for _ in range(CHECKS):
            for _ in range(ACTIONS // CHECKS):
                actions.act()
            for counts in all_counts:
                counts.agree()
    assert all(actions.done.values()), "every kind of action succeeded at least once"
