"""Streams that are authorised again together have the answers that each has alone."""

from contextlib import suppress

import pytest
from sqlalchemy import event
from sqlalchemy import update

from rtapp import access
from rtapp.errors import NotFound
from rtapp.extensions import db
from rtapp.grants import subscriber_id
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import User
from rtapp.models.principal import AgentIdentity
from rtapp.models.principal import CustomerIdentity
from rtapp.realtime.subscriber import Subscription
from rtapp.streams import authorise_again
from rtapp.streams import authorising
from rtapp.streams import base

from ..world import other_account

NONE = 10**6  # an id that no conversation has


@pytest.fixture
def principals(app):
    """A principal of each role and kind, by credential. Some conversations and a contact are
    merged."""
    other = other_account(app)
    with app.app_context():
        users = {
            name: User(name=name, email=f"{name}@example.com", password_hash="none")
            for name in ("assigned", "both", "nowhere", "nobody")
        }
        merged = Contact(account_id=1, name="Merged", merged_into_id=1)
        db.session.add_all([*users.values(), merged])
        db.session.flush()
        for name in ("assigned", "both", "nowhere"):
            sees = "assigned" if name == "assigned" else "inbox"
            db.session.add(Membership(account_id=1, user_id=users[name].id, sees=sees))
        for inbox in (1, 2):
            db.session.add(InboxMember(inbox_id=inbox, user_id=users["both"].id))
        mine = update(Conversation).values(assignee_id=users["assigned"].id)
        db.session.execute(mine.where(Conversation.id.in_([2, 5])))
        # 3 leads to 1, and an agent of one inbox sees one of them only; 4 to another account's.
        for source, target in ((3, 1), (4, other.conversation)):
            merge = update(Conversation).values(merged_into_id=target)
            db.session.execute(merge.where(Conversation.id == source))
        inboxes = dict(
            db.session.execute(db.select(Conversation.contact_id, Conversation.inbox_id)).all()
        )
        db.session.commit()
        found = {"admin": AgentIdentity(1, "Ada"), "agent": AgentIdentity(2, "Kevin")}
        found |= {"row": db.session.get_one(User, 3), "foreign": AgentIdentity(other.user, "Zoe")}
        found |= {name: AgentIdentity(user.id, name) for name, user in users.items()}
        found["merged customer"] = CustomerIdentity(merged.id, "Merged")
        for contact, inbox in inboxes.items():
            found[f"customer {contact}"] = CustomerIdentity(contact, "Carl")
            for visited in {inbox, 1, 2}:
                found[f"visitor {contact} {visited}"] = CustomerIdentity(contact, "Carl", visited)
        found["blocked"] = CustomerIdentity(1, "Carl", 1, blocked=True)
        db.session.expunge_all()
    return found


@pytest.fixture
def questions(app, principals, monkeypatch):
    """Every conversation, existing or not, for every principal; those of a credential in a row."""
    monkeypatch.setattr(base.auth, "principal_of", principals.get)
    with app.app_context():
        ids = [*db.session.scalars(db.select(Conversation.id).order_by(Conversation.id)), NONE]
    return [
        Subscription(
            1,
            (f"conversation:{id}",),
            (),
            user_id=subscriber_id(principal),
            credential=credential,
            authorised=False,
        )
        for credential, principal in sorted(principals.items())
        for id in ids
    ]


def test_streams_authorised_together_have_the_answers_that_each_has_alone(app, questions):
    alone = {each: authorise_again(app, each) for each in questions}
    with authorising(app, questions):
        together = {each: authorise_again(app, each) for each in questions}
    assert together == alone
    seen = {}
    for question, answer in alone.items():
        if answer != "forbidden":
            seen.setdefault(question.credential, []).append(question.streams[0])
    assert len({tuple(names) for names in seen.values()}) > 6, "the roles do not differ"
    assert not {"nobody", "nowhere", "blocked"} & seen.keys()
    # A merged conversation is not among those found in one query.
    assert "conversation:3" not in seen["admin"]


def test_conversations_found_at_once_are_those_found_one_by_one(app, principals):
    with app.app_context():
        ids = [*db.session.scalars(db.select(Conversation.id)), NONE]
        for credential, principal in principals.items():
            refs = access.conversation_refs(principal, ids)
            assert len(refs) == len(set(refs)), credential
            assert set(refs) == set(found_one_by_one(principal, ids)), credential


def found_one_by_one(principal, ids):
    for id in ids:
        with suppress(NotFound):
            ref = access.conversation_ref(principal, id)
            if ref.id == id:  # not merged
                yield ref


def test_an_answer_is_not_given_to_the_next_credential_or_block(app, principals, questions):
    """The rights of each question's own principal, read in its own block, decide."""
    one = next(q for q in questions if (q.credential, q.streams) == ("admin", ("conversation:1",)))
    two = next(q for q in questions if (q.credential, q.streams) == ("admin", ("conversation:2",)))
    theirs = next(q for q in questions if (q.credential, q.streams) == ("foreign", one.streams))
    with authorising(app, [one, two, theirs]):
        assert authorise_again(app, one) != "forbidden"
        assert authorise_again(app, theirs) == "forbidden"
    with app.app_context():
        demoted = update(Membership).where(Membership.user_id == 1)
        db.session.execute(demoted.values(role="agent", sees="assigned"))
        db.session.execute(update(Conversation).values(assignee_id=None))
        db.session.commit()
    with authorising(app, [one, two]):
        assert [authorise_again(app, each) for each in (one, two)] == ["forbidden"] * 2


def test_the_conversations_of_a_credential_are_read_by_one_query(app, questions):
    """A few queries for each credential that sees all it asks for, whatever their number."""
    asked = [q for q in questions if q.credential == "admin"]
    with app.app_context():
        allowed = [q for q in asked if not isinstance(authorise_again(app, q), str)]
        engine = db.engine
    statements = []

    def record(_connection, _cursor, statement, *_):
        if "FROM conversations" in statement:
            statements.append(statement)

    event.listen(engine, "before_cursor_execute", record)
    try:
        with authorising(app, allowed):
            for question in allowed:
                authorise_again(app, question)
    finally:
        event.remove(engine, "before_cursor_execute", record)
    assert len(allowed) > 5
    assert len(statements) == 1
