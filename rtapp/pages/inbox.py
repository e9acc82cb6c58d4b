"""The inbox page: a view of the conversation list and, if one is open, its thread."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from flask import render_template
from flask import url_for
from redis.exceptions import RedisError
from sqlalchemy import func
from sqlalchemy import select

from rtapp import access
from rtapp import clock
from rtapp import presence
from rtapp import queries
from rtapp import validation
from rtapp.config import RESOURCES
from rtapp.config import UNDO_DAYS
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.file_name import ACCEPT
from rtapp.models import Account
from rtapp.models import Agent
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import Message
from rtapp.models import Notification
from rtapp.models import ReadMarker
from rtapp.services.merge_conversations import merges_into

from . import canned_reply
from .label import labels_of
from .unread import unread_of
from .view import ThreadView
from .view import View
from .view import nothing_in

# The page's scripts, preloaded together: the browser need not parse one to find the next.
SCRIPTS = RESOURCES / "static/js"
MODULES = sorted(
    str(file.relative_to(SCRIPTS))
    for name in ("connector", "inbox")
    for file in (SCRIPTS / name).glob("*.js")
)
NOTIFICATIONS = 20  # shown in the menu
EARLIER = 5  # conversations with the same contact


def render(
    user: Agent,
    account_id: int,
    cursor: str,
    view: View,
    page: queries.ConversationPage,
    conversation: Conversation | None = None,
) -> str:
    notices = queries.notifications(user, account_id, limit=NOTIFICATIONS)
    listed = [row.id for row in page.conversations]
    membership = access.membership_in(user, account_id)
    inboxes = usable_inboxes(user, account_id)
    return render_template(
        "inbox.html",
        modules=MODULES,
        account=db.session.get_one(Account, account_id),
        me=user,
        membership=membership,
        members=access.members_of(account_id),
        present=present_users(account_id),
        inboxes=inboxes,
        account_labels=labels_of(account_id),
        cursor=cursor,
        now=clock.rfc3339(clock.now()),
        view=view,
        view_query=view.query(),
        nothing=nothing_in(view, membership, [inbox.id for inbox in inboxes]),
        conversations=[presenters.conversation(row) for row in page.conversations],
        hits=hits(page),
        older_conversations=older_conversations(account_id, view, page),
        unread=unread_of(user.id, account_id, listed),
        drafted=sorted(queries.drafts_of(user, listed)),
        notifications=[presenters.notification(row) for row in notices.notifications],
        unread_notifications=unread_notifications(user, account_id),
        **(thread(user, conversation, view) if conversation is not None else {}),
    )


def render_thread(user: Agent, cursor: str, view: View, conversation: Conversation) -> str:
    """The thread and its contact, for an inbox page that opens the conversation."""
    return render_template(
        "thread_alone.html",
        account=db.session.get_one(Account, conversation.account_id),
        me=user,
        membership=access.membership_in(user, conversation.account_id),
        account_labels=labels_of(conversation.account_id),
        cursor=cursor,
        now=clock.rfc3339(clock.now()),
        view_query=view.query(),
        **thread(user, conversation, view),
    )


def hits(page: queries.ConversationPage) -> dict[str, dict[str, Any]]:
    """Conversation id → what a search found of it."""
    return {str(id): presenters.hit(hit) for id, hit in page.hits.items()}


def older_conversations(account_id: int, view: View, page: queries.ConversationPage) -> str | None:
    if page.next_before is None:
        return None
    path = url_for("conversation.several", account_id=account_id)
    return path + view.query(before=page.next_before)


def thread(user: Agent, conversation: Conversation, view: View) -> dict[str, Any]:
    shown = validation.parameters(ThreadView)
    page = part_of_thread(conversation, shown)
    path = url_for("conversation.one", conversation_id=conversation.id)
    older, newer = page.next_before, page.next_after
    if shown.after and page.messages:
        older = page.messages[0].id
    return {
        "conversation": presenters.conversation(conversation),
        "contact": conversation.contact,
        "inbox": conversation.inbox,
        "began_at": clock.rfc3339(conversation.created_at),
        "same_contact": same_contact(user, conversation),
        "merges": [presenters.conversation_merge(row) for row in merges_into(conversation)],
        "undo_days": UNDO_DAYS,
        "people": [presenters.person(person) for person in access.users_who_see(conversation)],
        "messages": [presenters.message(row) for row in page.messages],
        "older_messages": path + view.query(before=older) if older is not None else None,
        "newer_messages": path + view.query(after=str(newer)) if newer is not None else None,
        "read_up_to": read_up_to(user, conversation),
        "contact_read": conversation.contact_read_id or 0,
        "seen_reply": seen_reply(conversation, page.messages),
        "edited": edited(user, conversation, shown.edit),
        "draft": presenters.draft(access.own_draft(user, conversation.id)),
        "in_hours": in_hours(),
        "variables": variables(user, conversation),
        "accept": ACCEPT,
    }


def part_of_thread(conversation: Conversation, shown: ThreadView) -> queries.MessagePage:
    if shown.message is not None:
        return queries.messages_around(conversation, shown.message)
    return queries.messages(conversation, before=shown.before, after=shown.after)


def seen_reply(conversation: Conversation, messages: Sequence[Message]) -> int | None:
    """The id of the last public reply on the page that the contact has read, unless deleted."""
    read = conversation.contact_read_id or 0
    replies = (
        row.id
        for row in messages
        if row.message_type == "outgoing" and not row.private and not row.deleted
    )
    return max((id for id in replies if id <= read), default=None)


def variables(user: Agent, conversation: Conversation) -> dict[str, str]:
    """The values of a canned reply's variables; "" where nothing is known."""
    contact = conversation.contact
    values = (
        contact.name,
        first_name(contact.name),
        contact.email or "",
        user.name,
        first_name(user.name),
        str(conversation.id),
    )
    return dict(zip(canned_reply.VARIABLES, values, strict=True))


def first_name(name: str) -> str:
    return name.split()[0] if name.split() else ""


def in_hours() -> dict[int, str]:
    """Hours from now → the time then, for snoozing without a script."""
    return {h: clock.rfc3339(clock.now() + timedelta(hours=h)) for h in (3, 24, 7 * 24)}


def edited(user: Agent, conversation: Conversation, message_id: int | None) -> Message | None:
    """The message to edit or delete, if it is in this conversation and the user may delete it."""
    if message_id is None:
        return None
    message = access.message_for(user, message_id)
    here = message.conversation_id == conversation.id and not message.deleted
    return message if here and access.may_delete(user, message) else None


def read_up_to(user: Agent, conversation: Conversation) -> int:
    marker = db.session.get(ReadMarker, (user.id, conversation.id))
    return marker.message_id if marker is not None else 0


def same_contact(user: Agent, conversation: Conversation) -> list[dict[str, Any]]:
    query = (
        select(Conversation)
        .where(
            Conversation.contact_id == conversation.contact_id,
            Conversation.id != conversation.id,
            access.SEEN,
        )
        .order_by(Conversation.last_public_at.desc())
        .options(*presenters.PRESENTED)
        .limit(EARLIER)
    )
    return [presenters.conversation(row) for row in db.session.scalars(query, {"viewer": user.id})]


def usable_inboxes(user: Agent, account_id: int) -> list[Inbox]:
    """The inboxes in which the user may start a conversation: see access.inbox_for."""
    query = select(Inbox).where(Inbox.account_id == account_id).order_by(Inbox.name)
    if access.membership_in(user, account_id).role != "administrator":
        query = query.where(Inbox.id.in_(access.inboxes_of(user, account_id)))
    return list(db.session.scalars(query))


def unread_notifications(user: Agent, account_id: int) -> int:
    query = (
        select(func.count())
        .select_from(Notification)
        .join(Conversation, Conversation.id == Notification.conversation_id)
        .where(
            Notification.user_id == user.id,
            Notification.account_id == account_id,
            Notification.read.is_(False),
            access.SEEN,
        )
    )
    return db.session.scalar(query, {"viewer": user.id}) or 0


def present_users(account_id: int) -> dict[str, str]:
    """User id → status of the users present. Empty while Redis is unavailable."""
    try:
        reading = presence.present(account_id)
    except (RedisError, OSError):
        return {}
    online: dict[str, str] = presenters.present(reading.snapshots[0].present)["online_users"]
    return online
