"""Two people, one conversation: who decides by what is no longer so is asked, and nobody else."""

import gevent
import pytest
from flask_migrate import downgrade
from flask_migrate import upgrade
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Conversation

from ..state import verified
from ..support import ApiClient
from ..support import outbox_drained

STATUS, ASSIGNEE, LABELS = (f"/conversations/1/{part}" for part in ("status", "assignee", "labels"))


def conversation(client):
    return client.get("/conversations/1").json["conversation"]


@pytest.fixture
def version(ada) -> int:
    """The version that a page shows before the others act."""
    known: int = conversation(ada)["version"]
    return known


def refused(answer, client, words):
    """The request was refused with the present state, and the sentence names what has changed."""
    assert (answer.status_code, answer.content_type) == (409, "application/problem+json")
    assert words in answer.json["detail"]
    assert answer.json["current"] == conversation(client)


# ---- both take it


def test_of_two_agents_who_both_take_a_conversation_the_second_is_asked(app, ada, kevin, version):
    taken = ada.post(ASSIGNEE, {"assignee_id": ada.id, "version": version})
    assert taken.status_code == 200
    with verified(app, 1, ada, kevin) as received:
        second = kevin.post(ASSIGNEE, {"assignee_id": None, "version": version})
    refused(second, kevin, "This was assigned to Ada meanwhile.")
    assert received[ada] == []
    assert conversation(ada)["assignee"]["id"] == ada.id


def test_at_the_same_time_one_of_two_takers_has_it_and_the_other_is_asked(app, ada, kevin):
    ada.post(ASSIGNEE, {"assignee_id": None})
    for _ in range(5):
        version = conversation(ada)["version"]
        jobs = [
            gevent.spawn(agent.post, ASSIGNEE, {"assignee_id": agent.id, "version": version})
            for agent in (ada, kevin)
        ]
        gevent.joinall(jobs)
        assert sorted(job.value.status_code for job in jobs) == [200, 409]
        ada.post(ASSIGNEE, {"assignee_id": None})
    assert outbox_drained(app)


def test_who_goes_on_nevertheless_sends_the_version_of_the_answer(ada, kevin, version):
    ada.post(ASSIGNEE, {"assignee_id": ada.id})
    asked = kevin.post(ASSIGNEE, {"assignee_id": None, "version": version})
    assert asked.status_code == 409
    again = {"assignee_id": None, "version": asked.json["current"]["version"]}
    assert kevin.post(ASSIGNEE, again).status_code == 200


def test_an_assignee_who_changed_and_changed_back_is_a_change(ada, kevin, version):
    ada.post(ASSIGNEE, {"assignee_id": None})
    ada.post(ASSIGNEE, {"assignee_id": kevin.id})
    refused(ada.post(ASSIGNEE, {"assignee_id": ada.id, "version": version}), ada, "to Kevin")


# ---- resolving as the customer writes


@pytest.mark.parametrize("status", ["resolved", "snoozed", "pending"])
def test_who_puts_a_conversation_away_as_the_customer_writes_is_asked(
    app, ada, maria, version, status
):
    question = maria.send(1, "One more question!").json
    with verified(app, 1, ada) as received:
        answer = ada.post(STATUS, {"status": status, "version": version})
    refused(answer, ada, "The customer has written meanwhile.")
    assert received[ada] == []
    assert conversation(ada)["status"] == "open"
    assert answer.json["current"]["last_message"]["id"] == question["id"]
    known = answer.json["current"]["version"]
    assert ada.post(STATUS, {"status": status, "version": known}).status_code == 200


def test_whichever_comes_first_a_question_is_never_left_in_a_resolved_conversation(app, ada, maria):
    outcomes = set()
    for n in range(8):
        body = {"status": "resolved", "version": conversation(ada)["version"]}
        calls = [lambda body=body: ada.post(STATUS, body), lambda: maria.send(1, "Wait!")]
        jobs = [gevent.spawn(call) for call in (calls if n % 2 else calls[::-1])]
        gevent.joinall(jobs)
        outcomes |= {job.value.status_code for job in jobs}
        assert conversation(ada)["status"] == "open"
    assert outcomes <= {200, 201, 409}
    assert outbox_drained(app)


def test_a_customers_message_after_the_resolving_opens_the_conversation_as_before(
    ada, maria, version
):
    assert ada.post(STATUS, {"status": "resolved", "version": version}).status_code == 200
    maria.send(1, "One more question!")
    assert conversation(ada)["status"] == "open"


def test_opening_a_conversation_overlooks_no_message_and_is_not_refused_for_one(ada, maria):
    version = ada.post(STATUS, {"status": "pending"}).json["version"]
    maria.send(1, "One more question!")
    assert conversation(ada)["status"] == "pending"
    assert ada.post(STATUS, {"status": "open", "version": version}).status_code == 200


def test_of_two_agents_who_change_the_status_the_second_is_asked(ada, kevin, version):
    ada.post(STATUS, {"status": "snoozed"})
    answer = kevin.post(STATUS, {"status": "pending", "version": version})
    refused(answer, kevin, "The status was changed to snoozed meanwhile.")


# ---- what is no reason to ask


def reads(ada, kevin, maria):
    return maria.post("/conversations/1/read", {"message_id": 3})


def labels(ada, kevin, maria):
    made = ada.post("/accounts/1/labels", {"title": "Parcel", "colour": 1})
    assert made.status_code == 201, made.json
    return ada.post(LABELS, {"add": made.json["id"]})


OTHER = {
    "a colleague's note": lambda ada, kevin, maria: kevin.send(1, "Hm", private=True),
    "a colleague's reply": lambda ada, kevin, maria: kevin.send(1, "It is on its way."),
    "an edit": lambda ada, kevin, maria: kevin.post("/messages/5", {"content": "Changed"}),
    "a deletion": lambda ada, kevin, maria: ada.post("/messages/4/delete"),
    "reading": reads,
    "a label": labels,
}


@pytest.mark.parametrize("other", OTHER.values(), ids=OTHER)
def test_neither_resolving_nor_taking_is_refused_for_what_does_not_matter_to_it(
    ada, kevin, maria, version, other
):
    assert other(ada, kevin, maria).status_code in (200, 201, 204)
    assert ada.post(STATUS, {"status": "resolved", "version": version}).status_code == 200
    assert ada.post(ASSIGNEE, {"assignee_id": ada.id, "version": version}).status_code == 200


def test_an_assignment_does_not_refuse_a_status_nor_a_status_or_message_an_assignment(
    ada, kevin, maria, version
):
    ada.post(ASSIGNEE, {"assignee_id": ada.id})
    assert kevin.post(STATUS, {"status": "pending", "version": version}).status_code == 200
    known = conversation(ada)["version"]
    ada.post(STATUS, {"status": "open"})
    maria.send(1, "Hello?")
    assert kevin.post(ASSIGNEE, {"assignee_id": kevin.id, "version": known}).status_code == 200


def test_labels_are_refused_for_other_labels_and_for_nothing_else(ada, kevin, maria, version):
    assert labels(ada, kevin, maria).status_code == 200
    refused(
        kevin.post(LABELS, {"labels": [], "version": version}), kevin, "The labels were changed"
    )
    known = conversation(ada)["version"]
    maria.send(1, "Hello?")
    ada.post(STATUS, {"status": "pending"})
    assert kevin.post(LABELS, {"labels": [], "version": known}).status_code == 200


def test_a_request_for_what_is_so_already_succeeds_with_any_version(ada, kevin, version):
    ada.post(STATUS, {"status": "resolved"})
    ada.post(ASSIGNEE, {"assignee_id": ada.id})
    assert kevin.post(STATUS, {"status": "resolved", "version": version}).status_code == 200
    assert kevin.post(ASSIGNEE, {"assignee_id": ada.id, "version": version}).status_code == 200


def test_without_a_version_the_last_request_wins(ada, kevin, maria):
    ada.post(ASSIGNEE, {"assignee_id": ada.id})
    assert kevin.post(ASSIGNEE, {"assignee_id": kevin.id}).status_code == 200
    maria.send(1, "One more question!")
    assert kevin.post(STATUS, {"status": "resolved"}).status_code == 200


def test_a_version_that_the_conversation_has_not_reached_is_refused(ada, version):
    for ahead in (version + 1, 2**31 - 1):
        answer = ada.post(STATUS, {"status": "resolved", "version": ahead})
        assert answer.status_code == 409


def test_a_message_is_shown_before_the_version_that_counts_it(ada, maria):
    """A page that knows the version of a row has received the messages that it counts."""
    names = "stream=account:1&stream=conversation:1"
    stream = ada.stream(f"/streams?{names}")
    stream.named("stream.open")
    maria.send(1, "One more question!")
    events = []
    while "conversation.updated" not in events:
        events.append(stream.next().event)
    stream.close()
    assert "message.created" in events


# ---- rows from before


def test_after_the_migration_a_page_with_the_present_version_is_not_refused_and_an_older_one_is(
    app, ada, kevin
):
    kevin.send(1, "A reply")
    known = conversation(ada)["version"]
    with app.app_context():
        db.session.remove()
        downgrade(revision="0013")
        upgrade()
        parts = db.session.execute(
            select(Conversation.version, Conversation.status_version, Conversation.asked_version)
        ).all()
        db.session.remove()
    assert all(len(set(row)) == 1 for row in parts)
    ada = ApiClient(app, "ada@example.com")  # the older version has no tokens
    assert ada.post(STATUS, {"status": "resolved", "version": known - 1}).status_code == 409
    assert ada.post(STATUS, {"status": "resolved", "version": known}).status_code == 200
