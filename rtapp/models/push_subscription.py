from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.extensions import Model

from .types import CreatedAt


class PushSubscription(Model):
    """Where a browser receives push notifications while no page is open (Push API).

    It is part of the browser's session and ends with its row. `endpoint` is a secret, because the
    URL alone allows to send to the browser. `p256dh` and `auth` are the browser's keys (RFC 8291),
    in base64url.
    """

    __tablename__ = "push_subscriptions"

    session_id: Mapped[str] = mapped_column(
        ForeignKey("user_sessions.id", ondelete="CASCADE"), primary_key=True
    )
    endpoint: Mapped[str] = mapped_column(String(2000), unique=True)
    p256dh: Mapped[str] = mapped_column(String(87))
    auth: Mapped[str] = mapped_column(String(22))
    created_at: Mapped[CreatedAt]
