"""The table of durable events: complete, and nothing private on a customer's topic."""

import pytest
from sqlalchemy import select

from rtapp.events import announce
from rtapp.events import catalogue
from rtapp.events import customer_presenters
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Message
from rtapp.models import OutboxEvent
from rtapp.models import User

# Recorded by `state_lost` and by the relay, for a change that no row of the table describes.
WITHOUT_ROW = {"stream.reset": "it has no row to present"}
FOR_CUSTOMERS = {
    "conversation.created",
    "conversation.contact_changed",
    "message.created",
    "message.updated",
    "message.deleted",
    "conversation.status_changed",
}
# Values, as JSON has them, that no event for a customer may contain.
SECRETS = ('"Kevin"', '"snoozed"', '"pending"', '"agents-own-id"')


def recorded(topic_prefix):
    """(event, data) of the outbox rows for topics with this prefix, in their order."""
    db.session.commit()
    rows = db.session.scalars(select(OutboxEvent).order_by(OutboxEvent.id))
    return [(r.event, r.data) for r in rows if any(t.startswith(topic_prefix) for t in r.topics)]


def message_of(conversation, sender, **columns):
    by = {"contact": sender} if isinstance(sender, Contact) else {"user": sender}
    message = Message(
        account_id=conversation.account_id, conversation_id=conversation.id, content="Hello",
        client_id="agents-own-id", **by, **columns,
    )  # fmt: skip
    db.session.add(message)
    db.session.flush()
    return message


@pytest.fixture
def conversation(app):
    with app.app_context():
        yield db.session.get_one(Conversation, 1)
        db.session.rollback()


@pytest.fixture
def ada(conversation):
    return db.session.scalars(select(User).where(User.name == "Ada")).one()


def test_every_durable_event_of_the_catalogue_has_a_row():
    events = catalogue.DURABLE.keys() | catalogue.CONTROL.keys()
    assert announce.TABLE.keys() == events - WITHOUT_ROW.keys()
    assert WITHOUT_ROW.keys() <= events


def test_an_ephemeral_event_has_no_row():
    assert not announce.TABLE.keys() & catalogue.EPHEMERAL.keys()


def test_only_these_events_go_to_customers():
    with_presenter = {event for event, row in announce.TABLE.items() if row.customer_presenter}
    assert with_presenter == FOR_CUSTOMERS


def test_a_customer_presenter_is_of_the_customers_module():
    for event in FOR_CUSTOMERS:
        presenter = announce.TABLE[event].customer_presenter
        assert presenter.__module__ == customer_presenters.__name__


MESSAGE_EVENTS = (announce.message_created, announce.message_updated, announce.message_deleted)


@pytest.mark.parametrize("record", MESSAGE_EVENTS)
@pytest.mark.parametrize(
    "private_columns", [{"private": True}, {"message_type": "activity"}], ids=["note", "activity"]
)
def test_a_private_message_goes_to_agents_and_to_no_customer_topic(
    conversation, ada, record, private_columns
):
    record(conversation, message_of(conversation, ada, **private_columns))
    assert len(recorded("conversation:")) == 1
    assert recorded("visitor:") == []


@pytest.mark.parametrize("record", MESSAGE_EVENTS)
def test_a_public_message_goes_to_agents_and_to_the_customer_topic(conversation, ada, record):
    record(conversation, message_of(conversation, ada))
    assert len(recorded("conversation:")) == 1
    ((event, data),) = recorded("visitor:")
    assert data["account_id"] == conversation.account_id
    catalogue.checked(event, data)


def test_a_customers_message_event_hides_the_client_id_of_an_agent(conversation, ada):
    announce.message_created(conversation, message_of(conversation, ada))
    ((_, for_agents),) = recorded("conversation:")
    ((_, for_customer),) = recorded("visitor:")
    assert for_agents["client_id"] == "agents-own-id"  # the precondition
    assert for_customer == {**for_agents, "client_id": None}


@pytest.mark.parametrize(
    ("previous", "status", "visible"),
    [
        ("open", "pending", None),
        ("pending", "snoozed", None),
        ("snoozed", "open", None),
        ("pending", "resolved", ("open", "resolved")),
        ("resolved", "snoozed", ("resolved", "open")),
    ],
)
def test_a_customer_receives_status_changed_only_if_their_visible_status_changes(
    conversation, previous, status, visible
):
    kevin = db.session.scalars(select(User).where(User.name == "Kevin")).one()
    conversation.status = status
    announce.status_changed(conversation, previous, kevin)
    ((_, for_agents),) = recorded("conversation:")
    assert (for_agents["previous_status"], for_agents["status"]) == (previous, status)
    assert for_agents["changed_by"]["name"] == "Kevin"
    for_customer = recorded("visitor:")
    assert [(data["previous_status"], data["status"]) for _, data in for_customer] == (
        [visible] if visible else []
    )
    for event, data in for_customer:
        catalogue.checked(event, data)
        assert not [secret for secret in SECRETS if secret in catalogue.encode(data)]


def test_the_check_for_secrets_finds_those_in_an_agents_event(conversation):
    kevin = db.session.scalars(select(User).where(User.name == "Kevin")).one()
    announce.status_changed(conversation, "snoozed", kevin)
    ((_, data),) = recorded("conversation:")
    found = [secret for secret in SECRETS if secret in catalogue.encode(data)]
    assert found == ['"Kevin"', '"snoozed"']


def test_an_event_without_customer_presenter_goes_to_no_customer_topic(conversation, ada):
    announce.conversation_updated(conversation)
    announce.assignee_changed(conversation, None, ada)
    announce.conversation_read(conversation, ada, conversation.last_message_id)
    assert len(recorded("")) == 3
    assert recorded("visitor:") == []
