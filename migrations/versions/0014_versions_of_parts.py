"""versions of parts: with which version of a conversation its status, assignee and labels last
changed, and its customer last wrote"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

PARTS = ("status_version", "assignee_version", "labels_version", "asked_version")


def upgrade() -> None:
    for part in PARTS:
        column = sa.Column(part, sa.Integer(), nullable=False, server_default="1")
        op.add_column("conversations", column)
    # It is not known which change was the last one of which part: any may be.
    op.execute(f"UPDATE conversations SET {', '.join(f'{part} = version' for part in PARTS)}")
    if op.get_bind().dialect.name != "sqlite":  # which keeps the default
        for part in PARTS:
            op.alter_column("conversations", part, server_default=None)


def downgrade() -> None:
    for part in PARTS:
        op.drop_column("conversations", part)
