from flask_migrate import upgrade
from sqlalchemy import func
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import OutboxEvent

from ..support import envelope
from ..support import eventually


def waiting(app):
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(OutboxEvent))


def test_an_event_waits_in_the_outbox_while_redis_is_away(app, ada, redis):
    stream = ada.stream("/streams/conversations/1")
    stream.named("stream.open")
    redis.stop()
    try:
        assert ada.send(1, "meanwhile").status_code == 201
        assert waiting(app) == 3  # to the thread, to the lists, to the customer
    finally:
        redis.start()
    assert envelope(stream.named("message.created"))["data"]["content"] == "meanwhile"
    eventually(lambda: waiting(app) == 0)
    stream.close()


def test_what_is_rolled_back_is_never_said(app, ada, outbox):
    from rtapp.events import audience
    from rtapp.events import outbox as box
    from rtapp.events import presenters
    from rtapp.models import Conversation

    with app.app_context():
        row = db.session.get(Conversation, 1)
        box.record(
            "conversation.updated", 1, audience.of_conversation(row), presenters.conversation(row)
        )
        db.session.flush()
        db.session.rollback()
    assert outbox.unchanged()


def test_models_and_migrations_agree(app):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with app.app_context():
        upgrade()
        with db.engine.connect() as connection:
            context = MigrationContext.configure(connection)
            assert compare_metadata(context, db.metadata) == []
