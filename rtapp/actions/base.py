"""The blueprint of the actions, and what several of them need."""

from flask import Blueprint
from flask import url_for

from rtapp import access
from rtapp.answers import answer
from rtapp.answers import done
from rtapp.errors import Forbidden
from rtapp.extensions import db
from rtapp.models import Agent
from rtapp.models import Conversation
from rtapp.models import Customer
from rtapp.models import Principal
from rtapp.services.row_lock import merged

__all__ = ["answer", "bp", "changeable", "done", "refuse_merged", "refuse_private", "thread_page"]

bp = Blueprint("actions", __name__)


def thread_page(conversation_id: int) -> str:
    return url_for("conversation.one", conversation_id=conversation_id)


def changeable(principal: Principal, conversation_id: int) -> Conversation:
    """The conversation to change. A customer's request for a merged one is for that which has its
    messages. Raises NotFound as access.conversation_for, and Conflict for an agent who asks for a
    merged one: they look at the other one first."""
    conversation = access.conversation_for(principal, conversation_id)
    refuse_merged(principal, conversation_id, conversation.id)
    return conversation


def refuse_merged(principal: Principal, asked: int, kept: int) -> None:
    """Raises Conflict for an agent who asks for a conversation that was merged into another one."""
    if isinstance(principal, Agent) and kept != asked:
        raise merged(db.session.get_one(Conversation, kept))


def refuse_private(principal: Principal, private: bool) -> None:
    """Raises Forbidden if a customer sends something private, which only agents may."""
    if private and isinstance(principal, Customer):
        raise Forbidden("Private notes are the team's; send it with private false.")
