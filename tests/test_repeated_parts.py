"""What comes twice in a request is refused with 400: which one holds could not be decided."""

import json
from contextlib import closing

import pytest
from sqlalchemy import func
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Message

from .push import KEYS
from .support import VisitorClient
from .support import outbox_drained
from .test_abuse import answer
from .test_abuse import connected
from .test_abuse import served
from .world import add_website
from .world import all_rows

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

JSON, PROBLEM = "application/json", "application/problem+json"
MESSAGES = "/conversations/1/messages"
# The body of each POST with one; the test checks that none is missing.
BODIES = {
    "/conversations/1/messages": {"content": "x"},
    "/messages/2": {"content": "x"},
    "/messages/2/delete": {"version": 1},
    "/conversations/1/typing": {"typing": True},
    "/conversations/1/status": {"status": "pending"},
    "/conversations/1/assignee": {"assignee_id": 2},
    "/conversations/1/read": {"message_id": 2},
    "/conversations/1/labels": {"add": 1},
    "/accounts/1/labels": {"title": "New", "colour": 0},
    "/labels/1": {"title": "Changed", "colour": 0},
    "/accounts/1/canned-replies": {"shortcut": "new", "content": "x"},
    "/canned-replies/1": {"shortcut": "new", "content": "x"},
    "/canned-replies/1/delete": {"nothing": 1},
    "/labels/1/delete": {"nothing": 1},
    "/contacts/1": {"notes": "x"},
    "/conversations/1/merge": {"into": 2},
    "/conversation-merges/1/undo": {"nothing": 1},
    "/contacts/1/block": {"blocked": True},
    "/contacts/1/merge": {"into": 2},
    "/contact-merges/1/undo": {"nothing": 1},
    "/accounts/1/inboxes": {"name": "New"},
    "/accounts/1/settings/members/3": {"role": "agent", "sees": "assigned"},
    "/accounts/1/settings/members/3/remove": {"nothing": 1},
    "/accounts/1/settings/members/3/second-factor/delete": {"nothing": 1},
    "/accounts/1/settings/account": {"name": "Changed"},
    "/accounts/1/settings/inspect/streams/end": {"stream": "x"},
    "/accounts/1/settings/inspect/outbox/retry": {"nothing": 1},
    "/settings/profile": {"name": "Changed"},
    "/settings/password": {"present_password": "password", "password": "long enough"},
    "/inboxes/1": {"auto_assign": True, "assignment_cap": 5},
    "/inboxes/1/website": {"greeting": "Hello"},
    "/inboxes/1/website/settings": {"greeting": "Hello"},
    "/inboxes/1/website/secrets": {"nothing": 1},
    "/inboxes/1/website/secrets/1/delete": {"nothing": 1},
    "/inboxes/1/website/delete": {"nothing": 1},
    "/conversations/1/draft": {"reply": "x", "note": "", "version": 0},
    "/accounts/1/presence": {"status": "busy"},
    "/accounts/1/alerts": {"alerts": "mine"},
    "/accounts/1/bulk": {"conversations": {"1": None}, "status": "resolved"},
    "/accounts/1/conversations": {
        "contact": {"name": "Nora", "email": "nora@example.com"}, "content": "x", "inbox_id": 1,
    },
    "/notifications/1/read": {"nothing": 1},
    "/accounts/1/notifications/read": {"nothing": 1},
    "/push_subscription": {"endpoint": "https://push.example.net/x", **KEYS},
    "/push_subscription/delete": {"nothing": 1},
    "/setup": {
        "account": "Lamps", "name": "Zoe", "email": "zoe@lamps.example", "password": "long enough",
    },
    "/accounts/1/settings/invitations": {"email": "nora@example.com"},
    "/invitations/1/revoke": {"nothing": 1},
    "/join": {"token": "x"},
    "/accounts/1/settings/password-links": {"user_id": 2},
    "/password-links/1/revoke": {"nothing": 1},
    "/accounts/1/settings/doctor": {"nothing": 1},
    "/password": {"token": "x", "password": "a long password"},
    "/login/second-factor": {"code": "123456"},
    "/settings/second-factor": {"code": "123456", "present_password": "password"},
    "/settings/second-factor/recovery-codes": {"code": "123456"},
    "/settings/second-factor/delete": {"code": "123456"},
    "/accounts/1/second-factor": {"required": False},
    "/settings/sessions/end": {"session": "x"},
    "/settings/sessions/end_others": {"nothing": 1},
    "/settings/tokens": {"name": "Import", "scope": "read"},
    "/settings/tokens/1/revoke": {"nothing": 1},
    "/chat/website1": {"content": "x"},
    "/chat/website1/session": {"nothing": 1},
    "/chat/website1/session/delete": {"nothing": 1},
    "/chat/website1/conversations": {"content": "x"},
    "/chat/website1/contact": {"name": "x"},
    "/forgot": {"email": "kevin@example.com"},
    "/login": {"email": "kevin@example.com", "password": "password"},
}  # fmt: skip
WITHOUT_BODY = {"/logout"}
# With a file in a form, and no JSON: tests/actions/test_attachment.py.
WITH_FILE = {"/conversations/1/attachments"}


def post(client, path, data, type=JSON):
    return client.app.test_client().post(path, data=data, content_type=type, headers=client.headers)


def sender(ada, path):
    """Ada, or a visitor of the website whose path it is."""
    return VisitorClient(ada.app, add_website(ada.app)) if path.startswith("/chat/") else ada


def test_every_post_endpoint_is_among_these(app):
    rules = {rule.rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    adapter = app.url_map.bind("localhost")
    paths = {*BODIES, *WITHOUT_BODY, *WITH_FILE}
    covered = {adapter.match(path, "POST", return_rule=True)[0].rule for path in paths}
    assert rules == covered


@pytest.mark.parametrize("path", BODIES)
def test_a_json_name_that_comes_twice_is_refused_by_every_endpoint(app, ada, kevin, path):
    kevin.post("/conversations/1/assignee", {"assignee_id": 1})  # so that there is a notification
    assert ada.post("/contacts/3/merge", {"into": 2}).status_code == 200
    assert ada.post("/conversations/3/merge", {"into": 2}).status_code == 200
    assert ada.post("/accounts/1/settings/invitations", {}).status_code == 201
    link = ada.post("/accounts/1/settings/password-links", {"user_id": 2})
    assert link.status_code == 201
    client = sender(ada, path)
    body = BODIES[path]
    name = next(reversed(body))
    twice = f"{json.dumps(body)[:-1]}, {json.dumps(name)}: {json.dumps(body[name])}}}"
    assert outbox_drained(app)
    before = all_rows(app)
    refused = post(client, path, twice)
    assert (refused.status_code, refused.content_type) == (400, PROBLEM)
    assert f'"{name}" comes twice' in refused.json["detail"]
    assert "Set-Cookie" not in refused.headers
    assert all_rows(app) == before


TWICE = {
    "the same value": b'{"content": "x", "content": "x"}',
    "private both ways": b'{"content": "x", "private": true, "private": false}',
    "another spelling of the name": rb'{"content": "x", "private": true, "priv\u0061te": false}',
    "an unknown name": b'{"content": "x", "y": 1, "y": 2}',
    "inside a field": b'{"content": {"a": 1, "a": 2}}',
    "deep inside": b'{"content": ' + b"[{" + b'"a":[{' * 40 + b'"b":1,"b":2' + b"}]" * 40 + b"}]}",
    "in UTF-16": '{"content": "x", "content": "y"}'.encode("utf-16"),
    "a name of a lone surrogate": rb'{"content": "x", "\ud800": 1, "\ud800": 2}',
    "a long name": b'{"' + b"a" * 10_000 + b'": 1, "' + b"a" * 10_000 + b'": 2}',
    "at the end": b'{"content": "x", ' + b'"a": 1, ' * 1_000 + b'"b": 2}',
}


@pytest.mark.parametrize("name", TWICE)
def test_a_json_name_that_comes_twice_is_refused_at_every_depth(ada, outbox, name):
    refused = post(ada, MESSAGES, TWICE[name])
    assert (refused.status_code, refused.content_type) == (400, PROBLEM)
    assert "comes twice" in refused.json["detail"]
    assert len(refused.data) < 400
    assert outbox.unchanged()


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_is_refused(ada, outbox, number):
    refused = post(ada, MESSAGES, f'{{"content": "x", "version": {number}}}')
    assert (refused.status_code, refused.json["detail"]) == (400, "The body is not valid JSON.")
    assert outbox.unchanged()


def test_one_name_in_two_objects_is_accepted(ada):
    """`name` and `Name` differ, too: the second is unknown."""
    new = b'{"inbox_id": 1, "contact": {"name": "N", "email": "n@x.example"}, "content": "name"}'
    assert post(ada, "/accounts/1/conversations", new).status_code == 201
    refused = post(ada, MESSAGES, b'{"content": "x", "Content": "y"}')
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["Content"])


FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"


def parts(*heads_and_values: tuple[str, str]) -> bytes:
    made = (
        f"--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n"
        for head, value in heads_and_values
    )
    return ("".join(made) + "--b--\r\n").encode()


FORMS = {
    "private both ways": (b"content=x&private=true&private=false", FORM),
    "the same value": (b"content=x&content=x", FORM),
    "an unknown field": (b"content=x&y=1&y=2", FORM),
    "another spelling of the name": (b"content=x&private=true&%70rivate=false", FORM),
    "the CSRF token": (b"content=x&csrf_token=1&csrf_token=1", FORM),
    "two parts": (
        parts(('name="content"', "x"), ('name="private"', "1"), ('name="private"', "0")), MULTIPART,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_a_form_field_that_comes_twice_is_refused(ada, outbox, name):
    data, type = FORMS[name]
    refused = post(ada, MESSAGES, data, type)
    assert (refused.status_code, refused.content_type) == (400, PROBLEM)
    assert "comes twice" in refused.json["detail"]
    assert outbox.unchanged()


def test_a_dotted_field_that_comes_twice_or_beside_its_object_is_refused(ada, outbox):
    path, rest = "/accounts/1/conversations", "inbox_id=1&content=x&contact.email=n@x.example"
    assert post(ada, path, f"{rest}&contact.name=a&contact.name=b", FORM).status_code == 400
    for both in ("contact=a&contact.name=b", "contact.name=b&contact=a"):
        assert post(ada, path, f"{rest}&{both}", FORM).status_code == 422
    assert outbox.unchanged()
    assert post(ada, path, f"{rest}&contact.name=a", FORM).status_code == 201


def test_a_forms_file_is_refused_and_not_dropped(ada, outbox):
    """A `private` that is sent as a file would otherwise be lost, and the note published."""
    file = ('name="private"; filename="private.txt"', "true")
    refused = post(ada, MESSAGES, parts(('name="content"', "x"), file), MULTIPART)
    assert (refused.status_code, refused.content_type) == (400, PROBLEM)
    assert "is a file" in refused.json["detail"]
    assert outbox.unchanged()
    text = ('name="private"', "true")
    assert post(ada, MESSAGES, parts(('name="content"', "x"), text), MULTIPART).json["private"]


def test_a_forms_part_without_a_name_is_refused(ada, outbox):
    nameless = post(ada, MESSAGES, parts(('name="content"', "x"), ("", "true")), MULTIPART)
    assert (nameless.status_code, nameless.content_type) == (400, PROBLEM)
    assert outbox.unchanged()


def test_a_query_parameter_that_comes_twice_is_refused_by_every_endpoint(app, ada):
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"]
    assert len(rules) > 25
    for rule in rules:
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<id:{name}>", "1")
        method = "POST" if "POST" in (rule.methods or ()) else "GET"
        client = app.test_client()
        refused = client.open(f"{path}?x=1&y=1&x=2", method=method, headers=ada.headers)
        assert (path, refused.status_code, refused.content_type) == (path, 400, PROBLEM)
        assert '"x" comes twice' in refused.json["detail"]


@pytest.mark.parametrize(
    "query",
    ["user=1&user=2", "format=json&format=html", "last_event_id=x&last_event_id=y",
     "token=x&token=y", "user=1&%75ser=1"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/streams/conversations/1", "/streams?stream=account:1"])
def test_a_streams_parameter_that_comes_twice_is_refused(ada, path, query):
    refused = ada.get(path + ("&" if "?" in path else "?") + query)
    assert (refused.status_code, refused.content_type) == (400, PROBLEM)


def test_several_streams_are_named_on_one_connection_only(ada):
    with closing(ada.stream("/streams?stream=account:1&stream=conversation:1")) as stream:
        stream.named("stream.open")
    refused = ada.get("/streams/conversations/1?stream=account:1&stream=conversation:1")
    assert refused.status_code == 400


def test_a_browser_gets_a_page_for_a_parameter_that_comes_twice(app):
    page = app.test_client().get("/login?next=/a&next=/b", headers={"Accept": "text/html"})
    assert (page.status_code, page.mimetype) == (400, "text/html")


# A request's own headers, before which `{token}` stands for Ada's; as sent over a socket.
HEADERS = {
    "Authorization": ("Authorization: {token}", "Authorization: {token}"),
    "Authorization of two schemes": ("Authorization: {token}", "authorization: Basic YTpi"),
    "Last-Event-ID": ("Last-Event-ID: 1-2-3", "Last-Event-ID: 1-2-4"),
    "Host": ("Host: x", "Host: y"),
    "Origin": ("Origin: http://x", "Origin: http://y"),
    "X-CSRF-Token": ("X-CSRF-Token: a", "X-CSRF-Token: b"),
    "Content-Type": ("Content-Type: application/json", f"Content-Type: {FORM}"),
    "Content-Length": ("Content-Length: 16", "Content-Length: 15"),
}
BODY = b'{"content": "x"}'


def sent(app, token: str, headers: list[str], body: bytes = BODY) -> bytes:
    lines = [f"POST {MESSAGES} HTTP/1.1", *headers, "Connection: close", "", ""]
    head = "\r\n".join(lines).format(token=token).encode()
    with served(app) as server:
        return answer(connected(server.address, head + body))


def messages(app) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Message)) or 0


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_comes_twice_is_refused(app, ada, name):
    plain = {
        "Host": "x",
        "Authorization": "{token}",
        "Content-Type": JSON,
        "Content-Length": str(len(BODY)),
    }
    twice = HEADERS[name]
    own = [f"{k}: {v}" for k, v in plain.items() if k != name.split()[0]]
    token, before = ada.headers["Authorization"], messages(app)
    refused = sent(app, token, [*own, *twice])
    assert refused.startswith(b"HTTP/1.1 400 "), refused
    assert messages(app) == before
    if name not in ("Content-Length", "Host"):  # refused before the application
        assert b"comes twice" in refused
    accepted = sent(app, token, [*own, twice[0]])
    assert accepted.startswith(b"HTTP/1.1 201 "), accepted
    assert messages(app) == before + 1


def test_list_headers_may_come_several_times(app, ada):
    own = ["Host: x", "Authorization: {token}", f"Content-Type: {JSON}", "Content-Length: 16"]
    lists = ["Accept: text/html;q=0", "Accept: */*", "Cookie: a=1", "Cookie: b=2",
             "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"]  # fmt: skip
    accepted = sent(app, ada.headers["Authorization"], [*own, *lists])
    assert accepted.startswith(b"HTTP/1.1 201 "), accepted
