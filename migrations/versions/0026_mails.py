"""mails: what is to be mailed, and what became of the mail of a link"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

SUBJECT = (
    "(invitation_id IS NOT NULL AND password_link_id IS NULL AND email IS NULL) OR "
    "(invitation_id IS NULL AND password_link_id IS NOT NULL AND email IS NULL) OR "
    "(invitation_id IS NULL AND password_link_id IS NULL AND email IS NOT NULL)"
)


def upgrade() -> None:
    for table in ("invitations", "password_links"):
        op.add_column(table, sa.Column("mail", sa.String(length=20), nullable=True))
        op.add_column(table, sa.Column("mail_error", sa.String(length=300), nullable=True))
    op.create_table(
        "mails",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("invitation_id", sa.Integer(), nullable=True),
        sa.Column("password_link_id", sa.Integer(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("nonce", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.CheckConstraint(SUBJECT, name=op.f("ck_mails_subject")),
        sa.ForeignKeyConstraint(
            ["invitation_id"],
            ["invitations.id"],
            name=op.f("fk_mails_invitation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["password_link_id"],
            ["password_links.id"],
            name=op.f("fk_mails_password_link_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_mails_invitation_id"), "mails", ["invitation_id"])
    op.create_index(op.f("ix_mails_password_link_id"), "mails", ["password_link_id"])
    op.create_index(op.f("ix_mails_due_at"), "mails", ["due_at"])


def downgrade() -> None:
    op.drop_table("mails")
    for table in ("invitations", "password_links"):
        with op.batch_alter_table(table) as batch:
            batch.drop_column("mail_error")
            batch.drop_column("mail")
