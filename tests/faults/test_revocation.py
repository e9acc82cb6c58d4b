"""Lost access closes the streams that it permitted, and no others."""

import http.client
import json
import sqlite3
import time

import pytest

from ..harness.supervision import spawn
from ..harness.waiting import eventually
from .check import at_work
from .reader import ACCOUNT
from .reader import Reader
from .server import Server
from .server import in_process

SWEEP = 60.0  # s until the sweep, for comparison
ADDED = 3  # times that an agent is added to an inbox


class Browser:
    """A signed-in client with a cookie."""

    def __init__(self, server: Server, email: str, password: str = "password"):
        self._server = server
        status, _, headers = server.ask(
            "POST", "/login", {"email": email, "password": password}, who=None
        )
        assert status == 200
        self.cookies = [c.partition(";")[0] for c in headers.get_all("Set-Cookie")]
        self._csrf = headers["X-CSRF-Token"]

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": "; ".join(self.cookies)}

    def sign_out(self, **headers: str) -> int:
        sent = {**self.headers, "X-CSRF-Token": self._csrf, "Accept": "application/json"}
        sent.update(headers)
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=30)
        try:
            connection.request("POST", "/logout", headers=sent)
            return connection.getresponse().status
        finally:
            connection.close()


def ended(readers: list[Reader], reason: str) -> None:
    eventually(lambda: all(r.ended for r in readers), "the streams are closed")
    for reader in readers:
        (closed,) = reader.told("stream.closed")
        assert closed.data == {"reason": reason, "reconnect": False, "retry_after": 0}


def go_on(readers: list[Reader]) -> bool:
    return all(r.ended is None and r.open and r.connection == 1 for r in readers)


@pytest.mark.parametrize("workers", [0, 2], ids=["embedded", "gunicorn"])
def test_removing_an_agent_from_an_inbox_closes_their_conversation_streams_before_the_sweep(
    redis, start, tell, workers
):
    server = start(workers)
    kevins = [Reader(server, "conversations/1", who="Kevin") for _ in range(4)]
    kevins.append(
        Reader(server, f"account:{ACCOUNT}", "conversation:1", "conversation:2", who="Kevin")
    )
    adas = [Reader(server, "conversations/1"), Reader(server, f"accounts/{ACCOUNT}")]
    listed = Reader(server, f"accounts/{ACCOUNT}", who="Kevin")
    eventually(lambda: all(r.open for r in [*kevins, listed]), "Kevin's streams are open")
    with at_work(server, adas, (1,)) as check:
        eventually(lambda: all(r.events for r in [*kevins, listed]), "Kevin receives events")
        removed = spawn(server.command, "inbox", "remove", "1", "kevin@example.com")
        gone = eventually(lambda: committed_removal(server), "the removal is committed")
        ended(kevins, "forbidden")
        took = max(r.told("stream.closed")[0].at for r in kevins) - gone
        assert took < SWEEP / 4, "the sweep closed them"
        removed.get()
        # His account stream continues, without events of that inbox.
        eventually(lambda: len(adas[1].events) > 3, "messages arrive")
        had, ada_had = len(listed.events), len(adas[1].events)
        eventually(lambda: len(adas[1].events) > ada_had + 10, "Ada receives more")
        assert len(listed.events) == had
        status, _, _ = server.ask("GET", "/streams/conversations/1", who="Kevin")
        assert status == 404
        assert go_on(adas)
    for reader in [*kevins, listed]:
        reader.close()
    tell(f"5 streams closed {1000 * took:+.0f} ms from when the commit was seen; {check.tally()}")


@pytest.mark.parametrize("workers", [0, 2], ids=["embedded", "gunicorn"])
def test_removing_a_member_closes_all_their_streams_before_the_sweep_and_loses_nothing_for_others(
    redis, start, tell, workers
):
    server = start(workers)
    names = ("conversations/1", f"accounts/{ACCOUNT}", f"accounts/{ACCOUNT}/presence")
    kevins = [Reader(server, name, who="Kevin") for name in names for _ in range(2)]
    adas = [Reader(server, "conversations/1"), Reader(server, "conversations/2")]
    eventually(lambda: all(r.open for r in kevins), "Kevin's streams are open")
    path = f"/accounts/{ACCOUNT}/settings/members/2/remove"
    with at_work(server, adas, (1, 2)) as check:
        eventually(lambda: all(r.events for r in kevins[:4]), "Kevin receives events")
        status, body, _ = server.ask("POST", path)
        assert status == 204, body
        removed = time.monotonic()
        ended(kevins, "forbidden")
        took = max(r.told("stream.closed")[0].at for r in kevins) - removed
        assert took < SWEEP / 4, "the sweep closed them"
        assert server.ask("GET", "/streams/conversations/1", who="Kevin")[0] == 404
        had = len(adas[0].events)
        eventually(lambda: len(adas[0].events) > had + 5, "Ada receives more")
        assert go_on(adas)
    lines = [
        event.data["data"]["content"]
        for event in adas[0].events
        if event.event == "message.created" and event.data["data"]["message_type"] == "activity"
    ]
    assert lines == ["Kevin no longer sees this, so it is unassigned"]
    tell(f"{len(kevins)} streams closed {1000 * took:+.0f} ms after the answer; {check.tally()}")


def test_an_inbox_that_is_added_resets_each_open_account_stream_once_on_two_hosts(start, tell):
    first = start()
    hosts = [first, start(DATABASE_URL=f"sqlite:///{first.database}")]
    path = f"accounts/{ACCOUNT}"
    kevins = [Reader(host, path, who="Kevin") for host in hosts for _ in range(3)]
    ada = Reader(first, path)
    eventually(lambda: all(r.open for r in [*kevins, ada]), "all streams are open")
    for number in range(1, ADDED + 1):
        first.command("inbox", "remove", "1", "kevin@example.com")
        eventually(lambda n=2 * number - 1: all(len(r.resets) == n for r in kevins), "a loss")
        first.command("inbox", "add", "1", "kevin@example.com")
        eventually(lambda n=2 * number: all(len(r.resets) >= n for r in kevins), "a gain")
        status, body, _ = hosts[number % 2].ask(
            "POST", "/conversations/2/messages", {"content": f"after gain {number}"}
        )
        assert status == 201
        written = json.loads(body)["id"]
        eventually(lambda id=written: all(received(r, id) for r in [*kevins, ada]), "its event")
        assert [len(r.resets) for r in kevins] == [2 * number] * len(kevins)
    assert not ada.resets
    assert go_on([*kevins, ada])
    for reader in [*kevins, ada]:
        assert not reader.faults
        reader.close()
    tell(f"{ADDED} gains: one reset each for {len(kevins)} streams on two hosts")


def received(reader: Reader, message_id: int) -> bool:
    """Whether the reader's list has received a conversation whose last message is this one."""
    previews = [event.data["data"].get("last_message") or {} for event in reader.events]
    return any(preview.get("id") == message_id for preview in previews)


def committed_removal(server: Server) -> float | None:
    """Return the time if Kevin is no longer in the inbox, else None."""
    with sqlite3.connect(server.database) as database:
        left = database.execute(
            "SELECT 1 FROM inbox_members m JOIN users u ON u.id = m.user_id "
            "WHERE m.inbox_id = 1 AND u.email = 'kevin@example.com'"
        ).fetchone()
    database.close()
    return time.monotonic() if left is None else None


def test_a_sweep_closes_the_stream_of_an_agent_without_access_and_no_other(redis, demo, tmp_path):
    """The test calls the sweep's check itself, in this process."""
    with in_process(tmp_path, demo, redis) as app:
        engine = app.extensions["engine"]
        client = app.test_client()

        def listen(who: str):
            headers = {"Authorization": f"Bearer {demo.tokens[who]}"}
            return client.get("/streams/conversations/1", headers=headers)

        responses = [listen("Kevin"), listen("Ada")]
        assert [r.status_code for r in responses] == [200, 200]
        engine.revocation.recheck(engine.hub.subscribers())
        assert len(engine.hub) == 2  # both have access
        with sqlite3.connect(tmp_path / "rtapp.sqlite3") as database:
            database.execute("DELETE FROM inbox_members WHERE inbox_id = 1 AND user_id = 2")
        database.close()
        assert len(engine.hub) == 2
        engine.revocation.recheck(engine.hub.subscribers())
        assert len(engine.hub) == 1
        kevins = b"".join(responses[0].response)
        assert b'event: stream.closed\ndata: {"reason": "forbidden", "reconnect": false' in kevins
        for response in responses:
            response.close()


def test_signing_out_closes_the_streams_of_that_session_and_no_other(redis, start, tell):
    server = start()
    here, there = (Browser(server, "ada@example.com") for _ in range(2))
    mine = [Reader(server, "conversations/1", headers=here.headers) for _ in range(3)]
    others = [
        Reader(server, "conversations/1", headers=there.headers),
        Reader(server, f"accounts/{ACCOUNT}", headers=there.headers),
        Reader(server, "conversations/1"),  # a token of the same user
        Reader(server, "conversations/1", who="Kevin"),
    ]
    eventually(lambda: all(r.open for r in mine), "the session's streams are open")
    with at_work(server, others, (1,)) as check:
        assert here.sign_out(**{"X-CSRF-Token": "wrong"}) == 401
        assert go_on(mine)
        assert here.sign_out() == 204
        ended(mine, "signed_out")
        had = len(others[0].events)
        eventually(lambda: len(others[0].events) > had + 5, "the other streams receive more")
        assert go_on(others)
    tell(f"{len(mine)} streams closed, {len(others)} went on; {check.tally()}")


def test_a_new_password_closes_every_stream_of_that_user_and_no_other(redis, start, tell):
    server = start()
    browser = Browser(server, "kevin@example.com")
    kevins = [
        Reader(server, "conversations/1", headers=browser.headers),
        Reader(server, f"accounts/{ACCOUNT}", headers=browser.headers),
        Reader(server, "conversations/1", who="Kevin"),
    ]
    adas = [Reader(server, "conversations/1"), Reader(server, f"accounts/{ACCOUNT}")]
    eventually(lambda: all(r.open for r in kevins), "Kevin's streams are open")
    with at_work(server, adas, (1,)) as check:
        server.command("password", "set", "kevin@example.com", given="another one")
        ended(kevins, "signed_out")
        assert go_on(adas)
        assert server.ask("GET", "/me", who="Kevin")[0] == 401
    assert json.loads(server.ask("GET", "/me")[1])["email"] == "ada@example.com"
    tell(f"{len(kevins)} streams closed; {check.tally()}")


@pytest.mark.parametrize("workers", [0, 2], ids=["embedded", "gunicorn"])
def test_a_token_that_is_revoked_closes_its_streams_within_a_second_and_no_other(
    redis, start, tell, workers
):
    server = start(workers)
    text = server.command("token", "create", "kevin@example.com", "--name", "Import").strip()
    import_token = {"Authorization": f"Bearer {text}"}
    visitors = server.command("token", "visitor", "maria.lindqvist@example.com").strip()
    of_import = [Reader(server, "conversations/1", headers=import_token) for _ in range(4)]
    of_visitor = Reader(server, "conversations/1", headers={"Authorization": f"Bearer {visitors}"})
    kept = [Reader(server, "conversations/1"), Reader(server, "conversations/1", who="Kevin")]
    eventually(lambda: all(r.open for r in [*of_import, of_visitor]), "the streams are open")
    listed = [line.split("\t") for line in server.command("token", "list").splitlines()]
    ids = {row[-1]: row[0] for row in listed}
    with at_work(server, kept, (1,)) as check:
        for name, readers in (("Import", of_import), ("Visitor", [of_visitor])):
            revoked = spawn(server.command, "token", "revoke", ids[name])
            gone = eventually(lambda n=name: revoked_at(server, n), "the revocation is committed")
            ended(readers, "signed_out")
            took = max(r.told("stream.closed")[0].at for r in readers) - gone
            assert took < SWEEP / 4, "the sweep closed them"
            tell(f"{len(readers)} streams of {name} closed {1000 * took:+.0f} ms after the commit")
            revoked.get()
        assert go_on(kept)
    assert server.ask("GET", "/me", who=None, **import_token)[0] == 401
    assert server.ask("GET", "/me", who="Kevin")[0] == 200
    tell(check.tally())


def revoked_at(server: Server, name: str) -> float | None:
    """Return the time if there is no token of this name, else None."""
    with sqlite3.connect(server.database) as database:
        left = database.execute("SELECT 1 FROM tokens WHERE name = ?", (name,)).fetchone()
    database.close()
    return time.monotonic() if left is None else None


def test_a_token_that_expires_closes_its_streams_before_the_sweep_and_no_other(redis, start, tell):
    server = start()
    text = server.command("token", "create", "kevin@example.com", "--name", "Short").strip()
    short = {"Authorization": f"Bearer {text}"}
    ending = [Reader(server, "conversations/1", headers=short) for _ in range(3)]
    kept = [Reader(server, "conversations/1"), Reader(server, "conversations/1", who="Kevin")]
    eventually(lambda: all(r.open for r in [*ending, *kept]), "the streams are open")
    with sqlite3.connect(server.database) as database:
        database.execute("UPDATE tokens SET expires_at = '2026-01-01' WHERE name = 'Short'")
    expired = time.monotonic()
    database.close()
    ended(ending, "signed_out")
    took = max(r.told("stream.closed")[0].at for r in ending) - expired
    assert took < SWEEP / 4, "the sweep closed them"
    assert server.ask("GET", "/me", who=None, **short)[0] == 401
    assert go_on(kept)
    for reader in kept:
        reader.close()
    tell(f"{len(ending)} streams closed {took:.2f} s after their token had expired")


def test_the_last_use_of_a_token_is_written_by_a_server_at_work(start):
    server = start()
    text = server.command("token", "create", "kevin@example.com", "--name", "Used").strip()

    def last_use() -> str:
        rows = [line.split("\t") for line in server.command("token", "list").splitlines()]
        (row,) = [row for row in rows if row[-1] == "Used"]
        return row[4]

    assert last_use() == "-"
    assert server.ask("GET", "/me", who=None, Authorization=f"Bearer {text}")[0] == 200
    eventually(lambda: last_use() != "-", "the last use is written")
