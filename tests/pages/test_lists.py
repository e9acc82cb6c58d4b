import pytest


def test_the_list_is_paged_without_loss(ada):
    whole = [c["id"] for c in ada.get("/accounts/1/conversations").json["conversations"]]
    assert len(whole) == 12
    paged, before = [], ""
    while before is not None:
        answer = ada.get(
            f"/accounts/1/conversations?limit=5&before={before}"
            if before
            else "/accounts/1/conversations?limit=5"
        ).json
        paged += [c["id"] for c in answer["conversations"]]
        before = answer["next_before"]
    assert paged == whole


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("status=open", lambda c: c["status"] == "open"),
        ("assignee=me", lambda c: c["assignee"] and c["assignee"]["id"] == 1),
        ("assignee=none", lambda c: c["assignee"] is None),
        ("assignee=2", lambda c: c["assignee"] and c["assignee"]["id"] == 2),
        ("inbox=2", lambda c: c["inbox_id"] == 2),
    ],
)
def test_filters(ada, query, holds):
    everything = ada.get("/accounts/1/conversations").json["conversations"]
    filtered = ada.get(f"/accounts/1/conversations?{query}").json["conversations"]
    assert filtered == [c for c in everything if holds(c)]
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
def test_a_bad_filter_is_400(ada, query):
    answer = ada.get(f"/accounts/1/conversations?{query}")
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")


def test_a_thread_is_paged_both_ways(ada):
    for n in range(5):
        ada.send(2, str(n))
    whole = [m["id"] for m in ada.get("/conversations/2/messages").json["messages"]]
    newest = ada.get("/conversations/2/messages?limit=2").json
    assert [m["id"] for m in newest["messages"]] == whole[-2:]
    assert newest["next_before"] == whole[-2]
    older = ada.get(f"/conversations/2/messages?limit=2&before={newest['next_before']}").json
    assert [m["id"] for m in older["messages"]] == whole[-4:-2]
    after = ada.get(f"/conversations/2/messages?after={whole[0]}").json
    assert [m["id"] for m in after["messages"]] == whole[1:]
