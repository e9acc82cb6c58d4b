from sqlalchemy import ForeignKey
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.extensions import Model

from .types import Choice
from .types import Id


class Membership(Model):
    """The membership of a user in an account.

    `role`: administrator or agent. `sees` (agents only): inbox or assigned. `status`: the chosen
    presence status online, busy or offline. `alerts`: of which conversations' new messages the page
    alerts the user: inboxes (all that the user sees), mine_and_unassigned or mine.
    """

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("account_id", "user_id"),)

    id: Mapped[Id]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    role: Mapped[Choice] = mapped_column(default="agent")
    sees: Mapped[Choice] = mapped_column(default="inbox")
    status: Mapped[Choice] = mapped_column(default="online")
    alerts: Mapped[Choice] = mapped_column(default="mine_and_unassigned")
