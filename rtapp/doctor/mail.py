"""The mail server takes our connection, its encryption, and our user and password. No mail is
sent."""

import smtplib
import ssl
from urllib.parse import urlsplit

import gevent
from flask import current_app

from rtapp.config import Settings
from rtapp.mail_server import session

from .finding import Finding

NAME = "mail"
LIMIT = 8.0  # s, from the look-up of the host to the answer of the sign-in
REMEDY = "Correct RTAPP_MAIL_URL. Until then mails wait, and their links are shown to be copied."


def check() -> list[Finding]:
    settings: Settings = current_app.extensions["settings"]
    if settings.mail_server is None:
        return [Finding(NAME, "ok", "No mail is sent: links are shown, to be copied.")]
    wrong = problem(settings)
    if wrong is None:
        return [Finding(NAME, "ok", "The mail server takes our mails.")]
    return [Finding(NAME, "problem", f"The mail server {wrong}.", REMEDY)]


def problem(settings: Settings) -> str | None:
    """What keeps the server from taking mails, without its texts."""
    assert settings.mail_server is not None
    own_name = urlsplit(settings.url or "").hostname or "localhost"
    limit = gevent.Timeout(LIMIT)
    try:
        with limit, session(settings.mail_server, own_name, LIMIT) as connection:
            connection.noop()
    except smtplib.SMTPAuthenticationError:
        return "refuses the user or the password of RTAPP_MAIL_URL"
    except smtplib.SMTPNotSupportedError:
        return "offers no STARTTLS, or takes no user and password"
    except smtplib.SMTPResponseException as error:
        return f"does not greet ({error.smtp_code})"
    except ssl.SSLError as error:
        return f"has no certificate that holds ({error.reason or 'no TLS'})"
    except (OSError, smtplib.SMTPException) as error:
        return f"can't be reached ({type(error).__name__})"
    except gevent.Timeout as error:
        if error is not limit:
            raise
        return f"does not answer within {LIMIT:.0f} s"
    return None
