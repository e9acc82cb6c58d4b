"""What commands are given, checked by the rules of the pages, and the settings they run with."""

import sys
from typing import Any

import click
from flask import current_app
from pydantic import TypeAdapter
from pydantic import ValidationError

from rtapp.config import Settings
from rtapp.validation import NewPassword
from rtapp.validation import by_field


def valid(what: str, kind: Any, text: str, limit: int) -> str:
    """The text as a page would take it. Raises ClickException."""
    if len(text) > limit:
        raise click.ClickException(f"The {what} must have at most {limit} characters.")
    try:
        checked: str = TypeAdapter(kind).validate_python(text)
    except ValidationError as error:
        raise click.ClickException(f"The {what} {sentence_of(error)}.") from None
    return checked


def new_password() -> str:
    """The first line of standard input, on a terminal asked for twice. Raises ClickException for
    one that a page would refuse; no error has it."""
    if sys.stdin.isatty():
        text = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    else:
        text = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    return valid_password(text)


def valid_password(text: str) -> str:
    """The password. Raises ClickException for one that a page would refuse."""
    try:
        checked: str = TypeAdapter(NewPassword).validate_python(text)
    except ValidationError as error:
        raise click.ClickException(f"The password {sentence_of(error)}.") from None
    return checked


def sentence_of(error: ValidationError) -> str:
    return " and ".join(by_field(error)["body"])


def current_settings() -> Settings:
    settings: Settings = current_app.extensions["settings"]
    return settings
