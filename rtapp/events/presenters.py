"""The agents' form of rows: the `data` of events, and the same in the bodies of responses.

customer_presenters.py has the customers' form.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import joinedload
from sqlalchemy.orm import selectinload

from rtapp import clock
from rtapp.clock import rfc3339
from rtapp.devices import device
from rtapp.excerpts import Hit
from rtapp.models import Account
from rtapp.models import Agent
from rtapp.models import AnyConversation
from rtapp.models import AnyLabel
from rtapp.models import AnyMessage
from rtapp.models import Attachment
from rtapp.models import CannedReply
from rtapp.models import Contact
from rtapp.models import ContactMerge
from rtapp.models import Conversation
from rtapp.models import ConversationMerge
from rtapp.models import Draft
from rtapp.models import Inbox
from rtapp.models import Invitation
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.models import MessageRevision
from rtapp.models import Notification
from rtapp.models import PasswordLink
from rtapp.models import Principal
from rtapp.models import Token
from rtapp.models import User
from rtapp.models import UserSession
from rtapp.models import Website
from rtapp.models import handle_of

PREVIEW = 120  # characters of a message shown in a list

# Loads what `conversation` reads in one query, instead of one for each row.
PRESENTED = (
    joinedload(Conversation.contact),
    joinedload(Conversation.assignee),
    joinedload(Conversation.last_message).joinedload(Message.user),
    joinedload(Conversation.last_message).joinedload(Message.contact),
    selectinload(Conversation.labels),
)


def message(row: AnyMessage) -> dict[str, Any]:
    """Both the content and the attachments are empty if, and only if, the message was deleted."""
    return {
        "id": row.id,
        "conversation_id": row.conversation_id,
        "account_id": row.account_id,
        "message_type": row.message_type,
        "private": row.private,
        "content": row.content,
        "attachments": attachments(row),
        "sender": sender(row.sender),
        "client_id": row.client_id,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "edited_at": rfc3339(row.edited_at) if row.edited_at else None,
        "edited_by": person(row.edited_by) if row.edited_by else None,
        "version": row.version,
    }


def attachments(row: AnyMessage) -> list[dict[str, Any]]:
    return [attachment(each) for each in row.attachments or ()]


def attachment(kept: Mapping[str, Any]) -> dict[str, Any]:
    """A file as `shown_of` keeps it with its message, with its addresses."""
    url = f"/attachments/{kept['key']}"
    return {**kept, "url": url, "thumbnail_url": f"{url}/thumbnail" if kept["width"] else None}


def shown_of(row: Attachment) -> dict[str, Any]:
    """What a message keeps of a file."""
    return {
        "id": row.id,
        "key": row.key,
        "name": row.name,
        "content_type": row.content_type,
        "size": row.size,
        "width": row.width,
        "height": row.height,
    }


def revision(row: MessageRevision) -> dict[str, Any]:
    """An earlier text, and the edit that replaced it."""
    return {
        "version": row.version,
        "content": row.content,
        "edited_at": rfc3339(row.edited_at),
        "edited_by": person(row.edited_by),
    }


def message_deleted(row: Message) -> dict[str, Any]:
    return {
        "id": row.id,
        "conversation_id": row.conversation_id,
        "account_id": row.account_id,
        "version": row.version,
    }


def conversation(row: AnyConversation) -> dict[str, Any]:
    return {
        "id": row.id,
        "account_id": row.account_id,
        "inbox_id": row.inbox_id,
        "status": row.status,
        "snoozed_until": snoozed_until(row),
        "assignee": person(row.assignee) if row.assignee else None,
        "contact": person(row.contact),
        "labels": [label(each) for each in row.labels],
        "last_message": last_message(row.last_message) if row.last_message else None,
        "last_activity_at": rfc3339(row.last_activity_at),
        "last_public_at": rfc3339(row.last_public_at),
        "waiting_since": rfc3339(row.waiting_since) if row.waiting_since else None,
        "version": row.version,
    }


def hit(row: Hit) -> dict[str, Any]:
    """What a search found of a conversation."""
    pieces, cut_before, cut_after = row.excerpt
    return {
        "field": row.field,
        "message_id": row.message_id,
        "sender_name": row.sender_name,
        "excerpt": [{"text": piece.text, "marked": piece.marked} for piece in pieces],
        "cut_before": cut_before,
        "cut_after": cut_after,
    }


def label(row: AnyLabel) -> dict[str, Any]:
    return {"id": row.id, "title": row.title, "colour": row.colour}


def snoozed_until(row: AnyConversation) -> str | None:
    """When the conversation opens by itself."""
    return rfc3339(row.snoozed_until) if row.snoozed_until else None


def last_message(row: AnyMessage) -> dict[str, Any]:
    return {
        "id": row.id,
        "preview": preview(row),
        "sender_name": row.sender.name,
        "created_at": rfc3339(row.created_at),
    }


def preview(row: AnyMessage) -> str:
    """The beginning of the text; of a message without one, the names of its files."""
    names = (each["name"] for each in row.attachments or ())
    return (" ".join(row.content.split()) or ", ".join(names))[:PREVIEW]


def status_changed(row: Conversation, previous: str, by: Principal) -> dict[str, Any]:
    return {
        "id": row.id,
        "account_id": row.account_id,
        "status": row.status,
        "previous_status": previous,
        "snoozed_until": snoozed_until(row),
        "changed_by": changed_by(by),
        "version": row.version,
    }


def assignee_changed(row: Conversation, previous: User | None, by: Principal) -> dict[str, Any]:
    return {
        "id": row.id,
        "account_id": row.account_id,
        "assignee": person(row.assignee) if row.assignee else None,
        "previous_assignee": person(previous) if previous else None,
        "changed_by": changed_by(by),
        "version": row.version,
    }


def labels_changed(row: Conversation, by: Agent) -> dict[str, Any]:
    return {
        "id": row.id,
        "account_id": row.account_id,
        "labels": [label(each) for each in row.labels],
        "changed_by": changed_by(by),
        "version": row.version,
    }


def contact_changed(row: Conversation, by: Principal) -> dict[str, Any]:
    return {
        "id": row.id,
        "account_id": row.account_id,
        "contact": {
            **person(row.contact),
            "email": row.contact.email,
            "phone": row.contact.phone,
            "blocked": row.contact.blocked,
            **visitor(row.contact),
        },
        "changed_by": changed_by(by),
        "version": row.version,
    }


def conversation_removed(conversation_id: int, account_id: int) -> dict[str, Any]:
    return {"id": conversation_id, "account_id": account_id}


def conversation_read(row: Conversation, by: Principal, message_id: int) -> dict[str, Any]:
    return {
        "id": row.id,
        "account_id": row.account_id,
        "reader": {"type": kind(by), "id": by.id},
        "message_id": message_id,
    }


def notification(row: Notification) -> dict[str, Any]:
    return {
        "id": row.id,
        "account_id": row.account_id,
        "kind": row.kind,
        "conversation_id": row.conversation_id,
        "message_id": row.message_id,
        "contact": person(row.conversation.contact),
        "sender": sender(row.message.sender),
        "read": row.read,
        "created_at": rfc3339(row.created_at),
    }


def notifications_read(account_id: int, ids: Sequence[int]) -> dict[str, Any]:
    return {"account_id": account_id, "ids": list(ids)}


def settings_changed(account_id: int, part: str) -> dict[str, Any]:
    return {"account_id": account_id, "part": part}


def draft(row: Draft | None) -> dict[str, Any]:
    """Of answers to its own user only: no event has it. Version 0 if there never was one."""
    if row is None:
        return {"reply": "", "note": "", "version": 0}
    return {"reply": row.reply, "note": row.note, "version": row.version}


def contact(row: Contact) -> dict[str, Any]:
    """Of answers to agents only: no event has the notes."""
    return {
        "id": row.id,
        "account_id": row.account_id,
        "name": row.name,
        "email": row.email,
        "phone": row.phone,
        "notes": row.notes,
        "blocked": row.blocked,
        **visitor(row),
        "version": row.version,
    }


def visitor(row: Contact) -> dict[str, Any]:
    """What is known of a contact as the visitor of a website."""
    return {
        "verified": row.verified,
        "given_email": row.given_email,
        "page_url": row.page_url,
    }


def contact_merge(row: ContactMerge) -> dict[str, Any]:
    """`contact` is the merged one, as it was and would be again."""
    return {
        "id": row.id,
        "contact": contact(row.source),
        "conversation_ids": row.conversation_ids,
        "merged_by": person(row.merged_by) if row.merged_by is not None else None,
        "merged_at": rfc3339(row.merged_at),
        "undo_until": rfc3339(row.undo_until),
    }


def conversation_merge(row: ConversationMerge) -> dict[str, Any]:
    """`conversation_id` is the merged one, which separating restores."""
    return {
        "id": row.id,
        "conversation_id": row.source_id,
        "messages": len(row.message_ids),
        "merged_by": person(row.merged_by),
        "merged_at": rfc3339(row.merged_at),
        "undo_until": rfc3339(row.undo_until),
    }


def canned_reply(row: CannedReply) -> dict[str, Any]:
    """Of answers only: no event has it."""
    return {"id": row.id, "shortcut": row.shortcut, "content": row.content}


def inbox(row: Inbox) -> dict[str, Any]:
    """Of answers to administrators only: no event has it."""
    return {
        "id": row.id,
        "name": row.name,
        "auto_assign": row.auto_assign,
        "assignment_cap": row.assignment_cap,
    }


def website(row: Website) -> dict[str, Any]:
    """Of answers to administrators only: no event has it, and nothing here has a secret."""
    return {
        "inbox_id": row.inbox_id,
        "key": row.key,
        "origins": row.origins.split(),
        "greeting": row.greeting,
        "away": row.away,
        "accent": row.accent,
        "language": row.language,
        "secrets": [handle_of(salt) for salt in row.salts],
    }


def invitation(row: Invitation) -> dict[str, Any]:
    """Of answers to administrators only: no event has it."""
    return {
        "id": row.id,
        "account_id": row.account_id,
        "email": row.email,
        "role": row.role,
        "sees": row.sees,
        "inbox_ids": row.inbox_ids,
        "used_by": person(row.used_by) if row.used_by is not None else None,
        **link(row),
    }


def password_link(row: PasswordLink) -> dict[str, Any]:
    """Likewise."""
    return {"id": row.id, "user": person(row.user), **link(row)}


def link(row: Invitation | PasswordLink) -> dict[str, Any]:
    return {
        "state": row.state(clock.now()),
        "created_by": person(row.created_by) if row.created_by is not None else None,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at),
        "mail": row.mail,
        "mail_error": row.mail_error,
    }


def member(row: User, membership: Membership, inbox_ids: Sequence[int]) -> dict[str, Any]:
    """Of answers to administrators only: no event has it."""
    return {
        **profile(row),
        "role": membership.role,
        "sees": membership.sees,
        "inbox_ids": list(inbox_ids),
        "disabled": row.disabled_at is not None,
    }


def account(row: Account) -> dict[str, Any]:
    return {"id": row.id, "name": row.name}


def profile(row: User) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "email": row.email}


def token(row: Token) -> dict[str, Any]:
    """Of answers to its user only: no event has it, and nothing has its text."""
    return {
        "id": row.id,
        "name": row.name,
        "scope": row.scope,
        "created_at": rfc3339(row.created_at),
        "last_used_at": rfc3339(row.last_used_at) if row.last_used_at else None,
        "expires_at": rfc3339(row.expires_at) if row.expires_at else None,
    }


def session(row: UserSession, *, is_current: bool) -> dict[str, Any]:
    """Of answers to its user only: no event has it."""
    return {
        "id": row.handle,
        "device": device(row.user_agent),
        "address": row.address,
        "created_at": rfc3339(row.created_at),
        "last_used_at": rfc3339(row.last_used_at or row.created_at),
        "current": is_current,
    }


def person(row: Principal) -> dict[str, Any]:
    return {"id": row.id, "name": row.name}


def sender(row: Principal) -> dict[str, Any]:
    return {"type": kind(row), "id": row.id, "name": row.name}


def kind(row: Principal) -> str:
    return "user" if isinstance(row, Agent) else "contact"


def changed_by(row: Principal) -> dict[str, Any]:
    """A user as in `person`; a contact with the id 0, which no user has."""
    return {"id": row.id if isinstance(row, Agent) else 0, "name": row.name}


def present(status_by_user: Mapping[str, str]) -> dict[str, Any]:
    """The users who are online or busy. A user who chose `offline` is left out."""
    online = {user: status for user, status in status_by_user.items() if status != "offline"}
    return {"online_users": online}


def inbox_presence(account_id: int, inbox_id: int, present: bool) -> dict[str, Any]:
    return {"account_id": account_id, "inbox_id": inbox_id, "present": present}


def typing(
    conversation_id: int,
    holder: str,
    value: Mapping[str, Any],
    is_typing: bool,
    expires_in: int,
) -> dict[str, Any]:
    """`holder` is `user:<id>` or `contact:<id>`, `value` its lease's: `name` and `private`.
    `expires_in`: s, of a typist."""
    kind, _, id = holder.partition(":")
    return {
        "conversation_id": conversation_id,
        f"{kind}_id": int(id),
        "user_name": value["name"],
        "is_typing": is_typing,
        "private": value["private"],
        "expires_in": expires_in if is_typing else 0,
    }


def viewers(conversation_id: int, names: Mapping[str, str]) -> dict[str, Any]:
    """`names`: `<conversation>/<user>` → name. Other conversations' entries are skipped."""
    here = ((holder.partition("/"), name) for holder, name in names.items())
    ids = {int(user): name for (of, _, user), name in here if int(of) == conversation_id}
    return {
        "conversation_id": conversation_id,
        "viewers": [{"id": id, "name": name} for id, name in sorted(ids.items())],
    }


def contact_present(
    account_id: int, conversation_id: int, contact_id: int, *, is_present: bool
) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "conversation_id": conversation_id,
        "contact_id": contact_id,
        "present": is_present,
    }


def unread(conversations: Mapping[int, int], views: Mapping[str, int]) -> dict[str, Any]:
    """A user's unread counts: messages by conversation, conversations by view."""
    by_id = {str(id): number for id, number in conversations.items()}
    return {"conversations": by_id, "views": dict(views)}


def me(row: User) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "email": row.email,
        "memberships": [
            {
                "account_id": m.account_id,
                "role": m.role,
                "sees": m.sees,
                "status": m.status,
                "alerts": m.alerts,
            }
            for m in row.memberships
        ],
    }
