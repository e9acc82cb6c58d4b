"""The chat of a website's visitors: the document of the frame on the website, and a page of its own
for links in mails. Its scripts ask for what stands in visitor.py.

Without scripts it is a form. This page alone has a cookie for that, the visitor's token, which no
other endpoint reads; none is set before the visitor has written.
"""

import secrets
from typing import Annotated
from typing import Any

from flask import Blueprint
from flask import Response
from flask import current_app
from flask import make_response
from flask import redirect
from flask import render_template
from flask import request
from flask import url_for
from pydantic import AfterValidator
from pydantic import Field
from werkzeug.wrappers import Response as BaseResponse

from rtapp import accent
from rtapp import access
from rtapp import auth
from rtapp import presence
from rtapp import queries
from rtapp import ratelimits
from rtapp import validation
from rtapp.config import CLIENT_ID_LIMIT
from rtapp.config import CONTENT_LIMIT
from rtapp.config import NAME_LIMIT
from rtapp.config import VISITOR_FOR
from rtapp.errors import NotFound
from rtapp.errors import Problem
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.events import customer_presenters
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import CustomerIdentity
from rtapp.models import Website
from rtapp.services.change_own_contact import change_own_contact
from rtapp.services.send_message import send_message
from rtapp.services.start_session import VisitorSession
from rtapp.services.start_session import start_session
from rtapp.services.start_visitor_conversation import start_visitor_conversation
from rtapp.validation import Address
from rtapp.validation import Body
from rtapp.validation import Content
from rtapp.validation import Name
from rtapp.validation import OrNone
from rtapp.validation import Text

from .chat_words import DEFAULT
from .chat_words import WORDS
from .chat_words import Words

bp = Blueprint("chat_page", __name__)

COOKIE = "chat"
# The origins that may embed the page are the website's, and no others.
POLICY = (
    "default-src 'self'; img-src 'self' blob:; style-src 'self' {style}; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors {ancestors}"
)


def empty(text: str) -> str:
    """The honeypot: a field that people don't see, and programs that fill in forms do."""
    if text:
        raise ValueError("must be empty")
    return text


class Written(Body):
    """`name` and `email` are of a visitor who has not written yet."""

    content: Annotated[Content, Field(max_length=CONTENT_LIMIT)]
    client_id: Annotated[Text, Field(max_length=CLIENT_ID_LIMIT)] = ""
    name: Annotated[Annotated[Name, Field(max_length=NAME_LIMIT)] | None, OrNone] = None
    email: Annotated[Annotated[Address, Field(max_length=254)] | None, OrNone] = None
    website: Annotated[Text, AfterValidator(empty)] = ""


@bp.get("/chat/<string:key>")
def page(key: str) -> Response:
    """The chat of the website with this key. A request for it writes no row and sets no cookie."""
    try:
        website = access.website_with(key)
    except NotFound:
        return gone()
    visitor = visitor_by_cookie(website)
    if visitor is not None and visitor.blocked:
        return refused(website, visitor, access.blocked())
    return shown(website, visitor)


@bp.post("/chat/<string:key>")
@ratelimits.visitor_form
def write(key: str) -> BaseResponse:
    """Send a message by the page's form: into the newest conversation, unless it is closed."""
    try:
        website = access.website_with(key)
    except NotFound:
        return gone()
    auth.refuse_other_site()
    visitor = visitor_by_cookie(website)
    token = None
    try:
        if visitor is not None:
            access.refuse_blocked_visitor(visitor)
        written = validation.body(Written)
        if visitor is None:
            session = new_session(website)
            token = session.token.text
            visitor = CustomerIdentity(session.contact.id, session.contact.name, website.inbox_id)
            given = written.model_dump(include={"name", "email"}, exclude_none=True)
            change_own_contact(visitor, given)
        send(website, visitor, written)
    except Problem as problem:
        if not wants_html():
            raise
        return with_cookie(website, token, refused(website, visitor, problem))
    here = url_for("chat_page.page", key=key, lang=request.args.get("lang"), sent=1)
    # Anew, as use prolongs the token too.
    return with_cookie(website, token or request.cookies[COOKIE], redirect(here, 303))


@ratelimits.new_sessions
def new_session(website: Website) -> VisitorSession:
    return start_session(website, None)


def send(website: Website, visitor: CustomerIdentity, written: Written) -> None:
    newest = queries.conversations_of_visitor(visitor, 1)
    content, client_id = written.content, written.client_id or None
    if newest and customer_presenters.status(newest[0].conversation.status) == "open":
        send_message(visitor, newest[0].conversation, content, client_id=client_id)
    else:
        start_visitor_conversation(visitor, website.inbox, content, client_id=client_id)


def visitor_by_cookie(website: Website) -> CustomerIdentity | None:
    """The visitor whose token the page's cookie has, if it still holds."""
    found = auth.used_bearer(request.cookies.get(COOKIE, ""))
    principal = found.principal if found is not None else None
    is_ours = isinstance(principal, CustomerIdentity) and principal.inbox_id == website.inbox_id
    return principal if is_ours else None  # type: ignore[return-value]


def with_cookie(website: Website, token: str | None, response: BaseResponse) -> BaseResponse:
    if token is not None:
        response.set_cookie(
            COOKIE,
            token,
            max_age=VISITOR_FOR,
            path=url_for("chat_page.page", key=website.key),
            secure=current_app.config["PRODUCTION"],
            httponly=True,
            samesite="Strict",
        )
    return response


def refused(website: Website, visitor: CustomerIdentity | None, problem: Problem) -> Response:
    """The page with what was typed, and why it was not sent."""
    words = words_of(website)
    db.session.rollback()
    errors = set(problem.errors or ()) if isinstance(problem, Unprocessable) else set()
    fields = {
        name: sentence
        for name, sentence in (
            ("content", words.bad_content),
            ("name", words.bad_name),
            ("email", words.bad_email),
        )
        if name in errors
    }
    response = shown(website, visitor, fields, "" if fields else sentence_of(words, problem))
    response.status_code = problem.status
    response.headers.extend(problem.headers)
    return response


def sentence_of(words: Words, problem: Problem) -> str:
    if problem.status == 403:
        return words.blocked
    if problem.status == 429:
        return words.too_fast.format(problem.headers.get("Retry-After", "60"))
    return words.failed


def shown(
    website: Website,
    visitor: CustomerIdentity | None,
    problems: dict[str, str] | None = None,
    sentence: str = "",
) -> Response:
    words = words_of(website)
    style = accent.style_sheet(website.accent)
    is_refused = bool(problems or sentence)
    response = make_response(
        render_template(
            "chat/page.html",
            settings=settings_of(website),
            words=words,
            style=style,
            visitor=visitor,
            thread=thread_of(visitor),
            problems=problems or {},
            sentence=sentence or (words.sent if "sent" in request.args else ""),
            is_refused=is_refused,
            typed=request.form if is_refused else {},
            client_id=(is_refused and request.form.get("client_id")) or secrets.token_hex(16),
        )
    )
    response.headers["Content-Security-Policy"] = POLICY.format(
        style=accent.source(style), ancestors=website.origins or "'none'"
    )
    return response


def gone() -> Response:
    """The answer for an unknown key. Raises NotFound for a script."""
    if not wants_html():
        raise NotFound
    return make_response(render_template("chat/gone.html"), 404)


def thread_of(visitor: CustomerIdentity | None) -> dict[str, Any] | None:
    """The newest conversation, with its newest messages."""
    if visitor is None or visitor.blocked:
        return None
    newest = queries.conversations_of_visitor(visitor, 1)
    if not newest:
        return None
    conversation = newest[0].conversation
    page = queries.messages(conversation, public=True)
    return {
        "is_open": customer_presenters.status(conversation.status) == "open",
        "messages": [customer_presenters.message(row) for row in page.messages],
    }


def words_of(website: Website) -> Words:
    return WORDS[language_of(website)]


def language_of(website: Website) -> str:
    asked = (request.args.get("lang", ""), website.language, DEFAULT)
    return next(code for code in asked if code in WORDS)


def settings_of(website: Website) -> dict[str, Any]:
    """What the page's scripts need. All of it is public."""
    inbox = website.inbox
    return {
        "key": website.key,
        "inbox_id": inbox.id,
        "account_id": inbox.account_id,
        "name": db.session.get_one(Account, inbox.account_id).name,
        "origins": website.origins.split(),
        "greeting": website.greeting,
        "away": website.away,
        "language": language_of(website),
        "present": presence.of_inbox(inbox.account_id, inbox.id).present,
    }
