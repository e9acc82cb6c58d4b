"""Mails with links, over a real mail server: delivered, tried again, given up, and with no secret
in any place but the mail."""

import logging
import re
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.headerregistry import Address
from typing import Any

import gevent
import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy import update

from rtapp import clock
from rtapp import mail_server as mail_servers
from rtapp.config import Settings
from rtapp.config import SettingsError
from rtapp.extensions import db
from rtapp.mail import delivery
from rtapp.mail import sender as sending
from rtapp.mail.delivery import Outcome
from rtapp.mail.sender import ASKED_AT_ONCE
from rtapp.mail.sender import ATTEMPTS
from rtapp.mail.sender import LEASE
from rtapp.mail.sender import MAILS
from rtapp.mail.sender import Sender
from rtapp.models import Account
from rtapp.models import Mail
from rtapp.models import User
from rtapp.services.change_password_links import create_password_link

from .harness.mail_server import PASSWORD
from .harness.mail_server import USER
from .harness.mail_server import MailServer
from .harness.mail_server import Received
from .harness.mail_server import mail_server
from .support import ApiClient
from .world import all_rows

INVITATIONS = "/accounts/1/settings/invitations"
PASSWORD_LINKS = "/accounts/1/settings/password-links"
PUBLIC = "https://inbox.example.com"
LINK = re.compile(rf"^{PUBLIC}/(join|password)\?token=([\w-]{{43}})$", re.MULTILINE)

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Time:
    """The time that the application reads, which a test puts forward."""

    def __init__(self) -> None:
        self.passed = timedelta(0)

    def pass_(self, by: timedelta) -> None:
        self.passed += by


@pytest.fixture
def time(monkeypatch) -> Time:
    time, now = Time(), clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + time.passed)
    return time


@pytest.fixture(scope="module")
def started(tmp_path_factory) -> Iterator[MailServer]:
    with mail_server(tmp_path_factory.mktemp("mail")) as server:
        yield server


@pytest.fixture
def server(started) -> MailServer:
    started.forget()
    return started


class Process:
    """A process that sends, on demand."""

    def __init__(self, app: Flask, url: str):
        self.app = app
        settings = replace(
            app.extensions["settings"],
            url=PUBLIC,
            mail_server=mail_servers.parsed(url),
            mail_from=Address("Acme", addr_spec="inbox@example.com"),
        )
        app.extensions["settings"] = settings
        app.config["SENDS_MAIL"] = True
        self.sender = Sender(app, settings)

    def run(self) -> int:
        """Send what is due. Returns the number of attempts."""
        attempts = 0
        with self.app.app_context():
            while (begun := self.sender.send_due()) > 0:
                attempts += begun
        self.sender.join()
        return attempts


@pytest.fixture
def process(app, server, time) -> Process:
    return Process(app, server.url(options="?starttls=off"))


def invite(ada: ApiClient, email: str = "nora@example.com") -> dict[str, Any]:
    answer = ada.post(INVITATIONS, {"email": email})
    assert answer.status_code == 201, answer.data
    body: dict[str, Any] = answer.json
    return body


def mail_of(ada: ApiClient, path: str = INVITATIONS) -> tuple[str | None, str | None]:
    """What became of the mail of the newest link."""
    (rows,) = ada.get(path).json.values()
    return rows[0]["mail"], rows[0]["mail_error"]


def waiting(app: Flask) -> list[Mail]:
    with app.app_context():
        return list(db.session.scalars(select(Mail).order_by(Mail.id)))


def token_in(received: Received) -> str:
    found = LINK.search(received.text)
    assert found is not None, received.text
    return found[2]


# Delivered


def test_an_invitation_is_mailed_to_its_address_with_its_link_and_nothing_is_left(
    app, ada, nobody, process, server
):
    made = invite(ada)
    assert (made["mail"], made["mail_error"]) == ("waiting", None)
    assert process.run() == 1
    (received,) = server.received()
    assert received.recipients == ["nora@example.com"]
    mail = received.mail
    assert (mail["Subject"], mail["From"]) == ("Invitation to Acme", "Acme <inbox@example.com>")
    assert (mail["To"], mail["Auto-Submitted"]) == ("nora@example.com", "auto-generated")
    assert "Ada invites you to the support inbox of Acme" in received.text
    assert made["url"] in received.text
    assert mail_of(ada) == ("sent", None)
    assert waiting(app) == []
    assert process.run() == 0
    joined = {"token": token_in(received), "name": "Nora", "password": "a long password"}
    assert nobody.post("/join", joined).status_code == 200


def test_a_password_link_is_mailed_to_its_user(app, ada, kevin, nobody, process, server):
    assert ada.post(PASSWORD_LINKS, {"user_id": kevin.id}).json["mail"] == "waiting"
    process.run()
    (received,) = server.received()
    assert received.recipients == ["kevin@example.com"]
    assert "Hello Kevin" in received.text
    assert mail_of(ada, PASSWORD_LINKS) == ("sent", None)
    new = {"token": token_in(received), "password": "a long password"}
    assert nobody.post("/password", new).status_code == 200


@sqlite
def test_an_invitation_without_an_address_is_not_mailed(app, ada, process, server):
    made = ada.post(INVITATIONS, {})
    assert (made.status_code, made.json["mail"], waiting(app)) == (201, None, [])


@sqlite
def test_without_a_mail_server_nothing_is_mailed_and_the_page_says_so(app, ada, nobody):
    assert invite(ada)["mail"] is None
    assert waiting(app) == []
    page = nobody.page("/forgot")
    assert page.status_code == 200
    assert "This server sends no mail" in page.text
    assert "<form" not in page.text
    refused = nobody.post("/forgot", {"email": "kevin@example.com"})
    assert (refused.status_code, "no mail" in refused.json["detail"]) == (403, True)
    assert waiting(app) == []


@sqlite
def test_names_and_addresses_make_no_header_of_their_own(app, ada, process, server):
    with app.app_context():
        db.session.get_one(Account, 1).name = "Acme\r\nBcc: eve@example.com\n\nX"
        db.session.get_one(User, ada.id).name = "Ada\nX-Evil: 1"
        db.session.commit()
    invite(ada)
    invite(ada, "eve,nora@example.com")
    invite(ada, "nora@exämple.com")
    invite(ada, "zoë@example.com")
    process.run()
    got = {received.recipients[0]: received for received in server.received()}
    assert got.keys() == {"nora@example.com", "nora@xn--exmple-cua.com", "zoë@example.com"}
    for received in got.values():
        assert received.mail.keys() == [
            "From", "To", "Date", "Message-ID", "Auto-Submitted",
        ] or set(received.mail.keys()) == {
            "From", "To", "Date", "Message-ID", "Auto-Submitted", "Subject", "Content-Type",
            "Content-Transfer-Encoding", "MIME-Version",
        }  # fmt: skip
        assert received.mail["Subject"] == "Invitation to Acme Bcc: eve@example.com X"
    states = {row["email"]: row["mail_error"] for row in ada.get(INVITATIONS).json["invitations"]}
    assert states["eve,nora@example.com"] == "no mail can be sent to such an address"


# Forgotten passwords


def test_a_user_who_has_forgotten_the_password_sets_a_new_one_by_a_mailed_link(
    app, nobody, process, server
):
    asked = nobody.post("/forgot", {"email": "KEVIN@example.com"})
    assert asked.status_code == 202
    process.run()
    (received,) = server.received()
    assert received.recipients == ["kevin@example.com"]
    new = {"token": token_in(received), "password": "a long password"}
    assert nobody.post("/password", new).status_code == 200
    signed_in = {"email": "kevin@example.com", "password": "a long password"}
    assert nobody.post("/login", signed_in).status_code == 200


@sqlite
def test_an_address_without_a_user_is_answered_alike_and_gets_no_mail(app, nobody, process, server):
    def asked(email: str, **headers: str) -> tuple[int, str, list[tuple[str, str]]]:
        answer = nobody.post("/forgot", {"email": email}, **headers)
        same = [(k, v) for k, v in answer.headers if k not in ("Date", "Set-Cookie")]
        text = re.sub(r'name="csrf_token" value="[^"]+"', "", answer.text)
        return answer.status_code, text, same

    for headers in ({}, {"accept": "text/html"}):
        assert asked("kevin@example.com", **headers) == asked("nobody@example.com", **headers)
    # The same rows are written: what differs is found out later.
    kept = [{**vars(row), "email": None, "id": None} for row in waiting(app)]
    assert len(kept) == 4
    assert {frozenset(row) for row in kept} == {frozenset(kept[0])}
    process.run()
    assert {tuple(received.recipients) for received in server.received()} == {
        ("kevin@example.com",)
    }
    assert waiting(app) == []


@sqlite
def test_somebody_elses_requests_are_three_mails_at_most_and_end_no_link(
    app, ada, kevin, nobody, process, server
):
    link = ada.post(PASSWORD_LINKS, {"user_id": kevin.id}).json["url"].partition("token=")[2]
    for _ in range(5):
        nobody.post("/forgot", {"email": "kevin@example.com"})
        process.run()
    assert len(server.received()) == 1 + 3
    assert nobody.get(f"/password?token={link}").status_code == 200


@pytest.mark.parametrize(
    ("result", "becomes"), [("refused", ["failed"]), ("later", ["failed", "waiting"])]
)
def test_who_asks_again_after_mails_that_the_server_did_not_take_gets_one(
    app, ada, nobody, process, server, time, monkeypatch, result, becomes
):
    def not_taken(*_: Any) -> Outcome:
        return Outcome(result, "does not take it")

    with monkeypatch.context() as away:
        away.setattr(sending, "deliver", not_taken)
        for _ in range(ASKED_AT_ONCE + 1):
            nobody.post("/forgot", {"email": "kevin@example.com"})
            assert process.run() == 1
    rows = ada.get(PASSWORD_LINKS).json["password_links"]
    assert len(rows) == ASKED_AT_ONCE + 1
    assert sorted({row["mail"] for row in rows}) == becomes
    nobody.post("/forgot", {"email": "kevin@example.com"})
    process.run()
    time.pass_(timedelta(hours=2))
    process.run()
    (received,) = server.received()
    new = {"token": token_in(received), "password": "a long password"}
    assert nobody.post("/password", new).status_code == 200


@sqlite
@pytest.mark.parametrize("email", [None, 1, "", " ", "kevin", "a@b@c", "x" * 300 + "@a.example"])
def test_asking_for_a_password_link_refuses_bad_input(app, nobody, process, email):
    refused = nobody.post("/forgot", {"email": email})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["email"])
    assert waiting(app) == []
    page = nobody.app.test_client().post(
        "/forgot", data={"email": email or ""}, headers={"Accept": "text/html"}
    )
    assert (page.status_code, 'id="email-problem"' in page.text) == (422, True)


# What fails


def test_a_mail_whose_process_died_is_sent_by_another_one(app, ada, process, server, time):
    """After the commit and before the send: the row is there, and due again after the lease."""
    invite(ada)
    with app.app_context():
        ids = [mail.id for mail in waiting(app)]
        assert sending.claim_due(Mail, ids, clock.now(), LEASE) == ids  # and the process dies
    assert process.run() == 0
    time.pass_(LEASE)
    assert process.run() == 1
    assert len(server.received()) == 1


def test_a_mail_is_sent_by_one_of_several_processes(app, ada, process, server):
    for n in range(4):
        invite(ada, f"nora{n}@example.com")
    others = [Process(app, server.url(options="?starttls=off")) for _ in range(3)]
    jobs = [gevent.spawn(each.run) for each in (process, *others)]
    gevent.joinall(jobs, raise_error=True)
    assert len(server.received()) == 4
    assert len({received.mail["Message-ID"] for received in server.received()}) == 4


def test_what_the_server_does_not_take_yet_is_tried_again_and_then_given_up(
    app, ada, process, server, time
):
    invite(ada, "later@example.com")
    assert process.run() == 1
    state, error = mail_of(ada)
    assert state == "waiting"
    assert error == "the mail server refuses the address (451): 4.7.1 Greylisted"
    attempts = 1
    while waiting(app):
        assert process.run() == 0  # not before its time
        time.pass_(timedelta(hours=4))
        attempts += process.run()
        assert attempts <= ATTEMPTS
    assert attempts == ATTEMPTS
    assert mail_of(ada) == ("failed", error)
    assert f"Could not be mailed: <bdi>{error}</bdi>" in ada.page(INVITATIONS).text
    assert server.received() == []


@sqlite
def test_a_refused_recipient_is_given_up_at_once_and_the_link_still_works(
    app, ada, nobody, process, server
):
    made = invite(ada, "refused@example.com")
    process.run()
    expected = "the mail server refuses the address (550): 5.1.1 User unknown"
    assert mail_of(ada) == ("failed", expected)
    assert waiting(app) == []
    token = made["url"].partition("token=")[2]
    assert nobody.get(f"/join?token={token}").status_code == 200


@sqlite
def test_a_refusal_that_quotes_the_link_is_kept_without_it(app, ada, process, server):
    made = invite(ada, "quoting@example.com")
    process.run()
    assert mail_of(ada) == ("failed", "the mail server refuses the mail (554)")
    assert made["url"].partition("token=")[2] not in repr(all_rows(app))


@sqlite
def test_a_server_that_hangs_holds_nothing_and_is_given_up_in_time(
    app, ada, process, server, monkeypatch
):
    monkeypatch.setattr(delivery, "LIMIT", 0.5)
    invite(ada, "hangs@example.com")
    invite(ada, "nora@example.com")
    job = gevent.spawn(process.run)
    gevent.sleep(0)
    assert ada.get("/me").status_code == 200
    job.get()
    assert [received.recipients for received in server.received()] == [["nora@example.com"]]
    states = {row["email"]: row for row in ada.get(INVITATIONS).json["invitations"]}
    assert states["hangs@example.com"]["mail"] == "waiting"
    assert "does not answer within" in states["hangs@example.com"]["mail_error"]


@sqlite
def test_a_server_that_is_away_is_waited_for(app, ada, tmp_path, time):
    with mail_server(tmp_path / "mail") as server:
        process = Process(app, server.url(options="?starttls=off"))
    invite(ada)
    process.run()
    state, error = mail_of(ada)
    assert (state, "can't be reached" in (error or "")) == ("waiting", True)
    with mail_server(tmp_path / "mail", port=server.port) as server:
        time.pass_(timedelta(minutes=1))
        assert process.run() == 1
        assert len(server.received()) == 1
    assert mail_of(ada) == ("sent", None)


@sqlite
@pytest.mark.parametrize("ending", ["revoked", "replaced", "expired"])
def test_a_link_that_has_ended_is_not_mailed(app, ada, process, server, time, ending):
    invite(ada)
    match ending:
        case "revoked":
            ada.post("/invitations/1/revoke")
        case "replaced":
            invite(ada)
        case "expired":
            time.pass_(timedelta(days=8))
    process.run()
    assert len(server.received()) == (1 if ending == "replaced" else 0)
    assert waiting(app) == []
    assert {row["mail"] for row in ada.get(INVITATIONS).json["invitations"]} <= {None, "sent"}


@sqlite
def test_a_mail_that_waits_while_the_secret_changes_is_given_up(app, ada, process, server):
    invite(ada)
    app.config["SECRET_KEY"] = "another one"
    process.run()
    app.config["SECRET_KEY"] = "for tests"
    assert mail_of(ada) == ("failed", "SECRET_KEY has changed since: make a new one")
    assert server.received() == []


# Secrets


@sqlite
def test_no_row_log_or_metric_has_the_token_of_a_mail_or_the_servers_password(
    app, ada, kevin, tmp_path, time, caplog
):
    caplog.set_level(logging.DEBUG)
    with mail_server(tmp_path / "mail", "auth") as server:
        wrong = Process(app, server.url(credentials=f"{USER}:{PASSWORD}x@"))
        url = invite(ada)["url"]
        token = url.partition("token=")[2]
        assert token not in repr(all_rows(app))
        wrong.run()
        assert token not in repr(all_rows(app))
    answers = [ada.get(INVITATIONS), ada.page(INVITATIONS), ada.get("/metrics")]
    texts = [answer.text for answer in answers]
    for text in (*texts, caplog.text, repr(app.extensions["settings"])):
        assert token not in text
        assert PASSWORD not in text
    assert "The mail server localhost" in caplog.text


@sqlite
def test_over_starttls_with_a_user_mail_goes_to_a_server_whose_certificate_holds(
    app, ada, tmp_path, time, monkeypatch
):
    with mail_server(tmp_path / "mail", "auth") as server:
        right = Process(app, server.url(credentials=f"{USER}:{PASSWORD}@"))
        invite(ada)
        right.run()
        state, error = mail_of(ada)
        assert (state, "no certificate that holds" in (error or "")) == ("waiting", True)
        assert server.received() == []
        monkeypatch.setenv("SSL_CERT_FILE", str(server.folder / "certificate.pem"))
        assert ssl.create_default_context().get_ca_certs()
        wrong = Process(app, server.url(credentials=f"{USER}:wrong@"))
        time.pass_(timedelta(minutes=1))
        wrong.run()
        assert mail_of(ada) == (
            "waiting", "the mail server refuses the user or the password (535)",
        )  # fmt: skip
        time.pass_(timedelta(minutes=5))
        right.run()
        assert mail_of(ada) == ("sent", None)
        assert len(server.received()) == 1


@sqlite
def test_over_tls_from_the_start(app, ada, tmp_path, time, monkeypatch):
    with mail_server(tmp_path / "mail", "tls") as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.folder / "certificate.pem"))
        process = Process(app, server.url("smtps"))
        invite(ada)
        process.run()
        assert (mail_of(ada), len(server.received())) == (("sent", None), 1)


@sqlite
def test_a_server_that_takes_the_offer_of_tls_away_gets_no_mail(app, ada, server, time):
    process = Process(app, server.url())
    invite(ada)
    process.run()
    assert mail_of(ada) == ("waiting", "the mail server offers no STARTTLS")
    assert server.received() == []


@sqlite
def test_each_result_is_counted(app, ada, process, server):
    before = {r: MAILS.labels(r)._value.get() for r in ("sent", "refused", "retried")}
    for local in ("nora", "refused", "later"):
        invite(ada, f"{local}@example.com")
    process.run()
    assert {r: MAILS.labels(r)._value.get() - before[r] for r in before} == dict.fromkeys(before, 1)


# Settings


def environ(tmp_path, **more: str) -> dict[str, str]:
    return {
        "RTAPP_INSTANCE": str(tmp_path / "instance"),
        "RTAPP_URL": PUBLIC,
        "RTAPP_MAIL_FROM": "Acme <inbox@example.com>",
        **more,
    }


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.com", ("mail.example.com", 587, "starttls", "", "")),
        ("smtp://mail:25?starttls=off", ("mail", 25, "none", "", "")),
        ("smtps://u%40x:p%2Fw@mail.example.com", ("mail.example.com", 465, "tls", "u@x", "p/w")),
        ("smtp://u:p@[::1]:2525?starttls=on", ("::1", 2525, "starttls", "u", "p")),
        ("smtp://u:p@localhost?starttls=off", ("localhost", 587, "none", "u", "p")),
    ],
)
def test_the_mail_servers_url_is_read(tmp_path, url, expected):
    settings = Settings.from_environ(environ(tmp_path, RTAPP_MAIL_URL=url))
    server = settings.mail_server
    assert server is not None
    assert (server.host, server.port, server.tls, server.user, server.password) == expected
    assert str(settings.mail_from) == "Acme <inbox@example.com>"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mail.example.com", "does not begin with smtp"),
        ("http://u:sEcReT@mail.example.com", "does not begin with smtp"),
        ("smtp://", "names no server"),
        ("smtp://u:sEcReT@", "names no server"),
        ("smtp://u:sEcReT@mail:port", "can't be read"),
        ("smtp://u:sEcReT@mail:99999", "can't be read"),
        ("smtp://u:sEcReT/x@mail", "can't be read"),
        ("smtp://u:sEcReT#x@mail", "can't be read"),
        ("smtp://u:sEcReT@[mail", "can't be read"),
        ("smtp://u:sEcReT@mail/inbox", "has something behind the server"),
        ("smtp://:sEcReT@mail", "has a password without a user"),
        ("smtp://u:sEcReT@mail?tls=off", "may have only ?starttls"),
        ("smtp://u:sEcReT@mail?starttls=maybe", "may have only ?starttls"),
        ("smtps://u:sEcReT@mail?starttls=off", "may have only ?starttls"),
        ("smtp://u:sEcReT@mail?starttls=off", "everybody in between could read"),
    ],
)
def test_a_wrong_mail_url_is_a_sentence_without_the_password(tmp_path, url, sentence):
    with pytest.raises(SettingsError) as refused:
        Settings.from_environ(environ(tmp_path, RTAPP_MAIL_URL=url))
    assert "RTAPP_MAIL_URL" in str(refused.value)
    assert sentence in str(refused.value)
    assert "sEcReT" not in str(refused.value)


@pytest.mark.parametrize("missing", ["RTAPP_URL", "RTAPP_MAIL_FROM"])
def test_mail_needs_an_address_for_its_links_and_one_that_it_is_from(tmp_path, missing):
    given = {**environ(tmp_path, RTAPP_MAIL_URL="smtp://mail"), missing: ""}
    with pytest.raises(SettingsError, match=f"RTAPP_MAIL_URL needs {missing}"):
        Settings.from_environ(given)


@pytest.mark.parametrize(
    "text", ["inbox", "a@b@c", "Acme <inbox>", "a@b.example\nBcc: x@y.example", "<>", "ü@b.example"]
)
def test_a_wrong_sender_is_a_sentence(tmp_path, text):
    with pytest.raises(SettingsError, match="RTAPP_MAIL_FROM"):
        Settings.from_environ(environ(tmp_path, RTAPP_MAIL_FROM=text))


@sqlite
def test_commands_mail_links_too(app, process, server):
    made = app.test_cli_runner().invoke(args=["invitation", "create", "1", "nora@example.com"])
    assert (made.exit_code, "It is mailed, too." in made.output) == (0, True)
    with app.app_context():
        create_password_link(db.session.get_one(User, 2), by=None)
        db.session.execute(update(Mail).values(attempts=0))
        db.session.commit()
    process.run()
    assert len(server.received()) == 2
