"""Chats of inboxes on websites."""

from typing import Any

import click
from pydantic import ValidationError
from sqlalchemy import select

from rtapp.config import LANGUAGES
from rtapp.errors import Conflict
from rtapp.errors import NotFound
from rtapp.errors import Unprocessable
from rtapp.extensions import db
from rtapp.models import Inbox
from rtapp.models import Website
from rtapp.models import handle_of
from rtapp.pages.website import WebsiteFields
from rtapp.pages.website import snippet as snippet_of
from rtapp.services.change_website import change_website
from rtapp.services.change_website import create_website
from rtapp.services.change_website import make_secret
from rtapp.services.change_website import remove_secret
from rtapp.services.change_website import remove_website
from rtapp.services.change_website import website_of
from rtapp.validation import by_field
from rtapp.validation import sentence

from .find import inbox_with
from .given import current_settings
from .group import Group

INBOX = click.argument("inbox_id", type=click.IntRange(min=1))

website = Group("website", help="Chats of inboxes on websites.")


def settings(command: Any) -> Any:
    """The options of a chat's settings; what is not given is None, or empty."""
    for option in (
        click.option("--language", type=click.Choice(list(LANGUAGES))),
        click.option("--accent", metavar="#RRGGBB", help="Of buttons and of what visitors write."),
        click.option("--away", help="While no member of the inbox is there. '': the language's."),
        click.option("--greeting", help="Before the first message. '': that of the language."),
        click.option(
            "--origin",
            "origins",
            multiple=True,
            metavar="URL",
            help="May embed the chat, as https://shop.example. Repeat it for more; '' for none.",
        ),
    ):
        command = option(command)
    return command


@website.command("create")
@INBOX
@settings
def create(inbox_id: int, **given: Any) -> None:
    """Give an inbox a chat on websites. Does nothing if it has one."""
    inbox, fields = inbox_with(inbox_id), valid(given)
    try:
        made = create_website(inbox, **fields.model_dump())
    except Conflict as problem:
        click.echo(f"{problem.detail} Nothing was changed.")
        return
    click.echo(f"The chat of inbox {inbox.id}: {current_settings().base_url}/chat/{made.key}")
    click.echo(f"Next: flask --app app website snippet {inbox.id}")


@website.command("set")
@INBOX
@settings
def set_website(inbox_id: int, **given: Any) -> None:
    """Change what is given of a chat's settings, and leave the rest."""
    inbox, fields = inbox_with(inbox_id), valid(given)
    with_website(inbox)
    change_website(inbox, **fields.model_dump(exclude_unset=True))
    click.echo(f"The chat of inbox {inbox.id} has these settings now.")


@website.command("list")
def list_websites() -> None:
    """Print the chats, one a line: inbox, key, language, accent, ids of the secrets, origins."""
    for row in db.session.scalars(select(Website).order_by(Website.inbox_id)):
        handles = " ".join(map(handle_of, row.salts)) or "-"
        columns = (row.inbox_id, row.key, row.language, row.accent, handles, row.origins or "-")
        click.echo("\t".join(map(str, columns)))


@website.command("secret")
@INBOX
@click.option("--remove", "handle", metavar="ID", help="Remove this one instead: see list.")
def secret(inbox_id: int, handle: str | None) -> None:
    """Print a new secret for identities, and nothing else. It can't be printed again."""
    inbox = inbox_with(inbox_id)
    with_website(inbox)
    try:
        if handle is None:
            click.echo(make_secret(inbox).text)
        else:
            remove_secret(inbox, handle)
            click.echo(f"The secret {handle} proves nothing any more.")
    except Unprocessable as problem:
        raise click.ClickException(problem.detail) from problem
    except NotFound as problem:
        raise click.ClickException(f"There is no secret {handle}: see website list.") from problem


@website.command("snippet")
@INBOX
def snippet(inbox_id: int) -> None:
    """Print the element for the pages of a site."""
    click.echo(snippet_of(with_website(inbox_with(inbox_id)), current_settings().base_url))


@website.command("remove")
@INBOX
@click.confirmation_option(prompt="Its visitors are signed out, and its key leads nowhere. Remove?")
def remove(inbox_id: int) -> None:
    """Remove the chat of an inbox. Conversations stay."""
    inbox = inbox_with(inbox_id)
    if website_of(inbox) is None:
        click.echo(f"Inbox {inbox.id} has no chat on websites. Nothing was changed.")
        return
    remove_website(inbox)
    click.echo(f"Inbox {inbox.id} has no chat on websites any more.")


def with_website(inbox: Inbox) -> Website:
    """Raises ClickException if the inbox has no chat on websites."""
    found = website_of(inbox)
    if found is None:
        raise click.ClickException(f"Inbox {inbox.id} has no chat on websites: see website create.")
    return found


def valid(given: dict[str, Any]) -> WebsiteFields:
    """The options as a page would take them. Raises ClickException."""
    fields = {name: value for name, value in given.items() if value is not None}
    origins = fields.pop("origins")
    if origins:
        fields["origins"] = [text for text in origins if text]
    try:
        return WebsiteFields.model_validate(fields)
    except ValidationError as error:
        raise click.ClickException(f"Nothing was changed: {sentence(by_field(error))}.") from None
