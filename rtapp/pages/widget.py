from typing import Any

from flask import Blueprint
from flask import current_app
from werkzeug.wrappers import Response

from rtapp import static_files

bp = Blueprint("widget", __name__)

CACHED_FOR = 5 * 60  # s: as long as a website may have the launcher of the release before


@bp.get("/widget.js")
def script() -> Response:
    """The launcher of the chat, the same for every website, at an address that never changes.

    A page that isolates itself takes a script of another origin with Cross-Origin-Resource-Policy
    only (Fetch, section 3.7).
    """
    serve: Any = current_app.view_functions[static_files.ENDPOINT]
    response: Response = serve(filename="js/widget/widget.js")
    response.headers["Cache-Control"] = f"public, max-age={CACHED_FOR}"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
