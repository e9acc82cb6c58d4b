"""Rows that are due at a time, and are done by one of the processes: pushes and mails.

A process claims a row by putting it off. If it dies meanwhile, another one does it then.
"""

from datetime import datetime
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy import update

from rtapp.extensions import db
from rtapp.models import Mail
from rtapp.models import Push

Kind = type[Push] | type[Mail]


def claim_due(kind: Kind, ids: list[int], now: datetime, lease: timedelta) -> list[int]:
    """Put these off for the `lease`. Returns those that no other process has claimed meanwhile."""
    if not ids:
        return []
    still = (kind.id.in_(ids), kind.due_at <= now)
    unlocked = select(kind.id).where(*still).with_for_update(skip_locked=True)
    claimed = db.session.scalars(
        update(kind)
        .where(kind.id.in_(unlocked), kind.due_at <= now)
        .values(due_at=now + lease, attempts=kind.attempts + 1)
        .returning(kind.id)
        .execution_options(synchronize_session=False)
    ).all()
    db.session.commit()
    return list(claimed)
