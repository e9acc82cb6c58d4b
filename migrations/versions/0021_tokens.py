"""tokens: a row for each, in place of signed ones, which end"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

RANDOM = {"sqlite": "lower(hex(randomblob(8)))", "postgresql": "left(md5(random()::text), 16)"}


def upgrade() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("scope", sa.String(length=20), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("contact_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(user_id IS NULL) <> (contact_id IS NULL)", name=op.f("ck_tokens_owner")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tokens_user_id")),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_tokens_contact_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_tokens_digest")),
        sqlite_autoincrement=True,
    )
    for column in ("user_id", "contact_id", "expires_at"):
        op.create_index(op.f(f"ix_tokens_{column}"), "tokens", [column])
    op.drop_column("users", "stamp")


def downgrade() -> None:
    stamp = sa.Column("stamp", sa.String(length=16), nullable=False, server_default="")
    op.add_column("users", stamp)
    dialect = op.get_bind().dialect.name
    op.execute(f"UPDATE users SET stamp = {RANDOM[dialect]}")
    if dialect != "sqlite":  # which keeps the default
        op.alter_column("users", "stamp", server_default=None)
    op.drop_table("tokens")
