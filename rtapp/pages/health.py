"""Liveness, readiness and metrics, for operators."""

import logging
import os

from flask import Blueprint
from flask import Response
from flask import current_app
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client import REGISTRY
from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from rtapp.errors import Unavailable
from rtapp.events import outbox
from rtapp.extensions import db
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import EvictingRedis
from rtapp.realtime.engine import Engine

bp = Blueprint("health", __name__)

logger = logging.getLogger(__name__)


@bp.get("/healthz")
def alive() -> dict[str, str]:
    """Liveness: the process responds."""
    return {"status": "alive"}


@bp.get("/readyz")
def ready() -> dict[str, str]:
    """Readiness: the database and Redis respond, Redis does not evict keys, and the process is not
    draining."""
    engine: Engine = current_app.extensions["engine"]
    broker: Broker = current_app.extensions["broker"]
    if engine.draining:
        raise Unavailable("This process is shutting down.")
    try:
        db.session.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        raise Unavailable("The database does not answer.") from error
    try:
        broker.refuse_eviction()
    except EvictingRedis as error:
        raise Unavailable(str(error)) from error
    except (RedisError, OSError) as error:
        raise Unavailable("Redis does not answer.") from error
    return {"status": "ready"}


@bp.get("/metrics")
def metrics() -> Response:
    """The metrics of all workers together, in Prometheus' text format."""
    try:
        outbox.measure()
    except SQLAlchemyError:
        logger.exception("The outbox can't be counted")
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
