"""Settings: read once from the environment, validated, and passed to `create_app`."""

import os
import re
import secrets
import stat
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import timedelta
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from .mail_server import EXAMPLE as MAIL_EXAMPLE
from .mail_server import MailServer
from .mail_server import parsed as parsed_mail_server
from .private_files import make_file
from .private_files import make_folder
from .realtime.redis_address import EXAMPLE as REDIS_EXAMPLE
from .realtime.redis_address import RedisAddress
from .text import address
from .vapid import make_private_key
from .vapid import public_key

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent
INSTALLED = (PACKAGE / "templates").is_dir()
# The folder of templates/, static/ and migrations/: a wheel has them inside the package.
RESOURCES = PACKAGE if INSTALLED else CHECKOUT
DEFAULT_INSTANCE = (Path.cwd() if INSTALLED else CHECKOUT) / "instance"

BODY_LIMIT = 1024 * 1024  # bytes of a request body; a larger one is answered with 413
FILE_LIMIT = 10 * 1024 * 1024  # bytes of an attachment
UPLOAD_LIMIT = FILE_LIMIT + 64 * 1024  # bytes of the body that has one, with the form around it
ATTACHMENTS_PER_MESSAGE = 10
ATTACHMENT_NAME_LIMIT = 100  # characters of a file's name; a longer one is cut
UNSENT_ATTACHMENTS = 30  # files that a sender may have uploaded and not sent
UNSENT_FOR = timedelta(days=1)  # for which such a file is kept
FIELD_LIMIT = 50  # fields of a body, and of an object in it
CONTENT_LIMIT = 10_000  # characters of a message
LABEL_LIMIT = 40  # characters of a label
LABELS_PER_ACCOUNT = 100
INBOXES_PER_ACCOUNT = 45  # the form of a member has a box for each, within FIELD_LIMIT
LABELS_PER_CONVERSATION = 10
ASSIGNMENT_CAP_LIMIT = 1000  # open conversations of a member: the most that a cap allows
SHORTCUT_LIMIT = 32  # characters of a canned reply's shortcut
CANNED_REPLIES_PER_ACCOUNT = 200  # a page fetches all of them
HUES = 8  # the colours of labels: the classes hue-0 to hue-7 of the style sheet
NAME_LIMIT = 200  # characters of the name of a user, an account or an inbox
PHONE_LIMIT = 40  # characters of a telephone number
SUBJECT_LIMIT = 200  # characters of a website's name for its user
PAGE_URL_LIMIT = 2000  # characters of the address of a website's page
VISITOR_FOR = timedelta(days=30)  # for which a visitor who has written may be absent
NEW_VISITOR_FOR = timedelta(days=1)  # and one who has not: then nothing of them is left
STREAMS_PER_VISITOR = 3  # open at once
VISITORS_CONVERSATIONS = 50  # the newest ones are in a visitor's list
NEW_CONVERSATIONS_PER_VISITOR = 20  # a day
ORIGINS_PER_WEBSITE = 20
GREETING_LIMIT = 500  # characters of a website's greeting, and of its text while nobody is there
LANGUAGES = {"en": "English", "de": "Deutsch"}  # of a website's chat: code, own name
NOTES_LIMIT = 10_000  # characters of a contact's notes
TOKENS_PER_USER = 100
TOKEN_LIFETIME = 10 * 365 * 24 * 60 * 60  # s for which a token holds at most, if it ends
TOKEN_NAME_LIMIT = 100  # characters
PUSH_SUBSCRIPTIONS_PER_USER = 20  # the oldest ones end
UNDO_DAYS = 30  # for which a merge of contacts or conversations can be undone
# Conversations of a contact for each of which a change of the contact is an event of its own.
CONTACT_EVENTS = 100
MAX_WAIT = 60  # s, of a request of long polling
ID_LIMIT = 2**31 - 1  # the largest INTEGER of PostgreSQL
CLIENT_ID_LIMIT = 64  # characters of a message's client_id
PAGE_SIZE = 50  # rows of a list, if the request sets no limit
PAGE_LIMIT = 100  # rows of a list at most
QUERY_LIMIT = 200  # characters of a search
TOKEN_LENGTH = 16  # characters of a token that the operator sets, at least
SOCKET = "unix:"  # before the path of a unix socket in HOST
SECRET_LENGTH = 32  # characters of SECRET_KEY in production: 128 bits, in hexadecimal
SIGNED_IN_FOR = 14 * 24 * 60 * 60  # s for which a browser stays signed in
PASSWORD_LENGTH = 8  # characters of a password, at least
PASSWORD_LIMIT = 1000  # characters of a password
INVITED_FOR = timedelta(days=7)  # for which an invitation can be accepted
PASSWORD_LINK_FOR = timedelta(hours=4)  # for which a password link can be used
OPEN_INVITATIONS_PER_ACCOUNT = 100
DEVELOPMENT_SUBJECT = "mailto:admin@example.com"  # of push notifications
HTTPS_FOR = 365 * 24 * 60 * 60  # s for which a browser uses HTTPS only, with RTAPP_HSTS=on
DATABASE_DRIVERS = ("postgresql+psycopg", "postgresql", "sqlite+pysqlite", "sqlite")
DATABASE_EXAMPLE = "postgresql+psycopg://user:password@host/name"
FILES_EXAMPLE = "s3://bucket/folder"
BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([A-Za-z0-9_./-]*))?")
ORIGIN = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?/?", re.IGNORECASE)
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
# For how many days rows are kept that nothing needs any more: see services/retention.py.
NOTIFICATIONS_KEPT = 180
LINKS_KEPT = 90  # after they have been used, have ended or were revoked
DEAD_LETTERS_KEPT = 90
MESSAGES_KEPT_LEAST = 30  # an account's own setting
KEPT_LIMIT = 36_500

# Rate limits, in Flask-Limiter's notation. Windows are short: a limited client waits briefly.
# Enough for an office that signs in at nine, too few to try every account.
SIGN_INS_PER_ADDRESS = "60 per minute"
# 1 440 guesses a day from one address. Only users of that address can be locked out by them.
SIGN_INS_PER_EMAIL_AND_ADDRESS = "10 per 10 minute"
# From all addresses. A distributed attack locks the user out for at most a minute.
SIGN_INS_PER_EMAIL = "20 per minute"
# Of the own password, to change it. A right one does not count.
PASSWORDS_PER_USER = "10 per 10 minute"
# Guesses of a code of a second factor, by somebody who has the password.
CODES_PER_USER = "10 per hour"
# Enough for an import by script.
MESSAGES_PER_USER = "200 per 10 second"
# Of files of attachments. Some messages full of them.
UPLOADS_PER_USER = "60 per 1 minute"
# Of a visitor, and of all visitors of an address: anybody may become one.
UPLOADS_PER_VISITOR = "30 per 10 minute"
UPLOADS_PER_ADDRESS = "120 per 10 minute"
# Of a website's visitor, of all from one address (an office, a school), and of all of a website.
MESSAGES_PER_VISITOR = "30 per minute"
MESSAGES_PER_ADDRESS = "60 per minute"
MESSAGES_PER_WEBSITE = "1200 per minute"
# Those of new visitors: each is a contact, and a visitor needs one a month. In minutes, as those of
# a website are: see ratelimits.py.
SESSIONS_PER_ADDRESS = "20 per 60 minute"
SESSIONS_PER_WEBSITE = "600 per minute"
# Of all sessions: a website identifies its users on each page, and an office has one address.
RENEWALS_PER_ADDRESS = "60 per minute"
# A page sends one every few seconds; a client that sends fifty a second must still work.
TYPING_PER_USER = "1000 per 10 second"
# Each may be mailed. Enough to invite a team.
LINKS_PER_USER = "60 per 10 minute"
# It asks through the public address, and takes half a minute.
EXAMINATIONS_PER_USER = "6 per minute"
# Asking for a password link, with an address or not known: each may be mailed to somebody else.
ASKED_LINKS_PER_ADDRESS = "20 per 10 minute"
ASKED_LINKS_PER_EMAIL = "5 per 10 minute"
# For each other action: enough for fast clicks through a list, too few for a runaway loop.
ACTIONS_PER_USER = "100 per 10 second"


class SettingsError(Exception):
    """The environment has an invalid, missing or unsafe value. The text names the remedy."""


@dataclass(frozen=True)
class Settings:
    """The settings of an installation. Every field is an environment variable of the README.

    `database_url`: a SQLAlchemy URL. `redis_url`: a redis-py URL, or None for the embedded server.
    `instance`: the folder for the files of the embedded defaults. `proxies`: the number of trusted
    proxies, each of which appends to X-Forwarded-For. `metrics_token`: what a request for /metrics
    or /status must have, or None if it must come from this machine. `vapid_private_key`: as in
    vapid.py, or None without push notifications. `push_endpoint_hosts`: as in push_endpoint.py.
    `demo`: whether an empty database gets the demo, never in production. `url`: the address at
    which browsers reach this installation, without a slash at its end, or None. `hsts`: the seconds
    for which a browser uses HTTPS only, 0 without that header.
    `mail_server`, `mail_from`: where mails go, and from whom; None if no mail is sent. `files`: the
    folder of attachments' files, or a bucket as `s3://bucket/folder`; empty for the folder `files`
    of the instance. `files_endpoint`: the S3 server, None for Amazon's.
    `…_kept`: days, 0 for ever.
    """

    instance: Path
    database_url: str = field(repr=False)  # it may have a password in it, as redis_url
    redis_url: str | None = field(repr=False)
    secret_key: str = field(repr=False)
    env: str = "development"
    host: str = "127.0.0.1"
    port: int = 8000
    streams_per_user: int = 50
    streams_per_address: int = 200
    rate_limits: bool = False
    proxies: int = 0
    database_pool: int = 15
    notifications_kept: int = NOTIFICATIONS_KEPT
    links_kept: int = LINKS_KEPT
    dead_letters_kept: int = DEAD_LETTERS_KEPT
    metrics_token: str | None = field(default=None, repr=False)
    vapid_private_key: str | None = field(default=None, repr=False)
    vapid_subject: str = DEVELOPMENT_SUBJECT
    push_endpoint_hosts: frozenset[str] = frozenset()
    demo: bool = True
    url: str | None = None
    hsts: int = 0
    mail_server: MailServer | None = None
    mail_from: Address | None = None
    files: str = ""
    files_endpoint: str | None = None

    @property
    def production(self) -> bool:
        return self.env == "production"

    @property
    def base_url(self) -> str:
        """What links begin with that are printed or mailed: RTAPP_URL, else where it listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        listens = "http://localhost" if is_socket(self.host) else f"http://{host}:{self.port}"
        return self.url or listens

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings. Raises SettingsError for a value that is invalid, or missing in
        production."""
        env = environ.get("RTAPP_ENV", "development")
        if env not in ("development", "production"):
            raise SettingsError(f"RTAPP_ENV is {env!r}; it must be development or production.")
        if env == "production":
            for name, example in (
                ("SECRET_KEY", "$(openssl rand -hex 32)"),
                ("REDIS_URL", REDIS_EXAMPLE),
                ("DATABASE_URL", DATABASE_EXAMPLE),
            ):
                if not environ.get(name):
                    raise SettingsError(
                        f"RTAPP_ENV=production needs {name} to be set: {name}={example}."
                    )
            if len(environ["SECRET_KEY"]) < SECRET_LENGTH:
                raise SettingsError(
                    f"SECRET_KEY has less than {SECRET_LENGTH} characters, so it could be guessed "
                    "from any token; make one with `openssl rand -hex 32`."
                )
        instance = Path(environ.get("RTAPP_INSTANCE") or DEFAULT_INSTANCE).resolve()
        refuse_shared(instance)
        make_folder(instance)
        host = environ.get("HOST") or "127.0.0.1"
        return cls(
            env=env,
            instance=instance,
            database_url=database_url(environ) or embedded_database(instance),
            redis_url=redis_url(environ),
            secret_key=environ.get("SECRET_KEY") or generated_secret(instance / "secret_key"),
            host=host,
            port=whole_number(environ, "PORT", 8000, most=65535),
            streams_per_user=whole_number(environ, "RTAPP_STREAMS_PER_USER", 50),
            streams_per_address=whole_number(environ, "RTAPP_STREAMS_PER_ADDRESS", 200),
            rate_limits=switch(environ, "RTAPP_RATE_LIMITS"),
            # Only a proxy of this machine can be at the other end of a unix socket.
            proxies=whole_number(environ, "RTAPP_PROXIES", int(is_socket(host)), most=10),
            database_pool=whole_number(environ, "RTAPP_DATABASE_POOL", 15, least=1, most=1000),
            notifications_kept=kept(environ, "RTAPP_KEEP_NOTIFICATIONS", NOTIFICATIONS_KEPT),
            links_kept=kept(environ, "RTAPP_KEEP_LINKS", LINKS_KEPT),
            dead_letters_kept=kept(environ, "RTAPP_KEEP_DEAD_LETTERS", DEAD_LETTERS_KEPT),
            metrics_token=token(environ, "RTAPP_METRICS"),
            vapid_private_key=vapid_key(environ, instance, production=env == "production"),
            vapid_subject=vapid_subject(environ, production=env == "production"),
            push_endpoint_hosts=hosts(environ, "PUSH_ENDPOINT_HOSTS"),
            demo=switch(environ, "RTAPP_DEMO") and env != "production",
            url=public_url(environ, production=env == "production"),
            hsts=hsts(environ),
            mail_server=mail_server(environ),
            mail_from=mail_from(environ),
            files=files(environ),
            files_endpoint=files_endpoint(environ),
        )


def is_socket(host: str) -> bool:
    return host.startswith(SOCKET)


def refuse_shared(folder: Path, name: str = "RTAPP_INSTANCE") -> None:
    """Raises SettingsError for a folder such as `/` or `/tmp`: only this user could use it any
    more."""
    sticky = folder.exists() and folder.stat().st_mode & stat.S_ISVTX
    if sticky or folder == folder.parent:
        raise SettingsError(
            f"{name} is {folder}, which has files of others; name a folder of its own."
        )


def embedded_database(instance: Path) -> str:
    """The URL of the SQLite file in the instance folder, which is made if it is not there."""
    path = instance / "rtapp.sqlite3"
    make_file(path)
    return f"sqlite:///{path}"


def database_url(environ: Mapping[str, str]) -> str | None:
    """DATABASE_URL for SQLAlchemy, with the driver that rtapp has; None if it is not set.

    Raises SettingsError for any other database or driver. No error quotes the URL, which has a
    password.
    """
    text = environ.get("DATABASE_URL") or None
    if text is None:
        return None
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise SettingsError(
            f"DATABASE_URL can't be read; it must be a URL such as {DATABASE_EXAMPLE}, in which "
            "special characters of the password are percent-encoded."
        ) from None
    if url.drivername == "postgres":
        raise SettingsError(
            "DATABASE_URL begins with postgres://; write postgresql:// in its place."
        )
    if url.drivername not in DATABASE_DRIVERS:
        raise SettingsError(
            f"DATABASE_URL begins with {scheme(url)}://; rtapp needs PostgreSQL "
            "(postgresql+psycopg://…) or SQLite (sqlite:////path)."
        )
    if url.get_backend_name() == "sqlite":
        refuse_memory(url)
        return text
    return url.set(drivername=DATABASE_DRIVERS[0]).render_as_string(hide_password=False)


def scheme(url: URL) -> str:
    """The scheme, if it looks like one: a URL with its parts swapped may have a secret there."""
    return url.drivername if re.fullmatch(r"[a-z0-9+_]{1,30}", url.drivername) else "another scheme"


def refuse_memory(url: URL) -> None:
    """Raises SettingsError for an SQLite database without a file: it ends with each connection."""
    if url.database in (None, "", ":memory:"):
        raise SettingsError("DATABASE_URL names no file; write sqlite:////path/rtapp.sqlite3.")


def redis_url(environ: Mapping[str, str]) -> str | None:
    """REDIS_URL, or None if it is not set. Raises SettingsError, which does not quote it: it has a
    password."""
    text = environ.get("REDIS_URL") or None
    if text is not None:
        try:
            address = RedisAddress.parse(text)
        except ValueError as error:
            raise SettingsError(str(error)) from None
        for option, path in address.files():
            if not os.access(path, os.R_OK) or not os.path.isfile(path):
                raise SettingsError(
                    f"REDIS_URL sets {option} to {path}, which is no file that this user can read."
                )
    return text


def public_url(environ: Mapping[str, str], *, production: bool) -> str | None:
    """RTAPP_URL without a slash at its end, or None. Raises SettingsError unless it is an origin
    (RFC 6454, section 4), in production of HTTPS except on this machine."""
    text = environ.get("RTAPP_URL") or ""
    if not text:
        return None
    match = ORIGIN.fullmatch(text)
    if match is None:
        raise SettingsError(
            f"RTAPP_URL is {text!r}; it must be the address at which browsers reach rtapp, without "
            "a path, such as https://inbox.example.com."
        )
    url = text.lower().rstrip("/")
    if production and match[1].lower() == "http" and match[2].lower() not in LOCAL_HOSTS:
        raise SettingsError(
            f"RTAPP_URL is {url!r}; in production it must begin with https://: browsers send the "
            "session's cookie over HTTPS only, so TLS must stand in front."
        )
    return url


def hsts(environ: Mapping[str, str]) -> int:
    """RTAPP_HSTS in seconds: HTTPS_FOR for `on`, 0 for `off`."""
    named = {"off": "0", "on": str(HTTPS_FOR)}
    text = environ.get("RTAPP_HSTS") or "off"
    try:
        return whole_number({"RTAPP_HSTS": named.get(text, text)}, "RTAPP_HSTS", 0)
    except SettingsError:
        raise SettingsError(
            f"RTAPP_HSTS is {text!r}; it must be on, off or a number of seconds."
        ) from None


def mail_server(environ: Mapping[str, str]) -> MailServer | None:
    """RTAPP_MAIL_URL, or None if no mail is sent. Raises SettingsError for a text that can't be
    read, and without what a mail needs; no error quotes the URL, which has a password."""
    text = environ.get("RTAPP_MAIL_URL") or None
    if text is None:
        return None
    try:
        server = parsed_mail_server(text)
    except ValueError as error:
        raise SettingsError(
            f"RTAPP_MAIL_URL {error}; it must be a URL such as {MAIL_EXAMPLE}, or smtps://…"
        ) from None
    if server.user and server.tls == "none" and server.host not in LOCAL_HOSTS:
        raise SettingsError(
            "RTAPP_MAIL_URL has a password and starttls=off, so everybody in between could read "
            "it; leave one of them out."
        )
    for name, example in (
        ("RTAPP_URL", "https://inbox.example.com"),
        ("RTAPP_MAIL_FROM", "inbox@example.com"),
    ):
        if not environ.get(name):
            raise SettingsError(f"RTAPP_MAIL_URL needs {name} to be set too: {name}={example}.")
    return server


def mail_from(environ: Mapping[str, str]) -> Address | None:
    """RTAPP_MAIL_FROM, an address with or without a name, or None."""
    text = environ.get("RTAPP_MAIL_FROM") or ""
    if not text:
        return None
    name, spec = parseaddr(text)
    try:
        if not text.isprintable() or not spec.isascii():
            raise ValueError
        return Address(name, addr_spec=address(spec))
    except (ValueError, HeaderParseError):
        raise SettingsError(
            f"RTAPP_MAIL_FROM is {text!r}; it must be an address such as inbox@example.com, or "
            "Acme <inbox@example.com>."
        ) from None


def files(environ: Mapping[str, str]) -> str:
    """RTAPP_FILES: an absolute path, or `s3://bucket/folder`; empty if it is not set. Raises
    SettingsError for anything else, and for a folder that others have files in."""
    text = environ.get("RTAPP_FILES") or ""
    if not text or BUCKET.fullmatch(text):
        return text
    if not os.path.isabs(text) or "\x00" in text:
        raise SettingsError(
            f"RTAPP_FILES is {text!r}; it must be a folder such as /srv/rtapp/files, or a bucket "
            f"such as {FILES_EXAMPLE}."
        )
    refuse_shared(Path(text).resolve(), "RTAPP_FILES")
    return text


def files_endpoint(environ: Mapping[str, str]) -> str | None:
    """RTAPP_FILES_ENDPOINT without a slash at its end, or None. Raises SettingsError unless it is
    an origin, and without a bucket."""
    text = environ.get("RTAPP_FILES_ENDPOINT") or None
    if text is None:
        return None
    if ORIGIN.fullmatch(text) is None:
        raise SettingsError(
            f"RTAPP_FILES_ENDPOINT is {text!r}; it must be the address of an S3 server, without a "
            "path, such as https://s3.example.com."
        )
    if not (environ.get("RTAPP_FILES") or "").startswith("s3://"):
        raise SettingsError(
            f"RTAPP_FILES_ENDPOINT needs a bucket too: RTAPP_FILES={FILES_EXAMPLE}."
        )
    return text.rstrip("/")


def whole_number(
    environ: Mapping[str, str], name: str, default: int, least: int = 0, most: int = 1_000_000_000
) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise SettingsError(
            f"{name} is {text!r}; it must be a whole number from {least} to {most}."
        )
    return int(text)


def kept(environ: Mapping[str, str], name: str, default: int) -> int:
    """The variable's number of days, 0 for ever."""
    return whole_number(environ, name, default, most=KEPT_LIMIT)


def switch(environ: Mapping[str, str], name: str) -> bool:
    """True unless the variable is `off`. Raises SettingsError for a value other than on and off."""
    text = environ.get(name) or "on"
    if text not in ("on", "off"):
        raise SettingsError(f"{name} is {text!r}; it must be on or off.")
    return text == "on"


def token(environ: Mapping[str, str], name: str) -> str | None:
    """The variable's token, or None. Raises SettingsError for one that can be guessed or not sent;
    the text does not have it."""
    text = environ.get(name) or None
    if text is not None and not re.fullmatch(rf"[!-~]{{{TOKEN_LENGTH},}}", text):
        raise SettingsError(
            f"{name} must be a token of at least {TOKEN_LENGTH} ASCII characters without spaces."
        )
    return text


def vapid_key(environ: Mapping[str, str], instance: Path, *, production: bool) -> str | None:
    """The private key of push notifications: generated in development, None in production if it is
    not set. Raises SettingsError for another text; it does not have it."""
    name = "VAPID_PRIVATE_KEY"
    key = environ.get(name) or None
    if key is None and not production:
        path = instance / "vapid_private_key"
        name, key = str(path), generated_secret(path, make_private_key)
    if key is not None:
        try:
            public_key(key)
        except ValueError as error:
            raise SettingsError(
                f"{name} is no private key of VAPID: it must be one that "
                "`flask --app app vapid create` prints."
            ) from error
    return key


def vapid_subject(environ: Mapping[str, str], *, production: bool) -> str:
    """How the operators of push services reach this one's (RFC 8292, section 2.1)."""
    subject = environ.get("VAPID_SUBJECT") or ""
    if not subject and not (production and environ.get("VAPID_PRIVATE_KEY")):
        return DEVELOPMENT_SUBJECT
    if not re.fullmatch(r"mailto:[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+|https://[!-~]+", subject):
        raise SettingsError(
            f"VAPID_SUBJECT is {subject!r}; it must be an address at which the operators of push "
            "services reach you, such as mailto:admin@example.com."
        )
    return subject


def hosts(environ: Mapping[str, str], name: str) -> frozenset[str]:
    """The variable's hosts, each with its port if it has one, separated by commas."""
    found = [host.strip().lower() for host in (environ.get(name) or "").split(",")]
    for host in found:
        if not re.fullmatch(r"([a-z0-9.-]+)(:[0-9]{1,5})?|", host):
            raise SettingsError(f"{name} has {host!r}; it must be a host, such as push.lan:8443.")
    return frozenset(host for host in found if host)


def generated_secret(path: Path, make: Callable[[], str] = secrets.token_hex) -> str:
    """The secret in `path`, made on first use. Concurrent processes get the same one."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(make())
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_text().strip()
