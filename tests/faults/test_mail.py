"""Mails of links over real servers: killed ones lose none, and no log has a token or the mail
server's password."""

import json
import random
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from ..harness.mail_server import PASSWORD
from ..harness.mail_server import USER
from ..harness.mail_server import MailServer
from ..harness.mail_server import mail_server
from ..harness.waiting import eventually
from .server import Server

INVITATIONS = "/accounts/1/settings/invitations"
KILLS = 4


@pytest.fixture
def mails(tmp_path: Path) -> Iterator[MailServer]:
    with mail_server(tmp_path / "mail") as server:
        yield server


def mailing(mails: MailServer) -> dict[str, str]:
    return {
        "RTAPP_URL": "https://inbox.example.com",
        "RTAPP_MAIL_URL": mails.url(options="?starttls=off"),
        "RTAPP_MAIL_FROM": "inbox@example.com",
    }


def make_due(server: Server) -> None:
    """End the leases of dead processes. There is no server while this is done."""
    database = sqlite3.connect(server.database)
    with database:
        database.execute("UPDATE mails SET due_at = '2026-01-01 00:00:00.000000'")
    database.close()


def waiting(server: Server) -> int:
    database = sqlite3.connect(server.database)
    try:
        (count,) = database.execute("SELECT count(*) FROM mails").fetchone()
        return int(count)
    finally:
        database.close()


def test_servers_killed_between_a_links_commit_and_its_mail_lose_no_mail(start, mails, tell):
    server = start(workers=2, **mailing(mails))
    invited, tokens = [], []
    for kill in range(KILLS):
        for n in range(5):
            email = f"nora-{kill}-{n}@example.com"
            status, made, _ = server.ask("POST", INVITATIONS, {"email": email})
            assert status == 201
            invited.append(email)
            tokens.append(json.loads(made)["url"].partition("token=")[2])
        gevent.sleep(random.uniform(0, 1.2))  # some are sent, one may be under way
        server.kill()
        make_due(server)
        server.start()
    eventually(lambda: waiting(server) == 0, "no mail waits", observed=lambda: waiting(server))
    ids = defaultdict(set)
    for received in mails.received():
        ids[received.recipients[0]].add(received.mail["Message-ID"])
    assert sorted(ids) == sorted(invited)
    assert all(len(each) == 1 for each in ids.values())  # a second one is the same mail
    assert [token for token in tokens if token in server.log()] == []
    tell(f"{len(invited)} invitations, {len(mails.received())} mails, {KILLS} kills")


def test_a_log_has_no_password_of_a_mail_server_that_refuses_it(start, tmp_path, monkeypatch):
    with mail_server(tmp_path / "mail", "auth") as mails:
        wrong = mails.url(credentials=f"{USER}:{PASSWORD}x@")
        certificate = str(mails.folder / "certificate.pem")
        server = start(**{**mailing(mails), "RTAPP_MAIL_URL": wrong, "SSL_CERT_FILE": certificate})
        assert server.ask("POST", INVITATIONS, {"email": "nora@example.com"})[0] == 201
        eventually(lambda: "refuses the user or the password" in server.log(), "it is logged")
        assert PASSWORD not in server.log()
        page = server.ask("GET", INVITATIONS, Accept="text/html")[1].decode()
        assert "not yet taken" in page
        assert PASSWORD not in page
