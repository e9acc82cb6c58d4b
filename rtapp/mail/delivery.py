"""One mail to the mail server (SMTP, RFC 5321).

smtplib, because it is kept with Python, and its sockets are gevent's: no stream waits for it.
"""

import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from typing import Literal
from typing import NamedTuple

import gevent

from rtapp.mail_server import MailServer
from rtapp.mail_server import session

LIMIT = 10  # s for one mail, from the look-up of the host to the server's acceptance
ANSWER_LIMIT = 160  # characters of a server's answer that are kept

Result = Literal["sent", "later", "refused"]


class Outcome(NamedTuple):
    """`later`: worth another attempt. `refused`: for good. `why` begins with the server; `answer`
    is the server's own text, which may quote the address and is in no log."""

    result: Result
    why: str = ""
    answer: str = ""


def deliver(
    server: MailServer, mail: EmailMessage, sender: str, recipient: str, own_name: str
) -> Outcome:
    """Hand over the mail. `own_name`: this host's, for EHLO. Takes LIMIT s at most."""
    limit = gevent.Timeout(LIMIT)
    try:
        with limit:
            return hand_over(server, mail, sender, recipient, own_name)
    except smtplib.SMTPRecipientsRefused as error:
        code, answer = error.recipients[recipient]
        return by_code(code, "refuses the address", answer)
    except smtplib.SMTPAuthenticationError as error:
        return Outcome("later", f"refuses the user or the password ({error.smtp_code})")
    except smtplib.SMTPSenderRefused as error:
        return Outcome("later", f"refuses RTAPP_MAIL_FROM ({error.smtp_code})")
    except smtplib.SMTPDataError as error:  # without its text, which may quote the link
        return by_code(error.smtp_code, "refuses the mail")
    except smtplib.SMTPNotSupportedError as error:
        if server.tls == "starttls" and "STARTTLS" in str(error):
            return Outcome("later", "offers no STARTTLS")
        if server.user and "AUTH" in str(error):
            return Outcome("later", "takes no user and password")
        return Outcome("refused", "takes no address with such letters")
    except smtplib.SMTPResponseException as error:
        return Outcome("later", f"does not greet ({error.smtp_code})")
    except ssl.SSLError as error:  # before OSError, of which it is one
        return Outcome("later", f"has no certificate that holds ({error.reason or 'TLS'})")
    except (OSError, smtplib.SMTPException) as error:
        return Outcome("later", f"can't be reached ({type(error).__name__})")
    except gevent.Timeout as error:
        if error is not limit:
            raise
        return Outcome("later", f"does not answer within {LIMIT} s")


def hand_over(
    server: MailServer, mail: EmailMessage, sender: str, recipient: str, own_name: str
) -> Outcome:
    with session(server, own_name, LIMIT) as connection:
        connection.send_message(mail, sender, [recipient])
        with suppress(OSError, smtplib.SMTPException):  # it has the mail
            connection.quit()
    return Outcome("sent")


def by_code(code: int, what: str, answer: bytes = b"") -> Outcome:
    """5yz is for good (RFC 5321, section 4.2.1)."""
    text = "".join(c if c.isprintable() else " " for c in answer.decode(errors="replace"))
    result: Result = "refused" if code >= 500 else "later"
    return Outcome(result, f"{what} ({code})", " ".join(text.split())[:ANSWER_LIMIT])
