from collections.abc import Mapping
from typing import Annotated
from typing import Any

from pydantic import AfterValidator
from pydantic import Field
from pydantic import ValidationInfo
from pydantic import field_validator
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import ratelimits
from rtapp import validation
from rtapp.config import ATTACHMENTS_PER_MESSAGE
from rtapp.config import CLIENT_ID_LIMIT
from rtapp.config import CONTENT_LIMIT
from rtapp.config import PAGE_URL_LIMIT
from rtapp.errors import Forbidden
from rtapp.events import customer_presenters
from rtapp.events import presenters
from rtapp.models import Agent
from rtapp.models import AnyMessage
from rtapp.models import Customer
from rtapp.models import Principal
from rtapp.services.delete_message import delete_message
from rtapp.services.edit_message import edit_message
from rtapp.services.send_message import send_message
from rtapp.services.typing import submit_typing
from rtapp.text import is_blank
from rtapp.text import not_blank
from rtapp.validation import Body
from rtapp.validation import Content
from rtapp.validation import KnownVersion
from rtapp.validation import OrNone
from rtapp.validation import Text
from rtapp.validation import not_blank_unless_empty
from rtapp.validation import page_address
from rtapp.validation import with_plain_line_ends

from .base import answer
from .base import bp
from .base import done
from .base import refuse_private
from .base import thread_page

MessageContent = Annotated[Content, Field(max_length=CONTENT_LIMIT)]
Key = Annotated[Text, Field(max_length=40)]  # of an attachment
# Empty for none, as a form without a script sends it.
ClientId = Annotated[
    Text, Field(max_length=CLIENT_ID_LIMIT), AfterValidator(not_blank_unless_empty)
]
# The address of the page from which a visitor of a website writes.
PageUrl = Annotated[
    Annotated[Text, Field(max_length=PAGE_URL_LIMIT), AfterValidator(page_address)] | None, OrNone
]


class NewMessage(Body):
    """The content may be empty if, and only if, there are attachments."""

    attachments: Annotated[list[Key], Field(max_length=ATTACHMENTS_PER_MESSAGE)] = Field(default=[])
    content: Annotated[Text, AfterValidator(with_plain_line_ends), Field(max_length=CONTENT_LIMIT)]
    private: bool = False
    client_id: ClientId | None = None
    page: PageUrl = None

    @field_validator("attachments")
    @classmethod
    def _each_once(cls, keys: list[str]) -> list[str]:
        if len(set(keys)) < len(keys):
            raise ValueError("must not have a file twice")
        return keys

    @field_validator("content")
    @classmethod
    def _not_blank(cls, content: str, info: ValidationInfo) -> str:
        if info.data.get("attachments") and is_blank(content):
            return ""
        return not_blank(content)


class Edit(Body):
    content: MessageContent
    version: KnownVersion = None


class Deletion(Body):
    version: KnownVersion = None


@bp.post("/conversations/<id:conversation_id>/messages")
@ratelimits.messages
def create_message(conversation_id: int) -> Response:
    principal = auth.current_principal()
    ref = access.conversation_ref(principal, conversation_id)
    new = validation.body(NewMessage)
    refuse_private(principal, new.private)
    refuse_page(principal, new.page)
    message, created = send_message(
        principal,
        ref,
        new.content,
        private=new.private,
        client_id=new.client_id or None,
        page=new.page,
        asked=conversation_id,
        attachments=new.attachments,
    )
    submit_typing(principal, message.account_id, message.conversation_id, is_typing=False)
    status = 201 if created else 200
    return answer(presented(message, principal), status, thread_page(message.conversation_id))


@bp.post("/messages/<id:message_id>")
def change_message(message_id: int) -> Response:
    user = auth.signed_in()
    message = access.message_for(user, message_id)
    if not access.may_edit(user, message):
        raise Forbidden(
            "Only its author or an administrator may edit this, and nobody may rewrite a "
            "customer's words or activity."
        )
    edit = validation.body(Edit)
    edit_message(user, message, edit.content, version=edit.version)
    return answer(presenters.message(message), 200, thread_page(message.conversation_id))


@bp.post("/messages/<id:message_id>/delete")
def remove_message(message_id: int) -> Response:
    user = auth.signed_in()
    message = access.message_for(user, message_id)
    if not access.may_delete(user, message):
        raise Forbidden("Only its author or an administrator may delete this, and never activity.")
    deletion = validation.body(Deletion)
    delete_message(message, version=deletion.version)
    return done(thread_page(message.conversation_id))


def refuse_page(principal: Principal, page: str | None) -> None:
    """Raises Forbidden for an agent who sends a `page`, which a visitor writes from."""
    if page is not None and isinstance(principal, Agent):
        raise Forbidden("A page is what a visitor writes from; send the message without it.")


def presented(message: AnyMessage, principal: Principal) -> Mapping[str, Any]:
    if isinstance(principal, Customer):
        return customer_presenters.message(message)
    return presenters.message(message)
