from typing import Any

from flask import Blueprint
from flask import current_app
from werkzeug.wrappers import Response

from rtapp import static_files

bp = Blueprint("service_worker", __name__)


@bp.get("/service_worker.js")
def script() -> Response:
    """The script that shows push notifications. A service worker controls the pages below its own
    path (Service Workers, section 4.3), and has one address, at which browsers look for changes."""
    serve: Any = current_app.view_functions[static_files.ENDPOINT]
    response: Response = serve(filename="js/service_worker.js")
    return response
