"""labels: an account's, and those on each conversation"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("labels",
    sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("account_id", sa.Integer(), nullable=False),
    sa.Column("title", sa.String(length=40), nullable=False),
    sa.Column("folded", sa.String(length=360), nullable=False),
    sa.Column("colour", sa.Integer(), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_labels_account_id")),
    sa.PrimaryKeyConstraint("id", name=op.f("pk_labels")),
    sa.UniqueConstraint("account_id", "folded", name=op.f("uq_labels_account_id_folded"))
    )
    op.create_table("conversation_labels",
    sa.Column("conversation_id", sa.Integer(), nullable=False),
    sa.Column("label_id", sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_conversation_labels_conversation_id"), ondelete="CASCADE"),
    sa.ForeignKeyConstraint(["label_id"], ["labels.id"], name=op.f("fk_conversation_labels_label_id"), ondelete="CASCADE"),
    sa.PrimaryKeyConstraint("conversation_id", "label_id", name=op.f("pk_conversation_labels"))
    )
    op.create_index(op.f("ix_conversation_labels_label_id_conversation_id"), "conversation_labels", ["label_id", "conversation_id"])


def downgrade() -> None:
    op.drop_table("conversation_labels")
    op.drop_table("labels")
