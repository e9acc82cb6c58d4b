"""Labels of a conversation: set as a whole or one by one, live for agents, never for customers."""

from contextlib import closing

import gevent
import pytest
from sqlalchemy import select

from rtapp.config import LABELS_PER_CONVERSATION
from rtapp.extensions import db
from rtapp.models import ConversationLabel
from rtapp.models import Label

from ..state import verified
from ..support import envelope
from ..support import outbox_drained
from ..world import open_stream
from .refusals import STALE
from .refusals import Action
from .refusals import Case

PATH = "/conversations/2/labels"
BILLING, DELIVERY, VIP = 1, 2, 3

SET = Action(
    path="/conversations/{id}/labels",
    id=2,
    body={"labels": [BILLING, VIP]},
    required=["labels"],
    bad={"version": ["1", 0, -1, 1.5, 2**31, True]},
)


def titles(client, id=2):
    labels = client.get(f"/conversations/{id}").json["conversation"]["labels"]
    return [label["title"] for label in labels]


def activities(client, id=2):
    messages = client.get(f"/conversations/{id}/messages").json["messages"]
    return [m["content"] for m in messages if m["message_type"] == "activity"]


@pytest.fixture
def foreign_label(app, other):
    with app.app_context():
        label = Label(account_id=other.account, title="Theirs", colour=0)
        db.session.add(label)
        db.session.commit()
        return label.id


def test_setting_labels_refuses_bad_input(app, refusals, foreign_label):
    refusals.check(
        SET,
        *(Case(f"labels {value!r}", 422, field, {"labels": value}) for value, field in [
            (1, "labels"), ("1", "labels"), ({"1": 1}, "labels"), (["1"], "labels.0"),
            ([0], "labels.0"), ([1, True], "labels.1"), ([2**31], "labels.0"),
            ([999], "labels"), ([1, foreign_label], "labels"), ([1] * 11, "labels"),
        ]),
        *(Case(f"{name} {value!r}", 422, name, {name: value}) for name in ("add", "remove")
          for value in ("1", 0, True, [1], 999, foreign_label)),
        Case("nothing", 422, "labels", {"labels": None}),
        Case("two ways at once", 422, "add", {"labels": [1], "add": 2}),
        Case("both ways", 422, "remove", {"add": 1, "remove": 2}),
        Case("stale version", 409, body={"labels": [1], "version": STALE}),
    )  # fmt: skip


def test_a_label_is_published_to_thread_and_lists_with_an_activity_and_shown_to_no_customer(
    app, ada, kevin, grace
):
    assert titles(ada) == []
    with verified(app, 2, ada, kevin, grace) as received:
        answer = kevin.post(PATH, {"labels": [VIP, BILLING]})
        assert answer.status_code == 200, answer.data
    assert answer.json["labels"] == [
        {"id": BILLING, "title": "Billing", "colour": 1},
        {"id": VIP, "title": "VIP", "colour": 3},
    ]
    assert ada.get("/conversations/2").json["conversation"] == answer.json
    assert received[ada].count("conversation.labels_changed") == 2  # thread and list
    assert set(received[ada]) == {
        "conversation.labels_changed", "message.created", "conversation.updated",
    }  # fmt: skip
    assert received[grace] == []
    assert activities(ada) == ["Kevin added Billing, VIP"]
    kevin.post(PATH, {"labels": [DELIVERY, VIP]})
    assert activities(ada)[-1] == "Kevin added Delivery, removed Billing"
    kevin.post(PATH, {"labels": []})
    assert activities(ada)[-1] == "Kevin removed Delivery, VIP"
    assert titles(ada) == []


def test_a_customer_receives_neither_labels_nor_their_event(app, ada, maria):
    with open_stream(maria, "conversation:1") as stream:
        stream.named("stream.open")
        ada.post("/conversations/1/labels", {"labels": [BILLING, VIP]})
        ada.send(1, "the end")
        assert outbox_drained(app)
        event = stream.any()
        while "the end" not in event.data:
            assert "VIP" not in event.data
            assert not event.event.startswith("conversation.labels")
            event = stream.any()
    assert titles(ada, 1) == ["Billing", "VIP"]
    assert titles(maria, 1) == []


def test_the_same_labels_publish_nothing_even_with_a_stale_version(app, ada, outbox):
    ada.post(PATH, {"labels": [BILLING, VIP]})
    assert outbox_drained(app)
    before = outbox.state()
    for body in (
        {"labels": [VIP, BILLING, VIP]},
        {"labels": [VIP, BILLING], "version": STALE},
        {"add": VIP},
        {"remove": DELIVERY},
    ):
        assert ada.post(PATH, body).status_code == 200
    assert outbox.state() == before
    assert ada.post(PATH, {"remove": VIP}).json["labels"] != []
    assert outbox.state() != before


def test_a_conversation_has_at_most_ten_labels(app, ada, outbox):
    with app.app_context():
        more = [Label(account_id=1, title=f"More {n}", colour=0) for n in range(10)]
        db.session.add_all(more)
        db.session.commit()
        ids = [label.id for label in more]
    assert len(ids) == LABELS_PER_CONVERSATION
    assert ada.post(PATH, {"labels": ids}).status_code == 200
    assert outbox_drained(app)
    before = outbox.state()
    refused = ada.post(PATH, {"add": VIP})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["labels"])
    assert outbox.state() == before
    assert ada.post(PATH, {"remove": ids[0]}).status_code == 200
    assert ada.post(PATH, {"add": VIP}).status_code == 200


def test_labels_that_two_agents_add_at_once_are_both_there(app, ada, kevin):
    before = ada.get("/conversations/2").json["conversation"]["version"]
    with verified(app, 2, ada):
        jobs = [
            gevent.spawn(client.post, PATH, {"add": id})
            for client in (ada, kevin)
            for id in (BILLING, DELIVERY, VIP)
        ]
        gevent.joinall(jobs)
        assert {job.value.status_code for job in jobs} == {200}
    assert titles(ada) == ["Billing", "Delivery", "VIP"]
    after = ada.get("/conversations/2").json["conversation"]["version"]
    assert after - before == len(activities(ada)) == 3


def test_of_two_whole_sets_of_one_version_the_second_gets_409_with_the_present_labels(ada, kevin):
    version = ada.get("/conversations/2").json["conversation"]["version"]
    first = ada.post(PATH, {"labels": [BILLING], "version": version})
    second = kevin.post(PATH, {"labels": [VIP], "version": version})
    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json["current"] == first.json
    assert titles(ada) == ["Billing"]


def test_a_label_deleted_while_it_is_set_is_on_no_conversation_and_the_other_is(app, ada):
    """Whichever comes first; nothing fails with 500."""
    jobs = [
        gevent.spawn(ada.post, PATH, {"labels": [BILLING, VIP]}),
        gevent.spawn(ada.post, f"/labels/{BILLING}/delete", {}),
    ]
    gevent.joinall(jobs)
    assert jobs[0].value.status_code in (200, 422)
    assert jobs[1].value.status_code == 204
    assert titles(ada) in ([], ["VIP"])
    with app.app_context():
        left = db.session.scalars(select(ConversationLabel.label_id)).all()
        assert BILLING not in left


def test_a_message_carries_the_labels_of_its_conversation_to_the_lists(ada, kevin, maria):
    for sender in (kevin, maria):
        with closing(ada.stream("/streams/accounts/1")) as stream:
            stream.named("stream.open")
            sender.send(1, "Hello")
            updated = envelope(stream.named("conversation.updated"))["data"]
        assert [label["title"] for label in updated["labels"]] == ["Delivery"]


def test_the_list_of_a_label_has_its_conversations_that_the_user_sees(ada, kevin, foreign_label):
    def ids(client, query):
        answer = client.get(f"/accounts/1/conversations?{query}")
        assert answer.status_code == 200, answer.data
        return sorted(row["id"] for row in answer.json["conversations"])

    assert ids(ada, f"label={DELIVERY}") == [1, 7]
    assert ids(kevin, f"label={DELIVERY}") == [1]
    assert ids(ada, f"label={DELIVERY}&inbox=2") == [7]
    assert ids(ada, f"label={DELIVERY}&status=resolved") == []
    assert ids(ada, f"label={DELIVERY}&q=desks") == [7]
    assert ids(ada, f"label={foreign_label}") == ids(ada, "label=999") == []
    assert len(ids(ada, "label=")) == 12
    ada.post("/conversations/1/labels", {"remove": DELIVERY})
    assert ids(ada, f"label={DELIVERY}") == [7]
    for wrong in ("0", "-1", "x", "1,2", str(2**31)):
        assert ada.get(f"/accounts/1/conversations?label={wrong}").status_code == 400


def test_a_form_adds_and_removes_a_label_and_redirects_to_the_conversation(app, kevin):
    client = app.test_client()
    headers = {**kevin.headers, "Accept": "text/html"}
    answer = client.post(PATH, data={"add": str(VIP)}, headers=headers)
    assert (answer.status_code, answer.location) == (303, "/conversations/2")
    assert titles(kevin) == ["VIP"]
    client.post(PATH, data={"remove": str(VIP)}, headers=headers)
    assert titles(kevin) == []
