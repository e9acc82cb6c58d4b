"""The doctor's page, and the endpoints of its own requests."""

import re
import socket
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from gevent.server import StreamServer
from redis.exceptions import ConnectionError as RedisConnectionError

from rtapp import clock
from rtapp.doctor import mail
from rtapp.doctor import proxies
from rtapp.doctor import public
from rtapp.doctor import run
from rtapp.doctor import stream
from rtapp.doctor import ticket
from rtapp.doctor import visit
from rtapp.doctor.finding import Finding
from rtapp.doctor.finding import worst
from rtapp.doctor.finding import worst_first
from rtapp.errors import Forbidden
from rtapp.mail_server import parsed
from rtapp.testing.stream import Stream

from ..harness.mail_server import PASSWORD
from ..harness.mail_server import USER
from ..harness.mail_server import mail_server

PAGE = "/accounts/1/settings/doctor"
SETTINGS_OF_TESTS = {"database", "migrations", "Redis", "eviction", "memory", "persistence"}
FORGED = "192.0.2.1"


def html(app, client, method):
    headers = {**client.headers, "Accept": "text/html"}
    return app.test_client().open(PAGE, method=method, headers=headers)


def test_what_was_found_is_json_and_a_page(app, ada):
    assert ada.get(PAGE).json == {"url": None}
    found = ada.post(PAGE, {}).json
    verdicts = {one["check"]: one["verdict"] for one in found["findings"]}
    assert verdicts.keys() >= SETTINGS_OF_TESTS
    assert {verdicts[check] for check in SETTINGS_OF_TESTS} == {"ok"}
    assert verdicts["public address"] == "warning"  # RTAPP_URL is not set
    assert found["verdict"] == "warning"
    before, after = html(app, ada, "GET"), html(app, ada, "POST")
    assert (before.status_code, after.status_code) == (200, 200)
    assert "Check now" in before.text
    assert "Eviction: fine." not in before.text
    assert "Eviction: fine." in after.text
    assert "RTAPP_URL is not set" in after.text


def test_no_finding_has_a_password_or_an_address_of_a_server(app, ada):
    """Administrators of an account are not operators of the server."""
    text = ada.post(PAGE, {}).text
    settings = app.extensions["settings"]
    for secret in (settings.secret_key, settings.database_url, settings.redis_url):
        assert secret not in text
    assert "sqlite3" not in text.replace("SQLite", "")


def test_a_body_with_a_field_is_refused(ada):
    assert ada.post(PAGE, {"url": "http://192.0.2.7/"}).status_code == 422


@pytest.mark.parametrize("path", ["/doctor/seen", "/streams/doctor"])
@pytest.mark.parametrize("value", ["", "x", "é", "a.b.c", "x" * 4000, "%00", None])
def test_a_ticket_that_is_none_is_refused(ada, path, value):
    query = "" if value is None else f"?ticket={value}"
    refused = ada.get(path + query)
    assert refused.status_code == 403
    assert refused.content_type == "application/problem+json"
    assert "doctor" in refused.json["detail"]


def test_a_ticket_ends(app, ada, monkeypatch):
    with app.app_context():
        code, name = ticket.make()
        assert ticket.probe_of(code) == name
        monkeypatch.setattr(ticket, "LIFETIME", -1)
        with pytest.raises(Forbidden):
            ticket.probe_of(code)
    assert ada.get(f"/doctor/seen?ticket={code}").status_code == 403


def test_a_ticket_of_another_secret_is_refused(app, ada):
    with app.app_context():
        code, _ = ticket.make()
    assert ada.get(f"/doctor/seen?ticket={code}").status_code == 200
    app.config["SECRET_KEY"] = "another"
    with app.app_context():
        other, _ = ticket.make()
    app.config["SECRET_KEY"] = "for tests"
    assert ada.get(f"/doctor/seen?ticket={other}").status_code == 403


def test_a_token_of_a_user_is_no_ticket(app, ada):
    token = ada.headers["Authorization"].partition(" ")[2]
    assert ada.get(f"/doctor/seen?ticket={token}").status_code == 403


def test_a_request_is_described_as_it_arrived(app, nobody):
    with app.app_context():
        code, _ = ticket.make()
    seen = app.test_client().get(f"/doctor/seen?ticket={code}", headers={"X-Forwarded-For": FORGED})
    assert seen.json == {
        "address": "127.0.0.1", "forwarded_for": FORGED, "scheme": "http", "hand_off": False,
    }  # fmt: skip


def test_a_stream_has_its_probe_and_nothing_of_another(app, nobody, broker):
    with app.app_context():
        (code, name), (_, other) = ticket.make(), ticket.make()
    opened = Stream(app.test_client().get(f"/streams/doctor?ticket={code}"))
    assert opened.any().event == "stream.open"
    for probe in (other, name):
        topic = stream.topic_of(probe)
        broker.publish(stream.ACCOUNT, probe, stream.EVENT, [(topic.name, f'"{probe}"')])
    received = opened.any()
    assert (received.event, received.data) == (stream.EVENT, f'"{name}"')
    opened.close()


@contextmanager
def listening(answer):
    """The address of a server of this machine that answers every connection with these bytes."""
    asked = []

    def handle(connection, _):
        asked.append(connection.recv(65536))
        connection.sendall(answer)
        connection.close()

    server = StreamServer(("127.0.0.1", 0), handle)
    server.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://{other}/\r\nContent-Length: 0\r\n\r\n", "(302)"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "(200)"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "(200)"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000, "(200)"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "(404)"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "does not reach rtapp"),
        (b"SSH-2.0-OpenSSH\r\n", "can't be reached"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000, "can't be reached"),
        (b"", "can't be reached"),
    ],
)
def test_what_is_not_rtapp_is_a_finding_and_no_redirect_is_followed(app, answer, word):
    with listening(b"") as (other, elsewhere):
        answer = answer.replace(b"{other}", other.removeprefix("http://").encode())
        with listening(answer) as (url, asked), app.app_context():
            app.extensions["settings"] = replace(app.extensions["settings"], url=url)
            (finding,) = public.check()
            assert len(asked) == 1
        assert elsewhere == []
    assert (finding.verdict, word in finding.sentence) == ("problem", True), finding


def test_a_certificate_that_is_refused_is_a_finding(app):
    with listening(b"\x15\x03\x03\x00\x02\x02\x28") as (url, _), app.app_context():
        secure = url.replace("http:", "https:")
        app.extensions["settings"] = replace(app.extensions["settings"], url=secure)
        (finding,) = public.check()
    assert (finding.verdict, "certificate" in finding.sentence) == ("problem", True), finding


@pytest.mark.parametrize(
    ("forwarded", "expected", "verdict", "word"),
    [
        (f"{FORGED}, 10.0.0.1", 1, "ok", "fits"),
        ("10.0.0.1", 1, "ok", "fits"),  # the proxy replaces what it got
        (f"{FORGED}, 10.0.0.1, 10.0.0.2", 2, "ok", "fits"),
        (FORGED, 0, "ok", "fits"),
        (f"{FORGED}, 10.0.0.1", 0, "problem", "share"),
        ("10.0.0.1", 0, "problem", "share"),
        (f"{FORGED}, 10.0.0.1, 10.0.0.2", 1, "problem", "share"),
        (f"{FORGED}, 10.0.0.1", 2, "problem", "make addresses up"),
        (FORGED, 1, "problem", "make addresses up"),
        ("", 1, "problem", "make addresses up"),
    ],
)
def test_the_number_of_proxies_is_that_of_the_entries_added(forwarded, expected, verdict, word):
    seen = {"forwarded_for": forwarded, "address": "10.0.0.1"}
    finding = proxies.count(seen, expected, FORGED)
    assert (finding.verdict, word in finding.sentence) == (verdict, True), finding


@pytest.mark.parametrize(
    ("through", "past", "verdict", "word"),
    [
        (0.02, 0.01, "ok", "20 ms, past it after 10 ms"),
        (0.25, 0.01, "warning", "250 ms"),
        (None, 0.01, "problem", "holds the stream back"),
        (None, None, "problem", "past the proxy neither"),
    ],
)
def test_a_stream_is_judged_by_one_past_the_proxy(through, past, verdict, word):
    finding = stream.compared(stream.Measured(through), stream.Measured(past), "https://x")
    assert (finding.verdict, word in finding.sentence) == (verdict, True), finding


def test_a_stream_is_judged_alone_where_the_server_is_not_reachable():
    past = stream.Measured(failed="ConnectionRefusedError")
    assert stream.compared(stream.Measured(0.02), past, "https://x").verdict == "ok"
    held = stream.compared(stream.Measured(None), past, "https://x")
    assert (held.verdict, "holds the stream back" in held.sentence) == ("problem", True)


def test_a_stream_without_the_event_ends_the_wait(monkeypatch):
    """Pings come all the time; the wait ends nevertheless."""
    monkeypatch.setattr(visit, "PATIENCE", 0.05)

    class Pings:
        def readline(self, limit):
            return b"event: stream.ping\n"

    with pytest.raises(TimeoutError):
        visit.wait_for(Pings(), b"probe")

    class Ends:
        def readline(self, limit):
            return b""

    with pytest.raises(EOFError):
        visit.wait_for(Ends(), b"probe")


def test_a_check_that_fails_itself_is_a_problem_and_ends_no_other(app, ada, monkeypatch):
    def fails():
        raise KeyError("secret text")

    monkeypatch.setitem(run.CHECKS, "clock", fails)
    found = {one["check"]: one for one in ada.post(PAGE, {}).json["findings"]}
    assert found["clock"]["verdict"] == "problem"
    assert "secret text" not in found["clock"]["sentence"]
    assert found["database"]["verdict"] == "ok"


def test_a_clock_that_is_off_is_found_by_redis_and_by_postgresql(app, ada, monkeypatch):
    real = clock.host_now
    monkeypatch.setattr(clock, "host_now", lambda: real() + timedelta(minutes=5))
    found = {one["check"]: one for one in ada.post(PAGE, {}).json["findings"]}
    postgres = app.extensions["settings"].database_url.startswith("postgresql")
    assert found["clock of Redis"]["verdict"] == "problem"
    assert "5 minutes behind" in found["clock of Redis"]["sentence"]
    expected = "problem" if postgres else "ok"  # SQLite has no clock of its own
    assert found["clock of the database"]["verdict"] == expected


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_more_connections_than_postgresql_has_are_found(app, ada):
    def found():
        findings = ada.post(PAGE, {}).json["findings"]
        return next(one for one in findings if one["check"] == "connections")

    assert found()["verdict"] == "ok"
    app.extensions["settings"] = replace(app.extensions["settings"], database_pool=1000)
    assert found()["verdict"] == "problem"
    assert "RTAPP_DATABASE_POOL" in found()["remedy"]


def test_a_redis_that_is_away_is_a_finding(app, ada, monkeypatch):
    def away(*_, **__):
        raise RedisConnectionError("at unix:///secret/place")

    monkeypatch.setattr(app.extensions["broker"].for_requests.redis, "info", away)
    found = {one["check"]: one for one in ada.post(PAGE, {}).json["findings"]}
    assert found["Redis"]["verdict"] == "problem"
    assert "/secret/place" not in found["Redis"]["sentence"]


def mail_finding(app, ada, url):
    server = parsed(url)
    app.extensions["settings"] = replace(app.extensions["settings"], mail_server=server)
    findings = ada.post(PAGE, {}).json["findings"]
    return next(one for one in findings if one["check"] == "mail")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_mail_server_is_signed_in_to_and_gets_no_mail(app, ada, tmp_path, monkeypatch):
    with mail_server(tmp_path / "mail", "auth") as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.folder / "certificate.pem"))
        right = mail_finding(app, ada, server.url(credentials=f"{USER}:{PASSWORD}@"))
        assert right["verdict"] == "ok", right
        assert "takes our mails" in right["sentence"]
        wrong = mail_finding(app, ada, server.url(credentials=f"{USER}:not-it@"))
        assert (wrong["verdict"], "password" in wrong["sentence"]) == ("problem", True), wrong
        assert "not-it" not in str(wrong)
        monkeypatch.delenv("SSL_CERT_FILE")
        unknown = mail_finding(app, ada, server.url(credentials=f"{USER}:{PASSWORD}@"))
        assert "certificate" in unknown["sentence"]
        assert server.received() == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_mail_server_that_hangs_or_is_none_is_a_finding(app, ada, monkeypatch):
    monkeypatch.setattr(mail, "LIMIT", 0.2)
    with silent() as port:
        hangs = mail_finding(app, ada, f"smtp://127.0.0.1:{port}?starttls=off")
    assert (hangs["verdict"], "does not answer" in hangs["sentence"]) == ("problem", True), hangs
    monkeypatch.undo()
    with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (url, _):
        none = mail_finding(app, ada, f"{url.replace('http', 'smtp')}?starttls=off")
    assert none["verdict"] == "problem", none
    away = mail_finding(app, ada, f"{url.replace('http', 'smtp')}?starttls=off")
    assert "can't be reached" in away["sentence"]


@contextmanager
def silent():
    """The port of a server that accepts and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_the_worst_finding_is_the_verdict():
    fine, warning, problem = (Finding("x", v, "") for v in ("ok", "warning", "problem"))
    assert worst([]) == "ok"
    assert worst([fine, warning]) == "warning"
    assert worst([warning, problem, fine]) == "problem"
    assert worst_first([fine, warning, fine, problem]) == [problem, warning, fine, fine]


def test_a_command_prints_the_findings_and_ends_with_1_for_a_problem(app, monkeypatch):
    runner = app.test_cli_runner()
    done = runner.invoke(args=["doctor"])
    assert done.exit_code == 0, done.output
    assert re.search(r"^ok +migrations: ", done.output, re.MULTILINE)
    monkeypatch.setitem(
        run.CHECKS, "clock", lambda: [Finding("clock", "problem", "Late.", "Wind.")]
    )
    done = runner.invoke(args=["doctor"])
    assert done.exit_code == 1
    assert re.search(r"^problem +clock: Late\.\n +Wind\.$", done.output, re.MULTILINE)
