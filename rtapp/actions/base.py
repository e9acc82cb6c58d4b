"""The blueprint of the actions, and what several of them need."""

from flask import Blueprint
from flask import url_for

from rtapp.answers import answer
from rtapp.answers import done
from rtapp.errors import Forbidden
from rtapp.models import Customer
from rtapp.models import Principal

__all__ = ["answer", "bp", "done", "refuse_private", "thread_page"]

bp = Blueprint("actions", __name__)


def thread_page(conversation_id: int) -> str:
    return url_for("conversation.one", conversation_id=conversation_id)


def refuse_private(principal: Principal, private: bool) -> None:
    """Raises Forbidden if a customer sends something private, which only agents may."""
    if private and isinstance(principal, Customer):
        raise Forbidden("Private notes are the team's; send it with private false.")
