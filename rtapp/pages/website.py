"""The chat of an inbox on websites: its settings, its secrets, and the snippet for a site's pages.
Administrators only."""

from typing import Annotated
from typing import Any
from typing import Literal

from flask import Blueprint
from flask import current_app
from flask import jsonify
from flask import request
from flask import url_for
from markupsafe import Markup
from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import contrast
from rtapp import validation
from rtapp.answers import answer
from rtapp.answers import done
from rtapp.config import GREETING_LIMIT
from rtapp.config import LANGUAGES
from rtapp.config import ORIGINS_PER_WEBSITE
from rtapp.config import Settings
from rtapp.errors import Conflict
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.events import presenters
from rtapp.models import Inbox
from rtapp.models import User
from rtapp.models import Website
from rtapp.services.change_website import NewSecret
from rtapp.services.change_website import change_website
from rtapp.services.change_website import create_website
from rtapp.services.change_website import make_secret
from rtapp.services.change_website import remove_secret
from rtapp.services.change_website import remove_website
from rtapp.services.change_website import website_of
from rtapp.validation import Body
from rtapp.validation import Colour
from rtapp.validation import Notes
from rtapp.validation import Origins

from .management import NoFields
from .management import Refusal
from .management import fresh_cursor
from .management import refusal
from .management import settings_page

bp = Blueprint("website", __name__)

MANAGE = "change an inbox's chat on websites"
SECRETS = 2  # the most at once

Greeting = Annotated[Notes, Field(max_length=GREETING_LIMIT)]


class WebsiteFields(Body):
    """`origins`: a list, or one a line."""

    origins: Origins = Field(default_factory=list)
    greeting: Greeting = ""
    away: Greeting = ""
    accent: Colour = "#1d4ed8"
    language: Literal["en", "de"] = "en"


@bp.get("/inboxes/<id:inbox_id>/website")
def one(inbox_id: int) -> Response | str:
    """The inbox's chat on websites, null without one, as a page or as JSON."""
    user = auth.signed_in()
    inbox = changeable_inbox(user, inbox_id)
    if wants_html():
        return page(user, inbox)
    website = website_of(inbox)
    return jsonify(website=described(website) if website is not None else None)


@bp.post("/inboxes/<id:inbox_id>/website")
def create(inbox_id: int) -> Response | tuple[str, int]:
    """Give the inbox a chat on websites."""
    user = auth.signed_in()
    inbox = changeable_inbox(user, inbox_id)
    try:
        website = create_website(inbox, **validation.body(WebsiteFields).model_dump())
    except Unprocessable as problem:
        return page(user, inbox, refusal(problem, None)), 422
    except Conflict:
        if not wants_html():
            raise
        return done(page_of(inbox_id))  # a second click on the button: it shows what is there
    return answer(described(website), 201, page_of(inbox_id))


@bp.post("/inboxes/<id:inbox_id>/website/settings")
def change(inbox_id: int) -> Response | tuple[str, int]:
    """Change what is given of the chat's settings."""
    user = auth.signed_in()
    inbox = changeable_inbox(user, inbox_id)
    try:
        new = validation.body(WebsiteFields).model_dump(exclude_unset=True)
        website = change_website(inbox, **new)
    except Unprocessable as problem:
        return page(user, inbox, refusal(problem, None)), 422
    return answer(described(website), 200, page_of(inbox_id))


@bp.post("/inboxes/<id:inbox_id>/website/secrets")
def create_secret(inbox_id: int) -> Response | tuple[str, int]:
    """Make a secret for identities. The answer alone has it."""
    user = auth.signed_in()
    inbox = changeable_inbox(user, inbox_id)
    validation.body(NoFields)
    try:
        made = make_secret(inbox)
    except Unprocessable as problem:
        return page(user, inbox, refusal(problem, None)), 422
    if wants_html():
        return page(user, inbox, made=made), 201
    response = jsonify(id=made.handle, secret=made.text)
    response.status_code = 201
    return response


@bp.post("/inboxes/<id:inbox_id>/website/secrets/<handle>/delete")
def delete_secret(inbox_id: int, handle: str) -> Response:
    """End a secret: what it has signed proves nothing any more."""
    inbox = changeable_inbox(auth.signed_in(), inbox_id)
    validation.body(NoFields)
    remove_secret(inbox, handle)
    return done(page_of(inbox_id))


@bp.post("/inboxes/<id:inbox_id>/website/delete")
def remove(inbox_id: int) -> Response:
    """Remove the chat. Its visitors are signed out, and conversations stay."""
    inbox = changeable_inbox(auth.signed_in(), inbox_id)
    validation.body(NoFields)
    remove_website(inbox)
    return done(page_of(inbox_id))


def changeable_inbox(user: User, inbox_id: int) -> Inbox:
    inbox = access.any_inbox_for(user, inbox_id)
    access.refuse_agent(access.membership_in(user, inbox.account_id), MANAGE)
    return inbox


def page_of(inbox_id: int) -> str:
    return url_for("website.one", inbox_id=inbox_id)


def page(
    user: User, inbox: Inbox, refused: Refusal | None = None, made: NewSecret | None = None
) -> str:
    """The page that shows a new secret does not load itself again: the secret would be gone."""
    cursor = fresh_cursor(inbox.account_id) if made is None else ""
    website = website_of(inbox)
    shown = described(website) if website is not None else None
    return settings_page(
        "manage/website.html",
        user,
        inbox.account_id,
        cursor=cursor,
        inbox=inbox,
        website=shown,
        fields=fields_of(shown, refused),
        languages=LANGUAGES,
        origins_limit=ORIGINS_PER_WEBSITE,
        greeting_limit=GREETING_LIMIT,
        secrets_limit=SECRETS,
        refused=refused,
        made=made,
    )


def fields_of(website: dict[str, Any] | None, refused: Refusal | None) -> dict[str, str]:
    """What the form of the settings is filled with: what was written, else what holds."""
    holds = website or WebsiteFields().model_dump()
    fields = {**holds, "origins": "\n".join(holds["origins"])}
    return fields | ({**refused.fields} if refused is not None else {})


def described(website: Website) -> dict[str, Any]:
    """With what has the address of this installation, and how well the accent can be read on."""
    text = contrast.text_on(website.accent)
    return {
        **presenters.website(website),
        "text_on_accent": text,
        "contrast": round(contrast.contrast(text, website.accent), 1),
        "url": f"{base_url()}/chat/{website.key}",
        "snippet": str(snippet(website, base_url())),
    }


def base_url() -> str:
    """RTAPP_URL, else the address by which this request came."""
    settings: Settings = current_app.extensions["settings"]
    return settings.url or request.host_url.rstrip("/")


def snippet(website: Website, base_url: str) -> Markup:
    """The element that a site's pages need."""
    return Markup(
        '<script async src="{}/widget.js" data-inbox="{}" data-accent="{}" data-lang="{}"></script>'
    ).format(base_url, website.key, website.accent, website.language)
