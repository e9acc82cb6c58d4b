"""Random actions of people with random rights, and what each was allowed to see at which time."""

import random
import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import func
from sqlalchemy import select

from rtapp import access
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.models import User
from rtapp.services.change_inbox_members import add_to_inbox
from rtapp.services.change_inbox_members import remove_from_inbox
from rtapp.services.change_membership import change_membership

from .support import ApiClient

MOST_CONVERSATIONS = 60  # so that a list fits on one page
STATUSES = ("open", "pending", "snoozed", "resolved")
SECOND = 1000  # ms between a change of rights and the end of the streams that it ends


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Rights:
    """Who saw which conversation when."""

    def __init__(self, app: Flask, people: list[ApiClient]):
        self._app, self._people = app, people
        self._seen: dict[ApiClient, set[int]] = {who: set() for who in people}
        self._denied: dict[
            tuple[ApiClient, int], list[list[int]]
        ] = {}  # [from, to] in ms; to 0: still

    def look(self, before: int) -> None:
        """After something that may have changed them, and that began at `before` (ms)."""
        with self._app.app_context():
            everything = set(db.session.scalars(select(Conversation.id)))
            seen = {
                who: set(
                    db.session.scalars(
                        select(Conversation.id).where(access.SEEN), {"viewer": who.id}
                    )
                )
                for who in self._people
            }
        after = now_ms()
        for who in self._people:
            for id in everything:
                history = self._denied.setdefault((who, id), [])
                denied = bool(history) and history[-1][1] == 0
                if id in seen[who] and denied:
                    history[-1][1] = before
                elif id not in seen[who] and not denied:
                    history.append([after if id in self._seen[who] else 0, 0])
        self._seen = seen

    def denied(self, who: ApiClient, id: int, since: int) -> bool:
        """Whether they were not to see it from `since` (ms) until now, and already a second before.
        For a thing said at `since`, whenever it arrived, that leaves no excuse."""
        history = self._denied.get((who, id), [])
        return bool(history) and history[-1][1] == 0 and history[-1][0] + SECOND < since

    def sees(self, who: ApiClient, id: int) -> bool:
        return id in self._seen[who]

    def seen(self, who: ApiClient) -> list[int]:
        return sorted(self._seen[who])


class Actions:
    """Does one random thing after another, allowed or not."""

    def __init__(
        self,
        app: Flask,
        people: list[ApiClient],
        customers: list[ApiClient],
        rights: Rights,
        seed: int,
    ):
        self._app, self._people, self._customers = app, people, customers
        self._rights = rights
        self._random = random.Random(seed)
        self.answers: dict[str, int] = {}
        self._kinds: list[Callable[[ApiClient], Any]] = [
            kind for kind, weight in self._weights() for _ in range(weight)
        ]
        self._look()

    def _weights(self) -> list[tuple[Callable[[ApiClient], Any], int]]:
        return [
            (self._writes, 24), (self._notes, 10), (self._customer_writes, 10), (self._edits, 10),
            (self._deletes, 6), (self._sets_status, 12), (self._assigns, 12), (self._reads, 8),
            (self._types, 3), (self._starts, 1), (self._reads_notifications, 3),
            (self._gains_inbox, 1), (self._loses_inbox, 1), (self._changes_role, 1),
        ]  # fmt: skip

    def one(self) -> None:
        kind = self._random.choice(self._kinds)
        answer = kind(self._random.choice(self._people))
        if answer is not None:
            name = f"{kind.__name__.strip('_')} {answer.status_code}"
            self.answers[name] = self.answers.get(name, 0) + 1
            assert answer.status_code in (200, 201, 204, 403, 404, 409, 422), answer.data

    def _look(self) -> None:
        with self._app.app_context():
            self._conversations = list(db.session.scalars(select(Conversation.id)))

    def _conversation(self) -> int:
        return self._random.choice(self._conversations)

    def _text(self) -> str:
        return f"{self._random.choice(('Hello', 'Hm', '@Ada ?', '@Kevin @Grace !'))} {now_ms()}"

    def _message(self) -> int:
        """More often a new one than an old one."""
        with self._app.app_context():
            newest = db.session.scalar(select(func.max(Message.id)))
        assert newest is not None
        return max(1, int(newest) - int(self._random.expovariate(1 / 30)))

    def _version(self) -> dict[str, int]:
        return {"version": self._random.randint(1, 50)} if self._random.random() < 0.1 else {}

    def _writes(self, who: ApiClient) -> Any:
        return who.send(self._conversation(), self._text())

    def _notes(self, who: ApiClient) -> Any:
        return who.send(self._conversation(), self._text(), private=True)

    def _customer_writes(self, who: ApiClient) -> Any:
        customer = self._random.choice(self._customers)
        return customer.send(self._customers.index(customer) + 1, self._text())

    def _edits(self, who: ApiClient) -> Any:
        body = {"content": self._text(), **self._version()}
        return who.post(f"/messages/{self._message()}", body)

    def _deletes(self, who: ApiClient) -> Any:
        return who.post(f"/messages/{self._message()}/delete", self._version())

    def _sets_status(self, who: ApiClient) -> Any:
        body = {"status": self._random.choice(STATUSES), **self._version()}
        return who.post(f"/conversations/{self._conversation()}/status", body)

    def _assigns(self, who: ApiClient) -> Any:
        before = now_ms()
        assignee = self._random.choice([*(each.id for each in self._people), None])
        path = f"/conversations/{self._conversation()}/assignee"
        answer = who.post(path, {"assignee_id": assignee, **self._version()})
        self._rights.look(before)
        return answer

    def _reads(self, who: ApiClient) -> Any:
        id = self._conversation()
        with self._app.app_context():
            messages = db.session.scalars(select(Message.id).where(Message.conversation_id == id))
            message = self._random.choice(messages.all()[-20:])
        return who.post(f"/conversations/{id}/read", {"message_id": message})

    def _types(self, who: ApiClient) -> Any:
        body = {"typing": self._random.random() < 0.7, "private": self._random.random() < 0.3}
        return who.post(f"/conversations/{self._conversation()}/typing", body)

    def _starts(self, who: ApiClient) -> Any:
        if len(self._conversations) >= MOST_CONVERSATIONS:
            return None
        before = now_ms()
        contact = {"name": "Someone", "email": f"someone-{self._random.randint(1, 30)}@example.com"}
        body = {"inbox_id": self._random.randint(1, 2), "contact": contact, "content": "Hello"}
        answer = who.post("/accounts/1/conversations", body)
        self._look()
        self._rights.look(before)
        return answer

    def _reads_notifications(self, who: ApiClient) -> Any:
        if self._random.random() < 0.3:
            return who.post("/accounts/1/notifications/read", {})
        return who.post(f"/notifications/{self._random.randint(1, 300)}/read", {})

    def _gains_inbox(self, who: ApiClient) -> None:
        self._change(add_to_inbox, self._random.randint(1, 2), who)

    def _loses_inbox(self, who: ApiClient) -> None:
        self._change(remove_from_inbox, self._random.randint(1, 2), who)

    def _change(
        self, service: Callable[[Inbox, User], None], inbox_id: int, who: ApiClient
    ) -> None:
        before = now_ms()
        with self._app.app_context():
            service(db.session.get_one(Inbox, inbox_id), db.session.get_one(User, who.id))
        self._rights.look(before)

    def _changes_role(self, who: ApiClient) -> None:
        before = now_ms()
        role = self._random.choice(("administrator", "agent", "agent", "agent"))
        sees = self._random.choice(("inbox", "assigned"))
        with self._app.app_context():
            own = select(Membership).where(Membership.user_id == who.id)
            change_membership(db.session.scalars(own).one(), role=role, sees=sees)
        self._rights.look(before)
