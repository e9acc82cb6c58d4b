"""the whole inbox: snoozing, notifications, how far a contact has read"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Inline, because SQLite adds a foreign key only with its column or by recreating the table, and a
# table that others refer to can't be recreated while foreign keys are enforced.
REFERENCES = (("snoozed_by_id", "users"), ("contact_read_id", "messages"))


def upgrade() -> None:
    op.create_table("notifications",
    sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("account_id", sa.Integer(), nullable=False),
    sa.Column("user_id", sa.Integer(), nullable=False),
    sa.Column("conversation_id", sa.Integer(), nullable=False),
    sa.Column("message_id", sa.Integer(), nullable=False),
    sa.Column("kind", sa.String(length=20), nullable=False),
    sa.Column("read", sa.Boolean(), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_notifications_account_id")),
    sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_notifications_conversation_id")),
    sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_notifications_message_id")),
    sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notifications_user_id")),
    sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications"))
    )
    op.create_index(op.f("ix_notifications_conversation_id"), "notifications", ["conversation_id"])
    op.create_index(op.f("ix_notifications_user_id_account_id_id"), "notifications", ["user_id", "account_id", "id"])

    op.add_column("conversations", sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True))
    for column, table in REFERENCES:
        op.execute(
            f"ALTER TABLE conversations ADD COLUMN {column} INTEGER "
            f"CONSTRAINT fk_conversations_{column} REFERENCES {table} (id)"
        )
    op.create_index(op.f("ix_conversations_snoozed_until"), "conversations", ["snoozed_until"])

    op.drop_index(op.f("ix_contacts_account_id"), "contacts")
    op.create_index(op.f("ix_contacts_account_id_email"), "contacts", ["account_id", "email"], unique=True)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        raise NotImplementedError("SQLite can't drop columns with foreign keys; use a backup")
    op.drop_index(op.f("ix_contacts_account_id_email"), "contacts")
    op.create_index(op.f("ix_contacts_account_id"), "contacts", ["account_id"])
    op.drop_index(op.f("ix_conversations_snoozed_until"), "conversations")
    for column, _ in REFERENCES:
        op.drop_column("conversations", column)
    op.drop_column("conversations", "snoozed_until")
    op.drop_table("notifications")
