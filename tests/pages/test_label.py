"""The labels of an account, and the page on which administrators change them."""

import re

import gevent
import pytest
from sqlalchemy import func
from sqlalchemy import select

from rtapp.config import LABELS_PER_ACCOUNT
from rtapp.extensions import db
from rtapp.models import ConversationLabel
from rtapp.models import Label

from ..actions.refusals import Action
from ..actions.refusals import Case
from ..actions.refusals import Refusals
from ..support import outbox_drained
from ..world import all_rows
from ..world import open_stream

LABELS = "/accounts/1/labels"
BILLING, DELIVERY, VIP = 1, 2, 3
BAD = {
    "title": [None, 1, "", " ", "\u200b", "x" * 41, "😀" * 41, "a\x00b", ["x"]],
    "colour": [None, "1", -1, 8, 1.5, True, [1]],
}


def form(app, client, path, **fields):
    headers = {**client.headers, "Accept": "text/html"}
    return app.test_client().post(path, data=fields, headers=headers)


def titles(client):
    return [label["title"] for label in client.get(LABELS).json["labels"]]


def test_making_a_label_refuses_bad_input(app, other):
    Refusals(app, other).check(
        Action(
            path="/accounts/{id}/labels", id=1, body={"title": "New", "colour": 7},
            required=["title", "colour"], bad=BAD, foreign="account", grace=403,
        ),
        Case("an agent", 403, body={"title": "New", "colour": 7}, principal="kevin"),
        *(Case(f"the title {title!r} again", 422, "title", {"title": title, "colour": 0})
          for title in ("VIP", "vip", " v\u200bip ", "ＶＩＰ".translate({0xFF36: "V", 0xFF29: "I",
                                                                         0xFF30: "P"}))),
    )  # fmt: skip


def test_changing_a_label_refuses_bad_input(app, other):
    with app.app_context():
        label = Label(account_id=other.account, title="Theirs", colour=0)
        db.session.add(label)
        db.session.commit()
        foreign = label.id
    changed = {"title": "Changed", "colour": 7}
    Refusals(app, other).check(
        Action(
            path="/labels/{id}", id=BILLING, body=changed, required=["title", "colour"], bad=BAD,
            foreign="conversation", grace=403,
        ),
        Case("another account's label", 404, body=changed, id=foreign),
        Case("an agent", 403, body=changed, principal="kevin"),
        Case("the title of another one", 422, "title", {"title": "delivery", "colour": 7}),
    )  # fmt: skip


def test_deleting_a_label_refuses_bad_input(app, other):
    Refusals(app, other).check(
        Action(path="/labels/{id}/delete", id=BILLING, body={}, required=[], bad={}, grace=403),
        Case("an agent", 403, body={}, principal="kevin"),
    )


def test_members_read_the_labels_by_title_and_each_change_resets_every_members_stream(
    app, ada, kevin, grace
):
    assert titles(kevin) == titles(grace) == ["Billing", "Delivery", "VIP"]
    changes = (
        (LABELS, {"title": "  Spare \t parts ", "colour": 4}),
        (f"/labels/{VIP}", {"title": "vip", "colour": 2}),
        (f"/labels/{DELIVERY}/delete", {}),
    )
    for path, body in changes:
        with open_stream(kevin, "account:1") as his, open_stream(grace, "account:1") as hers:
            for stream in (his, hers):
                stream.named("stream.open")
            assert ada.post(path, body).status_code < 300
            for stream in (his, hers):
                assert "history_lost" in stream.named("stream.reset").data
    assert titles(kevin) == ["Billing", "Spare parts", "vip"]


def test_what_is_set_already_resets_no_stream_and_another_accounts_members_never_are(
    app, ada, other
):
    broker = app.extensions["broker"]
    same = ada.post(f"/labels/{VIP}", {"title": "VIP", "colour": 3})
    assert same.json == {"id": VIP, "title": "VIP", "colour": 3}
    assert outbox_drained(app)
    assert list(broker.redis.scan_iter("rt:*user:*")) == []
    ada.post(f"/labels/{VIP}", {"title": "VIP", "colour": 4})
    assert outbox_drained(app)
    topics = {key.decode().rpartition("user:")[2] for key in broker.redis.scan_iter("rt:*user:*")}
    assert topics == {"1", "2", "3"}
    assert other.user not in topics


def test_a_deleted_label_is_taken_off_its_conversations_only(app, ada):
    assert ada.post(f"/labels/{DELIVERY}/delete", {}).status_code == 204
    assert ada.get("/conversations/1").json["conversation"]["labels"] == []
    seventh = ada.get("/conversations/7").json["conversation"]["labels"]
    assert [label["title"] for label in seventh] == ["VIP"]
    with app.app_context():
        left = db.session.scalars(select(ConversationLabel.label_id).order_by("label_id")).all()
    assert left == [BILLING, VIP]
    assert ada.post(f"/labels/{DELIVERY}/delete", {}).status_code == 404
    assert ada.post(f"/labels/{DELIVERY}", {"title": "x", "colour": 0}).status_code == 404


def test_one_of_several_labels_made_at_once_with_one_title_is_made(app, ada):
    jobs = [
        gevent.spawn(ada.post, LABELS, {"title": title, "colour": 0})
        for title in ("Returns", "returns", "RETURNS")
    ]
    gevent.joinall(jobs)
    assert sorted(job.value.status_code for job in jobs) == [201, 422, 422]
    assert len(titles(ada)) == 4


def test_of_two_labels_renamed_at_once_to_one_title_one_is_renamed(app, ada):
    jobs = [
        gevent.spawn(ada.post, f"/labels/{id}", {"title": title, "colour": 0})
        for id, title in ((BILLING, "Money"), (VIP, "MONEY"))
    ]
    gevent.joinall(jobs)
    assert sorted(job.value.status_code for job in jobs) == [200, 422]


def test_an_account_has_at_most_a_hundred_labels(app, ada):
    with app.app_context():
        there = db.session.scalar(select(func.count()).select_from(Label))
        for n in range(LABELS_PER_ACCOUNT - there - 1):
            db.session.add(Label(account_id=1, title=f"Label {n}", colour=0))
        db.session.commit()
    assert ada.post(LABELS, {"title": "The last", "colour": 0}).status_code == 201
    assert outbox_drained(app)
    before = all_rows(app)
    assert ada.post(LABELS, {"title": "One more", "colour": 0}).status_code == 422
    assert all_rows(app) == before


# The page


def test_an_administrators_page_has_the_forms_and_an_agents_page_has_none(ada, kevin):
    page = ada.page(LABELS).text
    assert page.count("<form") == 1 + 2 * 3
    assert "2 conversations" in page
    theirs = kevin.page(LABELS).text
    assert "Delivery" in theirs
    assert "<form" not in theirs


def test_forms_make_change_and_delete_a_label_and_return_to_the_page(app, ada):
    for path, fields in (
        (LABELS, {"title": "Returns", "colour": "6"}),
        (f"/labels/{BILLING}", {"title": "Invoices", "colour": "0"}),
        (f"/labels/{VIP}/delete", {}),
    ):
        answer = form(app, ada, path, **fields)
        assert (answer.status_code, answer.location) == (303, LABELS)
    assert titles(ada) == ["Delivery", "Invoices", "Returns"]


@pytest.mark.parametrize("path", [LABELS, f"/labels/{BILLING}"], ids=["a new one", "another one"])
def test_a_refused_form_comes_back_with_what_was_written_and_the_error_beside_its_field(
    app, ada, path
):
    answer = form(app, ada, path, title="<i>vip</i>", colour="9")
    assert (answer.status_code, answer.mimetype) == (422, "text/html")
    assert 'value="&lt;i&gt;vip&lt;/i&gt;"' in answer.text
    assert "<i>vip" not in answer.text
    assert answer.text.count('class="problem"') == 1
    taken = form(app, ada, path, title="vip", colour="2")
    assert taken.status_code == 422
    assert "It is the title of another label." in taken.text
    (described,) = re.findall(r'aria-describedby="([^"]+)"', taken.text)
    assert f'id="{described}"' in taken.text
    assert len(re.findall(r'value="2" checked', taken.text)) >= 1
    assert titles(ada) == ["Billing", "Delivery", "VIP"]


def test_the_inbox_has_the_labels_menu_and_filter_with_the_present_choice(ada):
    page = ada.page("/conversations/1?label=2").text
    assert re.search(r'<option value="2" selected>Delivery', page)
    assert re.search(r'<button name="remove" value="2" aria-pressed="true">', page)
    assert re.search(r'<button name="add" value="3" aria-pressed="false">', page)
    assert 'href="/accounts/1/labels"' in page
