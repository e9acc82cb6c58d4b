"""Merges of contacts: the conversations, senders and visitors of both, and the undo log."""

from datetime import timedelta

import gevent
import pytest
from sqlalchemy import select
from sqlalchemy import update

from rtapp import clock
from rtapp.config import UNDO_DAYS
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import ContactMerge
from rtapp.models import Conversation
from rtapp.models import Message

from ..actions.refusals import Action
from ..actions.refusals import Case
from ..actions.refusals import Refusals
from ..support import CustomerClient
from ..support import outbox_drained
from ..world import all_logs
from ..world import all_rows

MARIA, TOM, YUKI = 1, 2, 3  # of the conversations with these ids, in Kevin's inbox
NEW = {"inbox_id": 1, "content": "Hello"}


@pytest.fixture
def tom(app):
    return CustomerClient(app, "tom.okafor@example.com")


def merge(client, source, into):
    answer = client.post(f"/contacts/{source}/merge", {"into": into})
    assert answer.status_code == 200, answer.data
    return answer.json


def merges(client, id):
    return client.get(f"/contacts/{id}").json["merges"]


def undo(client, merged):
    return client.post(f"/contact-merges/{merged['id']}/undo", {})


def conversations(client, id):
    return sorted(row["id"] for row in client.get(f"/contacts/{id}").json["conversations"])


def form(app, client, path, **fields):
    headers = {**client.headers, "Accept": "text/html"}
    return app.test_client().post(path, data=fields, headers=headers)


def test_merging_a_contact_refuses_bad_input(app, other):
    with app.app_context():
        theirs = select(Conversation.contact_id).where(Conversation.id == other.conversation)
        foreign = db.session.scalar(theirs)
    Refusals(app, other).check(
        Action(
            path="/contacts/{id}/merge", id=MARIA, body={"into": TOM}, required=["into"],
            bad={"into": [None, "2", 0, 2**31, 1.5, True, [2], 999, MARIA]},
        ),
        Case("another account's contact", 404, body={"into": TOM}, id=foreign),
        Case("into another account's contact", 422, "into", {"into": foreign}),
        Case("an agent", 403, body={"into": TOM}, principal="kevin"),
    )  # fmt: skip


def test_undoing_a_merge_refuses_bad_input(app, other, ada):
    merge(ada, MARIA, TOM)
    Refusals(app, other).check(
        Action(path="/contact-merges/{id}/undo", id=1, body={}, required=[], bad={}),
        Case("an agent", 403, body={}, principal="kevin"),
    )  # fmt: skip


def test_a_merge_moves_the_conversations_and_undoing_it_restores_the_contact_as_it_was(
    ada, verify_action, kevin, grace
):
    ada.post(f"/contacts/{MARIA}", {"phone": "030 1", "notes": "Maria's"})
    before = ada.get(f"/contacts/{MARIA}").json["contact"]
    with verify_action(1, ada, kevin, grace) as received:
        target = merge(ada, MARIA, TOM)
    assert (target["id"], target["name"], target["notes"]) == (TOM, "Tom Okafor", "")
    assert received[kevin] != []
    assert received[grace] == []
    assert conversations(ada, TOM) == [1, 2]
    (merged,) = merges(kevin, TOM)
    assert merged["contact"] == {**before, "version": 3}
    assert merged["conversation_ids"] == [1]
    assert merged["merged_by"] == {"id": ada.id, "name": "Ada"}
    assert ada.get(f"/contacts/{MARIA}").json["contact"] == target
    with verify_action(1, ada, kevin, grace):
        assert undo(ada, merged).json == {**before, "version": 4}
    assert merges(ada, TOM) == []
    assert (conversations(ada, MARIA), conversations(ada, TOM)) == ([1], [2])


def test_a_merge_and_its_undoing_that_are_repeated_change_nothing(app, ada):
    def unchanged(action):
        assert outbox_drained(app)
        rows, logs = all_rows(app), all_logs(app)
        action()
        assert outbox_drained(app)
        return (all_rows(app), all_logs(app)) == (rows, logs)

    assert not unchanged(lambda: merge(ada, MARIA, TOM))
    assert unchanged(lambda: merge(ada, MARIA, TOM))
    (merged,) = merges(ada, TOM)
    assert not unchanged(lambda: undo(ada, merged))
    assert unchanged(lambda: undo(ada, merged))


def test_a_merged_contact_is_changed_and_merged_no_more_and_its_target_is_named(ada):
    target = merge(ada, MARIA, TOM)
    changed = ada.post(f"/contacts/{MARIA}", {"notes": "lost?", "version": 1})
    assert (changed.status_code, changed.json["current"]) == (409, target)
    again = ada.post(f"/contacts/{MARIA}/merge", {"into": YUKI})
    assert (again.status_code, again.json["current"]) == (409, target)
    # Merging into the merged one is merging into its target.
    assert merge(ada, YUKI, MARIA) == target
    assert conversations(ada, TOM) == [1, 2, 3]


def test_messages_keep_their_sender_and_new_ones_have_the_one_that_wrote_them(ada, maria, tom):
    def senders():
        rows = ada.get("/conversations/1/messages").json["messages"]
        return {tuple(m["sender"].values()) for m in rows if m["message_type"] == "incoming"}

    assert senders() == {("contact", MARIA, "Maria Lindqvist")}
    merge(ada, MARIA, TOM)
    assert ada.get("/conversations/1").json["conversation"]["contact"]["id"] == TOM
    assert senders() == {("contact", MARIA, "Maria Lindqvist")}
    assert tom.send(1, "This is Tom").status_code == 201
    assert senders() == {
        ("contact", MARIA, "Maria Lindqvist"),
        ("contact", TOM, "Tom Okafor"),
    }


def test_visitors_of_both_contacts_reach_all_conversations_until_the_merge_is_undone(
    ada, maria, tom, subscribe
):
    def reached(client):
        return [client.get(f"/conversations/{id}").status_code for id in (1, 2, 3)]

    assert (reached(maria), reached(tom)) == ([200, 404, 404], [404, 200, 404])
    marias = subscribe("conversation:1", maria)
    merge(ada, MARIA, TOM)
    assert marias.next_event().event == "conversation.contact_changed"
    assert reached(maria) == reached(tom) == [200, 200, 404]
    sent = {"content": "Still me", "client_id": "c-1"}
    assert maria.post("/conversations/1/messages", sent).status_code == 201
    assert marias.next_event().data["sender"]["id"] == MARIA
    assert maria.post("/conversations/1/messages", sent).status_code == 200
    toms, across = subscribe("conversation:1", tom), subscribe("conversation:2", maria)
    assert toms.confirmed
    assert across.confirmed
    (merged,) = merges(ada, TOM)
    undo(ada, merged)
    assert (reached(maria), reached(tom)) == ([200, 404, 404], [404, 200, 404])
    for stream in (toms, across):
        while (event := stream.next_event()).event != "stream.closed":
            assert event.event == "conversation.contact_changed"
        assert event.data["reason"] == "forbidden"
    assert marias.next_event().event == "conversation.contact_changed"
    assert maria.post("/conversations/1/messages", sent).status_code == 200


def test_a_new_conversation_with_a_merged_address_is_the_targets_and_stays_there(ada):
    merge(ada, MARIA, TOM)
    contact = {"name": "Maria", "email": "maria.lindqvist@example.com"}
    new = ada.post("/accounts/1/conversations", {**NEW, "contact": contact}).json
    assert new["contact"] == {"id": TOM, "name": "Tom Okafor"}
    (merged,) = merges(ada, TOM)
    undo(ada, merged)
    assert conversations(ada, MARIA) == [1]
    assert conversations(ada, TOM) == [2, new["id"]]


def test_a_conversation_started_while_its_contact_is_merged_is_not_left_behind(app, ada, kevin):
    contact = {"name": "Maria", "email": "maria.lindqvist@example.com"}
    jobs = [
        gevent.spawn(kevin.post, "/accounts/1/conversations", {**NEW, "contact": contact}),
        gevent.spawn(merge, ada, MARIA, TOM),
        gevent.spawn(kevin.post, "/accounts/1/conversations", {**NEW, "contact": contact}),
    ]
    gevent.joinall(jobs, raise_error=True)
    assert [job.value.status_code for job in (jobs[0], jobs[2])] == [201, 201]
    with app.app_context():
        left = select(Conversation.id).where(Conversation.contact_id == MARIA)
        assert db.session.scalars(left).all() == []
    assert len(conversations(ada, TOM)) == 4


def test_two_merges_of_each_into_the_other_at_once_leave_one_contact(app, ada):
    jobs = [
        gevent.spawn(ada.post, f"/contacts/{a}/merge", {"into": b})
        for a, b in ((MARIA, TOM), (TOM, MARIA))
    ]
    gevent.joinall(jobs)
    # The later one may find the target to be itself.
    assert sorted(job.value.status_code for job in jobs)[0] == 200
    assert {job.value.status_code for job in jobs} <= {200, 409, 422}
    with app.app_context():
        merged = db.session.scalars(select(Contact.id).where(Contact.merged_into_id.is_not(None)))
        assert len(merged.all()) == 1


@pytest.mark.parametrize("first", ["the outer one", "the inner one"])
def test_merges_in_a_row_are_undone_in_any_order(ada, maria, first):
    merge(ada, MARIA, TOM)
    (inner,) = merges(ada, TOM)
    merge(ada, TOM, YUKI)
    outer, same = merges(ada, YUKI)
    assert (outer["contact"]["id"], same["id"]) == (TOM, inner["id"])
    assert conversations(ada, YUKI) == [1, 2, 3]
    assert maria.get("/conversations/3").status_code == 200
    if first == "the outer one":
        undo(ada, outer)
        assert (conversations(ada, TOM), conversations(ada, YUKI)) == ([1, 2], [3])
        assert [each["id"] for each in merges(ada, TOM)] == [inner["id"]]
        assert maria.get("/conversations/3").status_code == 404
        undo(ada, inner)
    else:
        undo(ada, inner)
        assert (conversations(ada, MARIA), conversations(ada, YUKI)) == ([1], [2, 3])
        undo(ada, outer)
    assert [conversations(ada, id) for id in (MARIA, TOM, YUKI)] == [[1], [2], [3]]


def test_a_merge_can_be_undone_for_thirty_days_and_no_longer(app, ada):
    merge(ada, MARIA, TOM)
    (merged,) = merges(ada, TOM)

    def merged_ago(**ago):
        with app.app_context():
            at = clock.now() - timedelta(**ago)
            db.session.execute(update(ContactMerge).values(merged_at=at))
            db.session.commit()

    merged_ago(days=UNDO_DAYS, minutes=1)
    assert "Undo" not in ada.page(f"/contacts/{TOM}").text
    late = undo(ada, merged)
    assert (late.status_code, late.json["current"]["id"]) == (409, TOM)
    merged_ago(days=UNDO_DAYS, minutes=-5)
    assert "Undo" in ada.page(f"/contacts/{TOM}").text
    assert undo(ada, merged).status_code == 200


def test_a_merge_that_is_undone_and_done_again_has_its_own_undo(ada):
    for _ in range(2):
        merge(ada, MARIA, TOM)
        (merged,) = merges(ada, TOM)
        assert undo(ada, merged).status_code == 200
    assert merged["id"] == 2


def test_a_search_for_a_merged_contact_finds_the_targets_conversations_until_it_is_undone(ada):
    def found(q):
        page = ada.get(f"/accounts/1/conversations?q={q}").json
        return {row["id"]: page["hits"][str(row["id"])]["field"] for row in page["conversations"]}

    assert found("Lindqvist") == {1: "name"}
    merge(ada, MARIA, TOM)
    ada.post(f"/contacts/{TOM}", {"name": "Tomás Okafor"})
    assert found("lindqvist") == found("maria.lindqvist@") == {1: "address", 2: "address"}
    assert found("tomas") == {1: "name", 2: "name"}
    merge(ada, TOM, YUKI)
    assert found("lindqvist") == dict.fromkeys((1, 2, 3), "address")
    inner, outer = sorted(merges(ada, YUKI), key=lambda each: each["id"])
    undo(ada, outer)
    assert found("lindqvist") == {1: "address", 2: "address"}
    undo(ada, inner)
    assert found("lindqvist") == {1: "name"}


# The pages


def test_the_confirmation_shows_both_contacts_and_what_moves_and_changes_nothing(app, ada):
    ada.post(f"/contacts/{MARIA}", {"notes": "<i>Maria's</i>"})
    assert outbox_drained(app)
    rows = all_rows(app)
    form_alone = ada.page(f"/contacts/{MARIA}/merge").text
    assert "What happens" not in form_alone
    for name in ("Tom.Okafor@example.com", " 2"):
        page = ada.page(f"/contacts/{MARIA}/merge?into={name}").text
        assert "tom.okafor@example.com" in page
        assert "&lt;i&gt;Maria&#39;s&lt;/i&gt;" in page
        assert "Merge, and move 1 conversation<" in page
    preview = ada.get(f"/contacts/{MARIA}/merge?into=2").json
    assert (preview["source"]["id"], preview["target"]["id"]) == (MARIA, TOM)
    assert preview["conversations"] == 1
    assert all_rows(app) == rows


@pytest.mark.parametrize("into", ["nobody@example.com", "999", "x", "maria.lindqvist@example.com"])
def test_the_confirmation_names_what_is_wrong_with_the_other_contact(ada, into):
    page = ada.page(f"/contacts/{MARIA}/merge?into={into}")
    assert page.status_code == 422
    assert f'value="{into}"' in page.text
    assert 'id="into-problem"' in page.text
    assert ada.get(f"/contacts/{MARIA}/merge?into={into}").status_code == 422


def test_forms_merge_and_undo_and_lead_to_the_contact(app, ada, kevin):
    merged = form(app, ada, f"/contacts/{MARIA}/merge", into=str(TOM))
    assert (merged.status_code, merged.location) == (303, f"/contacts/{TOM}")
    moved = ada.page(f"/contacts/{MARIA}")
    assert (moved.status_code, moved.location) == (302, f"/contacts/{TOM}")
    page = ada.page(f"/contacts/{TOM}").text
    assert "maria.lindqvist@example.com" in page
    assert "with 1 conversation<" in page
    assert "Undo" not in kevin.page(f"/contacts/{TOM}").text
    undone = form(app, ada, "/contact-merges/1/undo")
    assert (undone.status_code, undone.location) == (303, f"/contacts/{MARIA}")


def test_a_form_for_a_contact_that_was_merged_meanwhile_keeps_what_was_typed(app, ada, kevin):
    merge(ada, MARIA, TOM)
    typed = {"name": "Maria L.", "email": "m@example.com", "phone": "", "notes": "Mine"}
    answer = form(app, kevin, f"/contacts/{MARIA}", version="1", **typed)
    assert answer.status_code == 409
    assert "was merged into another one" in answer.text
    assert "Mine</textarea>" in answer.text
    assert f'action="/contacts/{TOM}"' in answer.text
    with app.app_context():
        assert db.session.scalars(select(Contact.notes).where(Contact.notes != "")).all() == []
        assert db.session.scalar(select(Message.id).limit(1)) is not None
