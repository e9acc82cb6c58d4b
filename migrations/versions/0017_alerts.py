"""alerts: the conversations of whose new messages a member is alerted"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    default = "mine_and_unassigned"
    op.add_column(
        "memberships",
        sa.Column("alerts", sa.String(20), nullable=False, server_default=default),
    )
    if op.get_bind().dialect.name != "sqlite":  # which keeps the default
        op.alter_column("memberships", "alerts", server_default=None)


def downgrade() -> None:
    op.drop_column("memberships", "alerts")
