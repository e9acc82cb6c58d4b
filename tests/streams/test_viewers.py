from ..support import eventually
from ..world import restrict_to_assigned


def names(data):
    return [viewer["name"] for viewer in data["viewers"]]


def test_a_viewer_is_published_to_the_thread_and_to_lists_with_access(ada, kevin, grace):
    lists = {agent: agent.stream("/streams/accounts/1") for agent in (ada, kevin, grace)}
    for stream in lists.values():
        stream.named("stream.open")
    thread = kevin.stream("/streams/conversations/1")
    thread.named("stream.open")
    expected = {"conversation_id": 1, "viewers": [{"id": kevin.id, "name": "Kevin"}]}
    assert thread.ephemeral("conversation.viewers") == expected
    assert lists[ada].ephemeral("conversation.viewers") == expected
    assert lists[kevin].ephemeral("conversation.viewers") == expected
    second = ada.stream("/streams/conversations/1")
    assert names(second.ephemeral("conversation.viewers")) == ["Kevin"]  # the snapshot
    assert names(second.ephemeral("conversation.viewers")) == ["Ada", "Kevin"]
    assert names(thread.ephemeral("conversation.viewers")) == ["Ada", "Kevin"]
    ada.send(7, "to Grace's inbox")
    lists[grace].named("conversation.updated")
    assert '"conversation_id":1,' not in lists[grace].raw  # no access
    for stream in (*lists.values(), thread, second):
        stream.close()


def test_a_viewer_who_leaves_within_the_join_delay_is_not_published(ada, kevin, engine):
    thread = ada.stream("/streams/conversations/1")
    assert names(thread.ephemeral("conversation.viewers")) == ["Ada"]
    passing = kevin.stream("/streams/conversations/1")
    passing.named("stream.open")
    passing.close()
    eventually(lambda: len(engine.hub) == 1)
    staying = kevin.stream("/streams/conversations/1")
    assert names(thread.ephemeral("conversation.viewers")) == ["Ada", "Kevin"]
    assert thread.raw.count("conversation.viewers") == 2 * 2  # as event and in its data
    thread.close()
    staying.close()


def test_viewers_are_published_to_the_new_assignee_and_cleared_for_the_old_one(
    app, ada, kevin, grace
):
    for agent in (kevin, grace):
        restrict_to_assigned(app, agent)
    his, hers = (agent.stream("/streams/accounts/1") for agent in (kevin, grace))
    thread = ada.stream("/streams/conversations/1")
    assert names(his.ephemeral("conversation.viewers")) == ["Ada"]
    assert "conversation.viewers" not in hers.raw
    answer = ada.post("/conversations/1/assignee", {"assignee_id": grace.id})
    assert answer.status_code == 200
    assert names(hers.ephemeral("conversation.viewers")) == ["Ada"]
    assert names(his.ephemeral("conversation.viewers")) == []
    for stream in (his, hers, thread):
        stream.close()


def test_a_viewer_in_the_join_delay_is_not_published_to_the_previous_assignee(
    app, ada, kevin, engine
):
    restrict_to_assigned(app, kevin)
    his = kevin.stream("/streams/accounts/1")
    thread = ada.stream("/streams/conversations/1")
    thread.named("stream.open")
    answer = ada.post(
        "/conversations/1/assignee", {"assignee_id": ada.id}
    )  # before her join delay has passed
    assert answer.status_code == 200
    while names(thread.ephemeral("conversation.viewers")) != ["Ada"]:
        pass
    eventually(lambda: not engine.leases.of(1)._joining)
    ada.post("/conversations/2/assignee", {"assignee_id": kevin.id})
    while his.next().event != "conversation.updated":
        pass
    assert '"name":"Ada"}]' not in his.raw
    his.close()
    thread.close()


def test_a_list_opened_later_receives_the_current_viewers(ada, kevin):
    thread = kevin.stream("/streams/conversations/1")
    thread.ephemeral("conversation.viewers")
    late = ada.stream("/streams/accounts/1")
    data = late.ephemeral("conversation.viewers")
    assert (data["conversation_id"], names(data)) == (1, ["Kevin"])
    thread.close()
    late.close()
