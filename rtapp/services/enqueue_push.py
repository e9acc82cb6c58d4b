"""Push notifications that are due: rows of the transaction of the message, sent after its commit.

rtapp/push/ sends them. Without a subscription in the account there is no row.
"""

from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement
from sqlalchemy import Integer
from sqlalchemy import String
from sqlalchemy import and_
from sqlalchemy import bindparam
from sqlalchemy import insert
from sqlalchemy import literal
from sqlalchemy import or_
from sqlalchemy import select

from rtapp import access
from rtapp import clock
from rtapp.extensions import execute
from rtapp.models import Conversation
from rtapp.models import Membership
from rtapp.models import Push
from rtapp.models import PushSubscription
from rtapp.models import UserSession
from rtapp.models import oldest_session
from rtapp.models.conversation import SPAM
from rtapp.models.types import UtcDateTime

NOW = bindparam("now", type_=UtcDateTime)
COLUMNS = (
    "session_id",
    "conversation_id",
    "message_id",
    "kind",
    "created_at",
    "due_at",
    "attempts",
)
# static/js/inbox/notifications.js alerts a page by the same rule.
CONCERNS = or_(
    Conversation.assignee_id == Membership.user_id,
    Membership.alerts == "inboxes",
    and_(Conversation.assignee_id.is_(None), Membership.alerts != "mine"),
)


def for_members(condition: ColumnElement[bool]) -> Any:
    """Insert for each subscription of the members who see the conversation, under the condition."""
    rows = (
        select(
            PushSubscription.session_id,
            Conversation.id,
            bindparam("message", type_=Integer),
            bindparam("kind", type_=String),
            NOW,
            NOW,
            literal(0),
        )
        .join(UserSession, UserSession.id == PushSubscription.session_id)
        .join(Membership, Membership.user_id == UserSession.user_id)
        .join(Conversation, Conversation.account_id == Membership.account_id)
        .where(
            Conversation.id == bindparam("conversation", type_=Integer),
            UserSession.created_at > bindparam("oldest", type_=UtcDateTime),
            access.sees(Membership, Conversation.inbox_id, Conversation.assignee_id),
            condition,
        )
        # One that is being deleted is left out: its key would not be there any more.
        .with_for_update(read=True, key_share=True, skip_locked=True, of=PushSubscription)
    )
    return insert(Push.__table__).from_select(COLUMNS, rows)


TO_ONE = for_members(Membership.user_id == bindparam("user", type_=Integer))
TO_CONCERNED = for_members(and_(CONCERNS, Conversation.status != SPAM))


def push_to_user(user_id: int, kind: str, conversation_id: int, message_id: int) -> None:
    """Notify the user's browsers of a mention or an assignment. Part of the caller's
    transaction."""
    enqueue(TO_ONE, conversation_id, message_id, kind, user=user_id)


def push_to_concerned(conversation_id: int, message_id: int) -> None:
    """Notify the browsers of the users whom a customer's message concerns: its assignee, and others
    by their choice, unless it is in spam. Part of the caller's transaction, once the assignee and
    the status are final."""
    enqueue(TO_CONCERNED, conversation_id, message_id, "message")


def enqueue(statement: Any, conversation_id: int, message_id: int, kind: str, **more: int) -> None:
    if current_app.config["VAPID_PUBLIC_KEY"] is None:
        return
    now = clock.now()
    given = {"conversation": conversation_id, "message": message_id, "kind": kind, "now": now}
    execute(statement, {**given, "oldest": oldest_session(now), **more})
