"""The groups of commands. What the state of the database makes impossible is a sentence."""

from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy.exc import SQLAlchemyError

from rtapp import database
from rtapp import schema


class Command(click.Command):
    """Runs in the application's context."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not all(is_encodable(word) for word in args):
            raise click.ClickException("A word of the command is not valid UTF-8.")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SQLAlchemyError as error:
            sentence = sentence_for(error)
            if sentence is None:
                raise
            raise click.ClickException(sentence) from error


class Group(AppGroup):
    command_class = Command


def sentence_for(error: SQLAlchemyError) -> str | None:
    """What to tell the operator; None if neither the database's state nor its tables are at fault.

    Needs the application's context.
    """
    found = database.problem(error)
    if found is not None:
        return f"{found.sentence} To check it: flask --app app doctor"
    try:
        return schema.mismatch()
    except SQLAlchemyError:
        return None


def is_encodable(word: str) -> bool:
    """False for bytes that are not UTF-8: Python has them in words as lone surrogates."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True
