"""Two-step sign-in: a code besides the password, used once; recovery codes; accounts that
require it."""

import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import gevent
import pyotp
import pytest

from rtapp import auth
from rtapp import clock
from rtapp import create_app
from rtapp import ratelimits
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import RecoveryCode
from rtapp.models import SecondFactor
from rtapp.models import User
from rtapp.models import UserSession
from rtapp.services.add_member import add_member
from rtapp.services.change_password import change_password
from rtapp.services.change_second_factor import remove_second_factor
from rtapp.services.change_tokens import create_token
from rtapp.services.disable_user import disable_user
from rtapp.services.require_second_factor import require_second_factor

from .support import Stream
from .support import release

KEVIN = {"email": "kevin@example.com", "password": "password"}
ADA = {"email": "ada@example.com", "password": "password"}
OWN = "/settings/second-factor"
CODE = "/login/second-factor"
HTML = {"Accept": "text/html"}
WRONG = "is wrong or was used already; take the one that the app shows now"


class Clock:
    """The server's clock, which a test moves to the next code of the app."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def now(self):
        return real_now() + self.offset

    def next_code(self, secret: str) -> str:
        self.offset += timedelta(seconds=60)
        return pyotp.TOTP(secret).at(self.now())


real_now = clock.now


@pytest.fixture
def server_clock(monkeypatch):
    moved = Clock()
    monkeypatch.setattr(clock, "now", moved.now)
    return moved


class Browser:
    def __init__(self, app, who):
        self.client, self.who = app.test_client(), who

    def sign_in(self, **more):
        answer = self.client.post("/login", json={**self.who, **more})
        self.headers = {"X-CSRF-Token": answer.headers.get("X-CSRF-Token", "")}
        return answer

    def post(self, path, **body):
        answer = self.client.post(path, json=body, headers=self.headers)
        if "X-CSRF-Token" in answer.headers:
            self.headers = {"X-CSRF-Token": answer.headers["X-CSRF-Token"]}
        return answer

    def get(self, path):
        return self.client.get(path)

    def turn_on(self, at):
        """Returns the secret and the recovery codes."""
        secret = self.get(OWN).json["secret"]
        answer = self.post(OWN, code=at.next_code(secret), present_password="password")
        assert answer.status_code == 200, answer.json
        return secret, answer.json["recovery_codes"]

    @property
    def is_signed_in(self):
        return self.get("/me").status_code == 200


@pytest.fixture
def browser(app):
    kevin = Browser(app, KEVIN)
    assert kevin.sign_in().status_code == 200
    return kevin


@pytest.fixture
def another(app):
    return Browser(app, KEVIN)


def test_a_password_alone_does_not_sign_in_and_a_code_does(browser, another, server_clock):
    secret, _ = browser.turn_on(server_clock)
    asked = another.sign_in()
    assert (asked.status_code, another.is_signed_in) == (401, False)
    assert CODE in asked.json["detail"]
    answer = another.post(CODE, code=server_clock.next_code(secret))
    assert (answer.status_code, answer.json["email"]) == (200, KEVIN["email"])
    assert another.is_signed_in
    assert another.post("/me/presence").status_code != 401  # its CSRF token is of the new session


def test_without_a_second_factor_the_password_signs_in(browser):
    assert browser.is_signed_in
    assert browser.get(OWN).json["since"] is None


def test_a_code_signs_in_once(app, browser, another, server_clock):
    secret, _ = browser.turn_on(server_clock)
    code = server_clock.next_code(secret)
    another.sign_in()
    assert another.post(CODE, code=code).status_code == 200
    third = Browser(app, KEVIN)
    third.sign_in()
    refused = third.post(CODE, code=code)
    assert (refused.status_code, refused.json["errors"]) == (401, {"code": [WRONG]})
    assert not third.is_signed_in


def test_of_requests_with_one_code_at_once_one_signs_in(app, browser, server_clock):
    secret, codes = browser.turn_on(server_clock)
    for code in (server_clock.next_code(secret), codes[0]):
        others = [Browser(app, KEVIN) for _ in range(4)]
        for other in others:
            other.sign_in()
        jobs = [gevent.spawn(other.post, CODE, code=code) for other in others]
        gevent.joinall(jobs, raise_error=True)
        assert Counter(job.value.status_code for job in jobs) == {200: 1, 401: 3}


def test_a_code_that_is_one_interval_off_is_right_and_an_older_one_is_not(
    browser, another, server_clock
):
    secret, _ = browser.turn_on(server_clock)
    server_clock.offset += timedelta(minutes=10)
    for seconds, status in ((-60, 401), (60, 401), (-30, 200)):
        another.sign_in()
        code = pyotp.TOTP(secret).at(server_clock.now() + timedelta(seconds=seconds))
        assert another.post(CODE, code=code).status_code == status


def test_a_recovery_code_signs_in_once_however_it_is_typed(app, browser, another, server_clock):
    _, codes = browser.turn_on(server_clock)
    assert len(set(codes)) == 10
    another.sign_in()
    typed = codes[3].upper().replace("-", " ")
    assert another.post(CODE, code=typed).status_code == 200
    assert another.get(OWN).json["recovery_codes_left"] == 9
    third = Browser(app, KEVIN)
    third.sign_in()
    assert third.post(CODE, code=codes[3]).status_code == 401


def test_new_recovery_codes_end_the_earlier_ones(browser, another, server_clock):
    secret, codes = browser.turn_on(server_clock)
    answer = browser.post(f"{OWN}/recovery-codes", code=server_clock.next_code(secret))
    assert answer.status_code == 200
    fresh = answer.json["recovery_codes"]
    assert not set(fresh) & set(codes)
    another.sign_in()
    assert another.post(CODE, code=codes[0]).status_code == 401
    assert another.post(CODE, code=fresh[0]).status_code == 200


@pytest.mark.parametrize(
    "code", ["000000", "", " ", "12345", "１２３４５６", "\x00", "x" * 41, None, 123456]
)
def test_a_code_that_is_none_turns_nothing_on(app, browser, code):
    answer = browser.post(OWN, code=code, present_password="password")
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["code"])
    with app.app_context():
        assert db.session.query(SecondFactor).count() == 0


def test_a_code_of_another_secret_turns_nothing_on(app, browser):
    browser.get(OWN)
    answer = browser.post(
        OWN, code=pyotp.TOTP(pyotp.random_base32()).now(), present_password="password"
    )
    assert (answer.status_code, answer.json["errors"]) == (422, {"code": [WRONG]})
    assert browser.get(OWN).json["since"] is None


def test_a_second_factor_is_not_replaced_by_a_session_that_is_left_open(browser, server_clock):
    browser.turn_on(server_clock)
    assert browser.get(OWN).json["secret"] is None
    answer = browser.post(OWN, code="123456", present_password="password")
    assert answer.status_code == 422
    assert browser.get(OWN).json["since"] is not None


@pytest.mark.parametrize(
    "given", [{}, *({"present_password": p} for p in ("wrong one", "", None, 1))]
)
def test_turning_it_on_needs_the_password_beside_a_right_code(app, browser, server_clock, given):
    code = server_clock.next_code(browser.get(OWN).json["secret"])
    answer = browser.post(OWN, code=code, **given)
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["present_password"])
    assert browser.get(OWN).json["since"] is None
    assert browser.post(OWN, code=code, present_password="password").status_code == 200


def test_turning_it_off_needs_a_code(browser, another, server_clock):
    secret, _ = browser.turn_on(server_clock)
    assert browser.post(f"{OWN}/delete", code="000000").status_code == 422
    assert browser.get(OWN).json["since"] is not None
    assert browser.post(f"{OWN}/delete", code=server_clock.next_code(secret)).status_code == 204
    assert another.sign_in().status_code == 200


def test_a_code_without_a_password_before_it_signs_nobody_in(another):
    another.headers = {}
    answer = another.post(CODE, code="123456")
    assert (answer.status_code, another.is_signed_in) == (401, False)


def test_the_code_comes_within_ten_minutes_of_the_password(
    browser, another, server_clock, monkeypatch
):
    secret, _ = browser.turn_on(server_clock)
    monkeypatch.setattr(auth, "CODE_WAIT", -1)
    another.sign_in()
    assert another.post(CODE, code=server_clock.next_code(secret)).status_code == 401
    assert not another.is_signed_in


def test_a_password_that_is_changed_before_the_code_comes_signs_nobody_in(
    app, browser, another, server_clock
):
    secret, _ = browser.turn_on(server_clock)
    another.sign_in()
    with app.app_context():
        change_password(db.session.query(User).filter_by(email=KEVIN["email"]).one(), "other words")
    assert another.post(CODE, code=server_clock.next_code(secret)).status_code == 401


def user_with(email: str) -> User:
    return db.session.query(User).filter_by(email=email).one()


def test_a_user_who_is_disabled_before_the_code_comes_is_not_signed_in(
    app, browser, another, server_clock
):
    secret, _ = browser.turn_on(server_clock)
    another.sign_in()
    with app.app_context():
        disable_user(user_with(KEVIN["email"]))
    assert another.post(CODE, code=server_clock.next_code(secret)).status_code == 401
    assert another.client.get(CODE).status_code == 401


def change_to_other_words():
    change_password(user_with(KEVIN["email"]), "other words")


def disable_kevin():
    disable_user(user_with(KEVIN["email"]))


@pytest.mark.parametrize("meanwhile", [change_to_other_words, disable_kevin])
def test_what_changes_while_a_password_is_checked_signs_nobody_in(
    app, another, monkeypatch, meanwhile
):
    proven_user = auth.proven_user

    def proven_later(*given, **more):
        with app.app_context():
            meanwhile()
        return proven_user(*given, **more)

    monkeypatch.setattr(auth, "proven_user", proven_later)
    answer = another.sign_in()
    assert (answer.status_code, another.is_signed_in) == (401, False)
    assert answer.json["detail"] == "The email address or the password is wrong."


def require_it():
    ada = user_with(ADA["email"])
    db.session.add(SecondFactor(user_id=ada.id, salt="x", last_step=1))
    db.session.flush()
    require_second_factor(db.session.get_one(Account, 1), ada, True)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)  # SQLite waits in C
@pytest.mark.parametrize("meanwhile", [change_to_other_words, disable_kevin, require_it])
def test_a_session_that_begins_at_the_same_time_ends_too(app, another, monkeypatch, meanwhile):
    sign_in, jobs = auth.sign_in, []

    def at_once():
        with app.app_context():
            meanwhile()

    def sign_in_later(user):
        jobs.append(gevent.spawn(at_once))
        jobs[0].join(timeout=0.5)  # it waits for this transaction
        assert not jobs[0].ready()
        sign_in(user)

    monkeypatch.setattr(auth, "sign_in", sign_in_later)
    assert another.sign_in().status_code == 200
    gevent.joinall(jobs, raise_error=True)
    assert not another.is_signed_in


def test_a_late_code_is_explained_on_the_login_page_and_no_sign_in_leads_back_to_it(
    browser, another, server_clock, monkeypatch
):
    secret, _ = browser.turn_on(server_clock)
    monkeypatch.setattr(auth, "CODE_WAIT", -1)
    another.sign_in()
    page = another.client.get("/login", headers=HTML).get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    data = {"csrf_token": token, "code": server_clock.next_code(secret)}
    late = another.client.post(CODE, data=data, headers=HTML)
    reloaded = another.client.get(CODE, headers=HTML)
    for answer in (late, reloaded):
        assert (answer.status_code, answer.location) == (302, "/login?late=1")
    login = another.client.get("/login?late=1", headers=HTML).get_data(as_text=True)
    assert "enter the code within 10 minutes" in login
    assert "enter the code" not in page
    home = browser.client.get(CODE, headers=HTML)
    assert (home.status_code, home.location) == (302, "/")


def test_a_script_with_a_token_has_no_second_factor(kevin):
    for path in ("", "/recovery-codes", "/delete"):
        assert kevin.post(f"{OWN}{path}", {"code": "1"}).status_code == 403
    assert kevin.get(OWN).status_code == 403


def test_an_account_that_requires_it_ends_sessions_and_has_the_next_sign_in_set_it_up(
    app, browser, another, server_clock
):
    ada = Browser(app, ADA)
    ada.sign_in()
    ada.turn_on(server_clock)
    stream = Stream(browser.get("/streams/accounts/1"))
    assert stream.any().event == "stream.open"
    answer = ada.post("/accounts/1/second-factor", required=True)
    assert (answer.status_code, answer.json) == (200, {"required": True})
    assert stream.ended()
    assert (browser.is_signed_in, ada.is_signed_in) == (False, True)
    assert another.sign_in().status_code == 401
    page = another.client.get(CODE, headers=HTML).get_data(as_text=True)
    secret = re.search(r'<code class="secret">(\w+)</code>', page)[1]
    answer = another.post(CODE, code=server_clock.next_code(secret))
    assert (answer.status_code, len(answer.json["recovery_codes"])) == (200, 10)
    assert another.is_signed_in
    refused = another.post(f"{OWN}/delete", code=server_clock.next_code(secret))
    assert refused.status_code == 422
    assert "requires" in refused.json["errors"]["code"][0]
    assert another.get(OWN).json["since"] is not None


def test_an_administrator_without_one_does_not_shut_themselves_out(app, browser):
    ada = Browser(app, ADA)
    ada.sign_in()
    answer = ada.post("/accounts/1/second-factor", required=True)
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["required"])
    assert ada.is_signed_in
    assert browser.is_signed_in
    assert browser.post("/accounts/1/second-factor", required=True).status_code == 403


def test_a_command_removes_the_second_factor_of_who_lost_the_app(
    app, browser, another, server_clock
):
    browser.turn_on(server_clock)
    run = app.test_cli_runner().invoke
    assert "password alone" in run(args=["second-factor", "remove", KEVIN["email"]]).output
    assert another.sign_in().status_code == 200
    again = run(args=["second-factor", "remove", KEVIN["email"]])
    assert (again.exit_code, "Nothing was changed" in again.output) == (0, True)


def token_of(app, email: str) -> str:
    with app.app_context():
        return create_token(user_with(email), "Script").text


def works(app, token: str) -> bool:
    answer = app.test_client().get("/me", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code == 200


def test_the_command_makes_no_token_that_goes_around_a_required_second_factor(
    app, browser, another, server_clock
):
    ada = Browser(app, ADA)
    ada.sign_in()
    ada.turn_on(server_clock)
    run = app.test_cli_runner().invoke
    assert run(args=["token", "create", KEVIN["email"]]).exit_code == 0
    assert ada.post("/accounts/1/second-factor", required=True).status_code == 200
    refused = run(args=["token", "create", KEVIN["email"]])
    assert (refused.exit_code, "sign in and set it up" in refused.output) == (1, True)
    assert "rtapp_" not in refused.output
    assert run(args=["token", "create", ADA["email"]]).exit_code == 0  # she has it


def test_tokens_end_with_the_sessions_where_an_account_requires_it(
    app, browser, another, server_clock
):
    ada = Browser(app, ADA)
    ada.sign_in()
    ada.turn_on(server_clock)
    kevins, adas = token_of(app, KEVIN["email"]), token_of(app, ADA["email"])
    assert ada.post("/accounts/1/second-factor", required=False).status_code == 200
    assert works(app, kevins)
    assert ada.post("/accounts/1/second-factor", required=True).status_code == 200
    assert (works(app, kevins), works(app, adas), ada.is_signed_in) == (False, True, True)
    with app.app_context():
        remove_second_factor(user_with(ADA["email"]))
    assert (works(app, adas), ada.is_signed_in) == (False, False)


RESET = "/accounts/1/settings/members/2/second-factor/delete"


def test_an_administrator_turns_it_off_for_a_member_who_lost_the_app(
    app, browser, another, server_clock
):
    ada = Browser(app, ADA)
    ada.sign_in()
    members = "/accounts/1/settings/members"
    assert RESET not in ada.client.get(members, headers=HTML).get_data(as_text=True)
    browser.turn_on(server_clock)
    assert browser.post(RESET).status_code == 403
    page = ada.client.get(members, headers=HTML).get_data(as_text=True)
    assert RESET in page
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    answer = ada.client.post(RESET, data={"csrf_token": token}, headers=HTML)
    assert (answer.status_code, answer.location) == (303, members)
    assert not browser.is_signed_in
    assert another.sign_in().status_code == 200
    assert ada.post(RESET).status_code == 204  # again: there is nothing to do
    assert another.is_signed_in


def test_an_administrator_turns_it_off_neither_for_themselves_nor_for_members_of_other_accounts(
    app, browser, server_clock
):
    ada = Browser(app, ADA)
    ada.sign_in()
    browser.turn_on(server_clock)
    with app.app_context():
        other = Account(name="Lamps")
        db.session.add(other)
        db.session.flush()
        add_member(other.id, user_with(KEVIN["email"]), role="agent", sees="inbox", inbox_ids=[])
        db.session.commit()
    assert ada.post(RESET).status_code == 403
    assert RESET not in ada.client.get("/accounts/1/settings/members", headers=HTML).get_data(
        as_text=True
    )
    assert ada.post(RESET.replace("/2/", "/1/")).status_code == 403
    assert ada.post(RESET.replace("/2/", "/999/")).status_code == 404
    assert browser.is_signed_in
    assert browser.get(OWN).json["since"] is not None


def test_a_second_factor_that_is_removed_ends_sessions_and_keeps_tokens_where_none_is_required(
    app, browser, server_clock
):
    browser.turn_on(server_clock)
    token = token_of(app, KEVIN["email"])
    with app.app_context():
        remove_second_factor(user_with(KEVIN["email"]))
    assert (browser.is_signed_in, works(app, token)) == (False, True)


def test_the_database_has_neither_the_secret_nor_a_recovery_code(app, browser, server_clock):
    secret, codes = browser.turn_on(server_clock)
    with app.app_context():
        factor = db.session.query(SecondFactor).one()
        stored = {factor.salt, *(row.hash for row in db.session.query(RecoveryCode))}
    assert not stored & {secret, *codes}
    assert not any(code.replace("-", "") in text for code in codes for text in stored)


def test_no_line_of_the_log_has_a_code_or_the_secret(browser, another, server_clock, caplog):
    secret, codes = browser.turn_on(server_clock)
    another.sign_in()
    code = server_clock.next_code(secret)
    another.post(CODE, code="000000")
    another.post(CODE, code=codes[0])
    another.sign_in()
    another.post(CODE, code=code)
    assert "A code of user" in caplog.text
    assert not [text for text in (secret, code, *codes) if text in caplog.text]


@pytest.fixture
def limited(app):
    """The application with rate limits on."""
    limited = create_app(replace(app.extensions["settings"], rate_limits=True))
    ratelimits.limiter._storage_dead = False
    yield limited
    release(limited)
    ratelimits.limiter.enabled = False


def test_guesses_of_a_code_are_limited_for_each_user_whatever_their_sign_ins(limited, server_clock):
    browser = Browser(limited, KEVIN)
    browser.sign_in()
    secret, _ = browser.turn_on(server_clock)
    statuses = []
    for n in range(12):
        other = Browser(limited, KEVIN)  # each from a sign-in of its own
        other.sign_in()
        statuses.append(other.post(CODE, code=f"{n:06}").status_code)
    assert statuses == [401] * 10 + [429] * 2
    other.sign_in()
    assert other.post(CODE, code=server_clock.next_code(secret)).status_code == 429


def test_a_new_password_ends_the_limit_that_guesses_with_the_old_one_have_reached(
    limited, server_clock
):
    browser = Browser(limited, KEVIN)
    browser.sign_in()
    secret, _ = browser.turn_on(server_clock)
    guesser = Browser(limited, KEVIN)
    guesser.sign_in()
    assert [guesser.post(CODE, code="000000").status_code for _ in range(11)][-1] == 429
    with limited.app_context():
        change_to_other_words()
    owner = Browser(limited, {**KEVIN, "password": "other words"})
    owner.sign_in()
    assert owner.post(CODE, code=server_clock.next_code(secret)).status_code == 200


def test_the_pages_work_without_json_and_say_what_is_wrong(app, browser, server_clock):
    def form(client, path, **fields):
        page = client.get(path.rpartition("/recovery")[0] or path, headers=HTML)
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.get_data(as_text=True))[1]
        return client.post(path, data={"csrf_token": token, **fields}, headers=HTML)

    client = browser.client
    page = client.get(OWN, headers=HTML).get_data(as_text=True)
    assert "<svg" in page
    secret = re.search(r'<code class="secret">(\w+)</code>', page)[1]
    refused = form(client, OWN, code="000000", present_password="password")
    assert refused.status_code == 422
    assert WRONG in refused.get_data(as_text=True)
    assert secret in refused.get_data(as_text=True)  # the app has it already
    without = form(client, OWN, code="000000", present_password="other words")
    assert "It is wrong." in without.get_data(as_text=True)
    code = server_clock.next_code(secret)
    shown = form(client, OWN, code=code, present_password="password")
    assert (shown.status_code, shown.get_data(as_text=True).count("<li><code>")) == (200, 10)
    fresh = app.test_client()
    asked = fresh.post("/login", data={**KEVIN, "next": "/conversations/1"}, headers=HTML)
    assert (asked.status_code, asked.location) == (303, CODE)
    assert form(fresh, CODE, code="000000").status_code == 401
    answer = form(fresh, CODE, code=server_clock.next_code(secret))
    assert (answer.status_code, answer.location) == (303, "/conversations/1")
    with app.app_context():
        assert db.session.query(UserSession).count() >= 2


def test_a_password_link_alone_does_not_sign_in_a_user_with_a_second_factor(
    app, ada, browser, server_clock
):
    secret, _ = browser.turn_on(server_clock)
    made = ada.post("/accounts/1/settings/password-links", {"user_id": 2}).json
    other = Browser(app, KEVIN)
    other.headers = {}
    token = made["url"].rpartition("=")[2]
    asked = other.post("/password", token=token, password="a long new one")
    assert (asked.status_code, other.is_signed_in) == (401, False)
    assert CODE in asked.json["detail"]
    assert other.post(CODE, code=server_clock.next_code(secret)).status_code == 200


def test_who_joins_an_account_that_requires_it_sets_it_up_first(app, server_clock):
    ada = Browser(app, ADA)
    ada.sign_in()
    ada.turn_on(server_clock)
    assert ada.post("/accounts/1/second-factor", required=True).status_code == 200
    made = ada.post("/accounts/1/settings/invitations", email="nora@example.com").json
    nora = Browser(app, {"email": "nora@example.com", "password": "a long new one"})
    nora.headers = {}
    token = made["url"].rpartition("=")[2]
    asked = nora.post("/join", token=token, name="Nora", password="a long new one")
    assert (asked.status_code, nora.is_signed_in) == (401, False)
    page = nora.client.get(CODE, headers=HTML).get_data(as_text=True)
    secret = re.search(r'<code class="secret">(\w+)</code>', page)[1]
    assert nora.post(CODE, code=server_clock.next_code(secret)).status_code == 200
    assert nora.is_signed_in
