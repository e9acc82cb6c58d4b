"""Requests of websites' visitors from other origins (https://fetch.spec.whatwg.org/#http-cors-protocol).

A script of a website may send them if the website's settings name its origin. Any other origin is
refused, before a stream opens. Credentials are never allowed: no cookie counts, only the token in
the header Authorization. No other endpoint has a header of CORS.
"""

from http import HTTPStatus

from flask import Flask
from flask import Response
from flask import g
from flask import request
from sqlalchemy import literal
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from rtapp import access
from rtapp import auth
from rtapp.errors import Forbidden
from rtapp.errors import NotFound
from rtapp.extensions import db
from rtapp.models import CustomerIdentity
from rtapp.models import Website

# The endpoints with the key of a website in their URL. The chat's own page is none of them: its
# form has a cookie, and takes no other site's requests.
KEYED = {
    "actions.start_visitor_session",
    "actions.end_visitor_session",
    "actions.start_own_conversation",
    "actions.give_contact",
    "visitor.conversations",
}
# The endpoints that a visitor's token opens.
ENDPOINTS = {
    *KEYED,
    "conversation.one",
    "message.several",
    "actions.create_message",
    "actions.type_",
    "actions.read",
    "actions.upload",
    "attachment.one",
    "attachment.thumbnail",
    "streams.contact_stream",
    "streams.conversation_stream",
    "streams.several_streams",
    "streams.website_stream",
}
ALLOWED = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
    "Access-Control-Max-Age": "600",
}


def foreign_origin() -> str | None:
    """The request's Origin (RFC 6454, section 7), unless it is our own or missing."""
    origin = request.headers.get("Origin")
    return origin if origin is not None and origin.partition("://")[2] != request.host else None


def answer_preflight() -> Response | None:
    """Answer a CORS-preflight request for a visitor's endpoint: from an origin of the website whose
    key is in the URL, or of any website."""
    origin = foreign_origin()
    is_preflight = (
        request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    )
    if not is_preflight or origin is None or request.endpoint not in ENDPOINTS:
        return None
    if not (is_of_url(origin) if has_key() else is_of_any(origin)):
        return None
    g.cors_origin = origin
    return Response(status=HTTPStatus.NO_CONTENT, headers=ALLOWED)


def refuse_foreign_origin() -> None:
    """Raises Forbidden for a visitor's request from an origin that is not one of the website's."""
    origin = foreign_origin()
    if origin is None or request.method == "OPTIONS":
        return
    try:
        website = website_of_request()
    except SQLAlchemyError:
        if request.blueprint != "streams":
            raise
        return  # the stream waits for the database; without a header, no foreign script reads it
    if website is None:
        return
    if origin not in website.origins.split():
        raise Forbidden(
            "This page may not use this chat: its origin is not among those of the website's "
            "settings. An administrator can add it there."
        )
    g.cors_origin = origin


def website_of_request() -> Website | None:
    """The website of the visitor whose token the request has, or of the key in the URL."""
    if not auth.has_bearer(request):
        return website_of_url() if has_key() else None
    visitor = auth.principal_if_any()
    if not isinstance(visitor, CustomerIdentity) or visitor.inbox_id is None:
        return None
    return db.session.get(Website, visitor.inbox_id)


def has_key() -> bool:
    """Whether the key of a website is in the URL."""
    return request.endpoint in KEYED


def website_of_url() -> Website | None:
    try:
        return access.website_with((request.view_args or {})["key"])
    except NotFound:
        return None


def is_of_url(origin: str) -> bool:
    website = website_of_url()
    return website is not None and origin in website.origins.split()


def is_of_any(origin: str) -> bool:
    """Whether a website has the origin."""
    spaced = literal(" ") + Website.origins + literal(" ")
    query = select(Website.origins).where(spaced.contains(f" {origin} ", autoescape=True))
    return any(origin in origins.split() for origins in db.session.scalars(query))


def allow_origin(response: Response) -> Response:
    """Have the script of an allowed origin read the answer. That an ended token is refused (401)
    may be read from each website: whose it was is not known any more."""
    if request.endpoint not in ENDPOINTS:
        return response
    vary = response.headers.get("Vary")
    response.headers["Vary"] = f"{vary}, Origin" if vary else "Origin"
    origin = g.get("cors_origin")
    if origin is None and response.status_code == HTTPStatus.UNAUTHORIZED:
        foreign = foreign_origin()
        origin = foreign if foreign is not None and is_of_any(foreign) else None
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = "Retry-After"
    return response


def init_app(app: Flask) -> None:
    app.before_request(answer_preflight)
    app.before_request(refuse_foreign_origin)
    app.after_request(allow_origin)
