"""Hosts whose clocks differ go by the database's: what they compare there holds on all of them."""

import logging
import re
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import httpx
import jwt
import pyotp
import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy import update

from rtapp import claims
from rtapp import clock
from rtapp import create_app
from rtapp import database
from rtapp import database_clock
from rtapp import totp
from rtapp.database_clock import DatabaseClock
from rtapp.doctor import ticket
from rtapp.errors import Forbidden
from rtapp.extensions import db
from rtapp.mail.sender import Sender as MailSender
from rtapp.models import Conversation
from rtapp.models import Mail
from rtapp.push.sender import Sender as PushSender
from rtapp.services.reopen_snoozed import reopen_snoozed

from .conftest import settings
from .harness.app_process import AppProcess
from .harness.shifted_clock import shifted
from .push import SignedIn
from .support import PATIENCE
from .support import ApiClient
from .support import CustomerClient
from .support import release
from .test_mail import Process as Mailer
from .test_mail import invite

NONE = timedelta(0)
A_MINUTE = timedelta(minutes=1)
FIVE_MINUTES = timedelta(minutes=5)
A_MONTH = timedelta(days=30)
START = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
SECRET = "of a website, with the 32 bytes of HS256"

postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
pairs = pytest.mark.parametrize(
    "ahead", [(NONE, FIVE_MINUTES), (-FIVE_MINUTES, NONE)], ids=["ahead", "behind"]
)


# A clock and its measurements


class Clocks:
    """The clocks of a host and of the database, and one that nobody sets. A read takes `trip`, of
    which the answer takes `back`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host, self.database, self.steady = START, START, 1000.0
        self.trip = self.back = 0.0
        self.followed = DatabaseClock()
        monkeypatch.setattr(clock, "host_now", lambda: self.host)
        monkeypatch.setattr(clock, "_ahead", NONE)
        monkeypatch.setattr(database_clock.time, "monotonic", lambda: self.steady)

    def pass_(self, seconds: float) -> None:
        passed = timedelta(seconds=seconds)
        self.host, self.database = self.host + passed, self.database + passed
        self.steady += seconds

    def read(self) -> float:
        self.pass_(self.trip - self.back)
        there = self.database.timestamp()
        self.pass_(self.back)
        return there

    def measured(self, ahead: float, trip: float = 0.0, back: float = 0.0) -> float:
        """The seconds by which `now` is ahead of the host after the database is by `ahead`."""
        self.database = self.host + timedelta(seconds=ahead)
        self.trip, self.back = trip, back
        self.followed.follow(self.read)
        assert clock.now() - clock.host_now() == clock.ahead()
        return clock.ahead().total_seconds()


@pytest.fixture
def clocks(monkeypatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.mark.parametrize("seconds", [300, -300, 1.5, -1.5, 86_400 * 365, -86_400 * 365])
def test_a_host_whose_clock_differs_goes_by_the_databases(clocks, seconds):
    assert clocks.measured(seconds) == seconds
    assert clock.now() == clocks.database


@pytest.mark.parametrize("seconds", [0, 0.9, -0.9])
def test_below_a_second_a_host_goes_by_its_own_clock(clocks, seconds):
    assert clocks.measured(seconds) == 0
    assert clock.now() == clocks.host


def test_the_database_has_answered_in_the_middle_of_the_round_trip(clocks):
    assert clocks.measured(300, trip=0.5, back=0.25) == 300


@pytest.mark.parametrize("back", [0, 3])
def test_what_a_slow_answer_may_explain_is_no_difference(clocks, back):
    """Of 3 s, as much as the pool and the statement may take together."""
    assert clocks.measured(0, trip=3, back=back) == 0
    assert clocks.measured(300) == 300
    assert clocks.measured(300, trip=3, back=back) == 300


def test_a_difference_that_stays_moves_no_time(clocks):
    assert clocks.measured(300) == 300
    assert clocks.measured(300.4) == 300
    assert clocks.measured(299.6) == 300
    assert clocks.measured(302) == 302


def test_a_clock_that_is_set_right_is_gone_by_again(clocks):
    assert clocks.measured(300) == 300
    assert clocks.measured(0.02) == 0


def test_without_an_answer_what_was_measured_last_holds(clocks):
    def away() -> float:
        raise OSError("away")

    clocks.measured(300)
    clocks.pass_(60)
    with pytest.raises(OSError, match="away"):
        clocks.followed.follow(away)
    assert clock.ahead() == FIVE_MINUTES
    assert clocks.followed.is_due()


def test_it_is_measured_once_a_minute_and_once_a_clock_is_set(clocks):
    assert clocks.followed.is_due()
    clocks.measured(0)
    assert not clocks.followed.is_due()
    clocks.pass_(59)
    assert not clocks.followed.is_due()
    clocks.pass_(1)
    assert clocks.followed.is_due()
    clocks.measured(0)
    for by in (FIVE_MINUTES, -FIVE_MINUTES):
        clocks.host += by
        assert clocks.followed.is_due()
        clocks.measured((clocks.database - clocks.host).total_seconds())
        assert not clocks.followed.is_due()


def test_a_difference_is_logged_once_and_again_when_it_changes_by_much(clocks, caplog):
    def logged(ahead: float) -> list[str]:
        caplog.clear()
        clocks.measured(ahead)
        return [record.getMessage() for record in caplog.records]

    caplog.set_level(logging.INFO, "rtapp.database_clock")
    assert logged(2) == []  # the doctor has it
    (text,) = logged(300)
    assert "300 s behind the database's" in text
    assert "NTP" in text
    assert logged(300) == []
    assert logged(303) == []
    (text,) = logged(-400)
    assert "400 s ahead of the database's" in text
    (text,) = logged(0)
    assert "agree again" in text
    assert logged(0) == []


# Hosts beside one database


class Ignored(DatabaseClock):
    def follow(self, read: Callable[[], float]) -> None:
        pass


class Host:
    """An application on a host whose clock is `ahead`. One that does not `follow` the database's
    is as all hosts would be without it: the negative twin."""

    def __init__(self, app: Flask, ahead: timedelta, follows: bool = True):
        self.app, self.ahead, self.measured = app, ahead, NONE
        self.followed = DatabaseClock() if follows else Ignored()

    @contextmanager
    def at_work(self) -> Iterator[Flask]:
        """What is done in the block is done on this host."""
        real, before = clock.host_now, clock.ahead()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clock, "host_now", lambda: real() + self.ahead)
            patch.setattr(database, "DATABASE_CLOCK", self.followed)
            clock.set_ahead(self.measured)
            with self.app.app_context():
                database.follow_clock()
            try:
                yield self.app
            finally:
                self.measured = clock.ahead()
                clock.set_ahead(before)


@pytest.fixture
def beside(app, database_url, redis, tmp_path_factory) -> Iterator[Flask]:
    """Another application on the same database."""
    folder = tmp_path_factory.mktemp("beside")
    other = create_app(settings(folder, database_url, redis.url))
    yield other
    release(other)


@pytest.fixture(params=[True, False], ids=["followed", "each-its-own"])
def follows(request) -> bool:
    return bool(request.param)


@pytest.fixture
def hosts(app, beside, ahead, follows) -> tuple[Host, Host]:
    return Host(app, ahead[0], follows), Host(beside, ahead[1], follows)


def begun(app: Flask, sender: MailSender | PushSender) -> int:
    with app.app_context():
        return sender.send_due()


@pairs
@postgres
def test_a_mail_is_claimed_once(hosts, follows, monkeypatch):
    monkeypatch.setattr(MailSender, "_send", lambda *_: None)  # it takes its time
    first, second = hosts
    with first.at_work() as app:
        mailer = Mailer(app, "smtp://mail.example.com")
        invite(ApiClient(app, "ada@example.com"))
        assert begun(app, mailer.sender) == 1
    with second.at_work() as app:
        other = Mailer(app, "smtp://mail.example.com")
        assert begun(app, other.sender) == (0 if follows else 1)
        with app.app_context():
            db.session.execute(update(Mail).values(due_at=clock.now()))  # its lease is over
            db.session.commit()
        assert begun(app, other.sender) == 1


@pairs
@postgres
def test_a_push_is_claimed_once(hosts, follows, monkeypatch):
    monkeypatch.setattr(PushSender, "_send", lambda *_: None)
    first, second = hosts
    with first.at_work() as app:
        browser = SignedIn(app, "kevin")
        assert browser.subscribe("https://push.example.com/1").status_code == 204
        maria = CustomerClient(app, "maria.lindqvist@example.com")
        assert maria.send(1, "Hello").status_code == 201
        assert begun(app, app.extensions["sender"]) == 1
    with second.at_work() as app:
        assert begun(app, app.extensions["sender"]) == (0 if follows else 1)


@pairs
@postgres
def test_a_snooze_ends_on_all_hosts_at_its_time(hosts, follows):
    """The agent's own clock is right, and so is that of the host that snoozes, or neither is."""
    first, second = hosts
    with first.at_work() as app:
        ada = ApiClient(app, "ada@example.com")
        until = clock.rfc3339(clock.now() + timedelta(minutes=2))
        done = ada.post("/conversations/1/status", {"status": "snoozed", "snoozed_until": until})
        assert done.status_code == 200, done.json
    with second.at_work() as app, app.app_context():
        assert reopen_snoozed(clock.now()) == (0 if follows else 1)
        status = db.session.scalar(select(Conversation.status).where(Conversation.id == 1))
        assert status == ("snoozed" if follows else "open")


@pytest.mark.parametrize("ahead", [(NONE, A_MONTH), (-A_MONTH, NONE)], ids=["ahead", "behind"])
@postgres
def test_a_session_holds_on_all_hosts(hosts, follows):
    """Its cookie and its row: by clocks a month apart, each would have ended."""
    first, second = hosts
    with first.at_work() as app:
        browser = SignedIn(app, "kevin").browser
        cookie = browser.get_cookie(app.config["SESSION_COOKIE_NAME"])
    with second.at_work() as app:
        other = app.test_client()
        other.set_cookie(cookie.key, cookie.value)
        answer = other.get("/push_subscription", headers={"Accept": "application/json"})
        assert answer.status_code == (200 if follows else 401), answer.text


@pairs
@postgres
def test_a_ticket_of_the_doctor_holds_on_all_hosts(hosts, follows):
    first, second = hosts
    with first.at_work() as app, app.app_context():
        code, probe = ticket.make()
    with second.at_work() as app, app.app_context():
        if follows:
            assert ticket.probe_of(code) == probe
        else:
            with pytest.raises(Forbidden):
                ticket.probe_of(code)


@pytest.mark.parametrize("ahead", [(FIVE_MINUTES, -FIVE_MINUTES)])
@postgres
def test_codes_of_authenticators_and_websites_tokens_hold_on_all_hosts(hosts, follows):
    """They come from clocks that are right, as the database's."""
    secret = pyotp.random_base32()
    right = clock.host_now()
    code = pyotp.TOTP(secret).at(right)
    issued = int(right.timestamp())
    stated = {"sub": "maria", "iat": issued, "exp": issued + 60}
    token = jwt.encode(stated, SECRET, algorithm=claims.ALGORITHM)
    for host in hosts:
        with host.at_work():
            assert (totp.step_of(secret, code, clock.now()) is not None) == follows
            if follows:
                assert claims.claims_of(token, [SECRET], clock.now()).subject == "maria"
            else:
                with pytest.raises(claims.InvalidClaims):
                    claims.claims_of(token, [SECRET], clock.now())


@postgres
def test_a_connection_measures_before_anything_is_done_by_it_and_so_does_the_poller(app):
    def is_right() -> bool:
        return abs(clock.now() - real()) < FIVE_MINUTES / 2

    real, host = clock.host_now, Host(app, FIVE_MINUTES)
    with host.at_work(), app.app_context():
        clock.set_ahead(NONE)
        db.engine.dispose()
        assert not is_right()
        assert db.session.scalar(select(1)) == 1
        assert is_right()
        host.ahead *= 2  # somebody sets the clock, and makes it worse
        assert not is_right()
        assert app.extensions["clock_keeper"]._work() == 0
        assert is_right()


@sqlite
def test_an_sqlite_file_has_the_clock_of_its_host(app):
    host = Host(app, FIVE_MINUTES)
    with host.at_work(), app.app_context():
        assert db.session.scalar(select(1)) == 1
        assert clock.ahead() == NONE
        assert host.followed.is_due()  # it has not been asked


@pytest.mark.parametrize("seconds", [300, -300])
@postgres
def test_a_server_on_a_host_that_is_five_minutes_off(database_url, redis, tmp_path, seconds):
    with AppProcess(
        tmp_path, DATABASE_URL=database_url, REDIS_URL=redis.url, **shifted(tmp_path, seconds)
    ) as server:
        direction = "ahead of" if seconds > 0 else "behind"
        log = server.log.read_text()
        found = re.search(rf"(\d+) s {direction} the database's", log)
        assert found, log
        assert 270 < int(found[1]) < 330  # on a busy machine the round trip takes long
        began, headers = datetime.now(UTC), server.bearer("ada@example.com")
        answer = httpx.post(
            f"{server.url}/conversations/1/messages", headers=headers, timeout=PATIENCE,
            json={"content": "Hello", "client_id": "c-1"},
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        written = datetime.fromisoformat(answer.json()["created_at"])
        assert began - A_MINUTE < written < datetime.now(UTC) + A_MINUTE
