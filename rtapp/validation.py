"""Validation of request bodies and parameters against pydantic models."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC
from datetime import datetime
from typing import Annotated
from typing import Any
from typing import TypeVar

from flask import current_app
from flask import request
from flask.json.provider import DefaultJSONProvider
from pydantic import AfterValidator
from pydantic import BaseModel
from pydantic import BeforeValidator
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError
from werkzeug.exceptions import NotFound as WerkzeugNotFound
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.routing import IntegerConverter
from werkzeug.routing import Map

from rtapp.config import FIELD_LIMIT
from rtapp.config import ID_LIMIT
from rtapp.config import ORIGINS_PER_WEBSITE
from rtapp.config import PASSWORD_LENGTH
from rtapp.config import PASSWORD_LIMIT
from rtapp.errors import BadRequest
from rtapp.errors import TooLarge
from rtapp.errors import UnknownMethod
from rtapp.errors import Unprocessable
from rtapp.errors import UnsupportedMediaType
from rtapp.origins import origin
from rtapp.passwords import DEMO_PASSWORD
from rtapp.realtime.handoff import REPEATED_HEADERS
from rtapp.text import address
from rtapp.text import isolated
from rtapp.text import not_blank

# The parameters that may come several times, by endpoint.
MAY_REPEAT = {"streams.several_streams": {"stream"}}


def storable(text: str) -> str:
    if "\x00" in text:  # PostgreSQL can't store it
        raise ValueError("must not contain the character NUL")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not contain half of a surrogate pair")  # not encodable in UTF-8
    return text


def not_blank_unless_empty(text: str) -> str:
    return not_blank(text) if text else text


def with_plain_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n")  # forms send CRLF


def page_address(text: str) -> str:
    """Without a user name and password."""
    if not (text.isprintable() and " " not in text and PAGE_ADDRESS.match(text)):
        raise ValueError("must be the address of a page, such as https://example.com/prices")
    return PAGE_USER.sub(r"\1", text)


def not_guessable(password: str) -> str:
    if not PASSWORD_LENGTH <= len(password) <= PASSWORD_LIMIT:
        raise ValueError(f"must have {PASSWORD_LENGTH} to {PASSWORD_LIMIT} characters")
    if current_app.config["PRODUCTION"] and password == DEMO_PASSWORD:
        raise ValueError("must not be the demo's, which everybody can look up")
    return password


PAGE_ADDRESS = re.compile(r"https?://[^/?#]", re.IGNORECASE)
PAGE_USER = re.compile(r"^(https?://)[^/?#]*@", re.IGNORECASE)


def one_a_line(value: object) -> object:
    """The lines of a form's field that are not empty."""
    if isinstance(value, str):
        return [line for line in value.splitlines() if line.strip()]
    return value


def distinct_origins(texts: list[str]) -> list[str]:
    """The origins in their one form, each once."""
    found: dict[str, None] = {}
    for text in texts:
        try:
            found[origin(text)] = None
        except ValueError as error:
            raise ValueError(f"has {readable(text)}, which {error}") from error
        if len(found) > ORIGINS_PER_WEBSITE:
            raise ValueError(f"must not have more than {ORIGINS_PER_WEBSITE} origins")
    return list(found)


def colour(text: str) -> str:
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise ValueError("must be a colour like #1d4ed8")
    return text.lower()


Text = Annotated[str, AfterValidator(storable)]
Name = Annotated[Text, AfterValidator(not_blank), AfterValidator(str.strip)]
Address = Annotated[Text, AfterValidator(address)]
NewPassword = Annotated[Text, AfterValidator(not_guessable)]
Notes = Annotated[
    Text, AfterValidator(not_blank_unless_empty), AfterValidator(with_plain_line_ends)
]
Origins = Annotated[list[str], BeforeValidator(one_a_line), AfterValidator(distinct_origins)]
Colour = Annotated[str, AfterValidator(colour)]
Content = Annotated[Text, AfterValidator(not_blank), AfterValidator(with_plain_line_ends)]


# RFC 3339, section 5.6: with a time zone, in upper or lower case.
RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)


# What pydantic begins a message with, and what it calls the characters of a text that a function
# of ours has validated before.
SUBJECT = re.compile(r"^(Value error, |Input |String |Value )")
AFTER_VALIDATION = re.compile(r"^(Value should have at (?:most|least) \d+) items? after .*")


def moment(value: object) -> datetime:
    """The time in UTC, truncated to milliseconds. Raises ValueError unless it is RFC 3339."""
    if not isinstance(value, str) or not RFC3339.fullmatch(value):
        raise ValueError("must be a time as in RFC 3339, like 2026-11-23T14:05:00Z")
    try:
        parsed = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("must be a time that exists") from error
    return parsed.replace(microsecond=parsed.microsecond // 1000 * 1000)


def none_if_empty(value: object) -> object:
    return None if value == "" else value  # a form sends an empty field for none


Time = Annotated[datetime, BeforeValidator(moment)]
OrNone = BeforeValidator(none_if_empty)
RowId = Annotated[int, Field(ge=1, le=ID_LIMIT)]
KnownVersion = Annotated[RowId | None, OrNone]  # the client's version of the row that it changes


class Body(BaseModel):
    """A body's model. Unknown fields are errors: a misspelt `private` must not publish a note."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


Model = TypeVar("Model", bound=BaseModel)


def body(model: type[Model]) -> Model:
    """The request's body, JSON or form, as `model`.

    Text of a form is converted; the types of JSON must match. Raises BadRequest for malformed JSON,
    for a JSON name or a form's field that comes twice, and for a form with files;
    UnsupportedMediaType for another media type; Unprocessable with messages per field for a body
    that does not match the model.
    """
    if request.is_json:
        return checked(model, json_body(), strict=True)
    if request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return checked(model, form_body(), strict=False)
    if not request.get_data():
        return checked(model, {}, strict=True)
    raise UnsupportedMediaType("Send the body as application/json or as a form.")


def parameters(model: type[Model]) -> Model:
    """The query string as `model`. Raises BadRequest that names each wrong parameter.

    No parameter comes twice here: see `refuse_repeated_parts`.
    """
    try:
        return model.model_validate(request.args.to_dict(), strict=False)
    except ValidationError as error:
        raise BadRequest(f"The query string can't be used: {sentence(by_field(error))}.") from error


def refuse_cut_body() -> None:
    """Raises RequestEntityTooLarge for a chunked body (RFC 9112, section 7.1) over the limit.

    Werkzeug reads such a body up to the limit and silently drops the rest.
    """
    if "Transfer-Encoding" in request.headers and request.environ.get("wsgi.input_terminated"):
        request.get_data()  # cached; forms are parsed from the cache
        if request.environ["wsgi.input"].read(1):
            raise RequestEntityTooLarge


def refuse_unknown_method() -> None:
    """Raises UnknownMethod for `get` and the like. "The method token is case-sensitive" (RFC 9110,
    section 9.1), and Flask compares it in upper case."""
    method = request.environ["REQUEST_METHOD"]
    if method != method.upper():
        raise UnknownMethod(f"There is no method {shown(method)}. Methods are in upper case.")


def refuse_repeated_parts() -> None:
    """Raises BadRequest for a request with a query parameter, or a header of which there is one,
    that comes twice: two readers of the request could choose different ones."""
    environ = request.environ
    if environ.get("QUERY_STRING"):
        may_repeat = MAY_REPEAT.get(request.endpoint or "", set())
        repeated = (name for name, values in request.args.lists() if values[1:])
        refuse_repeated("parameter", (name for name in repeated if name not in may_repeat))
    refuse_repeated("header", environ.get(REPEATED_HEADERS, ()))


def refuse_repeated(kind: str, names: Iterable[str]) -> None:
    for name in names:
        raise BadRequest(f"The {kind} {shown(name)} comes twice. Send it once.")


def shown(name: str) -> str:
    """A name that the client chose, quoted and short, in ASCII."""
    return json.dumps(cut(name))


def readable(text: str) -> str:
    """Likewise, in its own letters if all of it can be seen."""
    return isolated(f'"{cut(text)}"') if text.isprintable() else shown(text)


def cut(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:40]}…"


class RepeatedName(ValueError):
    """A name comes twice in an object. The text names it."""


class StrictJson(DefaultJSONProvider):
    """Flask's JSON, without what readers of JSON take differently (RFC 8259, section 4): a name
    that comes twice in an object, and numbers that JSON does not have."""

    ensure_ascii = False
    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Raises ValueError; RepeatedName for a name that comes twice, at any depth."""
        if kwargs:
            return super().loads(s, object_pairs_hook=unique, parse_constant=unknown, **kwargs)
        text = s if isinstance(s, str) else s.decode(json.detect_encoding(s), "surrogatepass")
        if text.startswith(BYTE_ORDER_MARK):
            raise ValueError("JSON does not begin with a byte order mark")
        return DECODER.decode(text)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise RepeatedName(f"The name {shown(name)} comes twice in an object. Send it once.")
    return fields


def unknown(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


BYTE_ORDER_MARK = "\ufeff"
DECODER = json.JSONDecoder(object_pairs_hook=unique, parse_constant=unknown)  # json.loads makes one


def form_body() -> dict[str, Any]:
    """The form's fields as a dict. A field `contact.name` becomes `name` in the dict `contact`.

    Raises BadRequest for a field that comes twice, and for a file, which would be dropped.
    """
    refuse_many(len(request.form))
    refuse_repeated("field", (name for name, values in request.form.lists() if values[1:]))
    for name in request.files:
        raise BadRequest(f"The field {shown(name)} is a file. Send it as text.")
    form: dict[str, Any] = {}
    for name, value in request.form.items():
        if name is None:  # werkzeug's, for a part of multipart/form-data without a name
            raise BadRequest("The form has a part without a name.")
        outer, dot, inner = name.partition(".")
        if not dot:
            form[name] = value
        elif isinstance(form.setdefault(outer, {}), dict):
            form[outer][inner] = value
    form.pop("csrf_token", None)
    return form


def file_of_form(name: str, limit: int) -> tuple[str, bytes]:
    """The form's one file, in the field `name`: its name and its content.

    Raises UnsupportedMediaType for another body than multipart/form-data, Unprocessable without the
    file or with anything else, TooLarge for more than `limit` bytes.
    """
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType(f"Send the file as multipart/form-data, in the field {name}.")
    refuse_many(len(request.form) + len(request.files))
    refuse_repeated("field", (one for one, files in request.files.lists() if files[1:]))
    file = request.files.get(name)
    if file is None or not file.filename:
        raise Unprocessable("Send a file.", errors={name: ["is missing, or is no file"]})
    for other in (*request.form, *request.files):
        if other not in (name, "csrf_token"):
            errors = {cut(str(other)): ["is not known"]}
            raise Unprocessable(f"The form can't be used: {sentence(errors)}.", errors=errors)
    data = file.read(limit + 1)
    if len(data) > limit:
        raise TooLarge(f"A file may have {limit // 1024 // 1024} MiB. This one is larger.")
    return file.filename, data


def json_body() -> Any:
    try:
        return current_app.json.loads(request.get_data())
    except RepeatedName as error:
        raise BadRequest(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is not valid JSON.") from error


def checked(model: type[Model], value: Any, *, strict: bool) -> Model:
    if not isinstance(value, dict):
        raise Unprocessable(
            "The body must be a JSON object.", errors={"body": ["must be an object"]}
        )
    refuse_many(len(value))
    for inner in value.values():
        refuse_many(len(inner) if isinstance(inner, dict) else 0)
    try:
        return model.model_validate(value, strict=strict)
    except ValidationError as error:
        errors = by_field(error)
        detail = f"The body can't be used: {sentence(errors)}."
        raise Unprocessable(detail, errors=errors) from error


def refuse_many(fields: int) -> None:
    """Raises Unprocessable for more fields than any body has: each would be an error of its own, in
    an answer of several times the body's size."""
    if fields > FIELD_LIMIT:
        wrong = f"must not have more than {FIELD_LIMIT} fields"
        raise Unprocessable(f"The body can't be used: it {wrong}.", errors={"body": [wrong]})


def by_field(error: ValidationError) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        field = ".".join(cut(str(part)) for part in problem["loc"]) or "body"
        errors.setdefault(field, []).append(predicate(problem["type"], problem["msg"]))
    return errors


def sentence(errors: dict[str, list[str]]) -> str:
    return "; ".join(f"{name} {' and '.join(messages)}" for name, messages in errors.items())


def predicate(kind: str, message: str) -> str:
    """Pydantic's message as the end of a sentence that begins with the field's name."""
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not known"
    message = AFTER_VALIDATION.sub(r"\1 characters", message)
    message = SUBJECT.sub("", message)
    return message[:1].lower() + message[1:]


class IdConverter(IntegerConverter):
    """`<id:…>` in a route: a positive integer within ID_LIMIT, in ASCII digits."""

    regex = "[0-9]+"

    def __init__(self, map: Map):
        super().__init__(map, min=1, max=ID_LIMIT)

    def to_python(self, value: str) -> int:
        """Raises NotFound for an invalid id. With a ValueError, werkzeug would try the URL's other
        methods and answer 405; Python raises one for too many digits."""
        try:
            id: int = super().to_python(value)
        except ValueError as error:
            raise WerkzeugNotFound from error
        return id
