"""Fill an instance folder before its server starts.

`python -m bench.populate CONVERSATIONS USERS`

Prints as JSON the users' bearer tokens and e-mail addresses, and the conversations' ids. The users
are agents of the demo's first inbox, which has the conversations.
"""

import json
import sys

from flask_migrate import upgrade
from sqlalchemy import select

from rtapp import create_app
from rtapp import seed
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import User
from rtapp.services.change_tokens import create_token


def main() -> None:
    conversations, users = int(sys.argv[1]), int(sys.argv[2])
    with create_app().app_context():
        upgrade()
        seed.seed_if_empty()
        inbox = db.session.scalars(select(Inbox).order_by(Inbox.id)).first()
        assert inbox is not None
        ids = add_conversations(inbox, conversations)
        people = add_users(inbox, users)
        db.session.commit()
        tokens = [create_token(user, "Benchmark").text for user in people]
        emails = [user.email for user in people]
    print(json.dumps({"tokens": tokens, "emails": emails, "conversations": ids}))


def add_conversations(inbox: Inbox, count: int) -> list[int]:
    contact = db.session.scalars(
        select(Contact).where(Contact.account_id == inbox.account_id)
    ).first()
    assert contact is not None
    added = [
        Conversation(account_id=inbox.account_id, inbox_id=inbox.id, contact_id=contact.id)
        for _ in range(count)
    ]
    db.session.add_all(added)
    db.session.flush()
    return [conversation.id for conversation in added]


def add_users(inbox: Inbox, count: int) -> list[User]:
    ada = db.session.scalars(select(User).where(User.email == seed.PEOPLE[0].email)).one()
    people = [
        User(name=f"Agent {n}", email=f"agent{n}@example.com", password_hash=ada.password_hash)
        for n in range(count)
    ]
    db.session.add_all(people)
    db.session.flush()
    for user in people:
        db.session.add(Membership(account_id=inbox.account_id, user_id=user.id, role="agent"))
        db.session.add(InboxMember(inbox_id=inbox.id, user_id=user.id))
    db.session.flush()
    return people


if __name__ == "__main__":
    main()
