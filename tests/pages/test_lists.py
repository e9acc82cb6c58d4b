import pytest


def test_the_pages_of_the_list_hold_every_conversation_once(ada):
    complete = [c["id"] for c in ada.get("/accounts/1/conversations").json["conversations"]]
    assert len(complete) == 12
    paged, before = [], ""
    while before is not None:
        answer = ada.get(
            f"/accounts/1/conversations?limit=5&before={before}"
            if before
            else "/accounts/1/conversations?limit=5"
        ).json
        paged += [c["id"] for c in answer["conversations"]]
        before = answer["next_before"]
    assert paged == complete


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("status=open", lambda c: c["status"] == "open"),
        ("assignee=me", lambda c: c["assignee"] and c["assignee"]["id"] == 1),
        ("assignee=none", lambda c: c["assignee"] is None),
        ("assignee=2", lambda c: c["assignee"] and c["assignee"]["id"] == 2),
        ("inbox=2", lambda c: c["inbox_id"] == 2),
    ],
    ids=lambda value: value if isinstance(value, str) else "rows",
)
def test_a_filter_of_the_list_returns_exactly_the_matching_conversations(ada, query, holds):
    unfiltered = ada.get("/accounts/1/conversations").json["conversations"]
    filtered = ada.get(f"/accounts/1/conversations?{query}").json["conversations"]
    assert filtered == [c for c in unfiltered if holds(c)]
    assert 0 < len(filtered) < 12


@pytest.mark.parametrize(
    "query",
    [
        "status=x",
        "assignee=you",
        "inbox=0",
        "inbox=x",
        "before=x",
        "before=9-9-9",
        "limit=0",
        "limit=101",
        "x=1",
    ],
)
def test_a_bad_filter_of_the_list_is_400(ada, query):
    answer = ada.get(f"/accounts/1/conversations?{query}")
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")


def test_a_thread_is_paged_before_and_after_a_message(ada):
    for n in range(5):
        ada.send(2, str(n))
    complete = [m["id"] for m in ada.get("/conversations/2/messages").json["messages"]]
    newest = ada.get("/conversations/2/messages?limit=2").json
    assert [m["id"] for m in newest["messages"]] == complete[-2:]
    assert newest["next_before"] == complete[-2]
    older = ada.get(f"/conversations/2/messages?limit=2&before={newest['next_before']}").json
    assert [m["id"] for m in older["messages"]] == complete[-4:-2]
    after = ada.get(f"/conversations/2/messages?after={complete[0]}").json
    assert [m["id"] for m in after["messages"]] == complete[1:]
