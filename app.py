"""`python app.py` serves rtapp; `app:app` is the WSGI application."""

from gevent import monkey

monkey.patch_all()  # before any other import, which would keep blocking sockets

from rtapp import create_app
from rtapp.config import SettingsError

try:
    app = create_app()
except SettingsError as error:
    raise SystemExit(f"rtapp: {error}") from None

if __name__ == "__main__":
    from rtapp.server import serve

    serve(app)
