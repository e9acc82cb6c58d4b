"""The search of conversations: every word must be in one of a conversation's fields, in any order.

A further field, such as labels, is a condition in FIELDS and, to be shown, a step of `Search.hits`.
Words are compared as folding.py has them, the same on both databases.
"""

import re
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any
from typing import NamedTuple

from sqlalchemy import ColumnElement
from sqlalchemy import Integer
from sqlalchemy import and_
from sqlalchemy import case
from sqlalchemy import exists
from sqlalchemy import false
from sqlalchemy import func
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import joinedload
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from rtapp import folding
from rtapp.config import ID_LIMIT
from rtapp.excerpts import Hit
from rtapp.excerpts import excerpt
from rtapp.extensions import db
from rtapp.folding import folded
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Message
from rtapp.text import is_blank

WORDS_LIMIT = 10  # different words of one search; the others are ignored
NUMBER = re.compile("#?([0-9]{1,10})")


def by_number(word: str) -> ColumnElement[bool]:
    id = number(word)
    return false() if id is None else Conversation.id == id


def by_contact(word: str) -> ColumnElement[bool]:
    lower = func.lower(Contact.name + " " + func.coalesce(Contact.email, ""))
    return Conversation.contact.has(contains(Contact.folded, lower, word))


def by_message(word: str) -> ColumnElement[bool]:
    return exists().where(
        Message.conversation_id == Conversation.id, Message.deleted.is_(False), in_message(word)
    )


# The cheapest first.
FIELDS: tuple[Callable[[str], ColumnElement[bool]], ...] = (by_number, by_contact, by_message)


def in_message(word: str) -> ColumnElement[bool]:
    return contains(Message.folded, func.lower(Message.content), word)


def contains(folded: Any, lower: Any, word: str) -> ColumnElement[bool]:
    """A row from a version without `folded` is found by its text in lower case."""
    return Position(func.coalesce(folded, lower), word) > 0


class Position(GenericFunction[int]):
    """The place of one text in another, 0 if it is not there. LIKE is as quick for common texts,
    but takes the product of their lengths for a long word of one letter in a text of that letter.
    """

    type = Integer()
    name = "strpos"  # of PostgreSQL
    inherit_cache = True


@compiles(Position, "sqlite")
def instr(element: Position, compiler: SQLCompiler, **more: Any) -> str:
    return f"instr({compiler.process(element.clauses, **more)})"


def number(word: str) -> int | None:
    """The id that a word like `#12` or `12` names."""
    match = NUMBER.fullmatch(word)
    id = int(match[1]) if match else 0
    return id if 0 < id <= ID_LIMIT else None


class Search(NamedTuple):
    """`words`: folded, the longest first, as it is likely the rarest. Without any, because nothing
    of what was asked counts (a lone accent), nothing is found."""

    words: tuple[str, ...]

    @property
    def number(self) -> int | None:
        """The conversation's id, if all that was asked is one."""
        return number(self.words[0]) if len(self.words) == 1 else None

    def condition(self) -> ColumnElement[bool]:
        """The condition on `Conversation` that selects what is found."""
        if not self.words:
            return false()
        return and_(*(or_(*(field(word) for field in FIELDS)) for word in self.words))

    def hits(self, conversations: Sequence[Conversation]) -> Mapping[int, Hit]:
        """Conversation id → what of it was found: its number or its contact if that has all the
        words, else the newest of the messages that have the most of them."""
        found = {row.id: hit for row in conversations if (hit := self._without_messages(row))}
        rest = [row.id for row in conversations if row.id not in found]
        for message in self._best_messages(rest):
            found[message.conversation_id] = Hit(
                "message", excerpt(message.content, self.words), message.id, message.sender.name
            )
        return found

    def _without_messages(self, row: Conversation) -> Hit | None:
        words = [word for word in self.words if number(word) != row.id]
        if not words:
            name = f"#{row.id}"
            return Hit("number", excerpt(name, [name]))
        name, address = row.contact.name, f"{row.contact.email or ''} {row.contact.aliases}".strip()
        elsewhere = [word for word in words if word not in folded(name)]
        if not elsewhere:
            return Hit("name", excerpt(name, words, len(name)))
        if all(word in folded(address) for word in elsewhere):
            return Hit("address", excerpt(address, words))
        return None

    def _best_messages(self, conversation_ids: Sequence[int]) -> Sequence[Message]:
        if not conversation_ids:
            return []
        matches = [in_message(word) for word in self.words]
        count = reduce(add, (case((match, 1), else_=0) for match in matches))
        rank = func.row_number().over(
            partition_by=Message.conversation_id, order_by=(count.desc(), Message.id.desc())
        )
        ranked = (
            select(Message.id, rank.label("rank"))
            .where(
                Message.conversation_id.in_(conversation_ids),
                Message.deleted.is_(False),
                or_(*matches),
            )
            .subquery()
        )
        query = (
            select(Message)
            .join(ranked, ranked.c.id == Message.id)
            .where(ranked.c.rank == 1)
            .options(joinedload(Message.user), joinedload(Message.contact))
        )
        return db.session.scalars(query).all()


def parsed(q: str | None) -> Search | None:
    """The search for the words of `q`, None if it asks for nothing."""
    if is_blank(q or ""):
        return None
    words = folding.words(q or "")[:WORDS_LIMIT]
    return Search(tuple(sorted(words, key=len, reverse=True)))
