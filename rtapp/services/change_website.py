"""The chat of an inbox on websites is made, changed and removed, and its secrets are.

Each function locks the account, so that of two changes one comes first.
"""

import logging
import secrets
from typing import NamedTuple
from typing import TypedDict
from typing import Unpack

from sqlalchemy import delete
from sqlalchemy import select

from rtapp.errors import Conflict
from rtapp.errors import NotFound
from rtapp.errors import Unprocessable
from rtapp.events import announce
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Identity
from rtapp.models import Inbox
from rtapp.models import Token
from rtapp.models import Website
from rtapp.models import handle_of
from rtapp.website_secrets import make_salt
from rtapp.website_secrets import secret_of

from .change_tokens import MAX_ENDED
from .change_tokens import end
from .last_administrator import lock_account
from .row_lock import unlock

KEY_BYTES = 8  # no secret: it only must not be another one's
logger = logging.getLogger(__name__)


class WebsiteSettings(TypedDict, total=False):
    """Valid settings. `origins`: as `origins.origin` returns them; the others: see Website."""

    origins: list[str]
    greeting: str
    away: str
    accent: str
    language: str


class NewSecret(NamedTuple):
    """A secret with its text, which is not shown later."""

    handle: str
    text: str


def create_website(inbox: Inbox, **settings: Unpack[WebsiteSettings]) -> Website:
    """Give the inbox a chat on websites, without a secret. Raises Conflict if it has one."""
    lock_account(inbox.account_id)
    there = website_of(inbox)
    if there is not None:
        unlock()
        raise Conflict(
            "This inbox has a chat on websites already; look at its settings.",
            current=presenters.website(there),
        )
    website = Website(inbox_id=inbox.id, key=secrets.token_hex(KEY_BYTES))
    db.session.add(website)
    apply(website, settings)
    announce.settings_changed(inbox.account_id, "inboxes")
    db.session.commit()
    return website


def change_website(inbox: Inbox, **settings: Unpack[WebsiteSettings]) -> Website:
    """Change what is given, and leave the rest. Raises NotFound if the inbox has no chat on
    websites."""
    website = locked(inbox)
    apply(website, settings)
    announce.settings_changed(inbox.account_id, "inboxes")
    db.session.commit()
    return website


def make_secret(inbox: Inbox) -> NewSecret:
    """Make another secret for identities. Raises Unprocessable if there are two, NotFound without a
    chat on websites."""
    website, salt = locked(inbox), make_salt()
    if website.first_salt is None:
        website.first_salt = salt
    elif website.second_salt is None:
        website.second_salt = salt
    else:
        unlock()
        wrong = "can't be made: there are two already, so remove the one that is not used any more"
        raise Unprocessable(f"The secret {wrong}.", errors={"secret": [wrong]})
    announce.settings_changed(inbox.account_id, "inboxes")
    db.session.commit()
    logger.info("A secret of the website of inbox %s was made", inbox.id)
    return NewSecret(handle_of(salt), secret_of(website, salt))


def remove_secret(inbox: Inbox, handle: str) -> None:
    """End a secret: what it has signed proves nothing any more. Raises NotFound if there is none
    with this handle."""
    website = locked(inbox)
    if handle not in map(handle_of, website.salts):
        unlock()
        raise NotFound
    if website.first_salt is not None and handle_of(website.first_salt) == handle:
        website.first_salt = None
    else:
        website.second_salt = None
    announce.settings_changed(inbox.account_id, "inboxes")
    db.session.commit()
    logger.info("A secret of the website of inbox %s was removed", inbox.id)


def remove_website(inbox: Inbox) -> None:
    """Remove the chat: its key leads nowhere, its visitors' tokens and streams end, and another
    website's `sub` is none of its users. Conversations stay. Raises NotFound without a chat.

    The tokens end in several transactions; once the first is committed, no more are made.
    """
    website = locked(inbox)
    db.session.delete(website)
    db.session.execute(delete(Identity).where(Identity.inbox_id == inbox.id))
    announce.settings_changed(inbox.account_id, "inboxes")
    db.session.commit()
    logger.info("The website of inbox %s was removed", inbox.id)
    tokens = select(Token.id).where(Token.inbox_id == inbox.id).limit(MAX_ENDED)
    while ids := list(db.session.scalars(tokens)):
        end(ids)
        db.session.commit()


def website_of(inbox: Inbox) -> Website | None:
    """The website as it is now, None without one."""
    website: Website | None = db.session.get(Website, inbox.id, populate_existing=True)
    return website


def locked(inbox: Inbox) -> Website:
    """The website of the inbox, whose account is locked until the transaction ends."""
    lock_account(inbox.account_id)
    website = website_of(inbox)
    if website is None:
        unlock()
        raise NotFound
    return website


def apply(website: Website, settings: WebsiteSettings) -> None:
    columns: dict[str, object] = {**settings}
    if "origins" in settings:
        columns["origins"] = " ".join(settings["origins"])
    for name, value in columns.items():
        setattr(website, name, value)
