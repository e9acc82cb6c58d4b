"""Authentication: the session cookie of a browser, or the bearer token of a script or a customer.

The cookies of a request with a bearer token are ignored. So are those of a stream with a customer's
token in its URL; that URL must not be logged. Other schemes of Authorization (a proxy's user and
password, say) are ignored.
"""

import logging
import secrets
import time
from copy import deepcopy
from datetime import UTC
from datetime import datetime
from functools import cache
from functools import lru_cache
from hashlib import sha256
from typing import Any
from typing import NamedTuple
from urllib.parse import urlsplit

import gevent
from flask import Flask
from flask import Request
from flask import Response
from flask import current_app
from flask import request
from flask import session
from flask.sessions import SecureCookieSession
from flask.sessions import SecureCookieSessionInterface
from flask.sessions import SessionMixin
from flask_login import current_user
from flask_login import login_user
from flask_login import logout_user
from flask_wtf.csrf import ValidationError
from flask_wtf.csrf import generate_csrf
from flask_wtf.csrf import validate_csrf
from itsdangerous import BadSignature
from itsdangerous import URLSafeSerializer
from sqlalchemy import bindparam
from sqlalchemy import delete
from sqlalchemy import select
from werkzeug.security import check_password_hash
from werkzeug.security import generate_password_hash

from rtapp import addresses
from rtapp import clock
from rtapp import static_files
from rtapp.errors import BadRequest
from rtapp.errors import Forbidden
from rtapp.errors import SessionReplaced
from rtapp.errors import Unauthorized
from rtapp.events import control
from rtapp.extensions import csrf
from rtapp.extensions import db
from rtapp.extensions import execute
from rtapp.extensions import login_manager
from rtapp.models import AgentIdentity
from rtapp.models import Contact
from rtapp.models import CustomerIdentity
from rtapp.models import Principal
from rtapp.models import User
from rtapp.models import UserSession
from rtapp.models import oldest_session

SIGN_IN = "login.sign_in"  # the endpoint that needs no session
SIGNATURE_CACHE_SIZE = 10_000  # verified tokens, a few hundred bytes each
TOKEN_SALT = "rtapp.bearer"  # noqa: S105 (a namespace, no secret)
CUSTOMER_SALT = "rtapp.visitor"
HMAC_SHA_256 = {"key_derivation": "hmac", "digest_method": sha256}
NOT_SIGNED_IN = "Sign in first, or send a valid bearer token."
logger = logging.getLogger(__name__)

# Built once, and of columns: every request begins with one of them.
USER = select(User.id, User.name, User.stamp).where(User.id == bindparam("id"))
CONTACT = select(Contact.id, Contact.name).where(Contact.id == bindparam("id"))
USER_OF_SESSION = (
    select(User.id, User.name)
    .join(UserSession, UserSession.user_id == User.id)
    .where(UserSession.id == bindparam("sid"), UserSession.created_at > bindparam("oldest"))
)


def cookie_name(production: bool) -> str:
    """The session cookie's name. With `__Host-` a browser takes it from this host over HTTPS only:
    a neighbouring host can't plant one (RFC 6265bis, section 4.1.3.2)."""
    return "__Host-session" if production else "session"


def current_principal() -> Principal:
    """The principal of the request, an agent or a customer. Raises Unauthorized without one."""
    token = token_in_address()
    principal = (
        customer_of_token(token) if token is not None else current_user._get_current_object()
    )
    if not isinstance(principal, Principal):
        raise Unauthorized(NOT_SIGNED_IN)
    return principal


def signed_in() -> User:
    """The user of the request. Raises Unauthorized without one, Forbidden for a customer."""
    principal = current_principal()
    if isinstance(principal, CustomerIdentity):
        raise Forbidden("This is for the team; a visitor's token opens their own conversations.")
    return db.session.get_one(User, principal.id)


def credential() -> str:
    """The session or token of this request, as text from which `principal_of` authorises again."""
    token = token_in_address()
    if token is None and "sid" in session:
        return f"session {session['sid']}"
    if token is None:
        assert request.authorization is not None
        token = request.authorization.token
    return f"token {token}"


def claimed_subscriber() -> int:
    """The id of the user that the request's credential names, or the negative of a contact's id.

    By its signature alone, without the database: it may have ended meanwhile. Raises Unauthorized
    without a valid signature.
    """
    token = token_in_address()
    if token is None and "_user_id" in session:
        return int(session["_user_id"])
    if token is None and has_bearer(request) and request.authorization is not None:
        token = request.authorization.token
    if token and (agent := agent_claim(token)) is not None:
        return agent.id
    if token and (contact_id := customer_claim(token)) is not None:
        return -contact_id
    raise Unauthorized(NOT_SIGNED_IN)


def session_id() -> str:
    """The id of the browser's session in which the user is signed in. Raises Unauthorized without
    a principal, Forbidden for a customer and for a script with a token."""
    signed_in()
    if "sid" not in session:
        raise Forbidden("This is for a browser that is signed in; a token has no session.")
    sid: str = session["sid"]
    return sid


def principal_of(credential: str) -> Principal | None:
    """The principal that this credential authenticates now; None once it has expired or ended."""
    kind, _, text = credential.partition(" ")
    return agent_of_session(text) if kind == "session" else principal_of_token(text)


def token_in_address() -> str | None:
    """A customer's token in the URL of a stream, because EventSource can't send a header."""
    token = request.args.get("token")
    return token if token is not None and request.blueprint == "streams" else None


def user_of(email: str, password: str) -> User | None:
    """The user with this address and password, or None."""
    user: User | None = db.session.scalar(select(User).where(User.email == email.strip().lower()))
    stored = user.password_hash if user is not None else None
    db.session.commit()  # give the connection back: the hash is slow by design
    # In a thread: it would block every stream of this process.
    if not gevent.get_hub().threadpool.apply(matches, (stored, password)) or user is None:
        # Without the address that was entered: it may be a password in the wrong field.
        who = "an unknown user" if user is None else f"user {user.id}"
        logger.warning("A sign-in of %s was refused, from %s", who, addresses.client())
        return None
    return user


def sign_in(user: User) -> None:
    """Start a session for a user who has proved who they are.

    It takes the place of the browser's present session (OWASP ASVS 5.0, 7.2.4).
    """
    end_session()
    session.clear()  # against session fixation, such as a planted CSRF token
    session["sid"] = secrets.token_hex(16)
    session.permanent = True
    oldest = oldest_session(clock.now())
    db.session.execute(
        delete(UserSession).where(UserSession.user_id == user.id, UserSession.created_at < oldest)
    )
    db.session.add(UserSession(id=session["sid"], user_id=user.id))
    db.session.commit()
    login_user(user)
    logger.info("User %s signed in, from %s", user.id, addresses.client())
    generate_csrf()  # now: pages that load at the same time would each make another one


def matches(stored: str | None, password: str) -> bool:
    """Whether `stored` is the hash of the password. Takes as long without a user (None)."""
    return check_password_hash(stored or dummy_hash(), password)


@cache
def dummy_hash() -> str:
    return generate_password_hash(secrets.token_hex(8))


def sign_out() -> None:
    """End this browser's session and its streams. A script's token stays valid."""
    user = signed_in()
    end_session()
    db.session.commit()
    logger.info("User %s signed out, from %s", user.id, addresses.client())
    logout_user()
    session.clear()


def end_session() -> None:
    """Delete the row of this browser's session. Its streams are closed after the commit."""
    row = UserSession.id == session.get("sid")
    user_id = db.session.scalar(select(UserSession.user_id).where(row))
    if user_id is not None:
        db.session.execute(delete(UserSession).where(row))  # another request may do so as well
        control.recheck(user_id)


def csrf_token() -> str | None:
    """The CSRF token of this browser's session, None for a request without one."""
    return generate_csrf() if "sid" in session else None


def create_token(user: User, expires_in: int | None = None) -> str:
    """A bearer token for `user`, valid for `expires_in` seconds or until the password changes."""
    expires = int(time.time()) + expires_in if expires_in is not None else None
    secret = current_app.config["SECRET_KEY"]
    return serializer(TOKEN_SALT, secret).dumps([user.id, user.stamp, expires])


def create_customer_token(contact: Contact, expires_in: int) -> str:
    """A customer's token for `contact`, valid for `expires_in` seconds."""
    secret = current_app.config["SECRET_KEY"]
    return serializer(CUSTOMER_SALT, secret).dumps([contact.id, int(time.time()) + expires_in])


@login_manager.user_loader  # type: ignore[untyped-decorator]
def load_session_user(identity: str) -> AgentIdentity | None:
    user = agent_of_session(session.get("sid", ""))
    return user if user is not None and str(user.id) == identity else None


@login_manager.request_loader  # type: ignore[untyped-decorator]
def load_bearer(request: Request) -> Principal | None:
    authorization = request.authorization
    if authorization is None or authorization.type != "bearer" or not authorization.token:
        return None
    return principal_of_token(authorization.token)


def agent_of_session(sid: str) -> AgentIdentity | None:
    given = {"sid": sid, "oldest": oldest_session(clock.now())}
    row = execute(USER_OF_SESSION, given).one_or_none()
    return AgentIdentity(*row) if row is not None else None


def principal_of_token(token: str) -> Principal | None:
    return agent_of_token(token) or customer_of_token(token)


class AgentClaim(NamedTuple):
    """What an agent's token states: the user, and the stamp that the user had."""

    id: int
    stamp: str


def agent_claim(token: str) -> AgentClaim | None:
    try:
        id, stamp, expires = signed(TOKEN_SALT, current_app.config["SECRET_KEY"], token)
    except BadSignature:
        return None
    return AgentClaim(id, stamp) if expires is None or expires > time.time() else None


def customer_claim(token: str) -> int | None:
    """The contact's id that a customer's token states."""
    try:
        id, expires = signed(CUSTOMER_SALT, current_app.config["SECRET_KEY"], token)
    except BadSignature:
        return None
    return int(id) if expires > time.time() else None


def agent_of_token(token: str) -> AgentIdentity | None:
    claim = agent_claim(token)
    if claim is None:
        return None
    row = execute(USER, {"id": claim.id}).one_or_none()
    return AgentIdentity(row.id, row.name) if row is not None and row.stamp == claim.stamp else None


def customer_of_token(token: str) -> CustomerIdentity | None:
    contact_id = customer_claim(token)
    if contact_id is None:
        return None
    row = execute(CONTACT, {"id": contact_id}).one_or_none()
    return CustomerIdentity(*row) if row is not None else None


@lru_cache(SIGNATURE_CACHE_SIZE)
def signed(salt: str, secret: str, token: str) -> list[Any]:
    """The payload of a token. Cacheable, because it never changes. Raises BadSignature."""
    payload: list[Any] = serializer(salt, secret).loads(token)
    return payload


def serializer(salt: str, secret: str) -> URLSafeSerializer:
    """Signs with HMAC-SHA-256. Tokens of older versions, by the default of itsdangerous with SHA-1,
    stay valid: most have no end."""
    return URLSafeSerializer(secret, salt=salt, signer_kwargs=HMAC_SHA_256, fallback_signers=[{}])


def has_bearer(request: Request) -> bool:
    """Whether the request has a bearer token, valid or not (RFC 6750, section 2.1)."""
    scheme = request.headers.get("Authorization", "").partition(" ")[0]
    return scheme.lower() == "bearer"


class CookielessForScripts(SecureCookieSessionInterface):
    """Flask's sessions, except for requests with a bearer token. Verified cookies are cached."""

    digest_method = staticmethod(sha256)

    def __init__(self) -> None:
        self._verified = lru_cache(SIGNATURE_CACHE_SIZE)(self._verify)

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession:
        if has_bearer(request):
            return self.session_class()
        cookie = request.cookies.get(self.get_cookie_name(app))
        if not cookie:
            return self.session_class()
        try:
            payload, signed_at = self._verified(app, cookie)
        except BadSignature:
            return self.session_class()
        if signed_at + app.permanent_session_lifetime < datetime.now(UTC):
            return self.session_class()
        return self.session_class(deepcopy(payload))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """A static file does not depend on the cookie, which would be in its Vary."""
        if not has_bearer(request) and request.endpoint != static_files.ENDPOINT:
            super().save_session(app, session, response)

    def _verify(self, app: Flask, cookie: str) -> tuple[dict[str, Any], datetime]:
        """The payload of a cookie and the time of its signature. Raises BadSignature."""
        serializer = self.get_signing_serializer(app)
        assert serializer is not None
        payload, signed_at = serializer.loads(cookie, return_timestamp=True)
        return payload, signed_at


def protect_from_forgery() -> None:
    """Reject a browser's unsafe request that does not come from a page of its present session.

    The session's CSRF token proves that it does. Without this proof, a request from another site is
    refused. One that is signed in is refused as well: its page is of a session that has ended or
    was replaced. One that is not signed in has no rights to abuse; its view answers. Signing in
    needs no session. Raises BadRequest, SessionReplaced.
    """
    if request.method in ("GET", "HEAD", "OPTIONS") or has_bearer(request):
        return
    given = request.form.get("csrf_token") or request.headers.get("X-CSRF-Token")
    if is_of_session(given):
        csrf.protect()  # over HTTPS, it checks the Referer too
        return
    refuse_other_site()
    user = current_user._get_current_object()
    if request.endpoint == SIGN_IN or not isinstance(user, Principal):
        return
    if not given:
        raise BadRequest("The CSRF token is missing; send the page's as X-CSRF-Token.")
    raise SessionReplaced(user.name)


def is_of_session(token: str | None) -> bool:
    """Whether this is the CSRF token of the request's session cookie."""
    try:
        validate_csrf(token)
    except ValidationError:
        return False
    return True


def refuse_other_site() -> None:
    """Raises BadRequest for a request from another site, by Sec-Fetch-Site (Fetch Metadata) and
    Origin (RFC 6454, section 7)."""
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "none")
    foreign = origin is not None and urlsplit(origin).netloc != request.host
    if foreign or site not in ("none", "same-origin"):
        raise BadRequest("This request comes from another site.")


def init_app(app: Flask) -> None:
    app.session_interface = CookielessForScripts()
    app.before_request(protect_from_forgery)
