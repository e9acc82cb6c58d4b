from contextlib import closing

import pytest
from flask import template_rendered

from ..support import envelope
from ..unread.numbers import counted

PATH = "/accounts/1/unread"


@pytest.mark.parametrize("name", ["ada", "kevin", "grace"])
def test_each_agent_fetches_their_own_unread_counts(app, request, name):
    agent = request.getfixturevalue(name)
    answer = agent.get(PATH)
    assert answer.status_code == 200
    assert set(answer.json) == {"conversations", "views", "cursor"}
    conversations, views = counted(app, agent.id)
    assert (answer.json["conversations"], answer.json["views"]) == (conversations, views)
    assert any(conversations.values())
    assert all(views.values())


def test_unread_counts_are_refused_wherever_the_list_is_refused(kevin, nobody, maria, other):
    assert kevin.get(f"/accounts/{other.account}/unread").status_code == 404
    assert nobody.get(PATH).status_code == 401
    assert maria.get(PATH).status_code == maria.get("/accounts/1/conversations").status_code
    assert maria.get(PATH).status_code in (401, 403, 404)


def test_a_stream_resumes_from_the_cursor_of_fetched_unread_counts(kevin, ada):
    cursor = kevin.get(PATH).json["cursor"]
    ada.send(1, "meanwhile")
    with closing(kevin.stream(f"/streams/accounts/1?last_event_id={cursor}")) as stream:
        assert envelope(stream.named("stream.open"))["resumed"] is True
        assert envelope(stream.named("conversation.updated"))["data"]["id"] == 1


def test_pages_are_rendered_with_the_unread_counts(app, kevin):
    contexts = []
    with template_rendered.connected_to(lambda _, context, **__: contexts.append(context), app):
        kevin.page("/accounts/1/conversations?status=any")
        kevin.page("/conversations/1?status=any")
    conversations, views = counted(app, kevin.id)
    expected = {"conversations": conversations, "views": views}
    assert [context["unread"] for context in contexts] == [expected, expected]
