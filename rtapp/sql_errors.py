"""Errors of the database, whose text does not quote the values of rows and parameters.

They are logged with tracebacks. `hide_parameters` of the engine leaves the parameters out;
PostgreSQL quotes values in the lines after the first one, for example "DETAIL: Key (email)=(…)
already exists." (https://www.postgresql.org/docs/current/error-style-guide.html).
"""

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine import ExceptionContext


def init_app() -> None:
    """Shorten the errors of every engine. Again: does nothing."""
    if not event.contains(Engine, "handle_error", shorten):
        event.listen(Engine, "handle_error", shorten)


def shorten(context: ExceptionContext) -> None:
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args and isinstance(error.args[0], str):
            error.args = (error.args[0].partition("\n")[0], *error.args[1:])
