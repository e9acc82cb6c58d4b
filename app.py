"""`python app.py` serves rtapp; `app:app` is the WSGI application.

An installed package has this module as `rtapp_wsgi`, and its `main` as the command `rtapp`.
"""

import gc

gc.disable()  # while modules are loaded: there is no garbage, and each collection reads them all

from gevent import monkey

monkey.patch_all()  # before any other import, which would keep blocking sockets

from rtapp import create_app
from rtapp.config import SettingsError

try:
    app = create_app()
except SettingsError as error:
    raise SystemExit(f"rtapp: {error}") from None
gc.enable()


def main() -> None:
    from rtapp.server import serve

    serve(app)


if __name__ == "__main__":
    main()
