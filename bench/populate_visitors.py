"""Add visitors of the demo's website to an instance folder before its server starts.

`python -m bench.populate_visitors COUNT`

Prints as JSON, for each visitor, the bearer token, the contact and the one conversation.
"""

import json
import sys

from sqlalchemy import select

from rtapp import create_app
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Website
from rtapp.services.change_tokens import add_website_token


def main() -> None:
    count = int(sys.argv[1])
    with create_app().app_context():
        website = db.session.scalars(select(Website)).first()
        assert website is not None
        inbox = website.inbox
        contacts = [Contact(account_id=inbox.account_id, name=f"Visitor {n}") for n in range(count)]
        db.session.add_all(contacts)
        db.session.flush()
        threads = [
            Conversation(account_id=inbox.account_id, inbox_id=inbox.id, contact_id=contact.id)
            for contact in contacts
        ]
        db.session.add_all(threads)
        texts = [add_website_token(contact, inbox.id, proved=True).text for contact in contacts]
        db.session.commit()
        ids = [(contact.id, thread.id) for contact, thread in zip(contacts, threads, strict=True)]
    print(json.dumps([(text, *each) for text, each in zip(texts, ids, strict=True)]))


if __name__ == "__main__":
    main()
