"""One change of many conversations: each by itself, with what was refused in words."""

from datetime import timedelta

import gevent
import pytest
from sqlalchemy import select
from sqlalchemy import text

from rtapp import clock
from rtapp.config import FIELD_LIMIT
from rtapp.extensions import db
from rtapp.models import Conversation

from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually
from .refusals import STALE
from .refusals import Action
from .refusals import Case

PATH = "/accounts/1/bulk"
HTML = {"Accept": "text/html"}
TOMORROW = clock.rfc3339(clock.now() + timedelta(days=1))


def bulk(client, ids, **change):
    return client.post(PATH, {"conversations": dict.fromkeys(map(str, ids)), **change})


def shown(client, id):
    return client.get(f"/conversations/{id}").json["conversation"]


def ids(rows):
    return [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"status": "resolved"}, "status", "resolved"),
        ({"status": "spam"}, "status", "spam"),
        ({"status": "snoozed", "snoozed_until": TOMORROW}, "snoozed_until", TOMORROW),
        ({"assignee_id": 1}, "assignee", 1),
        ({"assignee_id": None}, "assignee", None),
        ({"add": 1}, "labels", 1),
    ],
)
def test_many_conversations_are_changed_by_one_request(ada, change, field, value):
    answer = bulk(ada, [1, 2, 3], **change)
    assert (answer.status_code, ids(answer.json["changed"])) == (200, [1, 2, 3])
    assert answer.json["refused"] == []
    for id in (1, 2, 3):
        found = shown(ada, id)[field]
        if field == "labels":
            assert value in ids(found)
        else:
            assert (found["id"] if isinstance(found, dict) else found) == value


def test_a_label_is_taken_off_many_conversations(ada):
    bulk(ada, [1, 2], add=3)
    bulk(ada, [1, 2], remove=3)
    assert all(3 not in ids(shown(ada, id)["labels"]) for id in (1, 2))


def test_a_merged_conversation_is_refused_with_where_it_is(ada):
    assert ada.post("/contacts/3/merge", {"into": 2}).status_code == 200
    assert ada.post("/conversations/3/merge", {"into": 2}).status_code == 200
    answer = bulk(ada, [1, 3], status="pending").json
    assert ids(answer["changed"]) == [1]
    (refused,) = answer["refused"]
    assert (refused["id"], refused["status"]) == (3, 409)
    assert "merged into #2" in refused["detail"]
    assert shown(ada, 2)["status"] != "pending"


def test_the_answer_has_the_state_before_which_undoes_the_change(ada):
    earlier = shown(ada, 2)
    (changed,) = bulk(ada, [2], status="snoozed", snoozed_until=TOMORROW).json["changed"]
    assert changed["before"] == {
        "status": earlier["status"],
        "snoozed_until": earlier["snoozed_until"],
        "assignee_id": earlier["assignee"] and earlier["assignee"]["id"],
        "labels": ids(earlier["labels"]),
    }
    assert changed["version"] == shown(ada, 2)["version"] > earlier["version"]


def test_what_refuses_one_conversation_leaves_the_others(ada, kevin, maria):
    seen = shown(ada, 1)["version"]
    maria.send(1, "One more question")
    answer = kevin.post(
        PATH, {"conversations": {"1": seen, "2": None, "999": None}, "status": "resolved"}
    ).json
    assert ids(answer["changed"]) == [2]
    assert [(each["id"], each["status"]) for each in answer["refused"]] == [(1, 409), (999, 404)]
    assert "customer has written" in answer["refused"][0]["detail"]
    assert (shown(ada, 1)["status"], shown(ada, 2)["status"]) == ("open", "resolved")


def test_another_accounts_conversations_are_refused_as_unknown(ada, other):
    answer = bulk(ada, [2, other.conversation], status="resolved").json
    assert ids(answer["changed"]) == [2]
    assert answer["refused"] == [
        {**bulk(ada, [999], status="open").json["refused"][0], "id": other.conversation}
    ]


def test_conversations_that_the_agent_does_not_see_are_refused_as_unknown(grace, ada):
    (refused,) = bulk(grace, [1], status="resolved").json["refused"]
    assert refused["status"] == 404
    assert shown(ada, 1)["status"] == "open"


WAITING = text("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize(("held", "changed"), [(2, [1]), (1, None)])
def test_a_database_that_goes_away_in_the_middle_leaves_an_answer_with_what_was_changed(
    app, ada, held, changed
):
    before = {id: shown(ada, id)["status"] for id in (1, 2, 3)}
    with app.app_context(), db.engine.begin() as holder, db.engine.connect() as watcher:
        row = select(Conversation.id).where(Conversation.id == held).with_for_update()
        assert holder.execute(row).all()
        watcher = watcher.execution_options(isolation_level="AUTOCOMMIT")
        request = gevent.spawn(bulk, ada, [1, 2, 3], status="spam")
        [(waiting,)] = eventually(lambda: watcher.execute(WAITING).all())
        watcher.execute(text(f"SELECT pg_terminate_backend({waiting})"))
        answer = request.get(timeout=PATIENCE)
    after = {id: shown(ada, id)["status"] for id in (1, 2, 3)}
    if changed is None:
        assert (answer.status_code, after) == (503, before)
    else:
        assert ids(answer.json["changed"]) == changed
        refused = answer.json["refused"]
        assert [(each["id"], each["status"]) for each in refused] == [(2, 503), (3, 503)]
        assert "Try again" in refused[0]["detail"]
        assert after == {**before, 1: "spam"}


def test_a_form_without_script_leads_back_to_the_list_or_says_what_was_refused(kevin):
    form = {"conversations.1": "", "conversations.2": "", "status": "resolved"}
    ask = kevin.app.test_client().post
    headers = {**kevin.headers, **HTML}
    answer = ask(PATH, data=form, headers=headers)
    assert (answer.status_code, answer.location) == (303, "/accounts/1/conversations")
    answer = ask(PATH, data={**form, "conversations.999": "", "status": "open"}, headers=headers)
    assert answer.status_code == 409
    assert "2 changed, 1 not" in answer.text


def test_changing_many_refuses_bad_input(refusals):
    many = {str(id): None for id in range(1, FIELD_LIMIT + 2)}
    one = {"1": None}
    refusals.check(
        Action(
            path=PATH.replace("1", "{id}"),
            id=1,
            body={"conversations": one, "status": "resolved"},
            required=["conversations", "status"],
            bad={"status": [None, "gone", "", 1], "conversations": [None, [], [1], "1", {}]},
            foreign="account",
            grace=200,
            visitor=403,
        ),
        Case("too many", 422, "body", {"conversations": many, "status": "open"}),
        Case("an id in words", 422, "conversations.x.[key]",
             {"conversations": {"x": None}, "status": "open"}),
        Case("a version in words", 422, "conversations.1",
             {"conversations": {"1": "x"}, "status": "open"}),
        Case("two changes", 422, "add", {"conversations": one, "status": "open", "add": 1}),
        Case("a time without a snooze", 422, "snoozed_until",
             {"conversations": one, "status": "open", "snoozed_until": TOMORROW}),
        Case("a null label", 422, "add", {"conversations": one, "add": None}),
        Case("a label that is none", 422, "add", {"conversations": one, "add": 0}),
    )  # fmt: skip


def test_a_version_that_no_conversation_has_is_refused(ada):
    answer = ada.post(PATH, {"conversations": {"1": STALE}, "assignee_id": None}).json
    assert [each["status"] for each in answer["refused"]] == [409]
