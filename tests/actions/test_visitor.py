"""Visitors of a website: their session, conversations, name and address."""

import pytest
from sqlalchemy import func
from sqlalchemy import select

from rtapp import clock
from rtapp.config import NEW_CONVERSATIONS_PER_VISITOR
from rtapp.config import NEW_VISITOR_FOR
from rtapp.config import VISITOR_FOR
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Identity
from rtapp.models import Inbox
from rtapp.models import Token
from rtapp.services.change_tokens import end_expired_tokens
from rtapp.services.change_website import remove_website
from rtapp.tokens import digest

from ..support import VisitorClient
from ..support import outbox_drained
from ..world import add_website
from ..world import all_logs
from ..world import all_rows

PROBLEM = "application/problem+json"
DAY = 24 * 60 * 60
CHAT = "/chat/website1"

pytestmark = pytest.mark.usefixtures("website")


def expiry(client):
    with client.app.app_context():
        return db.session.scalars(
            select(Token.expires_at).where(Token.digest == digest(client.token))
        ).one()


def rows(app):
    assert outbox_drained(app)  # the relay notes its position
    return all_rows(app)


def listed(client):
    answer = client.get(f"{CHAT}/conversations")
    assert answer.status_code == 200, answer.data
    return answer.json


# The session


def test_a_session_makes_an_anonymous_contact_of_the_inboxs_account(app, nobody):
    answer = nobody.post(f"{CHAT}/session", {})
    assert answer.status_code == 201
    made = answer.json
    assert made.keys() == {"token", "expires_at", "contact", "account_id", "inbox_id"}
    assert (made["account_id"], made["inbox_id"]) == (1, 1)
    id = made["contact"]["id"]
    assert made["contact"] == {"id": id, "name": f"Visitor {id}", "verified": False}
    assert "Set-Cookie" not in answer.headers
    with app.app_context():
        contact = db.session.get_one(Contact, id)
        assert (contact.account_id, contact.email, contact.given_email) == (1, None, None)


def test_views_of_the_chat_and_refused_requests_leave_no_row_and_no_cookie(app, nobody):
    before = rows(app)
    for number in range(1_000):
        page = nobody.page(CHAT)
        assert (page.status_code, page.headers.get("Set-Cookie")) == (200, None)
        if number % 10 == 0:
            answer = nobody.get(f"{CHAT}/conversations")
            assert (answer.status_code, answer.headers.get("Set-Cookie")) == (401, None)
    assert rows(app) == before
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Token)) == 0


@pytest.mark.parametrize("key", ["unknown", "website2", "%00", "x" * 10_000, "a b", "é", "'--"])
def test_an_unknown_key_is_404_everywhere_and_changes_nothing(app, vera, nobody, key):
    before = rows(app)
    for client in (vera, nobody):
        for path in ("session", "session/delete", "conversations", "contact"):
            answer = client.post(f"/chat/{key}/{path}", {"content": "x"})
            assert (answer.status_code, answer.content_type) == (404, PROBLEM)
        assert client.get(f"/chat/{key}/conversations").status_code == 404
    assert rows(app) == before


def test_a_session_with_the_own_token_renews_it_and_ends_the_old_one(app, vera, subscribe):
    assert vera.start("Hello").status_code == 201
    conversation = listed(vera)["conversations"][0]["id"]
    stream = subscribe(f"conversation:{conversation}", vera)
    renewed = vera.post(f"{CHAT}/session", {})
    assert renewed.status_code == 201
    assert renewed.json["contact"]["id"] == vera.id
    while (closed := stream.next_event()).event != "stream.closed":
        pass
    assert closed.data["reason"] == "signed_out"
    assert vera.get(f"{CHAT}/conversations").status_code == 401
    assert vera.post(f"{CHAT}/session", {}).status_code == 401  # not another contact unawares
    vera.headers = {"Authorization": f"Bearer {renewed.json['token']}"}
    assert [row["id"] for row in listed(vera)["conversations"]] == [conversation]


def test_the_end_of_a_session_ends_its_token_and_no_other_one(vera, will):
    assert vera.post(f"{CHAT}/session/delete").status_code == 204
    assert vera.get(f"{CHAT}/conversations").status_code == 401
    assert vera.post(f"{CHAT}/session/delete").status_code == 401
    assert listed(will)["conversations"] == []


def test_the_token_of_another_websites_visitor_is_refused(app, vera):
    other = VisitorClient(app, add_website(app, 2, "website2"))
    before = rows(app)
    for path in ("session", "session/delete", "conversations", "contact"):
        refused = other.post(f"{CHAT}/{path}", {"content": "x"})
        assert (refused.status_code, refused.content_type) == (403, PROBLEM)
        assert "visitors of this website" in refused.json["detail"]
    assert other.get(f"{CHAT}/conversations").status_code == 403
    assert rows(app) == before


def test_the_cookie_of_an_agent_who_visits_the_website_does_not_count(app):
    browser = app.test_client()
    signed_in = {"email": "ada@example.com", "password": "password"}
    assert browser.post("/login", json=signed_in).status_code == 200
    assert browser.post(f"{CHAT}/session", json={}).status_code == 201
    assert browser.post(f"{CHAT}/conversations", json={"content": "x"}).status_code == 401
    assert browser.get(f"{CHAT}/conversations").status_code == 401


# The life of a token


def test_a_token_lasts_a_day_until_its_visitor_writes_and_thirty_days_from_then_on(
    app, vera, passing
):
    passing(0)
    fresh = VisitorClient(app, "website1")
    assert expiry(fresh) - clock.now() == NEW_VISITOR_FOR
    assert fresh.start("Hello").status_code == 201
    assert expiry(fresh) - clock.now() == VISITOR_FOR


def test_the_use_of_a_token_prolongs_it_for_those_who_have_written_only(app, vera, will, passing):
    passing(0)
    assert vera.start("Hello").status_code == 201
    before = expiry(will)
    passing(29 * DAY)
    assert will.get(f"{CHAT}/conversations").status_code == 401
    assert listed(vera)["conversations"] != []
    with app.app_context():
        assert app.extensions["token_uses"].write() == 1
    assert expiry(vera) - clock.now() == VISITOR_FOR
    assert expiry(will) == before
    passing(29 * DAY)
    assert listed(vera)["conversations"] != []
    passing(30 * DAY)
    assert vera.get(f"{CHAT}/conversations").status_code == 401


def test_a_token_without_a_website_is_not_prolonged(app, maria, passing):
    passing(0)
    before = expiry(maria)
    assert maria.send(1, "Hello").status_code == 201
    with app.app_context():
        assert app.extensions["token_uses"].write() == 1
    assert expiry(maria) == before


# Who never wrote


def contact_of(client):
    with client.app.app_context():
        return db.session.get(Contact, client.id)


def end_expired(app):
    with app.app_context():
        return end_expired_tokens(clock.now())


def test_of_a_visitor_who_never_wrote_nothing_is_left_after_a_day(app, ada, passing):
    passing(0)
    silent, writer = VisitorClient(app, "website1"), VisitorClient(app, "website1")
    noted, known = VisitorClient(app, "website1"), VisitorClient(app, "website1")
    assert writer.start("Hello").status_code == 201
    assert ada.post(f"/contacts/{noted.id}", {"notes": "Called twice"}).status_code == 200
    with app.app_context():
        db.session.add(Identity(inbox_id=1, subject="user-1", contact_id=known.id))
        db.session.commit()
    passing(DAY - 1)
    assert end_expired(app) == 0
    assert contact_of(silent) is not None
    passing(1)
    assert end_expired(app) == 3
    assert [contact_of(client) for client in (silent, known)] == [None, None]
    assert contact_of(noted) is not None
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Identity)) == 0
    passing(29 * DAY)
    assert end_expired(app) == 1
    assert contact_of(writer) is not None


def test_a_visitor_who_signs_out_without_a_message_leaves_nothing(app, vera, will):
    assert will.start("Hello").status_code == 201
    for client in (vera, will):
        assert client.post(f"{CHAT}/session/delete").status_code == 204
    assert contact_of(vera) is None
    assert contact_of(will) is not None


def test_a_renewed_session_keeps_its_silent_visitor(vera):
    assert vera.post(f"{CHAT}/session", {}).json["contact"]["id"] == vera.id
    assert contact_of(vera) is not None


# The end of the website


def test_the_website_is_removed_while_the_chat_is_open(app, ada, vera, subscribe):
    id = vera.start("Hello").json["conversation"]["id"]
    stream = subscribe([f"contact:{vera.id}", f"conversation:{id}"], vera)
    with app.app_context():
        remove_website(db.session.get_one(Inbox, 1))
    while (closed := stream.next_event()).event != "stream.closed":
        pass
    assert closed.data["reason"] == "signed_out"
    for path in ("session", "conversations", "contact", "session/delete"):
        assert vera.post(f"{CHAT}/{path}", {"content": "x"}).status_code == 404
    assert vera.get(f"{CHAT}/conversations").status_code == 404
    assert vera.get(f"/conversations/{id}").status_code == 401
    assert vera.send(id, "Still there?").status_code == 401
    assert ada.get(f"/conversations/{id}").status_code == 200


# Conversations


def test_a_visitor_starts_a_conversation_and_reads_it_as_customers_do(vera, ada):
    page = "https://shop.example/lamps?x=1#top"
    answer = vera.start("Hello\r\nthere", client_id="c1", page=page)
    assert answer.status_code == 201
    conversation, message = answer.json["conversation"], answer.json["message"]
    assert (message["content"], message["client_id"]) == ("Hello\nthere", "c1")
    assert message["sender"] == {"type": "contact", "id": vera.id, "name": f"Visitor {vera.id}"}
    assert conversation["status"] == "open"
    id = conversation["id"]
    assert vera.get(f"/conversations/{id}").json["conversation"] == conversation
    assert vera.get(f"/conversations/{id}/messages").json["messages"] == [message]
    seen = ada.get(f"/conversations/{id}").json["conversation"]
    assert (seen["inbox_id"], seen["contact"]["id"]) == (1, vera.id)
    assert seen["waiting_since"] == message["created_at"]
    assert [row["id"] for row in listed(vera)["conversations"]] == [id]
    with vera.app.app_context():
        assert db.session.get_one(Contact, vera.id).page_url == page
    assert vera.send(id, "More", page="https://shop.example/cart").status_code == 201
    with vera.app.app_context():
        assert db.session.get_one(Contact, vera.id).page_url == "https://shop.example/cart"


def test_starting_a_conversation_reaches_the_agents_of_its_inbox(
    verify_action, vera, ada, kevin, grace
):
    with verify_action(1, ada, kevin, grace) as received:
        assert vera.start("Hello").status_code == 201
    assert received[ada][:1] == received[kevin][:1] == ["conversation.created"]
    assert received[grace] == []


def test_the_first_message_sent_again_starts_one_conversation(app, vera):
    first = vera.start("Hello", client_id="c1")
    again = vera.start("Hello", client_id="c1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json
    before = rows(app)
    other = vera.start("Something else", client_id="c1")
    assert (other.status_code, list(other.json["errors"])) == (422, ["client_id"])
    id = first.json["conversation"]["id"]
    assert vera.send(id, "Something else", client_id="c1").status_code == 422
    assert rows(app) == before
    assert vera.start("Hello").json["conversation"]["id"] != id  # without a client_id


BAD = {
    "no content": ({}, "content"),
    "blank": ({"content": " \n"}, "content"),
    "too long": ({"content": "x" * 10_001}, "content"),
    "NUL": ({"content": "a\0b"}, "content"),
    "no text": ({"content": 7}, "content"),
    "private": ({"content": "x", "private": True}, "private"),
    "the honeypot": ({"content": "x", "website": "https://spam.example"}, "website"),
    "a long client_id": ({"content": "x", "client_id": "c" * 65}, "client_id"),
    "a script for a page": ({"content": "x", "page": "javascript:alert(1)"}, "page"),
    "a long page": ({"content": "x", "page": "https://a.example/" + "x" * 2_000}, "page"),
    "a page with a line end": ({"content": "x", "page": "https://a.example/\n"}, "page"),
    "a list": ([], "body"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_first_message_that_can_not_be_used_is_refused_and_changes_nothing(app, vera, name):
    body, field = BAD[name]
    before = rows(app), all_logs(app)
    refused = vera.post(f"{CHAT}/conversations", body)
    assert (refused.status_code, refused.content_type) == (422, PROBLEM)
    assert list(refused.json["errors"]) == [field]
    assert (rows(app), all_logs(app)) == before


@pytest.mark.parametrize("page", ["javascript:alert(1)", "/lamps", "https://", "x" * 2_001])
def test_a_message_with_a_page_that_is_none_is_refused(app, vera, page):
    id = vera.start("Hello").json["conversation"]["id"]
    before = rows(app)
    refused = vera.send(id, "More", page=page)
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["page"])
    assert rows(app) == before
    assert vera.send(id, "More", page="").status_code == 201


@pytest.mark.parametrize(
    ("page", "kept"),
    [
        ("https://maria:secret@shop.example/a?b=c#d", "https://shop.example/a?b=c#d"),
        ("https://shop.example/@maria", "https://shop.example/@maria"),
    ],
)
def test_a_page_is_kept_without_a_password(app, ada, vera, page, kept):
    id = vera.start("Hello").json["conversation"]["id"]
    assert vera.send(id, "More", page=page).status_code == 201
    contact = ada.get(f"/conversations/{id}").json["conversation"]["contact"]["id"]
    assert ada.get(f"/contacts/{contact}").json["contact"]["page_url"] == kept


def test_an_agent_writes_from_no_page(app, ada):
    before = rows(app)
    assert ada.send(1, "x", page="https://shop.example/").status_code == 403
    assert rows(app) == before


def test_a_visitor_starts_twenty_conversations_a_day(app, vera, will, passing):
    passing(0)
    for n in range(NEW_CONVERSATIONS_PER_VISITOR):
        assert vera.start(f"Hello {n}").status_code == 201
        passing(60)
    before = rows(app)
    refused = vera.start("One more")
    assert (refused.status_code, refused.content_type) == (429, PROBLEM)
    assert int(refused.headers["Retry-After"]) == DAY - NEW_CONVERSATIONS_PER_VISITOR * 60
    assert rows(app) == before
    assert will.start("Hello").status_code == 201
    passing(int(refused.headers["Retry-After"]))
    assert vera.start("One more").status_code == 201


def test_a_conversation_of_an_automatic_inbox_goes_to_the_member_who_is_there(
    app, ada, kevin, vera, subscribe
):
    answer = ada.post("/inboxes/1", {"auto_assign": True, "assignment_cap": None})
    assert answer.status_code == 200
    presence = subscribe("presence:1", kevin)
    assert presence.confirmed
    id = vera.start("Hello").json["conversation"]["id"]
    assert ada.get(f"/conversations/{id}").json["conversation"]["assignee"]["id"] == kevin.id


def test_a_visitor_sees_the_contacts_conversations_of_their_inbox_only(app, vera, kevin, grace):
    """Though an agent of another inbox writes to the same contact."""
    with app.app_context():
        db.session.get_one(Contact, vera.id).email = "vera@example.com"
        db.session.commit()
    new = {"contact": {"name": "Vera", "email": "vera@example.com"}, "content": "Your invoice"}
    here = kevin.post("/accounts/1/conversations", {**new, "inbox_id": 1}).json["id"]
    there = grace.post("/accounts/1/conversations", {**new, "inbox_id": 2}).json["id"]
    assert [row["id"] for row in listed(vera)["conversations"]] == [here]
    assert vera.get(f"/conversations/{here}").status_code == 200
    for path in ("", "/messages"):
        assert vera.get(f"/conversations/{there}{path}").status_code == 404
    for path, body in (
        ("messages", {"content": "x"}),
        ("typing", {"typing": True}),
        ("read", {"message_id": 1}),
    ):
        assert vera.post(f"/conversations/{there}/{path}", body).status_code == 404
    assert vera.get(f"/streams/conversations/{there}").status_code == 404


def test_another_visitor_and_another_account_see_nothing_of_it(vera, will, other):
    id = vera.start("Hello").json["conversation"]["id"]
    for unseen in (id, 1, other.conversation):
        assert will.get(f"/conversations/{unseen}").status_code == 404
        assert will.get(f"/conversations/{unseen}/messages").status_code == 404
        assert will.send(unseen, "x").status_code == 404
        assert will.get(f"/streams/conversations/{unseen}").status_code == 404
    assert listed(will)["conversations"] == []


# The list


def test_the_list_has_the_newest_first_and_counts_what_the_team_wrote(app, vera, kevin):
    first, second = (vera.start(text).json["conversation"]["id"] for text in ("One", "Two"))
    assert [row["unread"] for row in listed(vera)["conversations"]] == [0, 0]
    public = kevin.send(first, "A reply").json["id"]
    kevin.send(first, "A note", private=True)
    deleted = kevin.send(first, "A mistake").json["id"]
    assert kevin.post(f"/messages/{deleted}/delete").status_code == 204
    kevin.post(f"/conversations/{first}/status", {"status": "pending"})
    rows = listed(vera)["conversations"]
    assert [(row["id"], row["unread"]) for row in rows] == [(first, 1), (second, 0)]
    assert rows[0]["last_message"]["id"] == deleted
    assert rows[0]["assignee"] is None
    assert vera.post(f"/conversations/{first}/read", {"message_id": public}).status_code == 204
    assert [row["unread"] for row in listed(vera)["conversations"]] == [0, 0]


def test_the_list_has_a_cursor_from_which_a_stream_resumes(vera, kevin, subscribe):
    id = vera.start("Hello").json["conversation"]["id"]
    assert outbox_drained(vera.app)
    cursor = listed(vera)["cursor"]
    kevin.send(id, "Missed")
    assert outbox_drained(vera.app)
    stream = subscribe(f"conversation:{id}", vera, cursor)
    assert stream.resumed
    assert stream.next_event().data["content"] == "Missed"


def test_the_list_has_fifty_conversations_at_most(app, vera):
    with app.app_context():
        own = {"account_id": 1, "inbox_id": 1, "contact_id": vera.id}
        db.session.add_all(Conversation(**own) for _ in range(60))
        db.session.commit()
    rows = listed(vera)["conversations"]
    assert len(rows) == 50
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)


# The name and the address that they give


def test_a_visitor_gives_a_name_and_an_address_which_proves_nothing(app, vera, kevin, maria):
    id = vera.start("Hello").json["conversation"]["id"]
    given = {"name": " Vera ", "email": "Maria.Lindqvist@example.com"}
    answer = vera.post(f"{CHAT}/contact", given)
    assert answer.status_code == 200
    email = "maria.lindqvist@example.com"
    expected = {"id": vera.id, "name": "Vera", "email": email, "verified": False}
    assert answer.json["contact"] == listed(vera)["contact"] == expected
    assert kevin.get(f"/conversations/{id}").json["conversation"]["contact"]["name"] == "Vera"
    with app.app_context():
        contact = db.session.get_one(Contact, vera.id)
        assert (contact.email, contact.given_email) == (None, email)
    assert vera.get("/conversations/1").status_code == 404  # Maria's
    cleared = vera.post(f"{CHAT}/contact", {"email": None})
    assert cleared.json["contact"] == {**expected, "email": None}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x" * 10_000}, "name"),
        ({"name": " "}, "name"),
        ({"name": None}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"email": "no address"}, "email"),
        ({"email": "a@b.example\r\nBcc: c@d.example"}, "email"),
        ({"email": "x" * 300 + "@example.com"}, "email"),
        ({"verified": True}, "verified"),
    ],
)
def test_a_name_or_an_address_that_can_not_be_used_is_refused(app, vera, body, field):
    before = rows(app)
    refused = vera.post(f"{CHAT}/contact", body)
    assert (refused.status_code, list(refused.json["errors"])) == (422, [field])
    assert rows(app) == before


def test_whom_the_website_or_the_team_has_named_does_not_rename_themselves(app, vera, will, ada):
    with app.app_context():
        db.session.add(Identity(inbox_id=1, subject="user-1", contact_id=vera.id))
        db.session.commit()
    will.start("Hello")
    assert ada.post(f"/contacts/{will.id}/merge", {"into": 1}).status_code == 200
    for client in (vera, will):
        before = rows(app)
        refused = client.post(f"{CHAT}/contact", {"name": "Nobody", "email": "a@b.example"})
        assert (refused.status_code, list(refused.json["errors"])) == (422, ["name"])
        assert rows(app) == before
        answer = client.post(f"{CHAT}/contact", {"email": "a@b.example"})
        assert answer.json["contact"]["email"] == "a@b.example"
    assert listed(vera)["contact"]["verified"] is True
    # Maria's own address is not shown to a visitor whom an agent takes for her.
    assert listed(will)["contact"] == {
        "id": 1, "name": "Maria Lindqvist", "email": "a@b.example", "verified": False,
    }  # fmt: skip


def test_after_a_merge_the_visitor_goes_on_in_the_kept_contacts_conversations(app, vera, ada):
    id = vera.start("Hello", client_id="c1").json["conversation"]["id"]
    assert ada.post(f"/contacts/{vera.id}/merge", {"into": 1}).status_code == 200
    assert vera.send(id, "More", page="https://shop.example/").status_code == 201
    assert vera.start("Hello", client_id="c1").json["conversation"]["id"] == id
    new = vera.start("Again").json["conversation"]
    assert new["contact"]["id"] == 1
    shown = {row["id"] for row in listed(vera)["conversations"]}
    assert {id, new["id"], 1} <= shown
    with app.app_context():
        assert db.session.get_one(Contact, 1).page_url == "https://shop.example/"
