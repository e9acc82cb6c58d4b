"""The settings of an account's inboxes, and the page on which administrators change them."""

import re

import pytest

from rtapp.config import ASSIGNMENT_CAP_LIMIT
from rtapp.extensions import db
from rtapp.models import Inbox

from ..actions.refusals import Action
from ..actions.refusals import Case
from ..actions.refusals import Refusals

INBOXES = "/accounts/1/inboxes"
WEBSITE, EMAIL = 1, 2
OFF = {"auto_assign": False, "assignment_cap": None}


def form(app, client, path, **fields):
    headers = {**client.headers, "Accept": "text/html"}
    return app.test_client().post(path, data=fields, headers=headers)


def settings(client):
    names = ("auto_assign", "assignment_cap")
    rows = client.get(INBOXES).json["inboxes"]
    return {row["id"]: {name: row[name] for name in names} for row in rows}


def test_changing_an_inboxs_settings_refuses_bad_input(app, other):
    changed = {"auto_assign": True, "assignment_cap": 5}
    Refusals(app, other).check(
        Action(
            path="/inboxes/{id}", id=WEBSITE, body=changed, required=list(changed),
            bad={
                "auto_assign": [None, 1, 0, "true", "", [True]],
                "assignment_cap": ["5", 0, -1, 1.5, True, ASSIGNMENT_CAP_LIMIT + 1, 2**31, [1]],
            },
            foreign="inbox", grace=403,
        ),
        Case("an agent of the inbox", 403, body=changed, principal="kevin"),
    )  # fmt: skip


def test_an_administrators_change_is_in_the_list_and_concerns_one_inbox(ada):
    assert settings(ada) == {WEBSITE: OFF, EMAIL: OFF}
    for change in (
        {"auto_assign": True, "assignment_cap": ASSIGNMENT_CAP_LIMIT},
        {"auto_assign": True, "assignment_cap": 1},
        {"auto_assign": False, "assignment_cap": None},
    ):
        answer = ada.post(f"/inboxes/{WEBSITE}", change)
        assert answer.status_code == 200
        assert {name: answer.json[name] for name in change} == change
        assert settings(ada) == {WEBSITE: change, EMAIL: OFF}


def test_commands_list_and_change_an_inboxs_settings_and_leave_what_is_not_named(app, ada):
    run = app.test_cli_runner().invoke
    for words, expected in (
        (["--auto-assign", "--cap", "5"], {"auto_assign": True, "assignment_cap": 5}),
        (["--cap", "0"], {"auto_assign": True, "assignment_cap": None}),
        (["--cap", "7"], {"auto_assign": True, "assignment_cap": 7}),
        (["--no-auto-assign"], {"auto_assign": False, "assignment_cap": 7}),
    ):
        assert run(args=["inbox", "set", "2", *words]).exit_code == 0
        assert settings(ada) == {WEBSITE: OFF, EMAIL: expected}
    assert run(args=["inbox", "set", "2", "--cap", "1001"]).exit_code == 2
    assert run(args=["inbox", "set", "9", "--auto-assign"]).exit_code == 1
    listed = run(args=["inbox", "list"]).output.splitlines()
    assert [line.split("\t")[:4] for line in listed] == [
        ["1", "1", "off", "-"],
        ["2", "1", "off", "7"],
    ]


# The page


def test_the_page_has_a_form_for_each_inbox_with_its_present_settings(app, ada, kevin):
    with app.app_context():
        db.session.get_one(Inbox, WEBSITE).name = "<i>Web</i>"
        db.session.commit()
    ada.post(f"/inboxes/{EMAIL}", {"auto_assign": True, "assignment_cap": 12})
    page = ada.page(INBOXES).text
    assert page.count("<form") == 3  # and that of a new one
    assert "<i>Web" not in page
    assert re.findall(r'<option value="(\w+)" selected>', page).count("true") == 1
    assert re.findall(r'name="assignment_cap"[^>]* value="(\d*)"', page) in (["", "12"], ["12", ""])
    assert kevin.page(INBOXES).status_code == 403


def test_a_form_changes_the_settings_and_returns_to_the_page(app, ada):
    for cap in ("5", ""):
        answer = form(app, ada, f"/inboxes/{EMAIL}", auto_assign="true", assignment_cap=cap)
        assert (answer.status_code, answer.location) == (303, INBOXES)
        expected = {"auto_assign": True, "assignment_cap": int(cap) if cap else None}
        assert settings(ada) == {WEBSITE: OFF, EMAIL: expected}


@pytest.mark.parametrize("wrong", ["0", "1001", "-1", "x", "1.5", '"><i>'])
def test_a_refused_form_comes_back_with_what_was_written_and_the_error_beside_its_field(
    app, ada, wrong
):
    answer = form(app, ada, f"/inboxes/{EMAIL}", auto_assign="true", assignment_cap=wrong)
    assert (answer.status_code, answer.mimetype) == (422, "text/html")
    assert answer.text.count('class="problem"') == 1
    (described,) = re.findall(r'aria-describedby="([^"]+)"', answer.text)
    assert described == f"inbox-{EMAIL}-assignment-cap-problem"
    assert f'id="{described}"' in answer.text
    assert "<i>" not in answer.text
    assert len(re.findall(r'<option value="true" selected>', answer.text)) == 1
    assert settings(ada) == {WEBSITE: OFF, EMAIL: OFF}
