"""merged conversations, with their undo log"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Inline: SQLite adds a foreign key only with its column.
    op.execute(
        "ALTER TABLE conversations ADD COLUMN merged_into_id INTEGER "
        "CONSTRAINT fk_conversations_merged_into_id REFERENCES conversations (id)"
    )
    op.create_index(op.f("ix_conversations_merged_into_id"), "conversations", ["merged_into_id"])
    op.create_table("conversation_merges",
    sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("account_id", sa.Integer(), nullable=False),
    sa.Column("source_id", sa.Integer(), nullable=False),
    sa.Column("target_id", sa.Integer(), nullable=False),
    sa.Column("message_ids", sa.JSON(), nullable=False),
    sa.Column("label_ids", sa.JSON(), nullable=False),
    sa.Column("conversation_ids", sa.JSON(), nullable=False),
    sa.Column("merged_by_id", sa.Integer(), nullable=False),
    sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("undone_by_id", sa.Integer(), nullable=True),
    sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_conversation_merges_account_id")),
    sa.ForeignKeyConstraint(["source_id"], ["conversations.id"], name=op.f("fk_conversation_merges_source_id")),
    sa.ForeignKeyConstraint(["target_id"], ["conversations.id"], name=op.f("fk_conversation_merges_target_id")),
    sa.ForeignKeyConstraint(["merged_by_id"], ["users.id"], name=op.f("fk_conversation_merges_merged_by_id")),
    sa.ForeignKeyConstraint(["undone_by_id"], ["users.id"], name=op.f("fk_conversation_merges_undone_by_id")),
    sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation_merges"))
    )
    op.create_index(op.f("ix_conversation_merges_source_id"), "conversation_merges", ["source_id"])


def downgrade() -> None:
    """Keeps every message where it is. A merged conversation is an empty one then."""
    op.drop_table("conversation_merges")
    op.drop_index(op.f("ix_conversations_merged_into_id"), "conversations")
    op.drop_column("conversations", "merged_into_id")
