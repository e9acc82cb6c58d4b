"""Liveness, readiness, faults and metrics, for operators."""

import os
from typing import Any

from flask import Blueprint
from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client import REGISTRY
from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy.exc import SQLAlchemyError

from rtapp import checks
from rtapp import database
from rtapp.errors import Unavailable
from rtapp.events import outbox
from rtapp.realtime.metrics import FAN_OUTS

from .outsiders import refuse_outsiders

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def alive() -> dict[str, str]:
    """Liveness: the process responds."""
    return {"status": "alive"}


@bp.get("/readyz")
def ready() -> dict[str, str]:
    """Readiness: requests succeed here. Also while Redis is away: then streams are held."""
    faults = checks.faults(checks.SERVING)
    if faults:
        raise Unavailable(" ".join(faults.values()))
    return {"status": "ready"}


@bp.get("/status")
def status() -> dict[str, Any]:
    """The faults of this process and of what it needs, in sentences, for the operator."""
    refuse_outsiders()
    faults = checks.faults((*checks.SERVING, *checks.LIVE))
    unready = any(check in checks.SERVING for check in faults)
    word = "unready" if unready else "degraded" if faults else "ready"
    return {"status": word, "faults": list(faults.values())}


@bp.get("/metrics")
def metrics() -> Response:
    """The metrics of all workers together, in Prometheus' text format, for the operator."""
    refuse_outsiders()
    measure_outbox()
    FAN_OUTS.flush()
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def measure_outbox() -> None:
    """Count the waiting events. Without an answer of the database the last count stays."""
    try:
        outbox.measure()
    except SQLAlchemyError as error:
        database.log(error, "The outbox can't be counted.")
