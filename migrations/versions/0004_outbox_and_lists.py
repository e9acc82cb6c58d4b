"""outbox: dead letters, 64-bit ids; lists: an index for each"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LISTS = {
    "ix_conversations_account_id_status_last_activity_at_id":
        ["account_id", "status", "last_activity_at", "id"],
    "ix_conversations_account_id_assignee_id_last_activity_at_id":
        ["account_id", "assignee_id", "last_activity_at", "id"],
    "ix_conversations_of_an_assignee_by_status":
        ["account_id", "assignee_id", "status", "last_activity_at", "id"],
    "ix_conversations_inbox_id_last_activity_at_id":
        ["inbox_id", "last_activity_at", "id"],
    "ix_conversations_inbox_id_status_last_activity_at_id":
        ["inbox_id", "status", "last_activity_at", "id"],
}
REPLACED = {
    "ix_conversations_inbox_id": ["inbox_id"],
    "ix_conversations_assignee_id": ["assignee_id"],
}


def upgrade() -> None:
    change_outbox_id(sa.BigInteger())
    with op.batch_alter_table("outbox_events") as batch_op:
        batch_op.add_column(sa.Column("set_aside_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("error", sa.Text(), nullable=True))
    replace_indexes(REPLACED, LISTS)


def downgrade() -> None:
    replace_indexes(LISTS, REPLACED)
    with op.batch_alter_table("outbox_events") as batch_op:
        batch_op.drop_column("error")
        batch_op.drop_column("set_aside_at")
    change_outbox_id(sa.Integer())


def replace_indexes(old: dict[str, list[str]], new: dict[str, list[str]]) -> None:
    for name in old:
        op.drop_index(op.f(name), table_name="conversations")
    for name, columns in new.items():
        op.create_index(op.f(name), "conversations", columns)


def change_outbox_id(type: sa.types.TypeEngine) -> None:
    # SQLite's ids have 64 bits anyway. Its table is recreated to add or remove AUTOINCREMENT.
    if op.get_bind().dialect.name == "sqlite":
        larger = isinstance(type, sa.BigInteger)
        with op.batch_alter_table(
            "outbox_events", recreate="always", table_kwargs={"sqlite_autoincrement": larger}
        ):
            pass
        return
    op.alter_column("outbox_events", "id", type_=type)
    # The sequence of a serial column has a limit of its own.
    op.execute(f"ALTER SEQUENCE outbox_events_id_seq AS {type.compile()}")
