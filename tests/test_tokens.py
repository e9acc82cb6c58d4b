"""Bearer tokens as rows: how they are made, what their scope allows, when they were used, and that
everything that was opened with one ends with it."""

import logging
from datetime import timedelta

import pytest
from itsdangerous import URLSafeSerializer
from sqlalchemy import event
from sqlalchemy import select

from rtapp import clock
from rtapp import scopes
from rtapp import tokens
from rtapp import uses
from rtapp.config import TOKENS_PER_USER
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Token
from rtapp.models import User
from rtapp.models import UserSession
from rtapp.services.change_password import change_password
from rtapp.services.change_tokens import create_token
from rtapp.services.change_tokens import create_visitor_token
from rtapp.services.change_tokens import end_expired_tokens
from rtapp.services.change_tokens import revoke_token

from .support import ApiClient
from .support import Stream
from .support import envelope

MESSAGES = "/conversations/1/messages"


def text_of(client: ApiClient) -> str:
    return client.headers["Authorization"].removeprefix("Bearer ")


def row_of(client: ApiClient) -> Token:
    return db.session.scalars(
        select(Token).where(Token.digest == tokens.digest(text_of(client)))
    ).one()


def with_token(app, text, path="/me"):
    return app.test_client().get(path, headers={"Authorization": f"Bearer {text}"})


def revoke(client: ApiClient) -> None:
    with client.app.app_context():
        revoke_token(row_of(client))


def closed(stream: Stream) -> str:
    """The reason for which the stream ends."""
    reason: str = envelope(stream.named("stream.closed"))["reason"]
    assert stream.ended()
    return reason


def opened(client: ApiClient, path: str) -> Stream:
    stream = client.stream(path)
    stream.named("stream.open")
    return stream


# Making one


def test_a_tokens_text_is_recognisable_random_and_in_no_column(app, ada, maria):
    texts = [text_of(ada), text_of(ApiClient(app, "ada@example.com")), text_of(maria)]
    assert all(text.startswith(("rtapp_u1_", "rtapp_c1_")) for text in texts)
    assert len(set(texts)) == len(texts)
    with app.app_context():
        columns = {repr(tuple(row)) for row in db.session.execute(select(Token.__table__))}
        assert row_of(ada).user_id == ada.id
        assert row_of(maria).contact_id == maria.id
    random_parts = [text.split("_", 2)[2].partition(".")[0] for text in texts]
    assert not [part for part in [*texts, *random_parts] for row in columns if part in row]


def test_a_user_has_a_limited_number_of_tokens(app, ada):
    with app.app_context():
        user = db.session.get_one(User, ada.id)
        for _ in range(TOKENS_PER_USER - 1):
            create_token(user, "Many")
    result = app.test_cli_runner().invoke(args=["token", "create", "ada@example.com"])
    assert (result.exit_code, "revoke one" in result.output) == (1, True)
    assert ApiClient(app, "kevin@example.com").get("/me").status_code == 200


# What holds


def test_a_token_of_an_older_version_is_refused(app, ada):
    """It was signed, with the user's id in it, and had no row."""
    old = URLSafeSerializer(app.config["SECRET_KEY"], salt="rtapp.bearer").dumps([1, "stamp", None])
    answer = with_token(app, old)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert with_token(app, text_of(ada)).status_code == 200


def mangled(text: str) -> dict[str, str]:
    head, _, signature = text.rpartition(".")
    return {
        "cut": text[:-1],
        "longer": text + "A",
        "of another user": text.replace("rtapp_u2_", "rtapp_u1_"),
        "of a contact": text.replace("rtapp_u2_", "rtapp_c2_"),
        "in upper case": text.upper(),
        "without the prefix": text.removeprefix("rtapp_"),
        "without a signature": head,
        "another signature": f"{head}.{signature[::-1]}",
        "a space in it": f"{text[:20]} {text[20:]}",
        "its digest": tokens.digest(text),
        "no ASCII": f"{text[:-1]}é",
        "nothing": "",
        "long": "rtapp_u2_" + "A" * 8000,
    }


def test_a_mangled_token_is_refused_without_a_query(app, kevin):
    texts = mangled(text_of(kevin))
    asked = []
    with app.app_context():
        engine = db.engine
    listener = lambda *args: asked.append(args[2])  # noqa: E731
    event.listen(engine, "before_cursor_execute", listener)
    try:
        for name, text in texts.items():
            answer = with_token(app, text)
            assert (name, answer.status_code) == (name, 401)
            assert text == "" or text not in answer.get_data(as_text=True)
        assert asked == []
        assert with_token(app, text_of(kevin)).status_code == 200
        assert asked != []
    finally:
        event.remove(engine, "before_cursor_execute", listener)


def test_a_signed_text_without_a_row_is_refused(app, kevin):
    with app.app_context():
        stray = tokens.make(db.session.get_one(User, kevin.id))
        assert tokens.claimed(stray) is not None
    assert with_token(app, stray).status_code == 401


def test_tokens_of_another_secret_key_are_refused(app, kevin):
    app.config["SECRET_KEY"] = "another secret key"
    assert kevin.get("/me").status_code == 401


def test_the_refusal_names_an_invalid_token_only_if_there_was_one(app, nobody, maria):
    assert nobody.get("/me").headers["WWW-Authenticate"] == "Bearer"
    stream = "/streams/conversations/1"
    assert nobody.get(stream).headers["WWW-Authenticate"] == "Bearer"
    revoke(maria)
    for answer in (with_token(app, "rtapp_x"), with_token(app, "rtapp_x", stream),
                   with_token(app, maria.token, stream)):  # fmt: skip
        challenge = answer.headers["WWW-Authenticate"]
        assert (answer.status_code, challenge) == (401, 'Bearer error="invalid_token"')


def test_a_token_expires_and_is_deleted_then(app, kevin):
    with app.app_context():
        user = db.session.get_one(User, kevin.id)
        short = create_token(user, "Short", expires_in=60).text
        expired = create_token(user, "Expired", expires_in=-1).text
    assert with_token(app, short).status_code == 200
    assert with_token(app, expired).status_code == 401
    with app.app_context():
        assert end_expired_tokens(clock.now()) == 1
        assert end_expired_tokens(clock.now()) == 0
        names = list(db.session.scalars(select(Token.name).order_by(Token.name)))
        assert names == ["Short", "Test"]


# Ending one


def test_revoking_a_token_ends_its_streams_and_no_others(app, ada, kevin, maria):
    other = ApiClient(app, "kevin@example.com")
    ended = [opened(kevin, "/streams/conversations/1"), opened(kevin, "/streams/accounts/1")]
    kept = [opened(client, "/streams/conversations/1") for client in (other, ada, maria)]
    revoke(kevin)
    assert [closed(stream) for stream in ended] == ["signed_out"] * 2
    assert kevin.get("/me").status_code == 401
    assert other.send(1, "It goes on").status_code == 201
    for stream in kept:
        stream.named("message.created")
        stream.close()


def test_revoking_a_visitors_token_ends_its_streams_and_no_others(app, maria):
    with app.app_context():
        second = create_visitor_token(db.session.get_one(Contact, maria.id), 3600).text
    stream = opened(maria, "/streams/conversations/1")
    kept = Stream(with_token(app, second, "/streams/conversations/1"))
    kept.named("stream.open")
    revoke(maria)
    assert closed(stream) == "signed_out"
    assert maria.get("/conversations/1").status_code == 401
    assert with_token(app, second, "/conversations/1").status_code == 200
    kept.close()


def test_the_streams_of_a_token_end_as_it_expires(app, kevin, ada):
    stream, kept = (opened(client, "/streams/accounts/1") for client in (kevin, ada))
    with app.app_context():
        row_of(kevin).expires_at = clock.now() - timedelta(seconds=1)
        db.session.commit()
        assert end_expired_tokens(clock.now()) == 1
    assert closed(stream) == "signed_out"
    assert ada.send(1, "Hello").status_code == 201
    kept.named("conversation.updated")
    kept.close()


def test_a_new_password_ends_the_users_tokens_and_nobody_elses(app, ada, kevin, maria):
    with app.app_context():
        change_password(db.session.get_one(User, kevin.id), "another one")
        assert not list(db.session.scalars(select(Token).where(Token.user_id == kevin.id)))
    assert kevin.get("/me").status_code == 401
    assert ada.get("/me").status_code == 200
    assert maria.get("/conversations/1").status_code == 200


# Scopes


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.headers.get("WWW-Authenticate", "")


def insufficient(need: str) -> tuple[int, str]:
    return 403, f'Bearer error="insufficient_scope", scope="{need}"'


@pytest.mark.parametrize("scope", scopes.SCOPES)
def test_a_tokens_scope_decides_what_its_user_may_do_with_it(app, scope):
    client = ApiClient(app, "ada@example.com", scope)
    assert client.get("/accounts/1/labels").status_code == 200
    opened(client, "/streams/accounts/1").close()
    written = client.send(1, "Hello")
    labelled = client.post("/accounts/1/labels", {"title": "New", "colour": 0})
    if scope == scopes.READ:
        assert refusal(written) == insufficient("write")
        assert refusal(labelled) == insufficient("admin")
        assert written.content_type == "application/problem+json"
        assert "scope write" in written.json["detail"]
    else:
        assert written.status_code == 201
    if scope == scopes.WRITE:
        assert refusal(labelled) == insufficient("admin")
    if scope == scopes.ADMIN:
        assert labelled.status_code == 201


def test_a_refused_scope_changes_nothing(app, outbox):
    reader = ApiClient(app, "ada@example.com", scopes.READ)
    assert reader.send(1, "Hello").status_code == 403
    assert reader.post("/conversations/1/status", {"status": "resolved"}).status_code == 403
    assert outbox.unchanged()


def test_no_scope_gives_a_right_that_its_user_does_not_have(app):
    kevin = ApiClient(app, "kevin@example.com", scopes.ADMIN)
    answer = kevin.post("/accounts/1/labels", {"title": "New", "colour": 0})
    assert refusal(answer) == (403, "")
    assert ApiClient(app, "grace@example.com", scopes.ADMIN).send(1, "Hello").status_code == 404


def test_a_session_has_all_rights_of_its_user(app):
    browser = app.test_client()
    login = browser.post("/login", json={"email": "ada@example.com", "password": "password"})
    headers = {"X-CSRF-Token": login.headers["X-CSRF-Token"]}
    label = {"title": "New", "colour": 0}
    assert browser.post("/accounts/1/labels", json=label, headers=headers).status_code == 201


def test_the_description_names_the_scope_of_each_endpoint(app, nobody):
    paths = nobody.get("/openapi.json").json["paths"]
    needed = {
        (path, method): operation["security"]
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    assert needed["/accounts/{account_id}/labels", "get"] == [{"bearer": ["read"]}]
    assert needed["/accounts/{account_id}/labels", "post"] == [{"bearer": ["admin"]}]
    assert needed["/conversations/{conversation_id}/messages", "post"] == [{"bearer": ["write"]}]


# The last use


def last_use(client):
    with client.app.app_context():
        return row_of(client).last_used_at


def write(app, name="token_uses") -> int:
    with app.app_context():
        written: int = app.extensions[name].write()
        return written


def test_the_last_use_of_a_token_is_written_once_a_minute(app, kevin, ada, passing):
    kevin.get("/me")
    assert last_use(kevin) is None  # no request writes it
    first = clock.now()
    assert write(app) == 1
    assert (last_use(kevin), last_use(ada)) == (first, None)
    passing(30)
    kevin.get("/me")
    assert write(app) == 0
    assert last_use(kevin) == first
    second = clock.now()
    passing(30)
    assert write(app) == 1  # the use of half a minute ago
    assert last_use(kevin) == second
    passing(120)
    assert write(app) == 0  # without another one
    assert last_use(kevin) == second


def test_two_processes_write_a_tokens_last_use_once_a_minute_together(app, kevin, passing):
    kevin.get("/me")
    other = uses.Uses[int](Token)
    with app.app_context():
        other.note(row_of(kevin).id)
    first = clock.now()
    write(app)
    passing(30)
    with app.app_context():
        other.note(row_of(kevin).id)
        other.write()
    assert last_use(kevin) == first


def test_what_a_failure_leaves_is_written_later(app, kevin, monkeypatch):
    kevin.get("/me")

    def fail(*_):
        raise OSError("no database")

    with monkeypatch.context() as broken:
        broken.setattr(uses, "execute", fail)
        with pytest.raises(OSError, match="no database"):
            write(app)
    assert last_use(kevin) is None
    assert write(app) == 1
    assert last_use(kevin) is not None


def test_a_stream_is_a_use_and_a_refused_request_is_none(app, maria, kevin):
    opened(maria, "/streams/conversations/1").close()
    with_token(app, text_of(kevin) + "x")
    assert write(app) == 1
    assert last_use(maria) is not None
    assert last_use(kevin) is None


def test_a_use_of_a_token_that_was_revoked_meanwhile_is_dropped(app, kevin):
    kevin.get("/me")
    revoke(kevin)
    assert write(app) == 1
    with app.app_context():
        assert not list(db.session.scalars(select(Token).where(Token.user_id == kevin.id)))
    assert write(app) == 0


def test_the_last_use_of_a_session_is_written_too(app, passing):
    browser = app.test_client()
    login = {"email": "kevin@example.com", "password": "password"}
    assert browser.post("/login", json=login).status_code == 200
    passing(5)
    browser.get("/me")
    assert write(app, "session_uses") == 1
    with app.app_context():
        row = db.session.scalars(select(UserSession)).one()
        assert row.last_used_at == clock.now()


# Commands


def run(app, *words: str) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["token", *words])
    return result.exit_code, result.output.strip()


def test_commands_make_list_and_revoke_tokens(app):
    words = ["--name", "Import", "--scope", "read", "--expires-in", "60"]
    code, text = run(app, "create", "Ada@example.com", *words)
    assert (code, len(text.split())) == (0, 1)
    _, default = run(app, "create", "ada@example.com")
    _, visitors = run(app, "visitor", "maria.lindqvist@example.com")
    code, output = run(app, "list")
    rows = [line.split("\t") for line in output.splitlines()]
    assert [(id, owner, scope, name) for id, owner, scope, *_, name in rows] == [
        ("1", "ada@example.com", "read", "Import"),
        ("2", "ada@example.com", "write", "Command line"),
        ("3", "maria.lindqvist@example.com", "visitor", "Visitor"),
    ]
    assert [row[5] == "-" for row in rows] == [False, True, False]  # when it expires
    assert not [secret for secret in (text, default, visitors) if secret in output]
    assert run(app, "revoke", "1") == (0, "")
    assert with_token(app, text).status_code == 401
    assert with_token(app, default).status_code == 200
    code, output = run(app, "revoke", "1")
    assert (code, "There is no token 1" in output) == (1, True)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--scope", "everything"],
        ["--scope", "visitor"],
        ["--expires-in", "0"],
        ["--expires-in", "99999999999"],
        ["--name", " "],
        ["--name", "a\nb"],
        ["--name", "x" * 101],
    ],
    ids=repr,
)
def test_a_token_with_a_wrong_option_is_not_made(app, wrong):
    code, output = run(app, "create", "ada@example.com", *wrong)
    assert code in (1, 2)
    assert "Traceback" not in output
    assert run(app, "list") == (0, "")


def test_no_log_has_a_tokens_text(app, ada, maria, caplog):
    caplog.set_level(logging.DEBUG)
    ada.send(1, "Hello")
    opened(maria, "/streams/conversations/1").close()
    with_token(app, text_of(ada)[:-1])
    revoke(ada)
    for client in (ada, maria):
        assert text_of(client)[:40] not in caplog.text
        assert tokens.digest(text_of(client)) not in caplog.text
