"""What an error page tells an agent: what happened and what to do, without a protocol's words."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple


class Words(NamedTuple):
    """`detail`: whether the problem's own sentence is for agents too, and follows the title."""

    title: str
    advice: str
    detail: bool = False


WORDS: Mapping[int, Words] = {
    400: Words("That could not be done", "Go back, reload the page and try again."),
    403: Words("That is not yours to do", "Ask an administrator of your team.", detail=True),
    404: Words(
        "There is nothing here", "It was moved or removed, or you do not have access to it."
    ),
    405: Words("This address is no page", "Start from the inbox."),
    409: Words("Somebody was faster", "Go back and look at it as it is now.", detail=True),
    410: Words("This link does not work", "", detail=True),
    413: Words("That is too long", "Shorten it, or send it in parts."),
    415: Words("That could not be read", "Go back, reload the page and try again."),
    422: Words("Something is missing or not right", "Go back, mend it and send it again."),
    429: Words("That was too much at once", "Wait a moment, then try again.", detail=True),
    503: Words("A part of rtapp is away", "It is mostly back within a minute.", detail=True),
    507: Words("The server's disk is full", "Tell your administrator. Nothing was changed."),
}
OURS = Words(
    "Something went wrong on our side", "Try again. If it stays so, tell your administrator."
)
YOURS = Words("That could not be done", "Go back and try again.")

FIELDS = {
    "content": "The message",
    "contact.name": "The customer's name",
    "contact.email": "The email address",
    "into": "What to merge into",
    "inbox_id": "The inbox",
    "assignee_id": "The assignee",
    "snoozed_until": "The time to wake up",
    "q": "What you search for",
}


def words_for(status: int) -> Words:
    return WORDS.get(status) or (OURS if status >= HTTPStatus.INTERNAL_SERVER_ERROR else YOURS)


def sentences(errors: Mapping[str, list[str]] | None) -> list[str]:
    """The errors of fields as sentences. A field without a name for agents is left out: they did
    not write it."""
    named = {
        FIELDS[field]: messages for field, messages in (errors or {}).items() if field in FIELDS
    }
    return [f"{name} {' and '.join(messages)}." for name, messages in named.items()]
