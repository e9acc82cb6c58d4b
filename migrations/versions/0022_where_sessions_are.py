"""where sessions are: the browser and address of each, and when it was used last"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TABLE = "user_sessions"


def upgrade() -> None:
    for name, length, default in (("user_agent", 300, ""), ("address", 45, "-")):
        column = sa.Column(name, sa.String(length), nullable=False, server_default=default)
        op.add_column(TABLE, column)
        if op.get_bind().dialect.name != "sqlite":  # which keeps the default
            op.alter_column(TABLE, name, server_default=None)
    op.add_column(TABLE, sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for name in ("user_agent", "address", "last_used_at"):
        op.drop_column(TABLE, name)
