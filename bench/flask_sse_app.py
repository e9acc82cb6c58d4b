"""The rival, flask-sse behind gevent's pywsgi, set up as in its documentation.

`python -m bench.flask_sse_app PORT REDIS_URL`
"""

from gevent import monkey

monkey.patch_all()

import sys

from flask import Flask
from flask_sse import sse
from gevent.pywsgi import WSGIServer


def main() -> None:
    app = Flask(__name__)
    app.config["REDIS_URL"] = sys.argv[2]
    app.register_blueprint(sse, url_prefix="/stream")
    WSGIServer(("127.0.0.1", int(sys.argv[1])), app, log=None, backlog=1024).serve_forever()


if __name__ == "__main__":
    main()
