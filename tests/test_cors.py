"""Foreign origins: the scripts of a website may use the chat, those of any other page may not."""

import json

import pytest
from sqlalchemy.exc import OperationalError

from rtapp import cors
from rtapp.extensions import db
from rtapp.models import Website

from .support import VisitorClient
from .world import SHOP
from .world import add_website
from .world import all_rows

EVIL, OTHER = "https://evil.example", "https://other.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization",
}
SIMILAR = (
    "null",
    "http://shop.example",
    "https://shop.example:8443",
    "https://shop.example.evil.example",
    "https://evilshop.example",
    "https://shop.example/",
    "https://Shop.example",
    "https://sho_.example",
    "https://%.example",
    "https://",
    "http://[",
    "",
    "*",
)
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def websites(app):
    add_website(app, 1, "website1", f"{SHOP} https://www.shop.example")
    add_website(app, 2, "website2", OTHER)


@pytest.fixture
def vera(app):
    return VisitorClient(app, "website1")


def cors_of(answer):
    return {
        name: value
        for name, value in answer.headers.items()
        if name.lower().startswith("access-control-")
    }


def requests_of(client, conversation):
    """Each request that a visitor makes, by a name."""
    thread = f"/conversations/{conversation}"
    posts = {
        f"{thread}/messages": {"content": "Hello"},
        f"{thread}/typing": {"typing": True},
        f"{thread}/read": {"message_id": 1},
        "/chat/website1/conversations": {"content": "Hello"},
        "/chat/website1/contact": {"name": "Vera"},
    }
    gets = (
        thread,
        f"{thread}/messages",
        "/chat/website1/conversations",
        f"/streams/contacts/{client.id}",
        f"/streams{thread}",
        "/streams/websites/1",
        f"/streams?stream=contact:{client.id}",
    )
    for path in gets:
        yield path, lambda headers, path=path: client.get(path, **headers)
    for path, body in posts.items():
        yield path, lambda headers, path=path, body=body: client.post(path, body, **headers)


def test_a_script_of_the_website_may_use_each_endpoint_without_credentials(vera):
    id = vera.start("Hello").json["conversation"]["id"]
    for path, send in requests_of(vera, id):
        with send({"Origin": SHOP}) as answer:
            allowed = {
                "Access-Control-Allow-Origin": SHOP,
                "Access-Control-Expose-Headers": "Retry-After",
            }
            assert (path, cors_of(answer)) == (path, allowed)
            assert answer.status_code != 403
            assert "Origin" in answer.vary


def test_a_script_of_another_page_is_refused_before_anything_happens(app, vera):
    id = vera.start("Hello").json["conversation"]["id"]
    before = all_rows(app)["messages"]
    hub = app.extensions["engine"].hub
    for path, send in requests_of(vera, id):
        for origin in (EVIL, OTHER):
            answer = send({"Origin": origin})
            assert (path, answer.status_code) == (path, 403)
            assert answer.content_type == "application/problem+json"
            assert "origin" in answer.json["detail"]
            assert cors_of(answer) == {}
    assert len(hub) == 0
    assert all_rows(app)["messages"] == before


@pytest.mark.parametrize("origin", SIMILAR)
def test_an_origin_is_compared_as_a_whole(vera, nobody, origin):
    answer = vera.get("/chat/website1/conversations", Origin=origin)
    assert (answer.status_code, cors_of(answer)) == (403, {})
    answer = nobody.post("/chat/website1/session", {}, Origin=origin)
    assert (answer.status_code, cors_of(answer)) == (403, {})


@pytest.mark.parametrize("origin", [SHOP, "https://www.shop.example", "http://localhost"])
def test_a_session_starts_from_the_websites_origins_and_from_our_own(nobody, origin):
    answer = nobody.post("/chat/website1/session", {}, Origin=origin)
    assert answer.status_code == 201
    assert ("Access-Control-Allow-Origin" in cors_of(answer)) == (origin != "http://localhost")


def test_a_session_does_not_start_from_another_origin_and_leaves_no_row(app, nobody):
    before = all_rows(app)
    for origin in (EVIL, OTHER, "null"):
        assert nobody.post("/chat/website1/session", {}, Origin=origin).status_code == 403
    answer = nobody.post("/chat/unknown/session", {}, Origin=SHOP)
    assert (answer.status_code, cors_of(answer)) == (404, {})
    assert all_rows(app) == before


def preflight(app, path, origin, **headers):
    return app.test_client().options(path, headers={**PREFLIGHT, "Origin": origin, **headers})


def test_a_preflight_is_answered_for_an_origin_of_the_website(app):
    paths = ("session", "session/delete", "conversations", "contact")
    for path in (f"/chat/website1/{path}" for path in paths):
        answer = preflight(app, path, SHOP)
        assert answer.status_code == 204
        assert cors_of(answer) == {
            "Access-Control-Allow-Origin": SHOP,
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
            "Access-Control-Max-Age": "600",
            "Access-Control-Expose-Headers": "Retry-After",
        }
        for origin in (EVIL, OTHER, *SIMILAR):
            assert cors_of(preflight(app, path, origin)) == {}
    assert cors_of(preflight(app, "/chat/unknown/session", SHOP)) == {}


def test_a_preflight_without_a_key_is_answered_for_an_origin_of_any_website(app):
    for path in (
        "/conversations/1",
        "/conversations/1/messages",
        "/streams",
        "/streams/contacts/1",
    ):
        for origin in (SHOP, OTHER):
            allowed = cors_of(preflight(app, path, origin))
            assert allowed["Access-Control-Allow-Origin"] == origin
        for origin in (EVIL, *SIMILAR):
            assert cors_of(preflight(app, path, origin)) == {}


def test_no_other_endpoint_has_a_header_of_cors(app, vera, ada, nobody):
    for rule in app.url_map.iter_rules():
        if rule.arguments <= {"account_id", "contact_id", "key", "inbox_id"}:
            path = rule.build(dict.fromkeys(rule.arguments, 1) | {"key": "website1"})
            if path is None or rule.endpoint in cors.ENDPOINTS:
                continue
            assert (path[1], cors_of(preflight(app, path[1], SHOP))) == (path[1], {})
    for client, path in ((ada, "/me"), (ada, "/conversations/1"), (nobody, "/healthz")):
        answer = client.get(path, Origin=SHOP)
        assert (answer.status_code, cors_of(answer)) == (200, {})
    assert cors_of(vera.get("/me", Origin=SHOP)) == {}


def test_the_form_of_the_chats_own_page_takes_no_other_sites_requests(app):
    answer = app.test_client().post(
        "/chat/website1", data={"content": "Hello"}, headers={"Origin": SHOP}
    )
    assert (answer.status_code, cors_of(answer)) == (400, {})


def test_a_customer_without_a_website_has_no_origin(maria):
    answer = maria.get("/conversations/1", Origin=SHOP)
    assert (answer.status_code, cors_of(answer)) == (200, {})


def test_a_browsers_cookie_gets_no_header_of_cors_from_a_foreign_origin(app):
    browser = app.test_client()
    signed_in = {"email": "ada@example.com", "password": "password"}
    assert browser.post("/login", json=signed_in).status_code == 200
    answer = browser.get("/conversations/1", headers={"Origin": SHOP})
    assert (answer.status_code, cors_of(answer)) == (200, {})
    posted = browser.post(
        "/conversations/1/typing", json={"typing": True}, headers={"Origin": SHOP}
    )
    assert (posted.status_code, cors_of(posted)) == (400, {})


def test_a_website_reads_that_its_visitors_token_has_ended(vera):
    assert vera.post("/chat/website1/session/delete", Origin=SHOP).status_code == 204
    for path in ("/chat/website1/conversations", f"/streams/contacts/{vera.id}"):
        answer = vera.get(path, Origin=SHOP)
        assert answer.status_code == 401
        assert cors_of(answer)["Access-Control-Allow-Origin"] == SHOP
        assert cors_of(vera.get(path, Origin=EVIL)) == {}


def test_an_origin_that_is_taken_off_the_settings_is_refused_at_once(app, vera):
    assert vera.get("/chat/website1/conversations", Origin=SHOP).status_code == 200
    with app.app_context():
        db.session.get_one(Website, 1).origins = ""
        db.session.commit()
    assert vera.get("/chat/website1/conversations", Origin=SHOP).status_code == 403
    assert vera.get("/chat/website1/conversations").status_code == 200  # no browser's


def test_without_the_database_no_foreign_script_reads_a_stream(app, vera, monkeypatch):
    """It waits for the database, as each stream does."""

    def away():
        raise OperationalError("SELECT", {}, Exception("the database is away"))

    monkeypatch.setattr("rtapp.cors.website_of_request", away)
    with vera.get(f"/streams/contacts/{vera.id}", Origin=EVIL) as answer:
        assert (answer.status_code, cors_of(answer)) == (200, {})
    refused = vera.get("/chat/website1/conversations", Origin=EVIL)
    assert cors_of(refused) == {}
    assert refused.status_code >= 500
    assert json.loads(refused.data)["status"] == refused.status_code
