"""Visitors of a website start a session and conversations, and give their name and address. No
cookie counts here, only a token."""

from typing import Annotated

from flask import jsonify
from pydantic import AfterValidator
from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import ratelimits
from rtapp import validation
from rtapp.clock import rfc3339
from rtapp.config import NAME_LIMIT
from rtapp.events import customer_presenters
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Website
from rtapp.services.change_own_contact import change_own_contact
from rtapp.services.change_tokens import end_visitor_token
from rtapp.services.start_session import VisitorSession
from rtapp.services.start_session import start_session
from rtapp.services.start_visitor_conversation import start_visitor_conversation
from rtapp.validation import Address
from rtapp.validation import Body
from rtapp.validation import Name
from rtapp.validation import OrNone
from rtapp.validation import Text

from .base import bp
from .message import ClientId
from .message import MessageContent
from .message import PageUrl


def empty(text: str) -> str:
    """The honeypot: a field that people don't see, and programs that fill in forms do."""
    if text:
        raise ValueError("must be empty; it is here for programs that fill in every field")
    return text


Honeypot = Annotated[Text, AfterValidator(empty)]


class NewSession(Body):
    """The website's proof of who the visitor is, if there is one."""

    jwt: Annotated[Text | None, OrNone] = None


class SessionEnd(Body):
    """No fields."""


class FirstMessage(Body):
    content: MessageContent
    client_id: ClientId | None = None
    page: PageUrl = None
    website: Honeypot = ""


class GivenContact(Body):
    """What the visitor types; a field that is not sent stays as it is."""

    name: Annotated[Name, Field(max_length=NAME_LIMIT)] = ""
    email: Annotated[Annotated[Address, Field(max_length=254)] | None, OrNone] = None


@bp.post("/chat/<string:key>/session")
@ratelimits.sessions
def start_visitor_session(key: str) -> Response:
    """Start the session of a visitor, renew that of the token, or identify its visitor by a JWT."""
    website = access.website_with(key)
    own = auth.bearer()
    if own is not None:
        access.visitor_of(own.principal, website)
    new = validation.body(NewSession)
    is_new = own is None and new.jwt is None
    session = new_session(website) if is_new else start_session(website, own, new.jwt)
    contact = access.own_contact(session.contact)
    expires_at = session.token.row.expires_at
    assert expires_at is not None
    response = jsonify(
        token=session.token.text,
        expires_at=rfc3339(expires_at),
        contact=customer_presenters.visitor(contact, verified=access.has_proved(session.contact)),
        account_id=contact.account_id,
        inbox_id=website.inbox_id,
    )
    response.status_code = 201
    return response


@ratelimits.new_sessions
def new_session(website: Website) -> VisitorSession:
    return start_session(website, None)


@bp.post("/chat/<string:key>/session/delete")
def end_visitor_session(key: str) -> Response:
    """End the session of the token, and its streams."""
    auth.visitor_of(access.website_with(key))
    validation.body(SessionEnd)
    own = auth.bearer()
    assert own is not None
    end_visitor_token(own.token_id)
    return Response(status=204)


@bp.post("/chat/<string:key>/conversations")
@ratelimits.messages
def start_own_conversation(key: str) -> Response:
    """Start a conversation by its first message."""
    website = access.website_with(key)
    visitor = auth.visitor_of(website)
    new = validation.body(FirstMessage)
    conversation, message, created = start_visitor_conversation(
        visitor, website.inbox, new.content, client_id=new.client_id or None, page=new.page
    )
    response = jsonify(
        conversation=customer_presenters.conversation(conversation, message),
        message=customer_presenters.message(message),
    )
    response.status_code = 201 if created else 200
    return response


@bp.post("/chat/<string:key>/contact")
@ratelimits.messages
def give_contact(key: str) -> Response:
    """Change the name and the address that the visitor gives. The address is not proved."""
    visitor = auth.visitor_of(access.website_with(key))
    new = validation.body(GivenContact)
    change_own_contact(visitor, new.model_dump(exclude_unset=True))
    contact, own = access.own_contact(visitor), db.session.get_one(Contact, visitor.id)
    verified = access.has_proved(visitor)
    return jsonify(contact=customer_presenters.contact(contact, own, verified=verified))
