"""order of lists: the time of the last public message, and since when a customer waits; an index
for each list in each order"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

FILTERS = {
    "by_account": ["account_id"],
    "by_status": ["account_id", "status"],
    "by_assignee": ["account_id", "assignee_id"],
    "by_assignee_and_status": ["account_id", "assignee_id", "status"],
    "by_inbox": ["inbox_id"],
    "by_inbox_and_status": ["inbox_id", "status"],
}
REPLACED = {
    "ix_conversations_account_id_last_activity_at_id": "by_account",
    "ix_conversations_account_id_status_last_activity_at_id": "by_status",
    "ix_conversations_account_id_assignee_id_last_activity_at_id": "by_assignee",
    "ix_conversations_of_an_assignee_by_status": "by_assignee_and_status",
    "ix_conversations_inbox_id_last_activity_at_id": "by_inbox",
    "ix_conversations_inbox_id_status_last_activity_at_id": "by_inbox_and_status",
}
WAITING = sa.text("waiting_since IS NOT NULL")
# For a column without NULL. SQLite can't take it away again, because others refer to the table.
LONG_AGO = "1970-01-01 00:00:00.000000+00:00"


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    default = LONG_AGO.removesuffix("+00:00") if on_sqlite else LONG_AGO
    moment = sa.DateTime(timezone=True)
    op.add_column(
        "conversations", sa.Column("last_public_at", moment, nullable=False, server_default=default)
    )
    op.add_column("conversations", sa.Column("waiting_since", moment))
    fill()
    if not on_sqlite:
        op.alter_column("conversations", "last_public_at", server_default=None)
    for name in REPLACED:
        op.drop_index(name, table_name="conversations")
    for kind, columns in FILTERS.items():
        op.create_index(
            f"ix_conversations_{kind}", "conversations", [*columns, "last_public_at", "id"]
        )
        op.create_index(
            f"ix_conversations_waiting_{kind}", "conversations", [*columns, "waiting_since", "id"],
            sqlite_where=WAITING, postgresql_where=WAITING,
        )  # fmt: skip


def fill() -> None:
    """Both columns are taken from the messages. `id` has their order. Times are copied as they are
    stored."""
    op.execute(
        """
        UPDATE conversations SET last_public_at = coalesce(
            (SELECT m.created_at FROM messages m
             WHERE m.conversation_id = conversations.id
             AND m.private IS FALSE AND m.message_type <> 'activity'
             ORDER BY m.id DESC LIMIT 1),
            created_at)
        """
    )
    op.execute(
        """
        UPDATE conversations SET waiting_since = (
            SELECT m.created_at FROM messages m
            WHERE m.conversation_id = conversations.id AND m.message_type = 'incoming'
            AND m.id > coalesce(
                (SELECT max(r.id) FROM messages r
                 WHERE r.conversation_id = conversations.id
                 AND r.private IS FALSE AND r.message_type = 'outgoing'),
                0)
            ORDER BY m.id LIMIT 1)
        WHERE status <> 'resolved'
        """
    )


def downgrade() -> None:
    for kind in FILTERS:
        op.drop_index(f"ix_conversations_waiting_{kind}", table_name="conversations")
        op.drop_index(f"ix_conversations_{kind}", table_name="conversations")
    for name, kind in REPLACED.items():
        op.create_index(name, "conversations", [*FILTERS[kind], "last_activity_at", "id"])
    op.drop_column("conversations", "waiting_since")
    op.drop_column("conversations", "last_public_at")
