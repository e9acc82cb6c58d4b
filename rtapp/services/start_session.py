"""Sessions of a website's visitors: a token, and the contact whose conversations it opens."""

from typing import NamedTuple

from rtapp.errors import Unauthorized
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Website
from rtapp.tokens import Bearer

from .change_tokens import NewToken
from .change_tokens import add_website_token
from .change_tokens import end
from .identify_visitor import identify_visitor
from .new_visitor import new_visitor


class VisitorSession(NamedTuple):
    """`contact` is the one that the token names."""

    contact: Contact
    token: NewToken


def start_session(website: Website, own: Bearer | None, jwt: str | None = None) -> VisitorSession:
    """Start a session: of a new anonymous contact, or of the one of the visitor's `own` token,
    which ends, as its streams do. With the website's `jwt`, of the user whom it proves.

    Of two requests with one token, one has the new session: a second token that stayed behind would
    open what the visitor writes later, once the website has proved who they are. Raises
    Unauthorized for a token that has ended meanwhile and for a JWT that does not hold; nothing has
    changed then.
    """
    contact = db.session.get_one(Contact, own.principal.id) if own is not None else None
    if jwt is not None:
        contact = identify_visitor(website, jwt, contact)
    if own is not None and not end([own.token_id]):
        raise Unauthorized(
            "This session has ended meanwhile; start another one.",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )
    if contact is None:
        contact = new_visitor(website)
    token = add_website_token(contact, website.inbox_id, proved=jwt is not None)
    db.session.commit()
    return VisitorSession(contact, token)
