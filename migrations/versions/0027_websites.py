"""websites: chats of inboxes, the identities of their users, visitors' tokens"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "websites",
        sa.Column("inbox_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("origins", sa.Text(), nullable=False),
        sa.Column("greeting", sa.Text(), nullable=False),
        sa.Column("away", sa.Text(), nullable=False),
        sa.Column("accent", sa.String(length=7), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("first_salt", sa.String(length=32), nullable=True),
        sa.Column("second_salt", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["inbox_id"], ["inboxes.id"], name=op.f("fk_websites_inbox_id")),
        sa.PrimaryKeyConstraint("inbox_id", name=op.f("pk_websites")),
        sa.UniqueConstraint("key", name=op.f("uq_websites_key")),
    )
    op.create_table(
        "identities",
        sa.Column("inbox_id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["inbox_id"], ["inboxes.id"], name=op.f("fk_identities_inbox_id")),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_identities_contact_id")
        ),
        sa.PrimaryKeyConstraint("inbox_id", "subject", name=op.f("pk_identities")),
    )
    op.create_index(op.f("ix_identities_contact_id"), "identities", ["contact_id"])
    op.add_column("contacts", sa.Column("given_email", sa.String(length=254), nullable=True))
    op.add_column("contacts", sa.Column("page_url", sa.Text(), nullable=True))
    # Inline: SQLite adds a foreign key only with its column.
    op.execute(
        "ALTER TABLE tokens ADD COLUMN inbox_id INTEGER "
        "CONSTRAINT fk_tokens_inbox_id REFERENCES inboxes (id)"
    )
    op.create_index(op.f("ix_tokens_inbox_id"), "tokens", ["inbox_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_tokens_inbox_id"), "tokens")
    op.drop_column("tokens", "inbox_id")
    op.drop_column("contacts", "page_url")
    op.drop_column("contacts", "given_email")
    op.drop_table("identities")
    op.drop_table("websites")
