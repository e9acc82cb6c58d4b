"""blocked: whether a contact may no longer write"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "contacts",
        sa.Column("blocked", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    if op.get_bind().dialect.name != "sqlite":  # which keeps the default
        op.alter_column("contacts", "blocked", server_default=None)


def downgrade() -> None:
    # No earlier version has the status: what no agent wants to see is resolved.
    op.execute("UPDATE conversations SET status = 'resolved' WHERE status = 'spam'")
    op.drop_column("contacts", "blocked")
