"""Column types with the same behaviour on SQLite and PostgreSQL."""

from datetime import UTC
from datetime import datetime
from typing import Annotated

from sqlalchemy import DateTime
from sqlalchemy import Dialect
from sqlalchemy import String
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import validates
from sqlalchemy.types import TypeDecorator

from rtapp import clock
from rtapp.text import address
from rtapp.text import not_blank


class Named:
    """A row with a name that a reader can see, whatever creates it."""

    @validates("name")
    def _named(self, key: str, name: str) -> str:
        """Raises ValueError for a blank name."""
        return not_blank(name)


class Addressed:
    """A row with an e-mail address, in lower case."""

    @validates("email")
    def _addressed(self, key: str, email: str | None) -> str | None:
        """Raises ValueError for an address that `text.address` refuses."""
        return email if email is None else address(email)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime. SQLite stores no time zone, so a naive result is taken as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


Id = Annotated[int, mapped_column(primary_key=True)]
Name = Annotated[str, mapped_column(String(200))]
Choice = Annotated[str, mapped_column(String(20))]
Moment = Annotated[datetime, mapped_column(UtcDateTime)]
CreatedAt = Annotated[datetime, mapped_column(UtcDateTime, default=clock.now)]
UpdatedAt = Annotated[datetime, mapped_column(UtcDateTime, default=clock.now, onupdate=clock.now)]
Version = Annotated[int, mapped_column(default=1)]  # incremented with every change of the row
