"""The floor of requests: a bare Flask application, served and stored as rtapp is.

`POST /nothing` answers 204. `POST /rows` inserts a row and commits. The server, its handler, the
pool and SQLite's settings are rtapp's; nothing is authenticated, checked, counted or published.

`python -m bench.bare_app PORT DATABASE_URL`
"""

from gevent import monkey

monkey.patch_all()

import sys
from typing import Any

from flask import Flask
from flask import Response
from flask import request
from gevent.pool import Pool
from sqlalchemy import Column
from sqlalchemy import Integer
from sqlalchemy import MetaData
from sqlalchemy import Table
from sqlalchemy import Text
from sqlalchemy import create_engine
from sqlalchemy import insert

from rtapp import database
from rtapp.realtime.handoff import HandOffServer
from rtapp.realtime.limits import freeze_garbage_collector
from rtapp.realtime.limits import max_requests
from rtapp.server import Handler

CONNECTIONS = 10
ROWS = Table("rows", MetaData(), Column("id", Integer, primary_key=True), Column("content", Text))
INSERT = insert(ROWS).returning(ROWS.c.id)


def main() -> None:
    app = Flask(__name__)
    engine = create_engine(sys.argv[2], **database.options(CONNECTIONS))
    database.listen(engine)
    ROWS.metadata.create_all(engine)

    @app.post("/nothing")
    def nothing() -> Response:
        return Response(status=204)

    @app.post("/rows")
    def insert_row() -> tuple[dict[str, Any], int]:
        content = request.get_json()["content"]
        with engine.begin() as connection:
            id = connection.execute(INSERT, {"content": content}).scalar_one()
        return {"id": id, "content": content}, 201

    server = HandOffServer(
        ("127.0.0.1", int(sys.argv[1])), app, handler_class=Handler, spawn=Pool(max_requests()),
        log=None,
    )  # fmt: skip
    server.start()
    freeze_garbage_collector()
    server.serve_forever()


if __name__ == "__main__":
    main()
