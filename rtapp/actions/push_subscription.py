from typing import Annotated

from flask import current_app
from flask import url_for
from pydantic import AfterValidator
from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import auth
from rtapp import validation
from rtapp import vapid
from rtapp.errors import Unprocessable
from rtapp.push_endpoint import RefusedEndpoint
from rtapp.push_endpoint import refuse_endpoint
from rtapp.services.change_push_subscription import delete_push_subscription
from rtapp.services.change_push_subscription import set_push_subscription
from rtapp.validation import Body

from .base import bp
from .base import done

SECRET_LENGTH = 16  # bytes (RFC 8291, section 3.2)


def push_endpoint(text: str) -> str:
    try:
        refuse_endpoint(text, current_app.config["PUSH_ENDPOINT_HOSTS"])
    except RefusedEndpoint as error:
        raise ValueError(str(error)) from error
    return text


def public_key(text: str) -> str:
    if not vapid.is_public_key(text):
        raise ValueError("must be a point on P-256, of 65 bytes, in base64url without padding")
    return text


def secret(text: str) -> str:
    try:
        length = len(vapid.decode(text))
    except ValueError:
        length = 0
    if length != SECRET_LENGTH:
        raise ValueError("must have 16 bytes, in base64url without padding")
    return text


class NewSubscription(Body):
    """The browser's PushSubscription: its endpoint, and its keys by their names."""

    endpoint: Annotated[str, AfterValidator(push_endpoint)]
    p256dh: Annotated[str, Field(max_length=100), AfterValidator(public_key)]
    auth: Annotated[str, Field(max_length=100), AfterValidator(secret)]


class Unsubscribed(Body):
    """An empty body."""


@bp.post("/push_subscription")
def subscribe() -> Response:
    """Send push notifications to this browser, until its session ends."""
    auth.signed_in()
    new = validation.body(NewSubscription)
    session_id = auth.session_id()
    if current_app.config["VAPID_PUBLIC_KEY"] is None:
        raise Unprocessable("Push notifications are not set up on this server.")
    set_push_subscription(session_id, new.endpoint, new.p256dh, new.auth)
    return done(url_for("me.home"))


@bp.post("/push_subscription/delete")
def unsubscribe() -> Response:
    """Send no more push notifications to this browser."""
    auth.signed_in()
    validation.body(Unsubscribed)
    delete_push_subscription(auth.session_id())
    return done(url_for("me.home"))
