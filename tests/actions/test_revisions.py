"""The honesty of edits: whose words can be changed, who did it and when, and the earlier words."""

from flask_migrate import downgrade
from flask_migrate import upgrade
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import text

from rtapp.extensions import db
from rtapp.models import Message
from rtapp.models import MessageRevision

from ..state import verified
from ..support import ApiClient
from ..support import envelope
from ..world import open_stream


def say(client, content, **more):
    return client.send(1, content, **more).json


def edit(client, message, content):
    return client.post(f"/messages/{message['id']}", {"content": content})


def revisions(client, message, query=""):
    return client.get(f"/messages/{message['id']}/revisions{query}")


def fragment(client, message):
    """The message in the thread's page."""
    html = client.page("/conversations/1").text
    (found,) = [part for part in html.split('<li id="message-')
                if part.startswith(f'{message["id"]}"')]  # fmt: skip
    return found.partition("</li>")[0]


# ---- whose words can be changed


def test_nobody_rewrites_a_customers_words_administrators_included(app, ada, kevin, maria):
    asked = say(maria, "I want my money back")
    for agent in (ada, kevin):
        answer = edit(agent, asked, "I love your shop")
        assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
        assert "customer's words" in answer.json["detail"]
    assert ada.get("/conversations/1/messages").json["messages"][-1] == asked
    with verified(app, 1, ada, kevin):
        assert ada.post(f"/messages/{asked['id']}/delete").status_code == 204


def test_an_agent_neither_edits_nor_deletes_a_customers_words(kevin, maria):
    asked = say(maria, "I want my money back")
    assert edit(kevin, asked, "Thanks!").status_code == 403
    assert kevin.post(f"/messages/{asked['id']}/delete").status_code == 403


def test_the_page_offers_to_delete_a_customers_message_and_not_to_edit_it(ada, maria):
    asked, reply = say(maria, "I want my money back"), say(ada, "Of course")
    assert 'data-editable="false"' in fragment(ada, asked)
    assert 'aria-label="Delete this message"' in fragment(ada, asked)
    assert "data-editable" not in fragment(ada, reply)
    assert 'aria-label="Edit or delete this message"' in fragment(ada, reply)


def test_without_a_script_a_customers_message_is_shown_to_be_deleted_and_not_in_a_field(
    ada, kevin, maria
):
    asked, reply = say(maria, "I want my money back"), say(ada, "Of course")
    form = f'action="/messages/{asked["id"]}"'
    html = ada.page(f"/conversations/1?edit={asked['id']}").text
    assert f'action="/messages/{asked["id"]}/delete"' in html
    assert form not in html
    assert (
        f'action="/messages/{reply["id"]}"' in ada.page(f"/conversations/1?edit={reply['id']}").text
    )
    assert "/delete" not in kevin.page(f"/conversations/1?edit={asked['id']}").text


# ---- who edited, and when


def test_an_edit_shows_its_author_and_time_to_agents_and_its_time_to_the_customer(
    app, ada, kevin, maria
):
    reply = say(kevin, "It was sent on Monday")
    assert (reply["edited_at"], reply["edited_by"]) == (None, None)
    with open_stream(maria, "conversation:1") as customer, verified(app, 1, ada, kevin):
        customer.named("stream.open")
        edited = edit(ada, reply, "It was sent on Friday").json
        received = envelope(customer.named("message.updated"))["data"]
    assert edited["edited_by"] == {"id": ada.id, "name": "Ada"}
    assert edited["edited_at"] == edited["updated_at"] > reply["created_at"]
    assert (received["edited_at"], received["edited_by"]) == (edited["edited_at"], None)
    (read,) = (m for m in maria.get("/conversations/1/messages").json["messages"]
               if m["id"] == reply["id"])  # fmt: skip
    assert read == received


def test_the_thread_names_an_editor_who_is_not_the_author(ada, kevin):
    own, others = say(kevin, "One"), say(kevin, "Two")
    assert "edited" not in fragment(ada, own)
    first, second = edit(kevin, own, "Uno").json, edit(ada, others, "Due").json
    assert f'edited <time datetime="{first["edited_at"]}"' in fragment(ada, own)
    assert "by <bdi>" not in fragment(ada, own)
    assert f'edited by <bdi>Ada</bdi> <time datetime="{second["edited_at"]}"' in fragment(
        ada, others
    )


def test_the_time_of_a_message_stands_before_that_of_its_edit(ada):
    """The page's script takes the first time for the message's."""
    reply = say(ada, "One")
    edited = edit(ada, reply, "Uno").json
    html = fragment(ada, reply)
    assert html.index(edited["created_at"]) < html.index(edited["edited_at"])


def test_a_customers_fragment_names_no_editor_and_links_to_no_earlier_text(ada, kevin, maria):
    reply = say(kevin, "One")
    with open_stream(maria, "conversation:1&format=html") as customer:
        customer.named("stream.open")
        edit(ada, reply, "Uno")
        html = customer.named("message.updated").data
    assert "edited" in html
    assert "Ada" not in html
    assert "/revisions" not in html


# ---- the earlier texts


def test_administrators_read_every_earlier_text_with_the_edit_that_replaced_it(ada, kevin):
    reply = say(kevin, "One")
    first, second = edit(kevin, reply, "Two").json, edit(ada, reply, "Three").json
    answer = revisions(ada, reply)
    assert answer.status_code == 200
    assert answer.json["revisions"] == [
        {"version": 2, "content": "Two", "edited_at": second["edited_at"],
         "edited_by": {"id": ada.id, "name": "Ada"}},
        {"version": 1, "content": "One", "edited_at": first["edited_at"],
         "edited_by": {"id": kevin.id, "name": "Kevin"}},
    ]  # fmt: skip
    assert answer.json["next_before"] is None


def test_only_administrators_who_see_the_conversation_read_earlier_texts(
    ada, kevin, grace, maria, nobody, other, app
):
    reply = say(kevin, "One")
    edit(kevin, reply, "Two")
    assert revisions(ada, reply).status_code == 200
    assert revisions(kevin, reply).status_code == 403  # the author
    assert revisions(grace, reply).status_code == 404
    assert revisions(maria, reply).status_code == 403
    assert revisions(nobody, reply).status_code == 401
    assert ada.get(f"/messages/{other.message}/revisions").status_code == 404


def test_earlier_texts_are_paged(ada):
    reply = say(ada, "Text 1")
    for n in range(2, 7):
        edit(ada, reply, f"Text {n}")
    found, query = [], "?limit=2"
    while query:
        page = revisions(ada, reply, query).json
        found += [row["content"] for row in page["revisions"]]
        query = page["next_before"] and f"?limit=2&before={page['next_before']}"
    assert found == [f"Text {n}" for n in range(5, 0, -1)]
    assert revisions(ada, reply, "?limit=0").status_code == 400


def test_a_message_that_was_not_edited_has_no_earlier_text(ada):
    reply = say(ada, "One")
    edit(ada, reply, "One")  # the same
    assert revisions(ada, reply).json["revisions"] == []


def test_a_refused_edit_keeps_no_text(ada, kevin):
    reply = say(ada, "One")
    assert edit(kevin, reply, "Two").status_code == 403
    stale = ada.post(f"/messages/{reply['id']}", {"content": "Two", "version": 7})
    assert stale.status_code == 409
    assert revisions(ada, reply).json["revisions"] == []


def test_deleting_a_message_deletes_its_earlier_texts(app, ada, kevin):
    reply, other = say(kevin, "My card is 4111"), say(kevin, "Kept 1")
    edit(kevin, reply, "My card is gone")
    edit(kevin, other, "Kept 2")
    with verified(app, 1, ada, kevin):
        kevin.post(f"/messages/{reply['id']}/delete")
    assert revisions(ada, reply).json["revisions"] == []
    with app.app_context():
        kept = db.session.scalars(select(MessageRevision.content)).all()
        assert kept == ["Kept 1"]


def test_the_page_of_earlier_texts_shows_them_as_text_and_is_linked_for_administrators(ada, kevin):
    reply = say(kevin, "<img src=x onerror=a()>")
    edit(ada, reply, "<b>Better</b>")
    path = f"/messages/{reply['id']}/revisions"
    assert f'<a class="earlier" href="{path}">Earlier text</a>' in fragment(ada, reply)
    html = ada.page(path).text
    assert "&lt;img src=x onerror=a()&gt;" in html
    assert "&lt;b&gt;Better&lt;/b&gt;" in html
    assert "<img" not in html
    assert f'href="/conversations/1?message={reply["id"]}#message-{reply["id"]}"' in html
    assert kevin.page(path).status_code == 403
    kevin.post(f"/messages/{reply['id']}/delete")
    assert "deleted, and its earlier texts with it" in ada.page(path).text


# ---- messages from before


def test_of_an_edit_by_an_older_version_the_time_is_kept_on_both_databases(app, ada, kevin):
    reply, other = say(kevin, "One"), say(kevin, "Not edited")
    edited = edit(kevin, reply, "Two").json
    with app.app_context():
        db.session.remove()
        downgrade(revision="0010")
        upgrade()
        db.session.remove()
    ada = ApiClient(app, "ada@example.com")  # the older version has no tokens
    rows = {m["id"]: m for m in ada.get("/conversations/1/messages").json["messages"]}
    assert rows[reply["id"]] == {**edited, "edited_by": None}
    assert rows[other["id"]] == other
    assert "edited <time" in fragment(ada, reply)
    assert "/revisions" not in fragment(ada, reply)  # there is nothing to read
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Message)) > 2
        assert db.session.scalar(text("SELECT count(*) FROM message_revisions")) == 0
