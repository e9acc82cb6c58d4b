"""The user's own sessions: where they are signed in, and how one or all others end."""

import re

import pytest

from rtapp.devices import device
from rtapp.extensions import db
from rtapp.models import UserSession

from ..support import Stream
from ..support import envelope
from ..support import next_settings

SESSIONS = "/settings/sessions"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)
HTML = {"Accept": "text/html"}


class Browser:
    """A browser in which a user is signed in."""

    def __init__(self, app, name="kevin", agent=FIREFOX, address="192.0.2.1"):
        self._client = app.test_client()
        self.environ = {"REMOTE_ADDR": address}
        answer = self._client.post(
            "/login",
            json={"email": f"{name}@example.com", "password": "password"},
            headers={"User-Agent": agent},
            environ_overrides=self.environ,
        )
        assert answer.status_code == 200
        self._csrf = answer.headers["X-CSRF-Token"]

    def get(self, path, **headers):
        return self._client.get(path, headers=headers)

    def post(self, path, body=None, **headers):
        sent = {"X-CSRF-Token": self._csrf, **headers}
        return self._client.post(path, json=body, headers=sent)

    def form(self, path, **fields):
        data = {"csrf_token": self._csrf, **fields}
        return self._client.post(path, data=data, headers=HTML)

    def sessions(self):
        return self.get(SESSIONS).json["sessions"]

    def own(self):
        (own,) = [session["id"] for session in self.sessions() if session["current"]]
        return own

    @property
    def signed_in(self):
        return self.get("/me").status_code == 200

    def stream(self):
        stream = Stream(self.get("/streams/conversations/1"))
        stream.named("stream.open")
        return stream


def test_a_session_has_its_device_its_address_and_its_times(app, passing):
    there = Browser(app, agent=IPHONE, address="2001:db8::1")
    passing(3600)
    here = Browser(app)
    Browser(app, "ada")
    first, second = here.sessions()
    assert (first["device"], first["address"], first["current"]) == (
        "Firefox on Linux", "192.0.2.1", True,
    )  # fmt: skip
    assert (second["device"], second["address"], second["current"]) == (
        "Safari on iPhone", "2001:db8::1", False,
    )  # fmt: skip
    assert second["created_at"] == second["last_used_at"] < first["created_at"]
    passing(3600)
    there.get("/me")
    with app.app_context():
        app.extensions["session_uses"].write()
    used = here.sessions()[0]
    assert used["id"] == second["id"]
    assert used["created_at"] == second["created_at"] < first["created_at"] < used["last_used_at"]


def test_ending_a_session_ends_its_streams_and_no_other(app):
    here, there, third = (Browser(app) for _ in range(3))
    theirs, mine = there.stream(), here.stream()
    assert here.post(f"{SESSIONS}/end", {"session": there.own()}).status_code == 204
    assert envelope(theirs.until("stream.closed")[-1])["reason"] == "signed_out"
    assert theirs.ended()
    assert [browser.signed_in for browser in (here, there, third)] == [True, False, True]
    mine.close()


def test_ending_all_others_leaves_this_session_the_tokens_and_other_users(app, kevin):
    here, there, third = (Browser(app) for _ in range(3))
    ada = Browser(app, "ada")
    theirs, mine, scripts = there.stream(), here.stream(), kevin.stream("/streams/conversations/1")
    scripts.named("stream.open")
    assert here.post(f"{SESSIONS}/end_others").status_code == 204
    assert envelope(theirs.until("stream.closed")[-1])["reason"] == "signed_out"
    assert theirs.ended()
    signed_in = [browser.signed_in for browser in (here, there, third, ada)]
    assert signed_in == [True, False, False, True]
    assert kevin.send(1, "It goes on").status_code == 201
    for stream in (mine, scripts):
        stream.named("message.created")
        stream.close()


def test_a_token_ends_all_of_its_users_sessions(app, kevin):
    browsers = [Browser(app) for _ in range(2)]
    assert [session["current"] for session in kevin.get(SESSIONS).json["sessions"]] == [False] * 2
    assert kevin.post(f"{SESSIONS}/end_others").status_code == 204
    assert [browser.signed_in for browser in browsers] == [False] * 2
    assert kevin.get("/me").status_code == 200


def test_a_session_may_end_itself(app):
    here = Browser(app)
    assert here.post(f"{SESSIONS}/end", {"session": here.own()}).status_code == 204
    assert not here.signed_in


@pytest.mark.parametrize("wrong", [None, "", 1, ["x"], "x" * 65, "a\x00"], ids=repr)
def test_ending_a_session_refuses_bad_input(app, wrong):
    here, there = Browser(app), Browser(app)
    for body, field in (({"session": wrong}, "session"), ({}, "session"),
                        ({"session": there.own(), "all": True}, "all")):  # fmt: skip
        answer = here.post(f"{SESSIONS}/end", body)
        assert (answer.status_code, list(answer.json["errors"])) == (422, [field])
    assert here.signed_in
    assert there.signed_in


def test_ending_a_session_that_is_not_the_users_answers_as_for_an_unknown_one(app, kevin, nobody):
    here, adas = Browser(app), Browser(app, "ada")
    with app.app_context():
        cookie_id = db.session.scalar(db.select(UserSession.id).filter_by(user_id=kevin.id))
    unknown = here.post(f"{SESSIONS}/end", {"session": "x"})
    for id in (adas.own(), cookie_id, here.own().upper()):
        answer = here.post(f"{SESSIONS}/end", {"session": id})
        assert (answer.status_code, answer.data) == (404, unknown.data)
    assert nobody.post(f"{SESSIONS}/end", {"session": here.own()}).status_code == 401
    wrong = {"X-CSRF-Token": "of another session"}
    forged = here.post(f"{SESSIONS}/end", {"session": here.own()}, **wrong)
    assert forged.status_code == 401
    assert here.signed_in
    assert adas.signed_in


def test_no_answer_has_what_the_cookie_has(app):
    here = Browser(app)
    with app.app_context():
        (id,) = db.session.scalars(db.select(UserSession.id))
    page = here.get(SESSIONS, **HTML)
    assert page.status_code == 200
    for answer in (page, here.get(SESSIONS)):
        assert id not in answer.get_data(as_text=True)


def test_the_page_ends_one_and_all_others_without_javascript(app):
    here, there, third = (Browser(app, agent=agent) for agent in (FIREFOX, IPHONE, "curl/8.5.0"))
    page = here.get(SESSIONS, **HTML).get_data(as_text=True)
    assert page.count("This browser") == 1
    for words in ("Firefox on Linux", "Safari on iPhone", "curl", "192.0.2.1"):
        assert words in page
    ids = re.findall(r'name="session" value="([^"]+)"', page)
    assert set(ids) == {there.own(), third.own()}
    answer = here.form(f"{SESSIONS}/end", session=there.own())
    assert (answer.status_code, answer.location) == (303, SESSIONS)
    assert [there.signed_in, third.signed_in] == [False, True]
    answer = here.form(f"{SESSIONS}/end_others")
    assert (answer.status_code, answer.location) == (303, SESSIONS)
    assert [here.signed_in, third.signed_in] == [True, False]
    assert "End all others" not in here.get(SESSIONS, **HTML).get_data(as_text=True)


@pytest.mark.parametrize(
    "agent",
    ["", "<script>alert(1)</script>", "x" * 5000, "Fire\x7ffox", "Grüße", "Mozilla/5.0 \t Linux"],
    ids=repr,
)
def test_any_user_agent_signs_in_and_is_shown_as_text(app, agent):
    browser = Browser(app, agent=agent.encode("utf-8").decode("latin-1"))
    assert len(browser.sessions()) == 1
    page = browser.get(SESSIONS, **HTML)
    assert (page.status_code, "<script>" in page.get_data(as_text=True)) == (200, False)


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
         "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
         "Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
         "Version/18.5 Safari/605.1.15", "Safari on macOS"),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) "
         "Chrome/140.0.0.0 Safari/537.36", "Chrome on ChromeOS"),
        ("curl/8.5.0", "curl"),
        ("Something (Linux)", "Unknown browser on Linux"),
        ("", "Unknown browser"),
    ],
)  # fmt: skip
def test_a_device_is_named_after_the_browser_and_the_system(agent, expected):
    assert device(agent) == expected


def test_only_the_users_own_streams_say_that_their_sessions_changed(app, kevin, ada, subscribe):
    his, hers = subscribe("account:1", kevin), subscribe("account:1", ada)
    here = Browser(app)  # before it, no page is open
    there, third = Browser(app), Browser(app)
    here.post(f"{SESSIONS}/end", {"session": there.own()})
    assert there.signed_in is False
    third.post("/logout")
    here.post("/logout")  # after it, likewise
    kevin.post("/accounts/1/canned-replies", {"shortcut": "brb", "content": "Soon."})
    changed = [next_settings(his) for _ in range(5)]
    assert [each["part"] for each in changed] == [*4 * ["sessions"], "canned_replies"]
    assert next_settings(hers)["part"] == "canned_replies"
