"""revisions: who edited a message and when, and its earlier texts"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("edited_at", sa.DateTime(timezone=True)))
    # Inline: SQLite adds a foreign key only with its column.
    op.execute(
        "ALTER TABLE messages ADD COLUMN edited_by_id INTEGER "
        "CONSTRAINT fk_messages_edited_by_id REFERENCES users (id)"
    )
    # Of an edit by an older version, only the time is known.
    op.execute("UPDATE messages SET edited_at = updated_at WHERE updated_at <> created_at")
    op.create_table(
        "message_revisions",
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("edited_by_id", sa.Integer(), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name="fk_message_revisions_message_id"
        ),
        sa.ForeignKeyConstraint(
            ["edited_by_id"], ["users.id"], name="fk_message_revisions_edited_by_id"
        ),
        sa.PrimaryKeyConstraint("message_id", "version", name="pk_message_revisions"),
    )


def downgrade() -> None:
    op.drop_table("message_revisions")
    op.drop_column("messages", "edited_by_id")
    op.drop_column("messages", "edited_at")
