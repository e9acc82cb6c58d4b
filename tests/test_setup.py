"""The first run: an empty database, until somebody with the server's link has set rtapp up."""

import re
from contextlib import contextmanager
from dataclasses import replace

import gevent
import pytest
from click.testing import CliRunner
from gevent.event import Event
from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from rtapp import create_app
from rtapp import database
from rtapp import first_run
from rtapp.access_log import loggable
from rtapp.cli.setup import setup as commands
from rtapp.extensions import Base
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import User
from rtapp.pages import setup as page
from rtapp.services import set_up
from rtapp.services.create_account import FIRST_INBOX
from rtapp.services.create_user import create_user

HTML = {"Accept": "text/html"}
FIRST = {
    "account": "Lamps & Co", "name": "Zoe", "email": "Zoe@lamps.example",
    "password": "correct horse",
}  # fmt: skip
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def fresh(app):
    """The application on tables without a row."""
    with app.app_context():
        tables = list(Base.metadata.tables.values())
        if db.engine.dialect.name == "sqlite":
            db.session.execute(text("PRAGMA defer_foreign_keys=ON"))
            for table in tables:
                db.session.execute(delete(table))
        else:
            db.session.execute(text(f"TRUNCATE {', '.join(map(str, tables))}"))
        db.session.commit()
    return app


@pytest.fixture
def link(fresh) -> str:
    with fresh.app_context():
        return first_run.link().removeprefix("http://127.0.0.1:8000")


@pytest.fixture
def browser(fresh, link):
    """A browser that has opened the link."""
    browser = fresh.test_client()
    assert browser.get(link, headers=HTML).status_code == 303
    return browser


def accounts(app) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Account))


def rows(app) -> int:
    with app.app_context():
        counts = [select(func.count()).select_from(t) for t in Base.metadata.sorted_tables]
        return sum(db.session.scalar(count) for count in counts)


def filled(browser, **fields: str):
    """Sends the form of the page."""
    shown = browser.get("/setup", headers=HTML).get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', shown)[1]
    form = {**FIRST, "csrf_token": token, **fields}
    return browser.post("/setup", data=form, headers=HTML)


def test_the_link_leads_to_a_form_that_makes_an_account_with_an_inbox_and_signs_in(fresh, link):
    browser = fresh.test_client()
    led = browser.get(link, headers=HTML)
    assert (led.status_code, led.location) == (303, "/setup")
    done = filled(browser)
    assert (done.status_code, done.location) == (303, "/")
    me = browser.get("/me").json
    assert (me["name"], me["email"]) == ("Zoe", "zoe@lamps.example")
    [membership] = me["memberships"]
    assert membership["role"] == "administrator"
    listed = browser.get(f"/accounts/{membership['account_id']}/inboxes").json["inboxes"]
    assert [inbox["name"] for inbox in listed] == [FIRST_INBOX]
    inbox = browser.get(browser.get("/").location, headers=HTML)
    assert inbox.status_code == 200
    assert "Lamps &amp; Co" in inbox.get_data(as_text=True)
    fields = {"email": FIRST["email"], "password": FIRST["password"]}
    assert fresh.test_client().post("/login", json=fields).status_code == 200


@SQLITE
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/login"), ("POST", "/login"), ("GET", "/me"),
     ("GET", "/accounts/1/conversations"), ("POST", "/conversations/1/messages"),
     ("GET", "/streams/accounts/1")],
)  # fmt: skip
def test_every_request_leads_to_the_first_page_while_there_is_no_account(fresh, method, path):
    client = fresh.test_client()
    answer = client.open(path, method=method, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert "not set up yet" in answer.json["detail"]
    assert "setup link" in answer.json["detail"]
    if not path.startswith("/streams"):
        led = client.open(path, method=method, headers=HTML)
        assert (led.status_code, led.location) == (303, "/setup")


@SQLITE
@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/status", "/openapi.json", "/static/icon.svg"]
)
def test_probes_and_static_files_answer_without_an_account(fresh, path):
    with fresh.test_client() as client:
        assert client.get(path, buffered=True).status_code == 200


@SQLITE
def test_a_path_that_is_none_is_404_without_an_account_too(fresh):
    assert fresh.test_client().get("/nothing").status_code == 404


@SQLITE
@pytest.mark.parametrize("query", ["", "?code=", "?code=x", "?code=%00", "?code=é"])
def test_a_stranger_gets_no_form_and_makes_no_account(fresh, query):
    stranger = fresh.test_client()
    page = stranger.get(f"/setup{query}", headers=HTML)
    assert page.status_code == 403
    shown = page.get_data(as_text=True)
    assert "<form" not in shown
    assert "setup link" in shown
    assert ("not that of this server" in shown) == bool(query)
    assert stranger.get(f"/setup{query}").status_code == 403
    refused = stranger.post("/setup", json=FIRST)
    assert (refused.status_code, refused.content_type) == (403, "application/problem+json")
    wrong = stranger.post("/setup", json={**FIRST, "code": "0" * 32})
    assert wrong.status_code == 403
    assert rows(fresh) == 0


@SQLITE
def test_a_script_sends_the_code_with_the_fields(fresh, link):
    code = link.partition("=")[2]
    made = fresh.test_client().post("/setup", json={**FIRST, "code": code})
    assert made.status_code == 200
    assert made.json["name"] == "Zoe"


@SQLITE
def test_the_code_is_of_the_secret_key_and_stands_in_no_answer(fresh, link, browser):
    code = link.partition("=")[2]
    assert re.fullmatch("[0-9a-f]{32}", code)
    other = create_app(replace(fresh.extensions["settings"], secret_key="another key"))
    with other.app_context():
        assert not first_run.is_code(code)
    with fresh.app_context():
        assert first_run.is_code(code)
    assert code not in browser.get("/setup", headers=HTML).get_data(as_text=True)
    environ = {}
    client = fresh.test_client()
    wrapped = fresh.wsgi_app
    fresh.wsgi_app = lambda own, start: (environ.update(own), wrapped(own, start))[1]
    client.get(link)
    assert code in environ["QUERY_STRING"]
    assert code not in str(loggable(environ))


@SQLITE
@pytest.mark.parametrize(
    ("field", "value", "error"),
    [("account", " ", "must not be empty"), ("account", "x" * 201, "at most 200 characters"),
     ("name", "\u200b", "must not be empty"), ("email", "zoe", "must be an address"),
     ("email", "z e@x.example", "white space"), ("password", "short", "8 to 1000 characters"),
     ("password", "x" * 1001, "8 to 1000 characters")],
)  # fmt: skip
def test_a_wrong_field_is_refused_beside_it_and_nothing_is_made(
    fresh, browser, field, value, error
):
    refused = filled(browser, **{field: value})
    assert refused.status_code == 422
    shown = refused.get_data(as_text=True)
    assert error in re.search(rf'id="{field}-problem"[^>]*>([^<]*)', shown)[1]
    assert f'aria-describedby="{field}-problem"' in shown
    assert 'value="Lamps &amp; Co"' in shown or field == "account"
    assert "correct horse" not in shown
    as_json = browser.post("/setup", json={**FIRST, field: value})
    assert (as_json.status_code, list(as_json.json["errors"])) == (422, [field])
    assert rows(fresh) == 0
    assert filled(browser).status_code == 303


@SQLITE
def test_another_site_can_not_send_the_form(fresh, browser):
    foreign = browser.post("/setup", data=FIRST, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 400
    assert rows(fresh) == 0


@SQLITE
def test_production_refuses_the_demos_password(fresh, link):
    fresh.config["PRODUCTION"] = True
    code = link.partition("=")[2]
    refused = fresh.test_client().post(
        "/setup", json={**FIRST, "code": code, "password": "password"}
    )
    assert refused.status_code == 422
    assert "must not be the demo's" in refused.json["errors"]["password"][0]
    assert rows(fresh) == 0


@SQLITE
def test_production_over_http_says_why_the_link_does_not_work(fresh):
    production = create_app(replace(fresh.extensions["settings"], env="production"))
    client = production.test_client()
    assert "over HTTPS only" in client.get("/setup", headers=HTML).get_data(as_text=True)
    over_tls = client.get("/setup", headers=HTML, base_url="https://localhost")
    assert "over HTTPS only" not in over_tls.get_data(as_text=True)


def test_there_is_no_second_first_account(fresh, browser, link):
    late = fresh.test_client()
    assert late.get(link, headers=HTML).status_code == 303
    page = late.get("/setup", headers=HTML).get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    assert filled(browser).status_code == 303
    before = rows(fresh)
    refused = late.post("/setup", data={**FIRST, "csrf_token": token}, headers=HTML)
    assert refused.status_code == 409
    assert "has been set up already" in refused.get_data(as_text=True)
    assert late.post("/setup", json=FIRST).status_code == 409
    bad = late.post("/setup", data={"csrf_token": token}, headers=HTML)
    assert (bad.status_code, "is new and has no account" in bad.text) == (409, False)
    assert late.get(link, headers=HTML).location == "/"
    assert rows(fresh) == before
    assert late.get("/", headers=HTML).location.startswith("/login")


def test_the_address_of_a_user_who_has_no_account_is_refused_with_what_to_do(fresh, browser):
    with fresh.app_context():
        create_user("Zoe", "zoe@lamps.example", "horse and cart")
        before = rows(fresh)
        refused = CliRunner().invoke(commands, CREATE, input="correct horse\n")
        assert (refused.exit_code, type(refused.exception)) == (1, SystemExit)
    way = "account create NAME --administrator zoe@lamps.example"
    assert way in refused.output
    as_json = browser.post("/setup", json=FIRST)
    assert (as_json.status_code, way in as_json.json["errors"]["email"][0]) == (422, True)
    shown = filled(browser)
    assert (shown.status_code, way in shown.text) == (422, True)
    assert rows(fresh) == before
    assert filled(browser, email="mia@lamps.example").status_code == 303


@contextmanager
def together(monkeypatch, count: int):
    """Holds requests until so many have been checked, and each again before it makes a row."""
    arrived, all_there = [], Event()
    real, account = page.set_up, set_up.Account

    def held(*given):
        arrived.append(given)
        if len(arrived) == count:
            all_there.set()
        assert all_there.wait(30)
        return real(*given)

    def slow(**fields):
        gevent.sleep(0.05)  # another one goes on, if it may
        return account(**fields)

    slow.id = account.id
    monkeypatch.setattr(page, "set_up", held)
    monkeypatch.setattr(set_up, "Account", slow)
    yield
    monkeypatch.undo()


def set_up_at_once(app, link, monkeypatch) -> list[int]:
    code = link.partition("=")[2]

    def send(n: int) -> int:
        fields = {**FIRST, "email": f"zoe{n}@lamps.example", "code": code}
        return app.test_client().post("/setup", json=fields).status_code

    with together(monkeypatch, 2):
        sent = [gevent.spawn(send, n) for n in range(2)]
        gevent.joinall(sent, timeout=60, raise_error=True)
    return sorted(each.value for each in sent)


def test_two_at_once_make_one_account(fresh, link, monkeypatch):
    assert set_up_at_once(fresh, link, monkeypatch) == [200, 409]
    assert accounts(fresh) == 1
    with fresh.app_context():
        assert db.session.scalar(select(func.count()).select_from(User)) == 1


def test_two_at_once_would_make_two_accounts_without_the_lock(fresh, link, monkeypatch):
    monkeypatch.setattr(set_up, "LOCK", text("SELECT 1"))
    assert set_up_at_once(fresh, link, monkeypatch) == [200, 200]
    assert accounts(fresh) == 2


@SQLITE
def test_the_database_is_asked_for_an_account_until_there_is_one(fresh, browser, monkeypatch):
    asked = []
    probing = database.probing
    monkeypatch.setattr(database, "probing", lambda: asked.append(1) or probing())
    fresh.test_client().get("/login")
    fresh.test_client().get("/login")
    assert len(asked) == 2
    filled(browser)
    browser.get("/me")
    seen = len(asked)
    browser.get("/me")
    assert len(asked) == seen


@SQLITE
def test_a_database_that_does_not_answer_is_no_empty_one(fresh, monkeypatch):
    def away():
        raise OperationalError("", {}, Exception("away"))

    monkeypatch.setattr(database, "probing", away)
    assert fresh.test_client().get("/login", headers=HTML).status_code == 200
    with fresh.app_context():
        assert first_run.invitation() is None


CREATE = ["create", "--account", "Lamps", "--name", "Zoe", "--email", "Zoe@lamps.example"]


def test_the_command_sets_up_with_a_password_from_standard_input_once(fresh):
    with fresh.app_context():
        linked = CliRunner().invoke(commands, ["link"])
        assert linked.output == f"{first_run.link()}\n"
        done = CliRunner().invoke(commands, CREATE, input="correct horse\n")
        assert done.exit_code == 0, done.output
        assert "zoe@lamps.example is the administrator. Sign in: http" in done.output
        assert "correct horse" not in done.output
        again = CliRunner().invoke(commands, CREATE, input="another horse\n")
        assert (again.exit_code, "already" in again.output) == (0, True)
        linked = CliRunner().invoke(commands, ["link"])
        assert (linked.exit_code, "code=" in linked.output) == (0, False)
    assert accounts(fresh) == 1
    fields = {"email": "zoe@lamps.example", "password": "correct horse"}
    assert fresh.test_client().post("/login", json=fields).status_code == 200


@SQLITE
@pytest.mark.parametrize(
    ("option", "value", "password", "error"),
    [("--email", "zoe", "correct horse", "The email must be an address"),
     ("--name", " ", "correct horse", "The name must not be empty"),
     ("--account", "x" * 201, "correct horse", "at most 200 characters"),
     ("--name", "Zoe", "short", "The password must have 8 to 1000"),
     ("--name", "Zoe", "", "The password must have 8 to 1000")],
)  # fmt: skip
def test_the_command_refuses_what_the_page_refuses(fresh, option, value, password, error):
    with fresh.app_context():
        refused = CliRunner().invoke(commands, [*CREATE, option, value], input=password)
    assert refused.exit_code == 1
    assert error in refused.output
    assert rows(fresh) == 0
