"""A contact's page and its JSON: fields, conversations, last seen."""

import re

import gevent
import pytest
from sqlalchemy import select
from sqlalchemy import update

from rtapp.config import CONTACT_EVENTS
from rtapp.database import unlimited
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Message

from ..actions.refusals import STALE
from ..actions.refusals import Action
from ..actions.refusals import Case
from ..actions.refusals import Refusals
from ..support import outbox_drained
from ..world import all_rows
from ..world import open_stream
from ..world import restrict_to_assigned

MARIA = "/contacts/1"  # of conversation 1, in Kevin's inbox
TOM = "/contacts/2"
GOOD = {
    "name": "Maria L.", "email": "maria@example.com", "phone": "+49 (30) 123-456 ext. 7",
    "notes": "Likes\nshort answers.",
}  # fmt: skip
BAD = {
    "name": [None, 1, "", " ", "\u200b", "x" * 201, "a\x00b", ["x"]],
    "email": [1, "x", "a@", "@b", "a b@c", "a@b\u200bc", "a" * 250 + "@b.de", "a\x00@b", ["x"]],
    "phone": [
        1,
        " ",
        "abc",
        "+",
        "123;456",
        "12 ext",
        "1 e 2 e 3",
        "1" * 41,
        "١٢٣",
        "1\x00",
        ["x"],
    ],
    "notes": [None, 1, " ", "\u200b", "x" * 10_001, "a\x00b", ["x"]],
    "version": [0, -1, "1", 2**31, [1]],
}


def contact(client, path=MARIA):
    return client.get(path).json["contact"]


def form(app, client, path, **fields):
    headers = {**client.headers, "Accept": "text/html"}
    return app.test_client().post(path, data=fields, headers=headers)


def other_contact(app, other):
    with app.app_context():
        return db.session.scalar(
            select(Conversation.contact_id).where(Conversation.id == other.conversation)
        )


def test_changing_a_contact_refuses_bad_input(app, other):
    Refusals(app, other).check(
        Action(path="/contacts/{id}", id=1, body=GOOD, required=[], bad=BAD),
        Case("another account's contact", 404, body=GOOD, id=other_contact(app, other)),
        Case("an old version", 409, body={**GOOD, "version": STALE}),
        Case("the address of another contact", 422, "email",
             {**GOOD, "email": "Tom.Okafor@Example.com"}),
    )  # fmt: skip


def test_a_change_is_stored_and_a_field_that_is_not_sent_stays(ada, kevin):
    before = contact(kevin)
    assert before == {
        "id": 1, "account_id": 1, "name": "Maria Lindqvist", "phone": None, "notes": "",
        "email": "maria.lindqvist@example.com", "blocked": False, "verified": False,
        "given_email": None, "page_url": None, "version": 1,
    }  # fmt: skip
    changed = kevin.post(MARIA, {"notes": "Line 1\r\nLine 2", "phone": " 030  123 "})
    assert changed.status_code == 200
    assert changed.json == {**before, "notes": "Line 1\nLine 2", "phone": "030 123", "version": 2}
    assert contact(ada) == changed.json
    emptied = ada.post(MARIA, {"email": None, "phone": "", "notes": ""})
    assert emptied.json == {**before, "email": None, "version": 3}


@pytest.mark.parametrize("phone", ["112", "+1 (555) 010-9999", "030.123.456", "123 ext. 45", "1x2"])
def test_telephone_numbers_of_people_are_accepted(kevin, phone):
    assert kevin.post(MARIA, {"phone": phone}).json["phone"] == phone


def test_the_same_values_change_and_publish_nothing_whatever_the_version(app, kevin, outbox):
    rows = all_rows(app)
    same = {k: v for k, v in contact(kevin).items() if k in GOOD}
    assert kevin.post(MARIA, {**same, "version": STALE}).status_code == 200
    assert kevin.post(MARIA, {}).status_code == 200
    assert outbox.unchanged()
    assert all_rows(app) == rows


def test_of_two_changes_of_one_version_the_second_is_refused_with_the_first(ada, kevin):
    first = kevin.post(MARIA, {"notes": "Kevin's", "version": 1})
    assert first.status_code == 200
    second = ada.post(MARIA, {"notes": "Ada's", "version": 1})
    assert (second.status_code, second.json["current"]) == (409, first.json)
    assert contact(ada)["notes"] == "Kevin's"
    assert ada.post(MARIA, {"notes": "Ada's", "version": 2}).json["version"] == 3


def test_of_two_contacts_that_take_one_address_at_once_one_has_it(ada):
    same = {"email": "same@example.com"}
    jobs = [gevent.spawn(ada.post, path, same) for path in (MARIA, TOM)]
    gevent.joinall(jobs)
    assert sorted(job.value.status_code for job in jobs) == [200, 422]


def test_a_changed_name_reaches_those_who_see_a_conversation_and_their_state_follows(
    verify_action, ada, kevin, grace, maria
):
    assert maria.send(1, "Hello again").status_code == 201
    with verify_action(1, ada, kevin, grace) as received:
        assert kevin.post(MARIA, {"name": "Maria L.", "phone": "030 1"}).status_code == 200
    events = ["conversation.contact_changed", "conversation.updated"]
    assert [e for e in received[kevin] if e in events] == received[kevin]
    assert {*received[kevin]} == {*received[ada]} == {*events}
    assert received[grace] == []


def test_the_event_has_the_contact_for_agents_and_only_the_name_for_the_customer(
    kevin, maria, subscribe
):
    agents, customers = subscribe("conversation:1", kevin), subscribe("conversation:1", maria)
    kevin.post(MARIA, {"name": "Maria L.", "phone": "030 1", "notes": "secret"})
    data = agents.next_event().data
    assert data["contact"] == {
        "id": 1, "name": "Maria L.", "email": "maria.lindqvist@example.com", "phone": "030 1",
        "blocked": False, "verified": False, "given_email": None, "page_url": None,
    }  # fmt: skip
    assert data["changed_by"] == {"id": kevin.id, "name": "Kevin"}
    public = customers.next_event()
    assert public.event == "conversation.contact_changed"
    assert public.data == {
        **data,
        "contact": {
            "id": 1,
            "name": "Maria L.",
            "email": None,
            "phone": None,
            "blocked": False,
            "verified": False,
            "given_email": None,
            "page_url": None,
        },
        "changed_by": {"id": 0, "name": "Support"},
    }


def test_notes_are_published_nowhere(no_broadcasts, kevin, maria):
    with no_broadcasts():
        assert kevin.post(MARIA, {"notes": "secret"}).status_code == 200
    assert "secret" not in maria.get("/conversations/1").text
    assert maria.get(MARIA).status_code == 403


def test_a_contact_with_very_many_conversations_resets_the_streams(app, ada, kevin, grace, maria):
    with app.app_context(), unlimited():
        for _ in range(CONTACT_EVENTS):
            db.session.add(Conversation(account_id=1, inbox_id=1, contact_id=1))
        db.session.commit()
    streams = [
        open_stream(kevin, "account:1"),
        open_stream(grace, "account:1"),
        open_stream(kevin, "conversation:1"),
        open_stream(maria, "conversation:1"),
    ]
    opened = [context.__enter__() for context in streams]
    for stream in opened:
        stream.named("stream.open")
    assert ada.post(MARIA, {"name": "Maria L."}).status_code == 200
    for stream in opened:
        stream.named("stream.reset")
    for context in streams:
        context.__exit__(None, None, None)
    assert kevin.get("/conversations/1").json["conversation"]["contact"]["name"] == "Maria L."


def test_a_search_finds_the_new_name_and_address_and_no_longer_the_old_ones(kevin):
    def found(q):
        page = kevin.get(f"/accounts/1/conversations?q={q}").json
        return 1 in [row["id"] for row in page["conversations"]]

    assert found("lindqvist")
    kevin.post(MARIA, {"name": "Jörg Müller", "email": "joerg@straße.example"})
    assert found("jorg+muller")
    assert found("strasse")
    assert not found("lindqvist")


def test_an_agent_sees_the_contacts_of_their_conversations_only_and_an_administrator_all(
    app, ada, kevin, grace
):
    assert [c.get(MARIA).status_code for c in (ada, kevin, grace)] == [200, 200, 404]
    with app.app_context():
        db.session.add(Conversation(account_id=1, inbox_id=2, contact_id=1))
        lonely = Contact(account_id=1, name="Lonely", email="lonely@example.com")
        db.session.add(lonely)
        db.session.commit()
        path = f"/contacts/{lonely.id}"
    assert grace.get(MARIA).status_code == 200
    ids = {c: [r["id"] for r in c.get(MARIA).json["conversations"]] for c in (ada, kevin, grace)}
    assert ids[kevin] == [1]
    assert ids[ada] == [*ids[grace], 1]
    assert [c.get(path).status_code for c in (ada, kevin, grace)] == [200, 404, 404]


def test_an_agent_of_assigned_conversations_loses_the_contact_with_the_assignment(app, ada, kevin):
    restrict_to_assigned(app, kevin)
    assert kevin.get(MARIA).status_code == 200
    ada.post("/conversations/1/assignee", {"assignee_id": None})
    assert kevin.get(MARIA).status_code == 404
    assert kevin.post(MARIA, {"notes": "x"}).status_code == 404
    assert contact(ada)["notes"] == ""


def test_the_conversations_come_in_pages_the_newest_first(app, kevin):
    with app.app_context():
        for _ in range(51):
            db.session.add(Conversation(account_id=1, inbox_id=1, contact_id=1))
        db.session.commit()
    first = kevin.get(MARIA).json
    rest = kevin.get(f"{MARIA}?before={first['next_before']}").json
    ids = [row["id"] for row in first["conversations"] + rest["conversations"]]
    assert (len(first["conversations"]), len(ids), len({*ids})) == (50, 52, 52)
    assert (ids[-1], rest["next_before"]) == (1, None)
    page = kevin.page(MARIA).text
    (more,) = re.findall(r'href="([^"]+)">Earlier ones', page)
    assert 'href="/conversations/1"' not in page
    assert 'href="/conversations/1"' in kevin.page(more).text
    assert kevin.get(f"{MARIA}?before=x").status_code == 400


def test_last_seen_is_the_latest_message_that_the_contact_wrote_or_has_read(app, kevin, grace):
    def seen():
        return kevin.get(MARIA).json["last_seen_at"]

    with app.app_context():
        rows = db.session.scalars(select(Message).where(Message.conversation_id == 1)).all()
        wrote = max(row.created_at for row in rows if row.contact_id)
        read = next(row for row in rows if row.user_id and row.created_at > wrote)
    assert seen()[:19] == wrote.isoformat()[:19]
    with app.app_context():
        marker = update(Conversation).where(Conversation.id == 1)
        db.session.execute(marker.values(contact_read_id=read.id))
        elsewhere = Conversation(account_id=1, inbox_id=2, contact_id=1)
        db.session.add(elsewhere)
        db.session.flush()
        later = Message(
            account_id=1, conversation_id=elsewhere.id, contact_id=1, content="Hm",
            message_type="incoming",
        )  # fmt: skip
        db.session.add(later)
        db.session.commit()
    assert seen()[:19] == read.created_at.isoformat()[:19]  # not what Kevin does not see
    assert grace.get(MARIA).json["last_seen_at"] > seen()


# The page


def test_the_contact_beside_a_thread_leads_to_its_page(kevin):
    assert 'href="/contacts/1"' in kevin.page("/conversations/1").text
    page = kevin.page(MARIA).text
    assert 'href="/conversations/1"' in page
    assert "Last seen" in page
    assert "/merge" not in page


def test_a_form_changes_the_contact_and_returns_to_the_page(app, kevin):
    answer = form(app, kevin, MARIA, version="1", **GOOD)
    assert (answer.status_code, answer.location) == (303, MARIA)
    assert {k: v for k, v in contact(kevin).items() if k in GOOD} == GOOD


def test_a_refused_form_comes_back_with_what_was_typed_and_the_error_beside_its_field(app, kevin):
    notes = "\n  </textarea><script>a()</script>"
    answer = form(app, kevin, MARIA, name="M", email="x", phone="call me", notes=notes, version="1")
    assert answer.status_code == 422
    described = re.findall(r'aria-describedby="([^"]+)"', answer.text)
    assert described == ["email-problem", "phone-problem"]
    assert all(f'id="{id}"' in answer.text for id in described)
    assert 'value="call me"' in answer.text
    assert "\n\n  &lt;/textarea&gt;&lt;script&gt;a()&lt;/script&gt;" in answer.text
    assert "<script>a" not in answer.text
    assert contact(kevin)["version"] == 1


def test_a_form_of_an_old_version_shows_both_texts_and_saves_when_it_is_sent_again(app, ada, kevin):
    assert kevin.post(MARIA, {"notes": "Kevin's", "phone": "030 1"}).status_code == 200
    typed = {"name": "Maria Lindqvist", "email": "maria.lindqvist@example.com", "phone": ""}
    answer = form(app, ada, MARIA, **typed, notes="Ada's", version="1")
    assert answer.status_code == 409
    assert "Ada&#39;s</textarea>" in answer.text
    assert "Kevin&#39;s</p>" in answer.text
    assert "030 1</p>" in answer.text
    (version,) = re.findall(r'name="version" value="(\d+)"', answer.text)
    assert contact(ada)["notes"] == "Kevin's"
    again = form(app, ada, MARIA, **typed, notes="Ada's", version=version)
    assert again.status_code == 303
    assert contact(ada)["notes"] == "Ada's"


def test_a_refused_form_keeps_the_version_on_which_it_is_based(app, ada, kevin):
    kevin.post(MARIA, {"notes": "Kevin's"})
    answer = form(app, ada, MARIA, name="M", email="x", phone="", notes="Ada's", version="1")
    assert answer.status_code == 422
    assert 'name="version" value="1"' in answer.text


def test_a_contact_of_no_conversation_that_the_user_sees_is_no_page(grace, outbox):
    assert grace.page(MARIA).status_code == 404
    assert outbox.unchanged()
    assert outbox_drained(grace.app)
