import gevent
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Contact

from ..state import verified
from ..support import envelope
from ..world import open_stream
from ..world import restrict_to_assigned
from .refusals import Action
from .refusals import Case

PATH = "/accounts/1/conversations"
NEW = {
    "inbox_id": 1,
    "contact": {"name": "Nora Quist", "email": "nora@example.com"},
    "content": "Hello Nora, your lamp is here.",
}

START = Action(
    path="/accounts/{id}/conversations",
    id=1,
    body=NEW,
    required=["inbox_id", "contact", "content"],
    bad={
        "inbox_id": [None, "1", 0, -1, 1.0, True, 2**31, [1]],
        "contact.name": [None, 7, "", " ", "a\x00", "x" * 201],
        "contact.email": [None, 7, "", "nobody", "@", "a@b c", "\x00@b", "x" * 250 + "@b.example"],
        "contact.phone": ["1"],
        "content": [None, 7, "", " \n", "a\x00b", "x" * 10_001],
        "client_id": [7, "i" * 65, "\x00"],
    },
    foreign="account",
    grace=422,
)


def test_starting_a_conversation_refuses_bad_input(refusals, other, ada):
    taken = ada.send(1, "an answer", client_id="taken").json["client_id"]
    refusals.check(
        START._replace(grace=200),
        Case("no contact", 422, "contact", {**NEW, "contact": "Nora"}),
        Case("no such inbox", 422, "inbox_id", {**NEW, "inbox_id": 999_999}),
        Case("another account's inbox", 422, "inbox_id", {**NEW, "inbox_id": other.inbox}),
        Case("an inbox without access", 422, "inbox_id", NEW, principal="grace"),
        Case("another message's client_id", 422, "client_id", {**NEW, "client_id": taken}),
    )


def test_a_new_conversation_is_published_to_the_lists_of_agents_with_access(app, ada, kevin, grace):
    with verified(app, 1, ada, kevin, grace) as received:
        answer = kevin.post(PATH, NEW)
    assert answer.status_code == 201
    assert answer.json["contact"]["name"] == "Nora Quist"
    assert (answer.json["status"], answer.json["assignee"]) == ("open", None)
    assert answer.json["last_message"]["preview"] == NEW["content"]
    assert received[ada] == received[kevin] == ["conversation.created"]
    assert received[grace] == []
    (message,) = ada.get(f"/conversations/{answer.json['id']}/messages").json["messages"]
    assert (message["message_type"], message["sender"]["name"]) == ("outgoing", "Kevin")


def test_the_first_message_of_a_conversation_is_replayed_on_its_stream(ada):
    cursor = ada.get(PATH).json["cursor"]
    made = ada.post(PATH, NEW).json
    with open_stream(ada, f"conversation:{made['id']}&last_event_id={cursor}") as stream:
        stream.named("stream.open")
        data = envelope(stream.named("message.created"))["data"]
    assert data["id"] == made["last_message"]["id"]


def test_a_contact_is_identified_by_email_within_its_account(app, ada, other):
    first = ada.post(PATH, NEW).json
    again = {**NEW, "contact": {"name": "N. Quist", "email": "NORA@example.com"}}
    second = ada.post(PATH, again).json
    assert first["contact"] == second["contact"]
    assert first["id"] != second["id"]
    contact_id = ada.post(
        PATH, {**NEW, "contact": {"name": "Xavier", "email": "xavier@example.com"}}
    ).json["contact"]["id"]
    with app.app_context():  # not the contact of another account with that address
        assert db.session.get(Contact, contact_id).account_id == 1


def test_a_retried_start_with_one_client_id_creates_one_conversation(app, ada):
    new = {**NEW, "client_id": "k"}
    first, again = ada.post(PATH, new), ada.post(PATH, new)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json
    elsewhere = ada.post(PATH, {**new, "inbox_id": 2})
    assert (elsewhere.status_code, list(elsewhere.json["errors"])) == (422, ["client_id"])


def test_concurrent_starts_with_one_client_id_create_one_conversation_per_agent(app, ada, kevin):
    new = {**NEW, "client_id": "k"}
    jobs = [gevent.spawn(agent.post, PATH, new) for agent in (ada, ada, ada, kevin)]
    gevent.joinall(jobs)
    assert sorted(job.value.status_code for job in jobs) == [200, 200, 201, 201]
    assert len({job.value.json["id"] for job in jobs}) == 2
    with app.app_context():
        named = select(Contact).where(Contact.email == "nora@example.com")
        assert len(db.session.scalars(named).all()) == 1


def test_an_agent_restricted_to_assigned_is_assigned_the_conversation_they_start(app, ada, kevin):
    restrict_to_assigned(app, kevin)
    with verified(app, 1, kevin, ada) as received:
        answer = kevin.post(PATH, NEW)
    assert answer.json["assignee"] == {"id": kevin.id, "name": "Kevin"}
    assert received[kevin] == ["conversation.created"]


def test_a_retried_start_does_not_return_a_conversation_after_access_is_lost(app, ada, kevin):
    restrict_to_assigned(app, kevin)
    new = {**NEW, "client_id": "k"}
    made = kevin.post(PATH, new).json
    assert kevin.post(PATH, new).status_code == 200
    ada.post(f"/conversations/{made['id']}/assignee", {"assignee_id": ada.id})
    assert kevin.get(f"/conversations/{made['id']}").status_code == 404
    assert kevin.post(PATH, new).status_code == 422


def test_a_form_starts_a_conversation_with_dotted_contact_fields(app, kevin):
    form = {
        "inbox_id": "1",
        "contact.name": "Nora Quist",
        "contact.email": "nora@example.com",
        "content": "Hello",
    }
    headers = {**kevin.headers, "Accept": "text/html"}
    answer = app.test_client().post(PATH, data=form, headers=headers)
    assert answer.status_code == 303
    made = kevin.get(answer.location).json["conversation"]
    assert made["contact"]["name"] == "Nora Quist"


def test_a_turbo_list_prepends_a_new_conversation(ada, kevin):
    with open_stream(kevin, "account:1&format=turbo") as stream:
        stream.named("stream.open")
        made = ada.post(PATH, NEW).json
        html = stream.named("message").data
    assert html.startswith('<turbo-stream action="prepend" target="conversations"')
    assert f'id="conversation-{made["id"]}"' in html
