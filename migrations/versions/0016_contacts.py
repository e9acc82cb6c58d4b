"""contacts: phone, notes, version, and merges with their undo log"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contacts", sa.Column("phone", sa.String(length=40)))
    for column in ("notes", "aliases"):
        op.add_column("contacts", sa.Column(column, sa.Text(), nullable=False, server_default=""))
    version = sa.Column("version", sa.Integer(), nullable=False, server_default="1")
    op.add_column("contacts", version)
    # Inline: SQLite adds a foreign key only with its column.
    op.execute(
        "ALTER TABLE contacts ADD COLUMN merged_into_id INTEGER "
        "CONSTRAINT fk_contacts_merged_into_id REFERENCES contacts (id)"
    )
    op.create_index(op.f("ix_contacts_merged_into_id"), "contacts", ["merged_into_id"])
    if op.get_bind().dialect.name != "sqlite":  # which keeps the defaults
        for column in ("notes", "aliases", "version"):
            op.alter_column("contacts", column, server_default=None)
    op.create_table("contact_merges",
    sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("account_id", sa.Integer(), nullable=False),
    sa.Column("source_id", sa.Integer(), nullable=False),
    sa.Column("target_id", sa.Integer(), nullable=False),
    sa.Column("conversation_ids", sa.JSON(), nullable=False),
    sa.Column("contact_ids", sa.JSON(), nullable=False),
    sa.Column("merged_by_id", sa.Integer(), nullable=False),
    sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("undone_by_id", sa.Integer(), nullable=True),
    sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_contact_merges_account_id")),
    sa.ForeignKeyConstraint(["source_id"], ["contacts.id"], name=op.f("fk_contact_merges_source_id")),
    sa.ForeignKeyConstraint(["target_id"], ["contacts.id"], name=op.f("fk_contact_merges_target_id")),
    sa.ForeignKeyConstraint(["merged_by_id"], ["users.id"], name=op.f("fk_contact_merges_merged_by_id")),
    sa.ForeignKeyConstraint(["undone_by_id"], ["users.id"], name=op.f("fk_contact_merges_undone_by_id")),
    sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_merges"))
    )
    op.create_index(op.f("ix_contact_merges_source_id"), "contact_merges", ["source_id"])


def downgrade() -> None:
    op.drop_table("contact_merges")
    op.drop_index(op.f("ix_contacts_merged_into_id"), "contacts")
    for column in ("merged_into_id", "version", "aliases", "notes", "phone"):
        op.drop_column("contacts", column)
