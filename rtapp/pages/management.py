"""A page on which rows are made, changed and deleted by plain forms: what each of these needs."""

from collections.abc import Mapping
from typing import NamedTuple

from flask import request

from rtapp.errors import Problem
from rtapp.errors import wants_html
from rtapp.validation import Body


class NoFields(Body):
    """The body of a deletion."""


class Refusal(NamedTuple):
    """A refused form: that of the row `id`, or of a new one. `errors`: field → sentence."""

    id: int | None
    fields: Mapping[str, str]
    errors: Mapping[str, str]
    detail: str


def refusal(problem: Problem, id: int | None) -> Refusal:
    """What the page shows of a refused form. Raises `problem` for a client that wants JSON."""
    if not wants_html() or request.is_json:
        raise problem
    errors = {name: ", and ".join(wrong) for name, wrong in (problem.errors or {}).items()}
    return Refusal(id, request.form.to_dict(), errors, problem.detail)
