"""A website's JWT and a visitor's own token: whose contact they make the visitor."""

import json

import gevent
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import func
from sqlalchemy import select

from rtapp import clock
from rtapp.claims import JWT_LIMIT
from rtapp.claims import VALID_FOR
from rtapp.errors import Forbidden
from rtapp.errors import NotFound
from rtapp.errors import Unauthorized
from rtapp.events.customer_presenters import PRIVATE_FIELDS
from rtapp.events.customer_presenters import TEAM
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import ContactMerge
from rtapp.models import Conversation
from rtapp.models import Identity
from rtapp.models import OutboxEvent
from rtapp.models import User
from rtapp.models import Website
from rtapp.services.change_contact import change_contact
from rtapp.services.identify_visitor import identify_visitor
from rtapp.services.merge_contacts import merge_contacts
from rtapp.services.merge_contacts import undo_merge
from rtapp.website_secrets import make_salt
from rtapp.website_secrets import secrets_of

from ..harness.supervision import spawn
from ..harness.supervision import supervised

INBOX, OTHER_INBOX = 1, 2
MARIA = 1  # a contact of the account, with an address


@pytest.fixture
def website(app):
    """The id of an inbox with a website, within the application's context; another inbox has one
    as well."""
    with app.app_context():
        for inbox, key in ((INBOX, "first"), (OTHER_INBOX, "second")):
            db.session.add(Website(inbox_id=inbox, key=key, first_salt=make_salt()))
        db.session.commit()
        yield db.session.get_one(Website, INBOX)
        db.session.rollback()


def signed(website, sub="maria", *, secret=None, algorithm="HS256", headers=None, **claims):
    stated = {"sub": sub, "exp": int(clock.now().timestamp()) + 600, **claims}
    stated = {name: value for name, value in stated.items() if value is not None}
    key = secrets_of(website)[0] if secret is None else secret
    return jwt.encode(stated, key, algorithm, headers)


def identified(website, token=None, own=None):
    contact = identify_visitor(website, token or signed(website), own)
    db.session.commit()
    return contact


def visitor(website, name="Visitor 1"):
    """An anonymous contact with a conversation."""
    account_id = db.session.get_one(Contact, MARIA).account_id
    contact = Contact(account_id=account_id, name=name)
    db.session.add(contact)
    db.session.flush()
    db.session.add(
        Conversation(account_id=account_id, inbox_id=website.inbox_id, contact_id=contact.id)
    )
    db.session.commit()
    return contact


def conversations(contact):
    query = select(Conversation.id).where(Conversation.contact_id == contact.id)
    return sorted(db.session.scalars(query))


def counts():
    return [
        db.session.scalar(select(func.count()).select_from(model))
        for model in (Contact, Identity, ContactMerge, OutboxEvent)
    ]


def refusal(website, token, own=None):
    """The sentence with which the token is refused. Nothing changes."""
    before = counts()
    with pytest.raises(Unauthorized) as refused:
        identify_visitor(website, token, own)
    db.session.rollback()
    assert counts() == before
    assert refused.value.errors == {"jwt": [refused.value.detail[18:-1]]}
    assert token[:20] not in refused.value.detail or not token
    return refused.value.detail


def test_a_sub_has_one_contact(website):
    first = identified(website)
    assert identified(website).id == first.id
    assert identified(website, signed(website, "tom")).id != first.id
    assert first.name == f"Visitor {first.id}"


def test_a_sub_of_another_inbox_is_somebody_else(website):
    first = identified(website)
    other = db.session.get_one(Website, OTHER_INBOX)
    assert identified(other, signed(other)).id != first.id


def test_the_anonymous_contact_becomes_that_of_a_new_sub_with_its_conversations(website):
    own = visitor(website)
    theirs = conversations(own)
    assert theirs
    assert identified(website, own=own).id == own.id
    assert conversations(own) == theirs
    assert db.session.scalars(select(ContactMerge)).all() == []


def test_an_anonymous_contacts_conversations_move_to_a_sub_that_is_known(website):
    first = identified(website, own=visitor(website))
    own = visitor(website, "Visitor 2")
    moved = conversations(own)
    assert identified(website, own=own).id == first.id
    assert set(moved) < set(conversations(first))
    merge = db.session.scalars(select(ContactMerge)).one()
    assert (merge.source_id, merge.target_id, merge.merged_by) == (own.id, first.id, None)
    assert merge.conversation_ids == moved


def test_a_merge_by_a_visitor_is_shown_and_can_be_undone(app, website, ada):
    first = identified(website, own=visitor(website))
    own = visitor(website, "Visitor 2")
    moved = conversations(own)
    identified(website, own=own)
    [merge] = ada.get(f"/contacts/{first.id}").json["merges"]
    assert merge["merged_by"] is None
    assert "by the customer, who has proved to be both" in ada.page(f"/contacts/{first.id}").text
    undo_merge(db.session.get_one(User, ada.id), db.session.get_one(ContactMerge, merge["id"]))
    assert conversations(own) == moved


def test_without_the_jwt_nothing_moves_and_without_the_token_nothing_does(website):
    maria = identified(website, own=visitor(website))
    own = visitor(website, "Visitor 2")
    theirs = conversations(own)
    identified(website)  # from another device, without the visitor's token
    assert conversations(own) == theirs
    assert conversations(maria) != []


def test_of_another_identified_contact_nothing_moves(website):
    maria = identified(website, own=visitor(website))
    tom = identified(website, signed(website, "tom"), own=visitor(website))
    before = conversations(maria), conversations(tom)
    assert all(before)
    assert identified(website, signed(website, "tom"), own=maria).id == tom.id
    new = identified(website, signed(website, "yuki"), own=maria)
    assert new.id not in (maria.id, tom.id)
    assert (conversations(maria), conversations(tom), conversations(new)) == (*before, [])


def test_what_an_agent_merged_into_an_identified_contact_is_no_other_subs(website, ada):
    maria = identified(website, own=visitor(website))
    own = visitor(website, "Visitor 2")
    merge_contacts(db.session.get_one(User, ada.id), own, maria)
    new = identified(website, signed(website, "tom"), own=own)
    assert conversations(new) == []
    assert new.id not in (maria.id, own.id)


def test_an_agents_merge_of_an_identified_contact_leads_on(website, ada):
    maria = identified(website, own=visitor(website))
    crm = db.session.get_one(Contact, MARIA)
    merge_contacts(db.session.get_one(User, ada.id), maria, crm)
    own = visitor(website, "Visitor 2")
    moved = conversations(own)
    stated = signed(website, name="Mary", email="mary@example.com")
    assert identified(website, stated, own=own).id == maria.id
    assert set(moved) < set(conversations(crm))
    assert (crm.name, crm.email) == ("Maria Lindqvist", "maria.lindqvist@example.com")


def test_a_blocked_subs_contact_is_refused_and_nothing_moves(website, ada):
    maria = identified(website, own=visitor(website))
    change_contact(db.session.get_one(User, ada.id), maria, {"blocked": True})
    own = visitor(website, "Visitor 2")
    theirs = conversations(own)
    with pytest.raises(Forbidden, match="blocked"):
        identify_visitor(website, signed(website), own)
    db.session.rollback()
    assert conversations(own) == theirs


def test_the_website_states_the_name_and_the_address(website):
    own = visitor(website)
    stated = signed(website, name=" Maria  Jones ", email="Maria@Jones.example")
    identified(website, stated, own=own)
    assert (own.name, own.email, own.given_email) == ("Maria Jones", "maria@jones.example", None)
    version = own.version
    identified(website, stated)
    assert own.version == version
    identified(website, signed(website, name="Maria Smith"))
    assert (own.name, own.email) == ("Maria Smith", "maria@jones.example")


def test_a_new_name_is_announced_and_to_customers_without_the_address(website, broadcasts_to):
    own = visitor(website)
    [id] = conversations(own)
    name, changed = {"id": own.id, "name": "Maria"}, "conversation.contact_changed"
    shown = {
        **name, "email": "m@example.com", "phone": None, "blocked": False, "verified": True,
        "given_email": None, "page_url": None,
    }  # fmt: skip
    with broadcasts_to(
        f"conversation:{id}", changed, contact=shown, changed_by={"id": 0, "name": "Maria"}
    ) as received:
        identified(website, signed(website, name="Maria", email="m@example.com"), own)
    own_events = [each.data for each in received if each.data.get("changed_by") == TEAM]
    assert own_events
    assert all(event["contact"] == {**name, **PRIVATE_FIELDS} for event in own_events)


def test_agents_see_at_once_that_a_visitor_is_verified(website, ada, broadcasts_to):
    own = visitor(website)
    assert ada.get(f"/contacts/{own.id}").json["contact"]["verified"] is False
    [id] = conversations(own)
    with broadcasts_to(f"conversation:{id}", "conversation.contact_changed") as received:
        identified(website, own=own)
    assert any(each.data["contact"]["verified"] for each in received if "contact" in each.data)
    assert ada.get(f"/contacts/{own.id}").json["contact"]["verified"] is True
    version = own.version
    identified(website)
    assert own.version == version


def test_an_address_of_another_contact_is_noted_and_merges_nothing(website):
    crm = db.session.get_one(Contact, MARIA)
    theirs = conversations(crm)
    own = visitor(website)
    for _ in range(2):
        identified(website, signed(website, email=crm.email.upper()), own=own)
        assert (own.email, own.given_email) == (None, crm.email)
    assert conversations(crm) == theirs
    version = own.version
    identified(website, signed(website, email=crm.email))
    assert own.version == version
    crm.email = None
    db.session.commit()
    identified(website, signed(website, email=own.given_email))
    assert own.email == own.given_email


def test_two_secrets_hold_while_one_replaces_the_other(website):
    old = signed(website)
    website.second_salt = make_salt()
    db.session.commit()
    contact = identified(website, old)
    fresh = signed(website, secret=secrets_of(website)[1])
    assert identified(website, fresh).id == contact.id
    website.first_salt, website.second_salt = website.second_salt, None
    db.session.commit()
    assert "secret" in refusal(website, old)
    assert identified(website, fresh).id == contact.id


def test_without_a_secret_nobody_is_identified(website):
    token = signed(website)
    website.first_salt = None
    db.session.commit()
    assert "no secret" in refusal(website, token)


def test_a_removed_website_identifies_nobody(app, website):
    token = signed(website)
    with app.app_context():
        db.session.delete(db.session.get_one(Website, INBOX))
        db.session.commit()
    before = counts()
    with pytest.raises(NotFound):
        identify_visitor(website, token, None)
    db.session.rollback()
    assert counts() == before


def unsigned(header, payload):
    parts = (jwt.utils.base64url_encode(json.dumps(part).encode()) for part in (header, payload))
    return b".".join([*parts, b""]).decode()


def test_forged_tokens_are_refused_with_a_reason(website):
    now = int(clock.now().timestamp())
    good = signed(website)
    header, payload, signature = good.split(".")
    other = db.session.get_one(Website, OTHER_INBOX)
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    stated = {"sub": "maria", "exp": now + 600}
    for token, reason in (
        (signed(website, secret="x" * 32), "not signed with a secret of this inbox"),
        (signed(website, secret=secrets_of(other)[0]), "not signed with a secret of this inbox"),
        (f"{header}.{payload}.", "not signed"),
        (f"{header}.{payload[:-2]}AA.{signature}", "not signed"),
        (unsigned({"alg": "none"}, stated), "must be signed with HS256"),
        (unsigned({"alg": "None", "typ": "JWT"}, stated), "must be signed with HS256"),
        (signed(website, algorithm="HS512"), "must be signed with HS256"),
        (signed(website, secret=private, algorithm="RS256"), "must be signed with HS256"),
        (signed(website, headers={"typ": "at+jwt"}), "typ JWT"),
        (signed(website, headers={"crit": ["b64"], "b64": False}), "read as a JWT"),
        ("", "read as a JWT"),
        ("a.b.c", "read as a JWT"),
        ("é" * 20, "read as a JWT"),
        (signed(website) * 40, f"more than {JWT_LIMIT} characters"),
    ):
        assert reason in refusal(website, token, visitor(website)), reason
    assert identified(website, good)


def test_tokens_with_claims_that_do_not_hold_are_refused_with_a_reason(website):
    now = int(clock.now().timestamp())
    for claims, reason in (
        ({"exp": now - 60}, "expired"),
        ({"exp": now + VALID_FOR + 120}, "an hour ahead"),
        ({"exp": None}, "no exp"),
        ({"exp": "soon"}, "read as a JWT"),
        ({"exp": 1e300}, "an hour ahead"),
        ({"exp": float("inf")}, "read as a JWT"),
        ({"nbf": now + 600}, "nbf"),
        ({"iat": now + 600}, "iat"),
        ({"sub": None}, "no sub"),
        ({"sub": ""}, "sub of 1 to 200"),
        ({"sub": 12}, "sub that is text"),
        ({"sub": ["maria"]}, "sub that is text"),
        ({"sub": "x" * 201}, "sub of 1 to 200"),
        ({"sub": " "}, "visible"),
        ({"sub": "maria "}, "visible"),
        ({"sub": "ma\u200bria"}, "visible"),
        ({"sub": "maria\x00"}, "visible"),
        ({"sub": "maria\ud800"}, "surrogate"),
        ({"name": "x" * 2000}, "at most 200"),
        ({"name": "\u200b"}, "visible"),
        ({"name": "M\x00"}, "visible"),
        ({"name": "M\udfff"}, "surrogate"),
        ({"name": {"first": "Maria"}}, "visible text"),
        ({"email": "maria"}, "email"),
        ({"email": "x" * 250 + "@example.com"}, "email"),
        ({"email": "m\ud800@example.com"}, "surrogate"),
        ({"email": 7}, "email"),
    ):
        assert reason in refusal(website, signed(website, **claims)), claims


def test_the_clocks_may_differ_a_little_and_an_audience_is_the_websites_matter(website):
    now = int(clock.now().timestamp())
    assert identified(website, signed(website, exp=now - 5))
    assert identified(website, signed(website, exp=now + VALID_FOR + 5, nbf=now + 5, aud="shop"))
    assert identified(website, signed(website, headers={"typ": "jwt"}, name="", email=""))


def test_two_requests_at_once_make_one_contact(app, website):
    """Each in a transaction of its own, on both databases."""
    token = signed(website, email="maria@jones.example")
    own = [visitor(website).id for _ in range(3)]
    found = []

    def identify(own_id):
        with app.app_context():
            site = db.session.get_one(Website, INBOX)
            mine = db.session.get(Contact, own_id) if own_id else None
            contact = identify_visitor(site, token, mine)
            gevent.sleep(0)
            db.session.commit()
            found.append(contact.id)

    db.session.commit()
    with supervised():
        gevent.joinall([spawn(identify, id) for id in (*own, None, None)])
    assert len(set(found)) == 1
    assert len(found) == 5
    assert db.session.scalar(select(func.count()).select_from(Identity)) == 1
    contact = db.session.get_one(Contact, found[0])
    assert len(conversations(contact)) == 3
    db.session.refresh(contact)
    assert contact.email == "maria@jones.example"
