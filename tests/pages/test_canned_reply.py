"""The canned replies of an account, and the page on which its members change them."""

import re

import gevent
import pytest

from rtapp.config import CANNED_REPLIES_PER_ACCOUNT
from rtapp.extensions import db
from rtapp.models import CannedReply
from rtapp.models import Contact

from ..actions.refusals import Action
from ..actions.refusals import Case
from ..actions.refusals import Refusals
from ..support import next_settings
from ..support import outbox_drained
from ..world import all_rows

REPLIES = "/accounts/1/canned-replies"
GOOD = {"shortcut": "thanks", "content": "Thank you, {{contact.first_name}}!"}
BAD = {
    "shortcut": [None, 1, "", " ", "a b", "A", "é", "a/b", "a\n", "x" * 33, "a\x00", "١", ["x"]],
    "content": [None, 1, "", " ", "\u200b", "x" * 10_001, "a\x00b", ["x"]],
}


def replies(client):
    return {each["shortcut"]: each for each in client.get(REPLIES).json["canned_replies"]}


def form(app, client, path, **fields):
    headers = {**client.headers, "Accept": "text/html"}
    return app.test_client().post(path, data=fields, headers=headers)


def test_making_a_canned_reply_refuses_bad_input(app, other):
    Refusals(app, other).check(
        Action(
            path="/accounts/{id}/canned-replies", id=1, body=GOOD,
            required=["shortcut", "content"], bad=BAD, foreign="account", grace=201,
        ),
        Case("a shortcut again", 422, "shortcut", {**GOOD, "shortcut": "hello"}),
    )  # fmt: skip


def test_changing_a_canned_reply_refuses_bad_input(app, other):
    with app.app_context():
        theirs = CannedReply(account_id=other.account, shortcut="hello", content="Theirs")
        db.session.add(theirs)
        db.session.commit()
        foreign = theirs.id
    Refusals(app, other).check(
        Action(
            path="/canned-replies/{id}", id=1, body=GOOD, required=["shortcut", "content"],
            bad=BAD, grace=200,
        ),
        Case("another account's", 404, body=GOOD, id=foreign),
        Case("the shortcut of another one", 422, "shortcut", {**GOOD, "shortcut": "bye"}),
    )  # fmt: skip


def test_deleting_a_canned_reply_refuses_bad_input(app, other):
    Refusals(app, other).check(
        Action(
            path="/canned-replies/{id}/delete", id=1, body={}, required=[], bad={}, grace=204,
        ),
    )  # fmt: skip


def test_every_member_makes_changes_and_deletes_canned_replies_and_all_members_are_notified(
    app, ada, kevin, grace, subscribe
):
    assert list(replies(grace)) == ["bye", "hello", "sorry"]
    streams = [subscribe("account:1", each) for each in (ada, kevin, grace)]
    made = kevin.post(REPLIES, GOOD)
    assert (made.status_code, made.json) == (201, {"id": made.json["id"], **GOOD})
    assert replies(ada)["thanks"] == made.json
    path = f"/canned-replies/{made.json['id']}"
    changed = grace.post(path, {"shortcut": "thx", "content": "Line 1\r\nLine 2"})
    assert (changed.status_code, changed.json["content"]) == (200, "Line 1\nLine 2")
    assert replies(ada)["thx"] == changed.json
    assert ada.post(f"{path}/delete", {}).status_code == 204
    assert list(replies(kevin)) == ["bye", "hello", "sorry"]
    for gone in (path, f"{path}/delete"):
        assert kevin.post(gone, GOOD if gone == path else {}).status_code == 404
    for stream in streams:
        for _ in ("made", "changed", "deleted"):
            assert next_settings(stream) == {"account_id": 1, "part": "canned_replies"}
    ada.post("/inboxes/1", {"auto_assign": False, "assignment_cap": 7})
    assert next_settings(streams[0])["part"] == "inboxes"  # no more, for what was refused


def test_another_account_has_replies_of_its_own_with_the_same_shortcuts(app, ada, other):
    with app.app_context():
        db.session.add(CannedReply(account_id=other.account, shortcut="hello", content="Theirs"))
        db.session.commit()
    assert "Theirs" not in ada.get(REPLIES).text
    assert ada.get(f"/accounts/{other.account}/canned-replies").status_code == 404


def test_one_of_several_replies_made_at_once_with_one_shortcut_is_made(ada, kevin):
    jobs = [gevent.spawn(each.post, REPLIES, GOOD) for each in (ada, kevin, ada)]
    gevent.joinall(jobs)
    assert sorted(job.value.status_code for job in jobs) == [201, 422, 422]
    assert len(replies(ada)) == 4


def test_a_reply_changed_while_it_is_deleted_is_gone_and_nothing_fails(ada, kevin):
    jobs = [
        gevent.spawn(ada.post, "/canned-replies/1", GOOD),
        gevent.spawn(kevin.post, "/canned-replies/1/delete", {}),
    ]
    gevent.joinall(jobs)
    assert jobs[0].value.status_code in (200, 404)
    assert jobs[1].value.status_code == 204
    assert list(replies(ada)) == ["bye", "sorry"]


def test_an_account_has_at_most_two_hundred_canned_replies(app, ada):
    with app.app_context():
        for n in range(CANNED_REPLIES_PER_ACCOUNT - 3 - 1):
            db.session.add(CannedReply(account_id=1, shortcut=f"x{n}", content="x"))
        db.session.commit()
    assert ada.post(REPLIES, GOOD).status_code == 201
    assert outbox_drained(app)
    before = all_rows(app)
    assert ada.post(REPLIES, {**GOOD, "shortcut": "more"}).status_code == 422
    assert all_rows(app) == before


# The page


def test_forms_make_change_and_delete_a_reply_and_return_to_the_page(app, kevin):
    for path, fields in (
        (REPLIES, {"shortcut": "new", "content": "New"}),
        ("/canned-replies/1", {"shortcut": "hi", "content": "Hi"}),
        ("/canned-replies/2/delete", {}),
    ):
        answer = form(app, kevin, path, **fields)
        assert (answer.status_code, answer.location) == (303, REPLIES)
    assert list(replies(kevin)) == ["bye", "hi", "new"]
    assert kevin.page(REPLIES).text.count("<form") == 1 + 2 * 3


@pytest.mark.parametrize("path", [REPLIES, "/canned-replies/1"], ids=["a new one", "another one"])
def test_a_refused_form_comes_back_with_what_was_written_and_the_error_beside_its_field(
    app, kevin, path
):
    text = "\n  </textarea><script>a()</script> {{contact.name}}"
    answer = form(app, kevin, path, shortcut="bye", content=text)
    assert answer.status_code == 422
    assert "It is the shortcut of another canned reply." in answer.text
    (described,) = re.findall(r'aria-describedby="([^"]+)"', answer.text)
    assert f'id="{described}"' in answer.text
    assert "\n\n  &lt;/textarea&gt;&lt;script&gt;a()&lt;/script&gt; {{contact.name}}" in answer.text
    assert "<script>" not in answer.text
    assert list(replies(kevin)) == ["bye", "hello", "sorry"]


def test_a_thread_has_the_values_of_its_variables(app, kevin):
    page = kevin.page("/conversations/1").text
    (values,) = re.findall(r"data-values='([^']*)'", page)
    assert app.json.loads(values) == {
        "contact.name": "Maria Lindqvist",
        "contact.first_name": "Maria",
        "contact.email": "maria.lindqvist@example.com",
        "agent.name": "Kevin",
        "agent.first_name": "Kevin",
        "conversation.id": "1",
    }
    with app.app_context():
        contact = db.session.get_one(Contact, 1)
        contact.name, contact.email = "O'Hara' onload='a() {{agent.name}}", None
        db.session.commit()
    (values,) = re.findall(r"data-values='([^']*)'", kevin.page("/conversations/1").text)
    assert app.json.loads(values)["contact.name"] == "O'Hara' onload='a() {{agent.name}}"
    assert app.json.loads(values)["contact.email"] == ""
