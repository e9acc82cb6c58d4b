"""Metrics and faults are for the operator: a request of anybody else is refused."""

from hmac import compare_digest

from flask import Request
from flask import current_app
from flask import request

from rtapp import addresses
from rtapp.config import Settings
from rtapp.errors import Forbidden

# Set by proxies, which would pass a request of anybody on from a loopback address. A client on the
# same machine that asks by itself sets none of them.
FORWARDING = {
    "forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip",
    "cf-connecting-ip", "fastly-client-ip", "x-original-forwarded-for", "x-original-host",
}  # fmt: skip
FORWARDED = "x-forwarded-"  # For, Host, Proto, Port, Server…
LOOPBACK_NAME = "localhost"


def refuse_outsiders() -> None:
    """Raises Forbidden unless the request comes from this machine or, if RTAPP_METRICS is set,
    unless it has that token."""
    settings: Settings = current_app.extensions["settings"]
    if settings.metrics_token is None:
        if not is_local(request):
            raise Forbidden(
                "This is answered on a loopback address only, without a proxy. "
                "From elsewhere it needs a token: see RTAPP_METRICS in the README."
            )
    elif not has_token(request, settings.metrics_token):
        raise Forbidden("This needs the token of RTAPP_METRICS: `Authorization: Bearer …`.")


def is_local(request: Request) -> bool:
    """Whether a client on this machine sent the request to a loopback address itself.

    The Host header is checked too. A proxy that adds no header may keep the public name in it, and
    so does a browser here that another site's name led to a loopback address (DNS rebinding).
    """
    return (
        is_loopback(request.environ.get("REMOTE_ADDR", ""))
        and names_loopback(request.headers.get("Host", ""))
        and not any(is_forwarding(name.lower()) for name, _ in request.headers)
    )


def is_forwarding(name: str) -> bool:
    return name in FORWARDING or name.startswith(FORWARDED)


def is_loopback(address: str) -> bool:
    parsed = addresses.parsed(address)
    return parsed is not None and parsed.is_loopback


def names_loopback(host: str) -> bool:
    """Whether a Host header, with or without a port, is `localhost` or a loopback address."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower() == LOOPBACK_NAME or is_loopback(name)


def has_token(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and compare_digest(given.strip().encode(), token.encode())
