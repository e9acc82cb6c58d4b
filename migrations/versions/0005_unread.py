"""unread: a covering index of the conversations of a view"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NAME = "ix_conversations_of_a_view"


def upgrade() -> None:
    op.create_index(
        NAME,
        "conversations",
        ["account_id", "status", "assignee_id", "inbox_id", "last_message_id", "id"],
    )


def downgrade() -> None:
    op.drop_index(NAME, table_name="conversations")
