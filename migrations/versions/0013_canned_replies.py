"""canned replies: texts of an account, by their shortcuts"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("canned_replies",
    sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("account_id", sa.Integer(), nullable=False),
    sa.Column("shortcut", sa.String(length=32), nullable=False),
    sa.Column("content", sa.Text(), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_canned_replies_account_id")),
    sa.PrimaryKeyConstraint("id", name=op.f("pk_canned_replies")),
    sa.UniqueConstraint("account_id", "shortcut", name=op.f("uq_canned_replies_account_id_shortcut"))
    )


def downgrade() -> None:
    op.drop_table("canned_replies")
