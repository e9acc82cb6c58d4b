"""For whoever runs rtapp: is it alive, is it ready, what has it counted."""

from flask import Blueprint
from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client import generate_latest

bp = Blueprint("health", __name__)


@bp.get("/metrics")
def metrics() -> Response:
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)
