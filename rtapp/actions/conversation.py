from typing import Annotated

from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import validation
from rtapp.errors import NotFound
from rtapp.errors import Unprocessable
from rtapp.events import presenters
from rtapp.models import Inbox
from rtapp.models import User
from rtapp.services.start_conversation import start_conversation
from rtapp.validation import Address
from rtapp.validation import Body
from rtapp.validation import Name
from rtapp.validation import RowId

from .base import answer
from .base import bp
from .base import thread_page
from .message import ClientId
from .message import MessageContent


class Customer(Body):
    name: Annotated[Name, Field(max_length=200)]
    email: Annotated[
        Address, Field(max_length=254, json_schema_extra={"pattern": r"^[^@\s]+@[^@\s]+$"})
    ]


class NewConversation(Body):
    inbox_id: RowId
    contact: Customer
    content: MessageContent
    client_id: ClientId | None = None


@bp.post("/accounts/<id:account_id>/conversations")
def create_conversation(account_id: int) -> Response:
    user = auth.signed_in()
    access.membership_in(user, account_id)
    new = validation.body(NewConversation)
    conversation, created = start_conversation(
        user,
        usable_inbox(user, account_id, new.inbox_id),
        new.contact.name,
        new.contact.email,
        new.content,
        client_id=new.client_id or None,
    )
    status = 201 if created else 200
    return answer(presenters.conversation(conversation), status, thread_page(conversation.id))


def usable_inbox(user: User, account_id: int, inbox_id: int) -> Inbox:
    try:
        return access.inbox_for(user, account_id, inbox_id)
    except NotFound as error:
        raise Unprocessable(
            "There is no such inbox, or it is not yours to use.",
            errors={"inbox_id": ["is no inbox of yours"]},
        ) from error
