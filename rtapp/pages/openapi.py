"""The API's description in OpenAPI 3.1, generated from the routes, the models of bodies and
parameters, and the catalogue's shapes."""

import re
from collections.abc import Iterator
from functools import cache
from inspect import getdoc
from inspect import unwrap
from typing import Any
from typing import NamedTuple

from flask import Blueprint
from flask import Flask
from flask import current_app
from pydantic import BaseModel
from werkzeug.routing import Rule

from rtapp import access
from rtapp import scopes
from rtapp.config import ID_LIMIT
from rtapp.config import MAX_WAIT
from rtapp.events import catalogue
from rtapp.events.catalogue import CONVERSATION
from rtapp.events.catalogue import LABEL
from rtapp.events.catalogue import MESSAGE
from rtapp.events.catalogue import NOTIFICATION
from rtapp.events.catalogue import VIEWS
from rtapp.events.catalogue import Each
from rtapp.realtime.frames import FORMATS
from rtapp.validation import Body

bp = Blueprint("openapi", __name__)

JSON, PROBLEM, STREAM, PAGE, FORM, ANY = (
    "application/json", "application/problem+json", "text/event-stream", "text/html",
    "multipart/form-data", "*/*",
)  # fmt: skip
REFUSALS = {"GET": (400, 401, 403, 404, 410, 422, 429, 503),
            "POST": (400, 401, 403, 404, 409, 410, 413, 415, 422, 429, 503)}  # fmt: skip
CANNED_REPLY = {"id": int, "shortcut": str, "content": str}
INBOX = {"id": int, "name": str, "auto_assign": bool, "assignment_cap": (int, None)}
WEBSITE = {
    "inbox_id": int, "key": str, "origins": Each(str), "greeting": str, "away": str, "accent": str,
    "language": str, "secrets": Each(str), "text_on_accent": str, "contrast": float, "url": str,
    "snippet": str,
}  # fmt: skip
MEMBER = {
    "id": int, "name": str, "email": str, "role": str, "sees": str, "inbox_ids": Each(int),
    "disabled": bool,
}  # fmt: skip
PROFILE = {"id": int, "name": str, "email": str}
SESSION = {"id": str, "device": str, "address": str, "created_at": str, "last_used_at": str,
           "current": bool}  # fmt: skip
TOKEN = {"id": int, "name": str, "scope": str, "created_at": str, "last_used_at": (str, None),
         "expires_at": (str, None)}  # fmt: skip
CURSOR = {"cursor": str}


class Answer(NamedTuple):
    """The statuses of a success, and the shape of its body, as in the catalogue."""

    statuses: tuple[int, ...] = (200,)
    shape: Any = None
    type: str = JSON


def page_of(name: str, shape: Any) -> dict[str, Any]:
    return {name: Each(shape), "next_before": (object, None), **CURSOR}


REVISION = {"version": int, "content": str, "edited_at": str, "edited_by": catalogue.PERSON}
ME = {"id": int, "name": str, "email": str, "memberships": Each(
    {"account_id": int, "role": str, "sees": str, "status": str, "alerts": str})}  # fmt: skip
VISITOR = {**catalogue.PERSON, "verified": bool}
HIT = {
    "field": str, "message_id": (int, None), "sender_name": (str, None),
    "excerpt": Each({"text": str, "marked": bool}), "cut_before": bool, "cut_after": bool,
}  # fmt: skip
CONTACT = {
    "id": int, "account_id": int, "name": str, "email": (str, None), "phone": (str, None),
    "notes": str, "blocked": bool, "verified": bool, "given_email": (str, None),
    "page_url": (str, None), "version": int,
}  # fmt: skip
CONTACT_MERGE = {
    "id": int, "contact": CONTACT, "conversation_ids": Each(int),
    "merged_by": (catalogue.PERSON, None), "merged_at": str, "undo_until": str,
}  # fmt: skip
CONVERSATION_MERGE = {
    "id": int, "conversation_id": int, "messages": int, "merged_by": catalogue.PERSON,
    "merged_at": str, "undo_until": str,
}  # fmt: skip
LINK = {
    "state": str, "created_by": (catalogue.PERSON, None), "created_at": str, "expires_at": str,
    "mail": (str, None), "mail_error": (str, None),
}  # fmt: skip
INVITATION = {
    "id": int, "account_id": int, "email": (str, None), "role": str, "sees": str,
    "inbox_ids": Each(int), "used_by": (catalogue.PERSON, None), **LINK,
}  # fmt: skip
PASSWORD_LINK = {"id": int, "user": catalogue.PERSON, **LINK}
OPEN_STREAM = {
    "id": str, "user": catalogue.SENDER, "streams": Each(str), "format": str, "address": str,
    "user_agent": str, "device": str, "since": str, "state": str, "cursor": (str, None),
    "newest": (str, None), "lag": (float, None), "unsent": int, "blocked": float,
}  # fmt: skip
INCIDENT = {"at": str, "kind": str, "topics": Each(str), "reason": str, "streams": int}
DEAD_LETTER = {
    "id": int, "event": str, "topics": Each(str), "created_at": str, "set_aside_at": str,
    "error": str,
}  # fmt: skip
INSPECTED = {
    "processes": ({"asked": int, "answered": int}, None),
    "problem": (str, None),
    "total": int,
    "streams": Each(OPEN_STREAM),
    "incidents": Each(INCIDENT),
    "outbox": {
        "waiting": int, "oldest": (str, None), "set_aside": int, "dead_letters": Each(DEAD_LETTER),
    },
}  # fmt: skip
STATUS, DONE, OPEN = Answer(shape={"status": str}), Answer((204,)), Answer(type=STREAM)
RECOVERY_CODES = Answer((200,), {"recovery_codes": Each(str)})
# An endpoint without an entry is described as answering 2XX.
ANSWERS = {
    "actions.upload": Answer((201,), {"attachment": catalogue.ATTACHMENT}),
    "attachment.one": Answer((200, 206, 304), type=ANY),
    "attachment.thumbnail": Answer((200, 206, 304), type=ANY),
    "actions.create_message": Answer((201, 200), MESSAGE),
    "actions.change_message": Answer((200,), MESSAGE),
    "actions.remove_message": DONE,
    "actions.type_": DONE,
    "actions.set_status": Answer((200,), CONVERSATION),
    "actions.set_assignee": Answer((200,), CONVERSATION),
    "actions.change_labels": Answer((200,), CONVERSATION),
    "actions.merge_conversation": Answer((200,), CONVERSATION),
    "actions.separate": Answer((200,), CONVERSATION),
    "actions.read": DONE,
    "actions.set_draft": Answer((200,), {"version": int}),
    "actions.choose": Answer((200,), catalogue.EPHEMERAL["presence_update"][1]),
    "actions.choose_alerts": Answer((200,), {"alerts": str}),
    "actions.change_many": Answer(
        shape={
            "changed": Each(
                {
                    "id": int,
                    "version": int,
                    "before": {
                        "status": str,
                        "snoozed_until": (str, None),
                        "assignee_id": (int, None),
                        "labels": Each(int),
                    },
                }
            ),
            "refused": Each({"id": int, "status": int, "detail": str}),
        }
    ),
    "actions.subscribe": DONE,
    "actions.unsubscribe": DONE,
    "actions.create_conversation": Answer((201, 200), CONVERSATION),
    "actions.read_one": DONE,
    "actions.read_all": DONE,
    "conversation.several": Answer(
        shape={**page_of("conversations", CONVERSATION), "hits": Each(HIT)}
    ),
    "conversation.one": Answer(
        shape={"conversation": CONVERSATION, "merges": Each(CONVERSATION_MERGE), **CURSOR}
    ),
    "draft.own": Answer(shape={"reply": str, "note": str, "version": int}),
    "label.several": Answer(shape={"labels": Each(LABEL)}),
    "label.create": Answer((201,), LABEL),
    "label.change": Answer((200,), LABEL),
    "label.remove": DONE,
    "canned_reply.several": Answer(shape={"canned_replies": Each(CANNED_REPLY)}),
    "canned_reply.create": Answer((201,), CANNED_REPLY),
    "canned_reply.change": Answer((200,), CANNED_REPLY),
    "canned_reply.remove": DONE,
    "contact.one": Answer(
        shape={
            "contact": CONTACT,
            "last_seen_at": (str, None),
            "merges": Each(CONTACT_MERGE),
            **page_of("conversations", CONVERSATION),
        }
    ),
    "contact.change": Answer((200,), CONTACT),
    "contact.block": Answer((200,), CONTACT),
    "contact.preview_merge": Answer(
        shape={"source": CONTACT, "target": (CONTACT, None), "conversations": int}
    ),
    "contact.merge": Answer((200,), CONTACT),
    "contact.undo": Answer((200,), CONTACT),
    "inbox_settings.several": Answer(shape={"inboxes": Each(INBOX)}),
    "inbox_settings.create": Answer((201,), INBOX),
    "inbox_settings.change": Answer((200,), INBOX),
    "website.one": Answer(shape={"website": (WEBSITE, None)}),
    "website.create": Answer((201,), WEBSITE),
    "website.change": Answer((200,), WEBSITE),
    "website.create_secret": Answer((201,), {"id": str, "secret": str}),
    "website.delete_secret": DONE,
    "website.remove": DONE,
    "invitation.several": Answer(shape={"invitations": Each(INVITATION)}),
    "invitation.create": Answer((201,), {**INVITATION, "url": str}),
    "invitation.revoke": DONE,
    "join.page": Answer(
        shape={
            "account": {"id": int, "name": str},
            "email": (str, None),
            "role": str,
            "expires_at": str,
        }
    ),
    "join.join": Answer(shape=ME),
    "password_link.several": Answer(shape={"password_links": Each(PASSWORD_LINK)}),
    "password_link.create": Answer((201,), {**PASSWORD_LINK, "url": str}),
    "password_link.revoke": DONE,
    "forgotten_password.page": Answer(type=PAGE),
    "forgotten_password.ask": Answer((202,), {"detail": str}),
    "new_password.page": Answer(shape={"email": str, "expires_at": str}),
    "new_password.set_": Answer(shape=ME),
    "member.several": Answer(shape={"members": Each(MEMBER), "inboxes": Each(INBOX)}),
    "member.change": Answer((200,), MEMBER),
    "member.remove": DONE,
    "member.turn_off_second_factor": DONE,
    "inspection.several": Answer(shape=INSPECTED),
    "inspection.end": DONE,
    "inspection.retry": Answer(shape={"retried": int}),
    "account.one": Answer(shape={"id": int, "name": str}),
    "account.change": Answer((200,), {"id": int, "name": str}),
    "profile.own": Answer(shape=PROFILE),
    "profile.change": Answer((200,), PROFILE),
    "profile.change_own_password": DONE,
    "settings.of_account": Answer((302,), type=PAGE),
    "settings.of_user": Answer((302,), type=PAGE),
    "doctor.page": Answer(shape={"url": (str, None)}),
    "doctor.examine": Answer(
        shape={
            "verdict": str,
            "findings": Each({"check": str, "verdict": str, "sentence": str, "remedy": str}),
        }
    ),
    "doctor.seen": Answer(
        shape={"address": str, "forwarded_for": str, "scheme": str, "hand_off": bool}
    ),
    "message.several": Answer(shape=page_of("messages", MESSAGE)),
    "revision.several": Answer(shape=page_of("revisions", REVISION)),
    "notification.several": Answer(shape=page_of("notifications", NOTIFICATION)),
    "presence.present": Answer(shape={**catalogue.EPHEMERAL["presence_update"][0], **CURSOR}),
    "session.several": Answer(shape={"sessions": Each(SESSION)}),
    "session.end": DONE,
    "session.end_others": DONE,
    "token.several": Answer(shape={"tokens": Each(TOKEN)}),
    "token.create": Answer((201,), {**TOKEN, "token": str}),
    "token.revoke": DONE,
    "unread.numbers": Answer(shape={"conversations": Each(int), "views": VIEWS, **CURSOR}),
    "push_subscription.own": Answer(shape={"public_key": (str, None), "endpoint": (str, None)}),
    "second_factor.ask": Answer(type=PAGE),
    "second_factor.sign_in": Answer(shape={**ME, "recovery_codes": Each(str)}),
    "second_factor.own": Answer(
        shape={
            "since": (str, None),
            "recovery_codes_left": int,
            "required_by": (str, None),
            "secret": (str, None),
            "uri": (str, None),
        }
    ),
    "second_factor.turn_on": RECOVERY_CODES,
    "second_factor.renew": RECOVERY_CODES,
    "second_factor.turn_off": DONE,
    "account.require": Answer(shape={"required": bool}),
    "service_worker.script": Answer(type="text/javascript"),
    "widget.script": Answer(type="text/javascript"),
    "me.home": Answer((302,), type=PAGE),
    "me.me": Answer(shape=ME),
    "setup.page": Answer((200, 302, 303), type=PAGE),
    "setup.create": Answer(shape=ME),
    "login.page": Answer(type=PAGE),
    "login.sign_in": Answer(shape=ME),
    "login.sign_out": DONE,
    "health.alive": STATUS,
    "health.ready": STATUS,
    "health.status": Answer(shape={"status": str, "faults": Each(str)}),
    "health.metrics": Answer(type="text/plain"),
    "openapi.describe": Answer(),
    "actions.start_visitor_session": Answer(
        (201,),
        {
            "token": str,
            "expires_at": str,
            "contact": VISITOR,
            "account_id": int,
            "inbox_id": int,
        },
    ),
    "actions.end_visitor_session": DONE,
    "actions.start_own_conversation": Answer(
        (201, 200), {"conversation": CONVERSATION, "message": MESSAGE}
    ),
    "actions.give_contact": Answer((200,), {"contact": {**VISITOR, "email": (str, None)}}),
    "chat_page.page": Answer(type=PAGE),
    "chat_page.write": Answer((303,), type=PAGE),
    "visitor.conversations": Answer(
        shape={
            "conversations": Each({**CONVERSATION, "unread": int}),
            "contact": {**VISITOR, "email": (str, None)},
            "present": bool,
            **CURSOR,
        }
    ),
}
# The schemas of the parts of a path.
ID = {"type": "integer", "minimum": 1, "maximum": ID_LIMIT}
KEY = {"type": "string", "pattern": f"^{access.KEY.pattern}$"}
# The endpoints that take a file, and its form.
FILES = {"actions.upload"}
FILE = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}},
    "required": ["file"],
    "additionalProperties": False,
}
NAMES = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 32}
# The query parameters of streams/base.py.
STREAM_PARAMETERS: dict[str, Any] = {
    "last_event_id": {"type": "string"},
    "format": {"enum": list(FORMATS)},
    "user": {"type": "integer"},
    "wait": {"type": "integer", "minimum": 1, "maximum": MAX_WAIT},
}


@bp.get("/openapi.json")
def describe() -> dict[str, Any]:
    """This description."""
    return description(current_app._get_current_object())  # type: ignore[attr-defined]


@cache
def description(app: Flask) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Problem": PROBLEM_SCHEMA}
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) & {"GET", "POST"}):
            if rule.endpoint != "static":
                path = re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)
                paths.setdefault(path, {})[method.lower()] = operation(app, rule, method, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "rtapp", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"bearer": []}],
    }


def operation(app: Flask, rule: Rule, method: str, schemas: dict[str, Any]) -> dict[str, Any]:
    view = unwrap(app.view_functions[rule.endpoint])
    parameters = [
        parameter(name, KEY if name == "key" else ID, "path") for name in sorted(rule.arguments)
    ]
    described: dict[str, Any] = {
        "operationId": rule.endpoint,
        "summary": (getdoc(view) or rule.endpoint).partition("\n")[0],
        "parameters": parameters,
        "responses": responses(rule.endpoint, method),
        # The scope; by OpenAPI 3.1, a scheme other than OAuth's has roles there.
        "security": [{"bearer": [scopes.needed(method.upper(), rule.endpoint, rule.rule)]}],
    }
    for model in models(view):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        if issubclass(model, Body):
            schemas[model.__name__] = schema
            ref = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
            described["requestBody"] = {"content": {JSON: ref}}
        else:
            parameters += [parameter(n, s) for n, s in schema.get("properties", {}).items()]
    if rule.endpoint in FILES:
        described["requestBody"] = {"required": True, "content": {FORM: {"schema": FILE}}}
    if rule.endpoint.startswith("streams."):
        names = {"stream": NAMES} if not rule.arguments else {}
        parameters += [parameter(n, s) for n, s in {**names, **STREAM_PARAMETERS}.items()]
    return described


def models(view: Any) -> Iterator[type[BaseModel]]:
    """The models with which a view validates its input: those that its code names."""
    for name in view.__code__.co_names:
        found = view.__globals__.get(name)
        if isinstance(found, type) and issubclass(found, BaseModel):
            yield found


def parameter(name: str, schema: Any, place: str = "query") -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def responses(endpoint: str, method: str) -> dict[str, Any]:
    answer = OPEN if endpoint.startswith("streams.") else ANSWERS.get(endpoint)
    described: dict[str, Any] = {"2XX": {"description": "Done"}} if answer is None else {}
    for status in answer.statuses if answer is not None else ():
        assert answer is not None
        content = {answer.type: {"schema": json_schema(answer.shape)}}
        described[str(status)] = {
            "description": "Done",
            **({"content": content} if status != 204 else {}),
        }
    problem = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in REFUSALS[method]:
        described[str(status)] = {"description": "Refused", "content": problem}
    return described


def json_schema(shape: Any) -> dict[str, Any]:
    """A shape of the catalogue as a JSON Schema."""
    if isinstance(shape, Each):
        each = json_schema(shape.value)
        return {"type": ["array", "object"], "items": each, "additionalProperties": each}
    if isinstance(shape, tuple):
        return {"anyOf": [json_schema(shape[0]), {"type": "null"}]}
    if isinstance(shape, dict):
        return {
            "type": "object",
            "properties": {name: json_schema(field) for name, field in shape.items()},
            "required": sorted(shape),
            "additionalProperties": False,
        }
    return {"type": TYPES[shape]} if shape in TYPES else {}


TYPES = {int: "integer", str: "string", bool: "boolean", float: "number"}
# RFC 9457, and the members that errors.py adds.
PROBLEM_SCHEMA = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "object"},
        "current": {"type": "object"},
    },
    "required": ["type", "title", "status", "detail"],
    "additionalProperties": False,
}
