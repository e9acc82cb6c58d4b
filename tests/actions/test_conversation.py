import gevent
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Contact

from ..state import verified
from ..support import envelope
from ..world import heard_by
from ..world import sees_assigned
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


def test_bad_input_is_refused(refusals, other, ada):
    taken = ada.send(1, "an answer", client_id="taken").json["client_id"]
    refusals.hold(
        START._replace(grace=200),
        Case("no contact", 422, "contact", {**NEW, "contact": "Nora"}),
        Case("no such inbox", 422, "inbox_id", {**NEW, "inbox_id": 999_999}),
        Case("another account's inbox", 422, "inbox_id", {**NEW, "inbox_id": other.inbox}),
        Case("another's inbox", 422, "inbox_id", NEW, who="grace"),
        Case("another message's client_id", 422, "client_id", {**NEW, "client_id": taken}),
    )


def test_a_new_conversation_is_told_to_the_lists(app, ada, kevin, grace):
    with verified(app, 1, ada, kevin, grace) as heard:
        answer = kevin.post(PATH, NEW)
    assert answer.status_code == 201
    assert answer.json["contact"]["name"] == "Nora Quist"
    assert (answer.json["status"], answer.json["assignee"]) == ("open", None)
    assert answer.json["last_message"]["preview"] == NEW["content"]
    assert heard[ada] == heard[kevin] == ["conversation.created"]
    assert heard[grace] == []
    (message,) = ada.get(f"/conversations/{answer.json['id']}/messages").json["messages"]
    assert (message["message_type"], message["sender"]["name"]) == ("outgoing", "Kevin")


def test_its_first_message_is_in_the_threads_log(ada):
    cursor = ada.get(PATH).json["cursor"]
    made = ada.post(PATH, NEW).json
    with heard_by(ada, f"conversation:{made['id']}&last_event_id={cursor}") as stream:
        stream.named("stream.open")
        said = envelope(stream.named("message.created"))["data"]
    assert said["id"] == made["last_message"]["id"]


def test_a_contact_is_known_by_their_address(app, ada, other):
    first = ada.post(PATH, NEW).json
    again = {**NEW, "contact": {"name": "N. Quist", "email": "NORA@example.com"}}
    second = ada.post(PATH, again).json
    assert first["contact"] == second["contact"]
    assert first["id"] != second["id"]
    theirs = ada.post(
        PATH, {**NEW, "contact": {"name": "Xavier", "email": "xavier@example.com"}}
    ).json["contact"]["id"]
    with app.app_context():  # not the contact of another account with that address
        assert db.session.get(Contact, theirs).account_id == 1


def test_a_retried_request_makes_one(app, ada):
    new = {**NEW, "client_id": "k"}
    first, again = ada.post(PATH, new), ada.post(PATH, new)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json
    elsewhere = ada.post(PATH, {**new, "inbox_id": 2})
    assert (elsewhere.status_code, list(elsewhere.json["errors"])) == (422, ["client_id"])


def test_of_the_same_at_once_there_is_one(app, ada, kevin):
    new = {**NEW, "client_id": "k"}
    jobs = [gevent.spawn(who.post, PATH, new) for who in (ada, ada, ada, kevin)]
    gevent.joinall(jobs)
    assert sorted(job.value.status_code for job in jobs) == [200, 200, 201, 201]
    assert len({job.value.json["id"] for job in jobs}) == 2
    with app.app_context():
        named = select(Contact).where(Contact.email == "nora@example.com")
        assert len(db.session.scalars(named).all()) == 1


def test_who_sees_only_what_is_theirs_sees_what_they_began(app, ada, kevin):
    sees_assigned(app, kevin)
    with verified(app, 1, kevin, ada) as heard:
        answer = kevin.post(PATH, NEW)
    assert answer.json["assignee"] == {"id": kevin.id, "name": "Kevin"}
    assert heard[kevin] == ["conversation.created"]


def test_a_retry_does_not_show_what_one_has_lost(app, ada, kevin):
    sees_assigned(app, kevin)
    new = {**NEW, "client_id": "k"}
    made = kevin.post(PATH, new).json
    assert kevin.post(PATH, new).status_code == 200
    ada.post(f"/conversations/{made['id']}/assignee", {"assignee_id": ada.id})
    assert kevin.get(f"/conversations/{made['id']}").status_code == 404
    assert kevin.post(PATH, new).status_code == 422


def test_a_form_names_the_customers_fields_with_dots(app, kevin):
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


def test_pages_show_it_on_top(ada, kevin):
    with heard_by(kevin, "account:1&format=turbo") as stream:
        stream.named("stream.open")
        made = ada.post(PATH, NEW).json
        said = stream.named("message").data
    assert said.startswith('<turbo-stream action="prepend" target="conversations"')
    assert f'id="conversation-{made["id"]}"' in said
