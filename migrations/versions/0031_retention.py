"""retention: how long an account keeps its messages, and when what is old is removed"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedules")),
    )
    op.execute("INSERT INTO schedules (name, due_at) VALUES ('retention', CURRENT_TIMESTAMP)")
    op.add_column("accounts", sa.Column("messages_kept_days", sa.Integer()))


def downgrade() -> None:
    op.drop_column("accounts", "messages_kept_days")
    op.drop_table("schedules")
