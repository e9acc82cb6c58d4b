"""merges of contacts by the visitor of a website, who has proved to be both"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("contact_merges") as batch:
        batch.alter_column("merged_by_id", existing_type=sa.Integer(), nullable=True)


def downgrade() -> None:
    op.execute(
        "UPDATE contact_merges SET merged_by_id = (SELECT min(id) FROM users) "
        "WHERE merged_by_id IS NULL"
    )
    with op.batch_alter_table("contact_merges") as batch:
        batch.alter_column("merged_by_id", existing_type=sa.Integer(), nullable=False)
