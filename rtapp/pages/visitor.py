"""The conversations of a website's visitor, for the chat."""

from flask import Blueprint
from flask import jsonify
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import presence
from rtapp import queries
from rtapp.config import VISITORS_CONVERSATIONS
from rtapp.events import customer_presenters
from rtapp.extensions import db
from rtapp.models import Contact

bp = Blueprint("visitor", __name__)


@bp.get("/chat/<string:key>/conversations")
def conversations(key: str) -> Response:
    """The visitor's newest conversations, who they are here, and whether a member is there."""
    website = access.website_with(key)
    visitor = auth.visitor_of(website)
    there = presence.of_inbox(website.inbox.account_id, website.inbox_id)
    contact = access.own_contact(visitor)
    own = db.session.get_one(Contact, visitor.id)
    verified = access.has_proved(visitor)
    rows = queries.conversations_of_visitor(visitor, VISITORS_CONVERSATIONS)
    return jsonify(
        conversations=[customer_presenters.own_conversation(*row) for row in rows],
        contact=customer_presenters.contact(contact, own, verified=verified),
        present=there.present,
        cursor=there.cursor,
    )
