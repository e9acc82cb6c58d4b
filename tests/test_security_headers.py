"""What a server gives away: headers that have browsers protect answers, the cookie, paths."""

from dataclasses import replace

import pytest

from rtapp import create_app
from rtapp.config import HTTPS_FOR

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

KEVIN = {"email": "kevin@example.com", "password": "password"}
HTTPS = "https://localhost"


def policy(answer) -> dict[str, str]:
    parts = answer.headers["Content-Security-Policy"].split("; ")
    return dict(part.split(" ", 1) for part in parts)


def got(app, path: str, url: str = "http://localhost", **headers: str):
    """The answer to a GET. Its file is closed."""
    return app.test_client().get(path, base_url=url, headers=headers, buffered=True)


@pytest.fixture
def production(app):
    """The same installation as production has it."""
    return create_app(replace(app.extensions["settings"], env="production", hsts=HTTPS_FOR))


def test_a_page_may_load_our_own_files_and_nothing_else(ada):
    page = ada.page("/conversations/1")
    assert policy(page) == {
        "default-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }


@pytest.mark.parametrize(
    "path",
    ["/me", "/conversations/1/messages", "/nothing", "/openapi.json", "/static/icon.svg",
     "/static/js/inbox/inbox.js", "/healthz", "/streams/conversations/99"],
)  # fmt: skip
def test_an_answer_that_is_no_page_may_load_nothing_and_is_framed_nowhere(ada, path):
    answer = got(ada.app, path, **ada.headers)
    assert answer.mimetype != "text/html"
    assert set(policy(answer).values()) == {"'none'"}
    assert {"default-src", "frame-ancestors", "base-uri", "form-action"} == set(policy(answer))


def test_the_service_worker_may_send_requests_to_us_and_is_looked_for_at_each_start(ada):
    answer = got(ada.app, "/service_worker.js")
    assert answer.mimetype == "text/javascript"
    assert answer.headers["Cache-Control"] == "no-cache"
    allowed = policy(answer)
    assert allowed.pop("connect-src") == "'self'"
    assert set(allowed.values()) == {"'none'"}


def test_the_launcher_is_for_every_site_and_the_same_for_everybody(ada):
    answer = got(ada.app, "/widget.js", Cookie="session=x")
    assert answer.mimetype == "text/javascript"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert {"Set-Cookie", "Access-Control-Allow-Origin"}.isdisjoint(answer.headers.keys())
    same = got(ada.app, "/widget.js", **{"If-None-Match": answer.headers["ETag"]})
    assert (same.status_code, same.data) == (304, b"")
    assert same.headers["Cache-Control"] == "public, max-age=300"
    assert "Cross-Origin-Resource-Policy" not in got(ada.app, "/static/icon.svg").headers


@pytest.mark.parametrize("path", ["/login", "/me", "/nothing", "/static/icon.svg"])
def test_every_answer_is_of_the_type_that_it_names_and_no_other_site_gets_its_url(ada, path):
    for accepted in ("*/*", "text/html"):
        answer = got(ada.app, path, **ada.headers, Accept=accepted)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] in ("no-store", "no-cache")
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_in_production_the_cookie_is_of_this_host_over_https_only(production, app):
    cookie = production.test_client().post("/login", json=KEVIN, base_url=HTTPS)
    name, *attributes = cookie.headers["Set-Cookie"].split("; ")
    assert name.startswith("__Host-session=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
    assert not any(attribute.startswith("Domain") for attribute in attributes)
    cookie = app.test_client().post("/login", json=KEVIN).headers["Set-Cookie"]
    assert cookie.startswith("session=")  # over HTTP a browser would refuse the other name


def test_in_production_a_session_goes_on_by_its_cookie(production):
    browser = production.test_client()
    assert browser.get("/me", base_url=HTTPS).status_code == 401
    browser.post("/login", json=KEVIN, base_url=HTTPS)
    assert browser.get("/me", base_url=HTTPS).status_code == 200


def test_production_keeps_browsers_on_https_if_it_is_set(production, app):
    unset = create_app(replace(production.extensions["settings"], hsts=0))
    header = "Strict-Transport-Security"
    for path in ("/login", "/nothing", "/static/icon.svg"):
        assert got(production, path, HTTPS).headers[header] == "max-age=31536000"
        assert header not in got(production, path).headers
        assert header not in got(app, path, HTTPS).headers
        assert header not in got(unset, path, HTTPS).headers


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/..%2f..%2fapp.py", "/static/%2e%2e/app.py", "/app.py",
     "/static/..%5capp.py", "/static//etc/passwd", "/static/js", "/static/js/", "/static/",
     "/static/icon.svg%00", "/.git/config"],
)  # fmt: skip
def test_no_path_leads_out_of_the_static_files_or_lists_them(app, path):
    assert got(app, "/static/icon.svg").status_code == 200
    assert got(app, path).status_code == 404


@pytest.mark.parametrize("path", ["/conversations//1", "/static//icon.svg", "/accounts//1//unread"])
def test_a_path_with_two_slashes_is_not_redirected_to_the_host_that_the_request_names(app, path):
    answer = got(app, path, Host="evil.example")
    assert (answer.status_code, answer.location) == (404, None)


@pytest.mark.parametrize("path", ["/", "/conversations/1"])
def test_a_redirect_names_no_host(app, path):
    answer = got(app, path, Host="evil.example", Accept="text/html")
    assert answer.status_code == 302
    assert answer.location.startswith("/login?")
