"""repetitions and the demo's password: a digest of the request that brought a message, beside its
client_id; and one hash for all users with the demo's password"""

import sqlalchemy as sa
from alembic import op
from werkzeug.security import check_password_hash

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

users = sa.table("users", sa.column("id"), sa.column("email"), sa.column("password_hash"))
DEMO = ("ada@example.com", "kevin@example.com", "grace@example.com")
DEMO_HASH = (
    "scrypt:32768:8:1$hRkySzrNKxvWvzqb$"
    "f8e67de264398cd8013147576114099b7ba45ef9353bf06f658012687155f15c"
    "5e13d4c27cb28848cf757bf3b2746351e10940650c9315daa832a514e2a4ff7f"
)


def upgrade() -> None:
    op.add_column("messages", sa.Column("request_digest", sa.String(64)))
    connection = op.get_bind()
    for user in connection.execute(sa.select(users).where(users.c.email.in_(DEMO))).all():
        if check_password_hash(user.password_hash, "password"):
            change = sa.update(users).where(users.c.id == user.id).values(password_hash=DEMO_HASH)
            connection.execute(change)


def downgrade() -> None:
    op.drop_column("messages", "request_digest")
