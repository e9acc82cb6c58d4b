"""What the pages of links have in common: their URLs, and how a link reaches its page."""

from datetime import timedelta
from typing import Annotated

from flask import current_app
from flask import redirect
from flask import request
from flask import session
from flask import url_for
from pydantic import BaseModel
from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import clock
from rtapp import validation
from rtapp.config import Settings
from rtapp.errors import wants_html
from rtapp.models import Invitation
from rtapp.models import PasswordLink
from rtapp.models import digest_of
from rtapp.services.link import Kind
from rtapp.services.link import LinkToken
from rtapp.services.link import link_with
from rtapp.services.link import url_with
from rtapp.validation import Text

REPEATED_WITHIN = timedelta(minutes=1)
TOKEN_LIMIT = 200  # characters: more than any token has

GivenToken = Annotated[Text, Field(max_length=TOKEN_LIMIT)]


class LinkParameters(BaseModel):
    """`token`: any text, for which the page has a sentence if it is none."""

    token: str | None = None


def url_for_copying(kind: type[Invitation] | type[PasswordLink], token: LinkToken) -> str:
    """The link, which begins with RTAPP_URL, else with the address by which this request came."""
    settings: Settings = current_app.extensions["settings"]
    return url_with(settings.url or request.host_url.rstrip("/"), kind, token.text)


def opened(field: str) -> Response | None:
    """For a browser that opens a link, a redirect to the same page without the token: no address
    bar, history or Referer keeps it. The token's digest goes into the session's `field`."""
    token = validation.parameters(LinkParameters).token
    if token is None or not wants_html():
        return None
    session[field] = digest_of(token)
    return redirect(url_for(request.endpoint or ""), 303)


def digest_in(field: str, token: str | None) -> str | None:
    """The digest of the given token, else of the link that was opened in this browser."""
    if token is not None:
        return digest_of(token)
    digest: str | None = session.get(field)
    return digest


def used_just_now(kind: type[Kind], field: str) -> Kind | None:
    """The link that was opened in this browser, if it was used within REPEATED_WITHIN: of a double
    click on its button, the browser shows the answer to the second request. None for a script."""
    digest = session.get(field)
    if digest is None or not wants_html():
        return None
    link = link_with(kind, digest)
    used_at = link.used_at
    return link if used_at is not None and clock.now() - used_at < REPEATED_WITHIN else None


def given() -> str | None:
    """The token in the query."""
    return validation.parameters(LinkParameters).token
