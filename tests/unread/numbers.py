"""A client's unread counts, kept by events, and the true counts, row by row from the database."""

import time
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

from ..support import PATIENCE
from ..support import ApiClient
from ..support import envelope
from ..support import outbox_drained

ACCOUNT = 1


class UnreadCounts:
    """The counts as an account stream's events alone give them."""

    def __init__(self, client: ApiClient, path: str = f"/streams/accounts/{ACCOUNT}"):
        self.client = client
        self.stream = client.stream(path)
        self.conversations: dict[str, int] = {}
        self.views: dict[str, int] = {}
        self.changes: list[dict[str, Any]] = []
        self.stream.named("stream.open")
        self.next_change()

    def next_change(self) -> dict[str, Any]:
        """Apply and return the next `unread.changed`. Fail without one. After a reset, fetch."""
        deadline = time.monotonic() + PATIENCE  # over all events: pings come for ever
        while (event := self.stream.any(deadline - time.monotonic())).event != "unread.changed":
            if event.event == "stream.reset":
                self.conversations = self.fetched()["conversations"]
        data = envelope(event)["data"]
        assert data["account_id"] == ACCOUNT
        self.conversations.update(data["conversations"])
        self.views = data["views"]
        self.changes.append(data)
        return data

    def fetched(self) -> dict[str, Any]:
        return self.client.get(f"/accounts/{ACCOUNT}/unread").json

    def become(self, **expected: int) -> None:
        """Apply events until the conversations (`c1=3`) and views (`mine=0`) have these counts.

        A conversation that the user no longer sees is missing after a reset: it has nothing unread.
        """

        def shown() -> dict[str, int]:
            every = {f"c{id}": number for id, number in self.conversations.items()} | self.views
            return {name: every.get(name, 0) for name in expected}

        while shown() != expected:
            try:
                self.next_change()
            except AssertionError:
                raise AssertionError(f"{shown()} did not become {expected}") from None

    def agree(self) -> None:
        """Check that a fetch is right by the rows, and that the events lead to the same counts."""
        assert outbox_drained(self.client.app)
        fetched = self.fetched()
        conversations, views = counted(self.client.app, self.client.id)
        assert fetched["conversations"] == conversations
        assert fetched["views"] == views
        self.become(**views, **{f"c{id}": number for id, number in conversations.items()})
        gone = self.conversations.keys() - conversations.keys()
        self.become(**{f"c{id}": 0 for id in gone})


@contextmanager
def follow_unread(*clients: ApiClient):
    """Open an account stream for each client, give their counts, and close the streams."""
    assert outbox_drained(clients[0].app)
    counts = [UnreadCounts(client) for client in clients]
    try:
        yield counts[0] if len(counts) == 1 else counts
    finally:
        for each in counts:
            each.stream.close()


def counted(app: Flask, user_id: int) -> tuple[dict[str, int], dict[str, int]]:
    """Count by accessible conversation and by view, row by row, without the code under test."""
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
            if row.merged_into_id is not None:
                continue
            if row.account_id != ACCOUNT or not has_access(member, inboxes, row):
                continue
            messages = db.session.scalars(
                select(Message).where(Message.conversation_id == row.id)
            ).all()
            unread = sum(
                m.id > markers.get(row.id, 0) and not m.deleted and m.message_type == "incoming"
                for m in messages
            )
            unread = unread if row.status != "spam" else 0
            conversations[str(row.id)] = unread
            if row.status == "open" and unread:
                views["all"] += 1
                views["mine"] += row.assignee_id == user_id
                views["unassigned"] += row.assignee_id is None
        return conversations, views


def has_access(member: Membership, inboxes: set[int], row: Conversation) -> bool:
    if member.role == "administrator":
        return True
    if member.sees == "inbox":
        return row.inbox_id in inboxes
    return row.assignee_id == member.user_id
