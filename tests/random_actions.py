"""Random actions of agents with random access, and the history of each agent's access."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flask import Flask
from sqlalchemy import func
from sqlalchemy import select

from rtapp import access
from rtapp.errors import Unprocessable
from rtapp.events import announce
from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import ContactMerge
from rtapp.models import Conversation
from rtapp.models import ConversationMerge
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.models import User
from rtapp.models.conversation import ENDED
from rtapp.models.conversation import STATUSES
from rtapp.services.assign_waiting import assign_waiting
from rtapp.services.change_inbox_members import add_to_inbox
from rtapp.services.change_inbox_members import remove_from_inbox
from rtapp.services.change_membership import change_membership
from rtapp.services.remove_member import remove_member

from .support import ApiClient

CONTACTS = 15  # of which some are merged
MAX_CONVERSATIONS = 60  # so that a list fits on one page
SECOND = 1000  # ms between a change of rights and the end of the streams that it ends
# Times what the slowest change took, before the streams that it ends are closed: as many actions
# run first as there are between two reads.
SLOWER = 20


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Rights:
    """The history of each agent's access to each conversation."""

    def __init__(self, app: Flask, agents: list[ApiClient]):
        self._app, self._agents = app, agents
        self._seen: dict[ApiClient, set[int]] = {agent: set() for agent in agents}
        # [from, to] in ms; `to` is 0 while the denial lasts.
        self._denied: dict[tuple[ApiClient, int], list[list[int]]] = {}
        self._slowest = 0  # change and its record, in ms

    def update(self, before: int) -> None:
        """Record the access after an action that may have changed it, begun at `before` (ms)."""
        with self._app.app_context():
            conversations = set(db.session.scalars(select(Conversation.id)))
            seen = {
                agent: set(
                    db.session.scalars(
                        select(Conversation.id).where(access.SEEN), {"viewer": agent.id}
                    )
                )
                for agent in self._agents
            }
        after = now_ms()
        self._slowest = max(self._slowest, after - before)
        for agent in self._agents:
            for id in conversations:
                history = self._denied.setdefault((agent, id), [])
                denied = bool(history) and history[-1][1] == 0
                if id in seen[agent] and denied:
                    history[-1][1] = before
                elif id not in seen[agent] and not denied:
                    history.append([after if id in self._seen[agent] else 0, 0])
        self._seen = seen

    def denied(self, agent: ApiClient, id: int, since: int) -> bool:
        """Return whether access was denied from a second before `since` (ms) until now; longer on a
        machine that is slow. An event published at `since` must then not have been received,
        whenever it arrived."""
        history = self._denied.get((agent, id), [])
        limit = max(SECOND, SLOWER * self._slowest)
        return bool(history) and history[-1][1] == 0 and history[-1][0] + limit < since

    def has_access(self, agent: ApiClient, id: int) -> bool:
        return id in self._seen[agent]

    def accessible(self, agent: ApiClient) -> list[int]:
        return sorted(self._seen[agent])


def wrong_times(app: Flask) -> list[tuple[int, str]]:
    """The conversations whose times in the lists are not those of their messages, and what is
    wrong."""
    wrong = []
    with app.app_context():
        unmerged = select(Conversation).where(Conversation.merged_into_id.is_(None))
        for row in db.session.scalars(unmerged).all():
            here = select(Message).where(Message.conversation_id == row.id, access.PUBLIC)
            public = list(db.session.scalars(here.order_by(Message.id)))
            if row.last_public_at != (public[-1].created_at if public else row.created_at):
                wrong.append((row.id, f"last public at {row.last_public_at}"))
            is_answered = not public or public[-1].message_type == "outgoing"
            replies = [n for n, each in enumerate(public) if each.message_type == "outgoing"]
            unanswered = {each.created_at for each in public[max(replies, default=-1) + 1 :]}
            may_be = {None} if is_answered or row.status in ENDED else unanswered
            if row.waiting_since not in may_be:
                wrong.append((row.id, f"waiting since {row.waiting_since}"))
    return wrong


def assigned_unseen(app: Flask) -> list[int]:
    """The conversations whose assignee does not see them."""
    with app.app_context():
        assigned = select(Conversation.id, Conversation.assignee_id).where(
            Conversation.assignee_id.is_not(None), access.UNMERGED
        )
        rows = db.session.execute(assigned).all()
        return [id for id, user_id in rows if not access.sees_conversation(user_id or 0, id)]


def assigned_automatically(app: Flask) -> int:
    """The number of automatic assignments, of which each has a line in its thread."""
    with app.app_context():
        lines = select(func.count()).where(
            Message.message_type == "activity", Message.content.like("Assigned to % automatically")
        )
        return db.session.scalar(lines) or 0


class Actions:
    """Random actions, permitted or not."""

    def __init__(
        self,
        app: Flask,
        agents: list[ApiClient],
        customers: list[ApiClient],
        rights: Rights,
        seed: int,
    ):
        self._app, self._agents, self._customers = app, agents, customers
        self._rights = rights
        self._random = random.Random(seed)
        self.answers: dict[str, int] = {}
        self.assigned_later = 0
        self.left = 0
        self._kinds: list[Callable[[ApiClient], Any]] = [
            kind for kind, weight in self._weights() for _ in range(weight)
        ]
        self._load()

    def _weights(self) -> list[tuple[Callable[[ApiClient], Any], int]]:
        return [
            (self._writes, 24), (self._notes, 10), (self._customer_writes, 10), (self._edits, 10),
            (self._deletes, 6), (self._sets_status, 12), (self._assigns, 12), (self._reads, 8),
            (self._types, 3), (self._labels, 8), (self._drafts, 4), (self._starts, 1),
            (self._reads_notifications, 3), (self._changes_the_labels, 1),
            (self._changes_contact, 3), (self._blocks, 2), (self._merges_contacts, 1),
            (self._merges_conversations, 3), (self._separates, 3),
            (self._undoes_merge, 1),
            (self._returns, 6), (self._chooses_presence, 3), (self._sets_inbox, 1),
            (self._finds_assignees, 3),
            (self._gains_inbox, 1), (self._loses_inbox, 1), (self._changes_role, 1),
            (self._leaves, 1),
        ]  # fmt: skip

    def one(self) -> None:
        kind = self._random.choice(self._kinds)
        answer = kind(self._random.choice(self._agents))
        if answer is not None:
            name = f"{kind.__name__.strip('_')} {answer.status_code}"
            self.answers[name] = self.answers.get(name, 0) + 1
            assert answer.status_code in (200, 201, 204, 403, 404, 409, 422), answer.data

    def _load(self) -> None:
        with self._app.app_context():
            self._conversations = list(db.session.scalars(select(Conversation.id)))

    def _conversation(self) -> int:
        return self._random.choice(self._conversations)

    def _text(self) -> str:
        return f"{self._random.choice(('Hello', 'Hm', '@Ada ?', '@Kevin @Grace !'))} {now_ms()}"

    def _message(self) -> int:
        """Choose a message, a new one more often than an old one."""
        with self._app.app_context():
            newest = db.session.scalar(select(func.max(Message.id)))
        assert newest is not None
        return max(1, int(newest) - int(self._random.expovariate(1 / 30)))

    def _version(self) -> dict[str, int]:
        return {"version": self._random.randint(1, 50)} if self._random.random() < 0.1 else {}

    def _writes(self, agent: ApiClient) -> Any:
        return agent.send(self._conversation(), self._text())

    def _notes(self, agent: ApiClient) -> Any:
        return agent.send(self._conversation(), self._text(), private=True)

    def _customer_writes(self, agent: ApiClient) -> Any:
        before = now_ms()
        customer = self._random.choice(self._customers)
        answer = customer.send(self._customers.index(customer) + 1, self._text())
        self._rights.update(before)  # it may have been assigned
        return answer

    def _edits(self, agent: ApiClient) -> Any:
        body = {"content": self._text(), **self._version()}
        return agent.post(f"/messages/{self._message()}", body)

    def _deletes(self, agent: ApiClient) -> Any:
        return agent.post(f"/messages/{self._message()}/delete", self._version())

    def _sets_status(self, agent: ApiClient) -> Any:
        before = now_ms()
        body = {"status": self._random.choice(STATUSES), **self._version()}
        answer = agent.post(f"/conversations/{self._conversation()}/status", body)
        self._rights.update(before)
        return answer

    def _assigns(self, agent: ApiClient) -> Any:
        before = now_ms()
        assignee = self._random.choice([*(each.id for each in self._agents), None])
        path = f"/conversations/{self._conversation()}/assignee"
        answer = agent.post(path, {"assignee_id": assignee, **self._version()})
        self._rights.update(before)
        return answer

    def _returns(self, agent: ApiClient) -> Any:
        """The agent resolves a customer's conversation and leaves it; the customer writes again."""
        before = now_ms()
        customer = self._random.choice(self._customers)
        id = self._customers.index(customer) + 1
        agent.post(f"/conversations/{id}/status", {"status": "resolved"})
        agent.post(f"/conversations/{id}/assignee", {"assignee_id": None})
        answer = customer.send(id, self._text())
        self._rights.update(before)
        return answer

    def _chooses_presence(self, agent: ApiClient) -> Any:
        status = self._random.choice(("online", "online", "online", "busy", "offline"))
        return agent.post("/accounts/1/presence", {"status": status})

    def _sets_inbox(self, agent: ApiClient) -> Any:
        """Administrators only: agents are refused."""
        body = {
            "auto_assign": self._random.random() < 0.95,
            "assignment_cap": self._random.choice((None, 1, 2)),
        }
        return agent.post(f"/inboxes/{self._random.randint(1, 2)}", body)

    def _finds_assignees(self, agent: ApiClient) -> None:
        before = now_ms()
        with self._app.app_context():
            self.assigned_later += assign_waiting()
        self._rights.update(before)

    def _reads(self, agent: ApiClient) -> Any:
        id = self._conversation()
        with self._app.app_context():
            messages = db.session.scalars(select(Message.id).where(Message.conversation_id == id))
            message = self._random.choice(messages.all()[-20:] or [1])  # none of a merged one
        return agent.post(f"/conversations/{id}/read", {"message_id": message})

    def _labels(self, agent: ApiClient) -> Any:
        change = self._random.choice(("labels", "add", "remove"))
        ids = [self._random.randint(1, 4) for _ in range(3)]  # there are three
        body = {change: ids[: self._random.randint(0, 3)] if change == "labels" else ids[0]}
        path = f"/conversations/{self._conversation()}/labels"
        return agent.post(path, {**body, **self._version()})

    def _changes_the_labels(self, agent: ApiClient) -> Any:
        """Administrators only: agents are refused."""
        body = {"title": f"Label {self._random.randint(1, 5)}", "colour": 1}
        if self._random.random() < 0.3:
            return agent.post("/accounts/1/labels", body)
        return agent.post(f"/labels/{self._random.randint(1, 3)}", body)

    def _changes_contact(self, agent: ApiClient) -> Any:
        """Few names and addresses, so that some are taken."""
        change = self._random.choice(("name", "email", "notes"))
        values = {"name": f"Name {self._random.randint(1, 9)}", "notes": self._text()}
        values["email"] = f"someone-{self._random.randint(1, 30)}@example.com"
        path = f"/contacts/{self._random.randint(1, CONTACTS)}"
        return agent.post(path, {change: values[change], **self._version()})

    def _blocks(self, agent: ApiClient) -> Any:
        """Unblocks more often, so that most customers can write."""
        body = {"blocked": self._random.random() < 0.3, **self._version()}
        return agent.post(f"/contacts/{self._random.randint(1, CONTACTS)}/block", body)

    def _merges_contacts(self, agent: ApiClient) -> Any:
        """Administrators only: agents are refused."""
        source, into = (self._random.randint(1, CONTACTS) for _ in range(2))
        return agent.post(f"/contacts/{source}/merge", {"into": into})

    def _merges_conversations(self, agent: ApiClient) -> Any:
        """Two of one contact, mostly; any two are refused, mostly."""
        before = now_ms()
        with self._app.app_context():
            query = select(Conversation.contact_id, Conversation.id)
            rows = db.session.execute(query.where(Conversation.merged_into_id.is_(None))).all()
        pairs = [
            (a.id, b.id) for a in rows for b in rows if a.contact_id == b.contact_id and a != b
        ]
        some = [(self._conversation(), self._conversation())]
        source, into = self._random.choice(pairs or some)
        answer = agent.post(f"/conversations/{source}/merge", {"into": into, **self._version()})
        self._rights.update(before)
        return answer

    def _separates(self, agent: ApiClient) -> Any:
        before = now_ms()
        with self._app.app_context():
            newest = db.session.scalar(select(func.max(ConversationMerge.id))) or 1
        id = self._random.randint(max(1, newest - 9), newest)
        answer = agent.post(f"/conversation-merges/{id}/undo", {})
        self._rights.update(before)
        return answer

    def _undoes_merge(self, agent: ApiClient) -> Any:
        with self._app.app_context():
            newest = db.session.scalar(select(func.max(ContactMerge.id))) or 1
        return agent.post(f"/contact-merges/{self._random.randint(1, newest)}/undo", {})

    def _types(self, agent: ApiClient) -> Any:
        body = {"typing": self._random.random() < 0.7, "private": self._random.random() < 0.3}
        return agent.post(f"/conversations/{self._conversation()}/typing", body)

    def _drafts(self, agent: ApiClient) -> Any:
        path = f"/conversations/{self._conversation()}/draft"
        version = {"version": self._random.randint(0, 3)}
        body = {"reply": self._random.choice(("", "Dear")), "note": self._text(), **version}
        return agent.post(path, body)

    def _starts(self, agent: ApiClient) -> Any:
        if len(self._conversations) >= MAX_CONVERSATIONS:
            return None
        before = now_ms()
        contact = {"name": "Someone", "email": f"someone-{self._random.randint(1, 30)}@example.com"}
        body = {"inbox_id": self._random.randint(1, 2), "contact": contact, "content": "Hello"}
        answer = agent.post("/accounts/1/conversations", body)
        self._load()
        self._rights.update(before)
        return answer

    def _reads_notifications(self, agent: ApiClient) -> Any:
        if self._random.random() < 0.3:
            return agent.post("/accounts/1/notifications/read", {})
        return agent.post(f"/notifications/{self._random.randint(1, 300)}/read", {})

    def _gains_inbox(self, agent: ApiClient) -> None:
        self._change(add_to_inbox, self._random.randint(1, 2), agent)

    def _loses_inbox(self, agent: ApiClient) -> None:
        self._change(remove_from_inbox, self._random.randint(1, 2), agent)

    def _change(
        self, service: Callable[[Inbox, User], None], inbox_id: int, agent: ApiClient
    ) -> None:
        before = now_ms()
        with self._app.app_context():
            service(db.session.get_one(Inbox, inbox_id), db.session.get_one(User, agent.id))
        self._rights.update(before)

    def _changes_role(self, agent: ApiClient) -> None:
        before = now_ms()
        role = self._random.choice(("administrator", "agent", "agent", "agent"))
        sees = self._random.choice(("inbox", "assigned"))
        with self._app.app_context():
            own = select(Membership).where(Membership.user_id == agent.id)
            with suppress(Unprocessable):  # the last administrator
                change_membership(db.session.scalars(own).one(), role=role, sees=sees)
        self._rights.update(before)

    def _leaves(self, agent: ApiClient) -> None:
        """The agent is removed from the account, and comes back with one inbox."""
        before = now_ms()
        with self._app.app_context():
            own = select(Membership).where(Membership.user_id == agent.id)
            with suppress(Unprocessable):
                remove_member(db.session.scalars(own).one())
                db.session.add(Membership(account_id=1, user_id=agent.id))
                db.session.add(InboxMember(inbox_id=self._random.randint(1, 2), user_id=agent.id))
                announce.state_lost(agent.id, 1)
                control.recheck(agent.id)
                db.session.commit()
                self.left += 1
        self._rights.update(before)
