"""The GET endpoints. Pages and JSON share their URLs; the Accept header selects the form."""

from . import account
from . import attachment
from . import canned_reply
from . import chat_page
from . import contact
from . import conversation
from . import doctor
from . import draft
from . import forgotten_password
from . import health
from . import inbox_settings
from . import inspection
from . import invitation
from . import join
from . import label
from . import login
from . import me
from . import member
from . import message
from . import new_password
from . import notification
from . import openapi
from . import password_link
from . import presence
from . import profile
from . import push_subscription
from . import revision
from . import second_factor
from . import service_worker
from . import session
from . import settings
from . import setup
from . import token
from . import unread
from . import visitor
from . import website
from . import widget

BLUEPRINTS = (
    login.bp, me.bp, conversation.bp, doctor.bp, draft.bp, message.bp, notification.bp,
    presence.bp, inspection.bp, attachment.bp,
    revision.bp, unread.bp, label.bp, canned_reply.bp, contact.bp, inbox_settings.bp, health.bp,
    openapi.bp, push_subscription.bp, service_worker.bp, invitation.bp, join.bp, password_link.bp,
    new_password.bp, setup.bp, account.bp, member.bp, profile.bp, settings.bp, second_factor.bp,
    session.bp, token.bp,
    forgotten_password.bp, visitor.bp, website.bp,
    chat_page.bp, widget.bp,
)  # fmt: skip
