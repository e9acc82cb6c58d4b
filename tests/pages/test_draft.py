"""The user's drafts in the context of the inbox page."""

import pytest
from flask import template_rendered

from rtapp import queries
from rtapp.extensions import db
from rtapp.models import User

from ..test_text import BLANK

LIST = "/accounts/1/conversations"


def save(client, conversation, reply="", note="", version=0):
    body = {"reply": reply, "note": note, "version": version}
    assert client.post(f"/conversations/{conversation}/draft", body).status_code == 200


def context(client, path):
    """What the page is rendered from."""
    contexts = []

    def record(_, template, context, **more):
        if template.name == "inbox.html":
            contexts.append(context)

    with template_rendered.connected_to(record, client.app):
        assert client.page(path).status_code == 200
    (found,) = contexts
    return found


def test_the_page_is_rendered_with_the_open_conversations_draft_and_the_rows_that_have_one(
    ada, kevin
):
    save(ada, 3, "hers")
    save(ada, 1, note="a note")
    save(kevin, 2, "his")
    for path in ("/conversations/3", LIST):
        assert context(ada, path)["drafted"] == [1, 3]
    assert context(kevin, LIST)["drafted"] == [2]
    assert context(ada, "/conversations/3")["draft"] == {"reply": "hers", "note": "", "version": 1}
    assert context(ada, "/conversations/2")["draft"] == {"reply": "", "note": "", "version": 0}
    assert "draft" not in context(ada, LIST)


def test_only_rows_of_the_page_are_marked_with_a_draft(ada):
    save(ada, 1, "x")
    listed = [row["id"] for row in ada.get(f"{LIST}?status=pending").json["conversations"]]
    assert 1 not in listed
    assert context(ada, f"{LIST}?status=pending")["drafted"] == []
    save(ada, listed[0], "x")
    assert context(ada, f"{LIST}?status=pending")["drafted"] == [listed[0]]


def test_an_emptied_draft_marks_no_row(ada):
    save(ada, 1, "x")
    save(ada, 1, version=1)
    assert context(ada, LIST)["drafted"] == []
    assert context(ada, "/conversations/1")["draft"]["version"] == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_draft_without_a_visible_character_marks_no_row(app, ada):
    for version, blank in enumerate(text for text in BLANK.values() if text and "\x00" not in text):
        save(ada, 1, blank, blank, version)
        assert drafts_of(app, ada, [1]) == set()
    save(ada, 1, blank, f"{blank}.", version + 1)
    assert drafts_of(app, ada, [1]) == {1}


def test_drafts_are_looked_up_among_the_given_conversations_of_one_user_only(app, ada, kevin):
    save(ada, 1, "x")
    save(ada, 2, "x")
    assert drafts_of(app, ada, [2, 3]) == {2}
    assert drafts_of(app, ada, []) == set()
    assert drafts_of(app, kevin, [1, 2, 3]) == set()


def drafts_of(app, client, ids):
    with app.app_context():
        return queries.drafts_of(db.session.get_one(User, client.id), ids)
