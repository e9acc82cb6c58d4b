"""Objects beyond the demo's, for tests of access and refusals."""

from contextlib import closing
from typing import Any
from typing import NamedTuple

from flask import Flask
from sqlalchemy import select
from sqlalchemy import update

from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.models import Notification
from rtapp.models import User
from rtapp.models import Website

from .support import ApiClient
from .support import Stream
from .support import outbox_drained


class Other(NamedTuple):
    """Ids of another account and of the objects in it."""

    account: int
    inbox: int
    user: int
    conversation: int
    message: int
    notification: int


def other_account(app: Flask) -> Other:
    with app.app_context():
        account = Account(name="Other")
        user = User(name="Zoe", email="zoe@example.com", password_hash="none")
        db.session.add_all([account, user])
        db.session.flush()
        db.session.add(Membership(account_id=account.id, user_id=user.id, role="administrator"))
        inbox = Inbox(account_id=account.id, name="Theirs")
        contact = Contact(account_id=account.id, name="Xavier", email="xavier@example.com")
        conversation = Conversation(account_id=account.id, inbox=inbox, contact=contact)
        db.session.add_all([inbox, contact, conversation])
        db.session.flush()
        message = Message(
            account_id=account.id, conversation_id=conversation.id, user=user, content="theirs"
        )
        db.session.add(message)
        db.session.flush()
        conversation.last_message = message
        notification = Notification(
            account_id=account.id,
            user_id=user.id,
            conversation=conversation,
            message=message,
            kind="mention",
        )
        db.session.add(notification)
        db.session.commit()
        return Other(account.id, inbox.id, user.id, conversation.id, message.id, notification.id)


KEY, SHOP = "website1", "https://shop.example"


def add_website(app: Flask, inbox_id: int = 1, key: str = KEY, origins: str = SHOP) -> str:
    """Give an inbox a website. Returns its key."""
    with app.app_context():
        db.session.add(Website(inbox_id=inbox_id, key=key, origins=origins))
        db.session.commit()
    return key


def restrict_to_assigned(app: Flask, agent: ApiClient) -> None:
    """Restrict the agent's access to conversations assigned to them."""
    with app.app_context():
        db.session.execute(
            update(Membership).where(Membership.user_id == agent.id).values(sees="assigned")
        )
        db.session.commit()


def all_rows(app: Flask) -> dict[str, list[Any]]:
    """Return all rows by table, except sessions and tokens."""
    with app.app_context():
        return {
            name: sorted(map(tuple, db.session.execute(select(table))), key=repr)
            for name, table in db.metadata.tables.items()
            if name not in ("user_sessions", "tokens")  # signing in is not an action
        }


def all_logs(app: Flask) -> dict[bytes, int]:
    """Return the number of events in each topic's log."""
    redis = app.extensions["broker"].redis
    return {key: redis.xlen(key) for key in redis.scan_iter(_type="stream")}


def open_stream(client: ApiClient, *streams: str) -> closing[Stream]:
    """Open the named streams, as a context, once all earlier events are published."""
    assert outbox_drained(client.app)
    query = "&".join(f"stream={name}" for name in streams)
    return closing(client.stream(f"/streams?{query}"))
