"""What a client knows of its unread numbers, and what they are by the rows, counted one by one."""

from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.models import ReadMarker

from ..support import ApiClient
from ..support import envelope
from ..support import outbox_drained

ACCOUNT = 1


class Numbers:
    """Kept up by the events of an account stream alone."""

    def __init__(self, who: ApiClient, path: str = f"/streams/accounts/{ACCOUNT}"):
        self.who = who
        self.stream = who.stream(path)
        self.conversations: dict[str, int] = {}
        self.views: dict[str, int] = {}
        self.heard: list[dict[str, Any]] = []
        self.stream.named("stream.open")
        self.hear()

    def hear(self) -> dict[str, Any]:
        """The next event. Fails if there is none. After a reset, what there is is fetched anew."""
        while (event := self.stream.any()).event != "unread.changed":
            if event.event == "stream.reset":
                self.conversations = self.fetched()["conversations"]
        data = envelope(event)["data"]
        assert data["account_id"] == ACCOUNT
        self.conversations.update(data["conversations"])
        self.views = data["views"]
        self.heard.append(data)
        return data

    def fetched(self) -> dict[str, Any]:
        return self.who.get(f"/accounts/{ACCOUNT}/unread").json

    def become(self, **expected: int) -> None:
        """Hears until the conversations (`c1=3`) and views (`mine=0`) have these numbers."""

        def shown() -> dict[str, int | None]:
            every = {f"c{id}": number for id, number in self.conversations.items()} | self.views
            return {name: every.get(name) for name in expected}

        while shown() != expected:
            try:
                self.hear()
            except AssertionError:
                raise AssertionError(f"{shown()} did not become {expected}") from None

    def agree(self) -> None:
        """Holds that they become what a fresh fetch says, and that this is right."""
        assert outbox_drained(self.who.app)
        fetched = self.fetched()
        conversations, views = counted(self.who.app, self.who.id)
        assert fetched["conversations"] == conversations
        assert fetched["views"] == views
        self.become(**views, **{f"c{id}": number for id, number in conversations.items()})
        gone = self.conversations.keys() - conversations.keys()
        self.become(**{f"c{id}": 0 for id in gone})


@contextmanager
def listening(*people: ApiClient):
    """What each of them is told, from now on, on streams that are closed in the end."""
    assert outbox_drained(people[0].app)
    numbers = [Numbers(who) for who in people]
    try:
        yield numbers[0] if len(numbers) == 1 else numbers
    finally:
        for each in numbers:
            each.stream.close()


def counted(app: Flask, user_id: int) -> tuple[dict[str, int], dict[str, int]]:
    """By conversation that the user sees, and by view: row by row, without the code under test."""
    with app.app_context():
        member = db.session.scalars(
            select(Membership).where(
                Membership.account_id == ACCOUNT, Membership.user_id == user_id
            )
        ).one()
        inboxes = set(
            db.session.scalars(select(InboxMember.inbox_id).where(InboxMember.user_id == user_id))
        )
        markers = {
            row.conversation_id: row.message_id
            for row in db.session.scalars(select(ReadMarker).where(ReadMarker.user_id == user_id))
        }
        conversations: dict[str, int] = {}
        views = {"mine": 0, "unassigned": 0, "all": 0}
        for row in db.session.scalars(select(Conversation)):
            if row.account_id != ACCOUNT or not sees(member, inboxes, row):
                continue
            messages = db.session.scalars(
                select(Message).where(Message.conversation_id == row.id)
            ).all()
            unread = sum(
                m.id > markers.get(row.id, 0)
                and not m.deleted
                and m.message_type != "activity"
                and m.user_id != user_id
                for m in messages
            )
            conversations[str(row.id)] = unread
            if row.status == "open" and unread:
                views["all"] += 1
                views["mine"] += row.assignee_id == user_id
                views["unassigned"] += row.assignee_id is None
        return conversations, views


def sees(member: Membership, inboxes: set[int], row: Conversation) -> bool:
    if member.role == "administrator":
        return True
    if member.sees == "inbox":
        return row.inbox_id in inboxes
    return row.assignee_id == member.user_id
