from typing import Any
from typing import ClassVar

from sqlalchemy import Connection
from sqlalchemy import Text
from sqlalchemy import Update
from sqlalchemy import event
from sqlalchemy import inspect
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import Mapper
from sqlalchemy.orm import ORMExecuteState
from sqlalchemy.orm import Session
from sqlalchemy.orm import declared_attr
from sqlalchemy.orm import mapped_column

from rtapp.folding import folded


class Searched:
    """A row that a search finds by the columns named in SEARCHED, folded together in `folded`.

    Nothing but this file sets `folded`: with each INSERT, each change of a mapped row, and each
    UPDATE of the session. It is NULL, and the search takes the texts in lower case, in rows that a
    version without it inserted. It is not loaded with the row.
    """

    SEARCHED: ClassVar[tuple[str, ...]]

    @declared_attr
    def folded(cls) -> Mapped[str | None]:  # noqa: N805
        def from_inserted(context: Any) -> str:
            values = context.get_current_parameters()
            return together(*(values.get(name) for name in cls.SEARCHED))

        return mapped_column(Text, deferred=True, default=from_inserted)


@event.listens_for(Searched, "before_update", propagate=True)
def fold_again(mapper: Mapper[Any], connection: Connection, row: Searched) -> None:
    attributes = inspect(row).attrs
    if any(attributes[name].history.has_changes() for name in row.SEARCHED):
        row.folded = together(*(getattr(row, name) for name in row.SEARCHED))


@event.listens_for(Session, "do_orm_execute")
def fold_updated(state: ORMExecuteState) -> None:
    """Add `folded` to an UPDATE of such columns: NULL unless it has all of them."""
    if not isinstance(state.statement, Update) or state.bind_mapper is None:
        return
    kind = state.bind_mapper.class_
    if not issubclass(kind, Searched):
        return
    values = state.statement.compile().params
    if not values.keys().isdisjoint(kind.SEARCHED) and "folded" not in values:
        is_whole = values.keys() >= set(kind.SEARCHED)
        new = together(*(values[name] for name in kind.SEARCHED)) if is_whole else None
        state.statement = state.statement.values(folded=new)


def together(*texts: str | None) -> str:
    return folded(" ".join(text for text in texts if text))
