"""Bodies and parameters of requests, checked against a model that says their exact shape."""

from typing import Annotated
from typing import Any
from typing import TypeVar

from flask import request
from pydantic import AfterValidator
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import ValidationError
from werkzeug.exceptions import BadRequest as WerkzeugBadRequest
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.routing import IntegerConverter
from werkzeug.routing import Map

from rtapp.config import ID_LIMIT
from rtapp.errors import BadRequest
from rtapp.errors import Unprocessable
from rtapp.errors import UnsupportedMediaType


def storable(text: str) -> str:
    if "\x00" in text:  # which PostgreSQL does not store
        raise ValueError("must not contain the character NUL")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not contain half of a surrogate pair")  # which UTF-8 can't express
    return text


def not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def with_plain_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n")  # as forms send them


Text = Annotated[str, AfterValidator(storable)]
Content = Annotated[Text, AfterValidator(not_blank), AfterValidator(with_plain_line_ends)]


class Body(BaseModel):
    """A field that a model does not name is an error: a misspelt `private` must not send openly."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


Model = TypeVar("Model", bound=BaseModel)


def body(model: type[Model]) -> Model:
    """The request's body, JSON or form, as `model`.

    Raises BadRequest for what is not JSON, UnsupportedMediaType for what is neither, Unprocessable
    with a message per field for a wrong shape. A form's text is converted; JSON's types must fit.
    """
    if request.is_json:
        return checked(model, json_body(), strict=True)
    if request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data"):
        form = {name: value for name, value in request.form.items() if name != "csrf_token"}
        return checked(model, form, strict=False)
    if not request.get_data():
        return checked(model, {}, strict=True)
    raise UnsupportedMediaType("Send the body as application/json or as a form.")


def parameters(model: type[Model]) -> Model:
    """The query string as `model`. Raises BadRequest naming what is wrong."""
    try:
        return model.model_validate(request.args.to_dict(), strict=False)
    except ValidationError as error:
        told = "; ".join(f"{name} {' and '.join(why)}" for name, why in by_field(error).items())
        raise BadRequest(f"The query string can't be used: {told}.") from error


def json_body() -> Any:
    try:
        return request.get_json()
    except RequestEntityTooLarge:
        raise
    except (WerkzeugBadRequest, RecursionError) as error:
        raise BadRequest("The body is not valid JSON.") from error


def checked(model: type[Model], value: Any, *, strict: bool) -> Model:
    if not isinstance(value, dict):
        raise Unprocessable(
            "The body must be a JSON object.", errors={"body": ["must be an object"]}
        )
    try:
        return model.model_validate(value, strict=strict)
    except ValidationError as error:
        errors = by_field(error)
        told = "; ".join(f"{name} {' and '.join(why)}" for name, why in errors.items())
        raise Unprocessable(f"The body can't be used: {told}.", errors=errors) from error


def by_field(error: ValidationError) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        field = ".".join(str(part) for part in problem["loc"]) or "body"
        errors.setdefault(field, []).append(told(problem["type"], problem["msg"]))
    return errors


def told(kind: str, message: str) -> str:
    """Pydantic's message as the end of a sentence that begins with the field's name."""
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not known"
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:]


class IdConverter(IntegerConverter):
    """`<id:…>` in a route: a positive number that a primary key can hold."""

    def __init__(self, map: Map):
        super().__init__(map, min=1, max=ID_LIMIT)
