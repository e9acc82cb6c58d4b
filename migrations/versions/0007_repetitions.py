"""repetitions: a digest of the request that brought a message, beside its client_id"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("request_digest", sa.String(64)))


def downgrade() -> None:
    op.drop_column("messages", "request_digest")
