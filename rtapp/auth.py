"""Authentication: the session cookie of a browser, or the bearer token of a script or a customer.

The cookies of a request with a bearer token are ignored. Other schemes of Authorization (a proxy's
user and password, say) are ignored. A token in a URL authenticates nobody.
"""

import logging
import secrets
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from functools import cache
from functools import lru_cache
from hashlib import sha256
from typing import Any
from typing import TypeVar
from urllib.parse import urlsplit

import gevent
from flask import Flask
from flask import Request
from flask import Response
from flask import current_app
from flask import g
from flask import request
from flask import session
from flask.globals import request_ctx
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
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import bindparam
from sqlalchemy import delete
from sqlalchemy import select
from werkzeug.security import generate_password_hash

from rtapp import access
from rtapp import addresses
from rtapp import clock
from rtapp import grants
from rtapp import passwords
from rtapp import scopes
from rtapp import static_files
from rtapp import tokens
from rtapp.errors import BadRequest
from rtapp.errors import Forbidden
from rtapp.errors import SessionReplaced
from rtapp.errors import Unauthorized
from rtapp.events import control
from rtapp.events.own_settings import own_settings_changed
from rtapp.extensions import csrf
from rtapp.extensions import db
from rtapp.extensions import execute
from rtapp.extensions import login_manager
from rtapp.models import AgentIdentity
from rtapp.models import CustomerIdentity
from rtapp.models import Principal
from rtapp.models import User
from rtapp.models import UserSession
from rtapp.models import Website
from rtapp.models import lock_user
from rtapp.models import oldest_session
from rtapp.models.session import USER_AGENT_LIMIT
from rtapp.text import canonical_address
from rtapp.timestamp_signer import ClockSigner
from rtapp.tokens import Bearer
from rtapp.uses import Uses

# The endpoints of visitors of websites read no cookie, so that no other site can abuse one. The
# form of the chat's page has one of its own, and refuses other sites by itself.
WITHOUT_COOKIE = {
    "chat_page.write",
    "actions.start_visitor_session",
    "actions.end_visitor_session",
    "actions.start_own_conversation",
    "actions.give_contact",
}
SIGN_IN = "login.sign_in"  # the endpoint that needs no session
USER_ID = "_user_id"  # Flask-Login's field in the session: the user's id, as text
# The session's field for the digest of the invitation that was opened in this browser.
INVITATION = "invitation"
KEEPING = {"actions.type_"}  # the endpoints that need no query: see grants.py
COOKIELESS = (static_files.ENDPOINT, "widget.script")  # the same files for everybody
SIGNATURE_CACHE_SIZE = 10_000  # verified cookies, a few hundred bytes each
CODE_WAIT = 600  # s between the password and the code of a second factor
NOT_SIGNED_IN = "Sign in first, or send a valid bearer token."
Found = TypeVar("Found")
logger = logging.getLogger(__name__)

# Built once, and of columns: every request of a browser begins with it.
USER_OF_SESSION = (
    select(User.id, User.name)
    .join(UserSession, UserSession.user_id == User.id)
    .where(
        UserSession.id == bindparam("sid"),
        UserSession.created_at > bindparam("oldest"),
        User.disabled_at.is_(None),
    )
)


def cookie_name(production: bool) -> str:
    """The session cookie's name. With `__Host-` a browser takes it from this host over HTTPS only:
    a neighbouring host can't plant one (RFC 6265bis, section 4.1.3.2)."""
    return "__Host-session" if production else "session"


def current_principal() -> Principal:
    """The principal of the request, an agent or a customer. Raises Unauthorized without one,
    Forbidden for a blocked customer."""
    principal = principal_if_any()
    if principal is None:
        raise not_signed_in()
    access.refuse_blocked_visitor(principal)
    return principal


def principal_if_any() -> Principal | None:
    """The principal of the request, also a blocked customer; None without a credential that holds.
    Found once a request: in a session by Flask-Login, of a token here."""
    if (held := g.get("principal")) is None:
        found = load_bearer() if has_bearer(request) else current_user._get_current_object()
        g.principal = held = (found if isinstance(found, Principal) else None,)
    principal: Principal | None = held[0]
    return principal


def bearer() -> Bearer | None:
    """The bearer of the request's token; None for a request without one, whose cookies do not
    count. Raises Unauthorized for a token that does not hold."""
    if not has_bearer(request):
        return None
    current_principal()
    found: Bearer = g.bearer
    return found


def visitor_of(website: Website) -> CustomerIdentity:
    """The visitor of the website whose token the request has. Raises Unauthorized without a token,
    Forbidden for any other one."""
    found = bearer()
    if found is None:
        raise not_signed_in()
    return access.visitor_of(found.principal, website)


def not_signed_in() -> Unauthorized:
    """The refusal of a request without a credential, or with one that does not hold."""
    # RFC 6750, section 3: no error code for a request without a token.
    challenge = 'Bearer error="invalid_token"' if has_bearer(request) else "Bearer"
    return Unauthorized(NOT_SIGNED_IN, headers={"WWW-Authenticate": challenge})


def signed_in() -> User:
    """The user of the request. Raises Unauthorized without one, Forbidden for a customer."""
    principal = current_principal()
    if isinstance(principal, CustomerIdentity):
        raise Forbidden("This is for the team; a visitor's token opens their own conversations.")
    return db.session.get_one(User, principal.id)


def user_if_signed_in() -> User | None:
    """The user of the request, or None: without one, and for a customer."""
    agent = principal_if_any()
    return db.session.get_one(User, agent.id) if isinstance(agent, AgentIdentity) else None


def credential() -> str:
    """The session or token of this request, as text from which `principal_of` authorises again.
    It is no secret: of a token, it has the digest."""
    text = bearer_text()
    if text is None:
        return f"session {session['sid']}"
    claim = tokens.claimed(text)
    assert claim is not None
    return f"token {claim.owner} {claim.digest}"


def claimed_subscriber() -> int:
    """The id of the user that the request's credential names, or the negative of a contact's id.

    By its signature alone, without the database: it may have ended meanwhile. Raises Unauthorized
    without a valid signature.
    """
    text = bearer_text()
    if text is None and USER_ID in session:
        return int(session[USER_ID])
    claim = tokens.claimed(text) if text is not None else None
    if claim is None:
        raise not_signed_in()
    return claim.owner


def bearer_text() -> str | None:
    """The text of the request's token, valid or not; None for a request without one."""
    here = request_ctx.request
    if not has_bearer(here):
        return None
    return (here.authorization.token if here.authorization is not None else None) or ""


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
    kind, *parts = credential.split(" ")
    if kind == "session":
        return agent_of_session(*parts)
    owner, digest = parts
    found = tokens.bearer(tokens.Claim(int(owner), digest))
    return found.principal if found is not None else None


def user_of(email: str, password: str) -> User | None:
    """The user with this address and password, or None. A disabled one is none.

    Their row is locked, so that the password is still right when the transaction ends.
    """
    user: User | None = db.session.scalar(
        select(User).where(User.email == canonical_address(email), User.disabled_at.is_(None))
    )
    id, stored = (user.id, user.password_hash) if user is not None else (0, None)
    db.session.commit()  # give the connection back: the hash is slow by design
    # In a thread: it would block every stream of this process.
    right = gevent.get_hub().threadpool.apply(matches, (stored, password))
    user = proven_user(id, digest_of(stored), lock=True) if right and stored else None
    if user is None:
        # Without the address that was entered: it may be a password in the wrong field.
        who = "an unknown user" if stored is None else f"user {id}"
        logger.warning("A sign-in of %s was refused, from %s", who, addresses.client())
    return user


def proven_user(id: int, digest: str, *, lock: bool) -> User | None:
    """The user who has proved that they know the password of this digest; None if it has changed
    since, and for a disabled user. `lock`: the row, until the transaction ends."""
    if lock:
        lock_user(id)
    user: User | None = db.session.scalar(
        select(User)
        .where(User.id == id, User.disabled_at.is_(None))
        .execution_options(populate_existing=True)
    )
    return user if user is not None and digest_of(user.password_hash) == digest else None


def sign_in(user: User) -> None:
    """Start a session for a user who has proved who they are.

    It takes the place of the browser's present session (OWASP ASVS 5.0, 7.2.4). Raises Forbidden
    for a disabled user.
    """
    if user.disabled_at is not None:
        raise Forbidden("This user is disabled, and can't sign in.")
    end_session()
    clear_cookie()
    session["sid"] = secrets.token_hex(16)
    session.permanent = True
    oldest = oldest_session(clock.now())
    db.session.execute(
        delete(UserSession).where(UserSession.user_id == user.id, UserSession.created_at < oldest)
    )
    own_settings_changed(user.id, "sessions")  # of those before this one
    db.session.add(
        UserSession(
            id=session["sid"],
            user_id=user.id,
            user_agent=user_agent(),
            address=addresses.client(),
        )
    )
    db.session.commit()
    login_user(user)
    g.principal = (user,)
    logger.info("User %s signed in, from %s", user.id, addresses.client())
    generate_csrf()  # now: pages that load at the same time would each make another one


def clear_cookie() -> None:
    """Empty the browser's cookie, against session fixation, such as a planted CSRF token. The
    invitation that was opened stays."""
    invited = session.get(INVITATION)
    session.clear()
    if invited is not None:
        session[INVITATION] = invited


def user_agent() -> str:
    """What the browser calls itself, without characters that a database or a page can't have."""
    given = request.headers.get("User-Agent", "")
    return "".join(c for c in given if c.isascii() and c.isprintable())[:USER_AGENT_LIMIT]


def await_code(user: User, next: str) -> None:
    """End this browser's session, and remember for CODE_WAIT that the user's password was right:
    the code of their second factor is missing. `next`: where they go afterwards."""
    end_session()
    db.session.commit()
    clear_cookie()
    session["awaited"] = [
        user.id,
        digest_of(user.password_hash),
        int(clock.now().timestamp()) + CODE_WAIT,
        next,
    ]
    generate_csrf()


def awaited_user(*, lock: bool = False) -> tuple[User, str]:
    """The user whose code is missing, and where they go afterwards. Raises Unauthorized if there is
    none, if it was too long ago, if the password has changed since, and for a disabled user.
    `lock`: the row, until the transaction ends."""
    id, digest, until, next = session.get("awaited") or (0, "", 0, "")
    user = proven_user(id, digest, lock=lock) if until > clock.now().timestamp() else None
    if user is None:
        raise Unauthorized("Sign in with your password first, within the last 10 minutes.")
    return user, next


def digest_of(password_hash: str) -> str:
    """Another one after each change of the password. It gives nothing of the stored hash away."""
    return sha256(password_hash.encode()).hexdigest()[:16]


def matches(stored: str | None, password: str) -> bool:
    """Whether `stored` is the hash of the password. Takes as long without a user (None)."""
    return passwords.matches(stored or dummy_hash(), password)


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
    g.principal = (None,)


def end_session() -> None:
    """Delete the row of this browser's session. Its streams are closed after the commit."""
    row = UserSession.id == session.get("sid")
    user_id = db.session.scalar(select(UserSession.user_id).where(row))
    if user_id is not None:
        db.session.execute(delete(UserSession).where(row))  # another request may do so as well
        control.recheck(user_id)
        own_settings_changed(user_id, "sessions")


def csrf_token() -> str | None:
    """The CSRF token of this browser's session, None for a request without one."""
    return generate_csrf() if "sid" in session else None


@login_manager.user_loader  # type: ignore[untyped-decorator]
def load_session_user(identity: str) -> AgentIdentity | None:
    sid = session.get("sid", "")
    user = may_keep(int(identity), ("session", sid), lambda: agent_of_session(sid))
    if user is None or str(user.id) != identity:
        return None
    uses: Uses[str] = current_app.extensions["session_uses"]
    uses.note(sid)
    return user


def load_bearer() -> Principal | None:
    g.bearer = found = used_bearer(bearer_text() or "")
    return found.principal if found is not None else None


def agent_of_session(sid: str) -> AgentIdentity | None:
    given = {"sid": sid, "oldest": oldest_session(clock.now())}
    row = execute(USER_OF_SESSION, given).one_or_none()
    return AgentIdentity(*row) if row is not None else None


def may_keep(
    subscriber: int, key: tuple[str, str], find: Callable[[], Found | None]
) -> Found | None:
    """What `find` returns or, for a request that may, what it returned for the last one."""
    if request.endpoint in KEEPING:
        return grants.granted(subscriber, key, find)
    return find()


def bearer_of_token(text: str) -> Bearer | None:
    """Whom the text of a token authenticates now. A text without our signature costs no query."""
    claim = tokens.claimed(text)
    return tokens.bearer(claim) if claim is not None else None


def used_bearer(text: str) -> Bearer | None:
    """Likewise for a request, which uses the token."""
    claim = tokens.claimed(text)
    if claim is None:
        return None
    found = may_keep(claim.owner, ("token", claim.digest), lambda: tokens.bearer(claim))
    if found is not None:
        uses: Uses[int] = current_app.extensions["token_uses"]
        uses.note(found.token_id)
    return found


def principal_of_token(text: str) -> Principal | None:
    found = bearer_of_token(text)
    return found.principal if found is not None else None


def refuse_narrow_scope() -> None:
    """Raises Forbidden for a request with a user's token whose scope does not allow it: see
    scopes.py. A customer's token has the customer's rights, which each view decides."""
    here = request_ctx.request
    rule = here.url_rule
    if rule is None or not has_bearer(here):
        return
    need = scopes.needed(here.method, rule.endpoint, rule.rule)
    if need == scopes.READ or rule.endpoint == SIGN_IN:
        return
    principal = principal_if_any()
    if isinstance(principal, AgentIdentity) and not scopes.allows(g.bearer.scope, need):
        raise Forbidden(
            f"This token has the scope {g.bearer.scope}; this needs a token with the scope {need}.",
            # RFC 6750, section 3.1
            headers={
                "WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{need}"',
            },
        )


def has_bearer(request: Request) -> bool:
    """Whether the request has a bearer token, valid or not (RFC 6750, section 2.1)."""
    scheme: str = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")[0]
    return scheme.lower() == "bearer"


class CookielessForScripts(SecureCookieSessionInterface):
    """Flask's sessions, except for requests with a bearer token. Verified cookies are cached."""

    digest_method = staticmethod(sha256)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        serializer = super().get_signing_serializer(app)
        if serializer is not None:
            serializer.signer = ClockSigner
        return serializer

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
        if signed_at + app.permanent_session_lifetime < clock.now():
            return self.session_class()
        return self.session_class(deepcopy(payload))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """A static file does not depend on the cookie, which would be in its Vary."""
        if not has_bearer(request) and request.endpoint not in COOKIELESS:
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
    if request.endpoint in WITHOUT_COOKIE:
        return
    given = request.form.get("csrf_token") or request.headers.get("X-CSRF-Token")
    if is_of_session(given):
        csrf.protect()  # over HTTPS, it checks the Referer too
        return
    refuse_other_site()
    user = principal_if_any()
    if request.endpoint == SIGN_IN or user is None:
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
    app.before_request(refuse_narrow_scope)
