"""The members of an account, and the page on which administrators change them.

What leaves with their access: tests/services/test_leaving.py.
"""

import re
from contextlib import closing

import pytest

from rtapp.extensions import db
from rtapp.models import Inbox
from rtapp.models import User

from ..actions.refusals import Action
from ..actions.refusals import Case
from ..actions.refusals import Refusals
from ..support import envelope
from ..support import outbox_drained

MEMBERS = "/accounts/1/settings/members"
ADA, KEVIN, GRACE = 1, 2, 3
WEBSITE, EMAIL = 1, 2


def form(app, client, path, **fields):
    headers = {**client.headers, "Accept": "text/html"}
    return app.test_client().post(path, data=fields, headers=headers)


def member(client, id):
    (row,) = [row for row in client.get(MEMBERS).json["members"] if row["id"] == id]
    return {name: row[name] for name in ("role", "sees", "inbox_ids")}


def test_changing_a_member_refuses_bad_input(app, other):
    changed = {"role": "agent", "sees": "assigned", "inbox_ids": [WEBSITE, EMAIL]}
    Refusals(app, other).check(
        Action(
            path=f"{MEMBERS}/{{id}}", id=KEVIN, body=changed, required=["role", "sees"],
            bad={
                "role": [None, "", "owner", "Administrator", 1, ["agent"]],
                "sees": [None, "", "all", True],
                "inbox_ids": [EMAIL, "1", [999], [WEBSITE, 2**31 - 1], list(range(1, 47)),
                            [other.inbox]],
            },
            foreign="user", grace=403,
        ),
        Case("oneself, the last administrator", 422, "role", changed, id=ADA),
        Case("an agent about themself", 403, body={**changed, "role": "administrator"},
             principal="kevin"),
        Case("an inbox that is no number", 422, "inbox_ids.0", {**changed, "inbox_ids": ["x"]}),
    )  # fmt: skip


def test_removing_a_member_refuses_bad_input(app, other):
    Refusals(app, other).check(
        Action(path=f"{MEMBERS}/{{id}}/remove", id=KEVIN, body={}, required=[], bad={},
               foreign="user", grace=403),
        Case("oneself, the last administrator", 422, "member", {}, id=ADA),
        Case("an agent about themself", 403, body={}, principal="kevin"),
    )  # fmt: skip


def test_a_change_is_in_the_list_and_concerns_one_member(ada):
    before = {id: member(ada, id) for id in (ADA, GRACE)}
    for change in (
        {"role": "agent", "sees": "assigned", "inbox_ids": [WEBSITE, EMAIL]},
        {"role": "administrator", "sees": "inbox", "inbox_ids": []},
        {"role": "agent", "sees": "inbox", "inbox_ids": [EMAIL]},
    ):
        answer = ada.post(f"{MEMBERS}/{KEVIN}", change)
        assert answer.status_code == 200
        assert {name: answer.json[name] for name in change} == member(ada, KEVIN) == change
    kept = {"role": "agent", "sees": "assigned"}
    assert ada.post(f"{MEMBERS}/{KEVIN}", kept).json["inbox_ids"] == [EMAIL]
    assert {id: member(ada, id) for id in (ADA, GRACE)} == before


def test_what_a_change_takes_away_is_gone_at_once(app, ada, kevin):
    assert kevin.get("/conversations/1").status_code == 200
    with closing(kevin.stream("/streams/conversations/1")) as stream:
        stream.named("stream.open")
        ada.post(f"{MEMBERS}/{KEVIN}", {"role": "agent", "sees": "inbox", "inbox_ids": [EMAIL]})
        assert envelope(stream.until("stream.closed")[-1])["reason"] == "forbidden"
    assert kevin.get("/conversations/1").status_code == 404
    assert kevin.get("/conversations/7").status_code == 200
    assert ada.get("/conversations/1").json["conversation"]["assignee"] is None


def test_the_list_says_who_is_disabled_and_is_read_again_as_that_changes(app, ada, subscribe):
    words, run = "Disabled: signs in nowhere", app.test_cli_runner().invoke
    hers = subscribe("account:1", ada)
    assert words not in ada.get(MEMBERS, Accept="text/html").text
    assert run(args=["user", "disable", "kevin@example.com"]).exit_code == 0
    listed = {row["id"]: row["disabled"] for row in ada.get(MEMBERS).json["members"]}
    assert listed == {ADA: False, KEVIN: True, GRACE: False}
    assert ada.get(MEMBERS, Accept="text/html").text.count(words) == 1
    assert run(args=["user", "enable", "kevin@example.com"]).exit_code == 0
    assert words not in ada.get(MEMBERS, Accept="text/html").text
    changes = 0
    while changes < 2:
        changes += hers.next_event().event == "settings.changed"


def test_administrators_are_notified_of_a_change_and_of_none_that_changes_nothing(
    app, ada, kevin, subscribe
):
    hers, his = subscribe("account:1", ada), subscribe("account:1", kevin)
    same = {"role": "agent", "sees": "inbox", "inbox_ids": [EMAIL]}
    assert ada.post(f"{MEMBERS}/{GRACE}", same).status_code == 200
    ada.post(f"{MEMBERS}/{GRACE}", {**same, "sees": "assigned"})
    while (event := hers.next_event()).event == "unread.changed":
        pass
    assert (event.event, event.data["part"]) == ("settings.changed", "members")
    ada.send(2, "a marker")
    while (event := his.next_event()).event == "unread.changed":
        pass
    assert event.event == "conversation.updated"


# The page


def test_the_page_has_a_form_for_each_member_with_what_is_set(app, ada, kevin):
    with app.app_context():
        db.session.get_one(Inbox, WEBSITE).name = "<i>Web</i>"
        db.session.get_one(User, GRACE).name = "<i>Grace</i>"
        db.session.commit()
    page = ada.page(MEMBERS).text
    assert page.count("<form") == 6
    assert "<i>" not in page
    assert page.count('value="administrator" selected') == 1
    assert len(re.findall(r'name="inbox_ids.1" value="true" checked', page)) == 2
    assert "3 conversations are unassigned" in page  # if Kevin is removed
    assert kevin.page(MEMBERS).status_code == 403


def test_a_forms_ticked_boxes_are_all_of_the_members_inboxes(app, ada):
    always = {"role": "agent", "sees": "inbox", "inbox_ids.0": ""}
    for ticked in ([EMAIL], [], [WEBSITE, EMAIL]):
        boxes = {f"inbox_ids.{id}": "true" for id in ticked}
        answer = form(app, ada, f"{MEMBERS}/{KEVIN}", **always, **boxes)
        assert (answer.status_code, answer.location) == (303, MEMBERS)
        assert member(ada, KEVIN)["inbox_ids"] == ticked


@pytest.mark.parametrize(
    ("field", "value"),
    [("role", "owner"), ("sees", '"><i>'), ("inbox_ids.999", "true"), ("inbox_ids.x", "true")],
)
def test_a_refused_form_comes_back_open_with_what_was_chosen_and_the_error(app, ada, field, value):
    fields = {"role": "agent", "sees": "assigned", "inbox_ids.0": "", "inbox_ids.2": "true"}
    answer = form(app, ada, f"{MEMBERS}/{KEVIN}", **{**fields, field: value})
    assert (answer.status_code, answer.mimetype) == (422, "text/html")
    assert "<i>" not in answer.text
    own = answer.text.partition(f'id="member-{KEVIN}"')[2].partition("</li>")[0]
    assert own.startswith(" open>")
    if not field.startswith("inbox_ids.x"):  # its error has the field's name
        assert own.count('class="problem"') == 1
    assert re.search(r'name="inbox_ids.2" value="true" checked', own)
    assert member(ada, KEVIN) == {"role": "agent", "sees": "inbox", "inbox_ids": [WEBSITE]}


def test_the_page_states_why_the_last_administrator_stays(app, ada):
    for path in (f"{MEMBERS}/{ADA}", f"{MEMBERS}/{ADA}/remove"):
        fields = {} if path.endswith("remove") else {"role": "agent", "sees": "inbox"}
        answer = form(app, ada, path, **fields)
        assert answer.status_code == 422
        assert "last administrator" in answer.text
    assert member(ada, ADA)["role"] == "administrator"


def test_a_form_that_ends_ones_own_rights_leads_to_where_one_may_be(app, ada, kevin):
    ada.post(f"{MEMBERS}/{KEVIN}", {"role": "administrator", "sees": "inbox"})
    demoted = form(app, kevin, f"{MEMBERS}/{KEVIN}", role="agent", sees="inbox")
    assert (demoted.status_code, demoted.location) == (303, "/accounts/1/conversations")
    ada.post(f"{MEMBERS}/{KEVIN}", {"role": "administrator", "sees": "inbox"})
    left = form(app, kevin, f"{MEMBERS}/{KEVIN}/remove")
    assert (left.status_code, left.location) == (303, "/")
    assert outbox_drained(app)
    assert form(app, ada, f"{MEMBERS}/{GRACE}/remove").location == MEMBERS
