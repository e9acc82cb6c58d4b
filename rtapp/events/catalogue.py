"""The catalogue: every event with exactly its fields. No other event can be made."""

import json
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

SIZE_LIMIT = 16 * 1024  # bytes of an event's data; a larger one has its long text cut


ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))  # json.dumps makes one


class Each(NamedTuple):
    """The shape of all values of a list, or of an object with ids as keys."""

    value: Any


# A field is a type, a tuple of a field and None (nullable), an Each, or a dict of fields.
PERSON = {"id": int, "name": str}
ASSIGNEE = (PERSON, None)
SENDER = {"type": str, "id": int, "name": str}
LAST_MESSAGE = {"id": int, "preview": str, "sender_name": str, "created_at": str}
LABEL = {"id": int, "title": str, "colour": int}
ATTACHMENT = {
    "id": int,
    "key": str,
    "name": str,
    "content_type": str,
    "size": int,
    "width": (int, None),
    "height": (int, None),
    "url": str,
    "thumbnail_url": (str, None),
}

MESSAGE = {
    "id": int,
    "conversation_id": int,
    "account_id": int,
    "message_type": str,
    "private": bool,
    "content": str,
    "attachments": Each(ATTACHMENT),
    "sender": SENDER,
    "client_id": (str, None),
    "created_at": str,
    "updated_at": str,
    "edited_at": (str, None),
    "edited_by": (PERSON, None),
    "version": int,
}
CONVERSATION = {
    "id": int,
    "account_id": int,
    "inbox_id": int,
    "status": str,
    "snoozed_until": (str, None),
    "assignee": ASSIGNEE,
    "contact": PERSON,
    "labels": Each(LABEL),
    "last_message": (LAST_MESSAGE, None),
    "last_activity_at": str,
    "last_public_at": str,
    "waiting_since": (str, None),
    "version": int,
}

MESSAGE_DELETED = {"id": int, "conversation_id": int, "account_id": int, "version": int}
STATUS_CHANGED = {
    "id": int,
    "account_id": int,
    "status": str,
    "previous_status": str,
    "snoozed_until": (str, None),
    "changed_by": PERSON,
    "version": int,
}
ASSIGNEE_CHANGED = {
    "id": int,
    "account_id": int,
    "assignee": ASSIGNEE,
    "previous_assignee": ASSIGNEE,
    "changed_by": PERSON,
    "version": int,
}
LABELS_CHANGED = {
    "id": int,
    "account_id": int,
    "labels": Each(LABEL),
    "changed_by": PERSON,
    "version": int,
}
CONTACT_CHANGED = {
    "id": int,
    "account_id": int,
    "contact": {
        **PERSON,
        "email": (str, None),
        "phone": (str, None),
        "blocked": bool,
        "verified": bool,
        "given_email": (str, None),
        "page_url": (str, None),
    },
    "changed_by": PERSON,
    "version": int,
}
READ = {"id": int, "account_id": int, "reader": {"type": str, "id": int}, "message_id": int}
NOTIFICATION = {
    "id": int,
    "account_id": int,
    "kind": str,
    "conversation_id": int,
    "message_id": int,
    "contact": PERSON,
    "sender": SENDER,
    "read": bool,
    "created_at": str,
}

DURABLE: Mapping[str, Mapping[str, Any]] = {
    "message.created": MESSAGE,
    "message.updated": MESSAGE,
    "message.deleted": MESSAGE_DELETED,
    "conversation.created": CONVERSATION,
    "conversation.updated": CONVERSATION,
    "conversation.status_changed": STATUS_CHANGED,
    "conversation.assignee_changed": ASSIGNEE_CHANGED,
    "conversation.labels_changed": LABELS_CHANGED,
    "conversation.contact_changed": CONTACT_CHANGED,
    "conversation.removed": {"id": int, "account_id": int},
    "conversation.read": READ,
    "notification.created": NOTIFICATION,
    "notification.read": {"account_id": int, "ids": Each(int)},
    "settings.changed": {"account_id": int, "part": str},
}

# For a change that no event describes: the client fetches the state again.
CONTROL: Mapping[str, Mapping[str, Any]] = {"stream.reset": {"reason": str}}

TYPING = {
    "conversation_id": int,
    "user_name": str,
    "is_typing": bool,
    "private": bool,
    "expires_in": int,
}

VIEWS = {"mine": int, "unassigned": int, "all": int}

# Each event has one or several shapes.
EPHEMERAL: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "typing": ({**TYPING, "user_id": int}, {**TYPING, "contact_id": int}),
    "conversation.viewers": ({"conversation_id": int, "viewers": Each(PERSON)},),
    "contact.presence": (
        {
            "account_id": int,
            "conversation_id": int,
            "contact_id": int,
            "present": bool,
        },
    ),
    "unread.changed": (
        {
            "account_id": int,
            "conversations": Each(int),
            "views": VIEWS,
        },
    ),
    "inbox.presence": ({"account_id": int, "inbox_id": int, "present": bool},),
    "presence_update": (
        {"online_users": Each(str)},
        {"changed": Each(str), "left": Each(int)},
    ),
}

# The field that is cut when an event exceeds SIZE_LIMIT.
LONG_TEXT = {"message.created": "content", "message.updated": "content"}


class CatalogueError(Exception):
    """An event does not match the catalogue: a bug in the caller."""


def checked(event: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """`data`, validated: exactly the event's fields, at most SIZE_LIMIT bytes of JSON.

    If durable data is larger, its long text is cut and `truncated` is true; the client fetches the
    rest. Raises CatalogueError for an unknown event, a missing or unknown field or a wrong type.
    """
    if event in EPHEMERAL:
        check_any(event, EPHEMERAL[event], data)
        return dict(data)
    shape = DURABLE.get(event) or CONTROL.get(event)
    if shape is None:
        raise CatalogueError(f"{event} is not in the catalogue")
    check(event, shape, data)
    return dict(data) if size(data) <= SIZE_LIMIT else truncated(event, data)


def check_any(event: str, shapes: Sequence[Mapping[str, Any]], data: Mapping[str, Any]) -> None:
    for shape in shapes:
        if shape.keys() == data.keys():
            return check(event, shape, data)
    raise CatalogueError(f"{event} has no shape with the fields {sorted(data)}")


def check(where: str, expected: Any, value: Any) -> None:
    if isinstance(expected, tuple) and not isinstance(expected, Each):
        if value is None and None in expected:
            return
        expected = expected[0]
    if isinstance(expected, Each):
        for key, each in value.items() if isinstance(value, Mapping) else enumerate(value):
            check(f"{where}.{key}", expected.value, each)
        return
    if isinstance(expected, type):
        if type(value) is not expected:
            raise CatalogueError(f"{where} must be {expected.__name__}, not {value!r}")
        return
    if not isinstance(value, Mapping) or value.keys() != expected.keys():
        raise CatalogueError(f"{where} must have exactly the fields {sorted(expected)}: {value!r}")
    for name, field in expected.items():
        if type(value[name]) is not field:  # most fields are of the one type that they may have
            check(f"{where}.{name}", field, value[name])


def size(data: Mapping[str, Any]) -> int:
    return len(encode(data).encode())


def encode(value: Mapping[str, Any]) -> str:
    """Compact JSON in one line. Characters beyond ASCII are not escaped."""
    return ENCODER.encode(value)


def truncated(event: str, data: Mapping[str, Any]) -> dict[str, Any]:
    if event not in LONG_TEXT:
        raise CatalogueError(f"{event} is over {SIZE_LIMIT} bytes and has no text to cut")
    field = LONG_TEXT[event]
    text, shorter = data[field], {**data, "truncated": True}
    keep = len(text)
    while size(shorter) > SIZE_LIMIT:
        keep = keep * 3 // 4
        shorter[field] = text[:keep]
    return shorter
