"""The database outlives Redis, and knows what has left the outbox: no loss of it goes unnoticed."""

from functools import partial

import pytest
from sqlalchemy import text

from rtapp.events import outbox as box
from rtapp.events.outbox import Relay
from rtapp.extensions import db
from rtapp.realtime.broker import Broker
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.replay import why_lost

from ..realtime.clock import dumped
from ..realtime.clock import restore


@pytest.fixture
def relay(app):
    """The application's, which publishes only when told to."""
    app.extensions["relay"].stop()
    return app.extensions["relay"]


def lost_since(app, redis, start):
    """Why a new process, which knows what the database knows, can't go on from there; or None."""
    afterwards = Broker(redis.url, partial(box.newest_published, app))
    reading = afterwards.read(1, ["conversation:1"], start)
    afterwards.redis.close()
    return why_lost(start, reading)


def test_a_redis_that_forgot_what_has_left_the_outbox_is_found_out(app, ada, broker, relay, redis):
    ada.send(1, "first")
    relay.publish_batch()
    start, dump = broker.position(1), dumped(broker.redis, 1)
    ada.send(1, "forgotten")
    relay.publish_batch()
    assert lost_since(app, redis, start) is None
    restore(broker.redis, 1, dump)
    assert lost_since(app, redis, start) == "unknown_cursor"


def test_nothing_is_published_to_a_redis_that_forgot(app, ada, broker, relay, redis):
    """By a process that has never heard of what was forgotten, and knew of the account before."""
    ada.send(1, "first")
    relay.publish_batch()
    dump = dumped(broker.redis, 1)
    elsewhere = Broker(redis.url)
    before = elsewhere.position(1)
    ada.send(1, "forgotten")
    relay.publish_batch()
    restore(broker.redis, 1, dump)
    ada.send(1, "afterwards")
    Relay(app, elsewhere).publish_batch()
    assert elsewhere.high_water_marks.newest(1).epoch > before.epoch
    elsewhere.redis.close()


def test_what_has_left_the_outbox_is_noted_in_whatever_order_relays_tell(app, ada, broker, relay):
    with app.app_context():
        assert box.newest_published(app, 1) == Cursor("0", 0, 0)
    ada.send(1, "noted")
    relay.publish_batch()
    with app.app_context():
        noted = box.newest_published(app, 1)
        assert noted == broker.high_water_marks.newest(1) > Cursor("0", 0, 0)
        earlier = noted._replace(ms=noted.ms - 1, n=5)._asdict() | {"account_id": 1}
        for told in (earlier, earlier | {"epoch": int(noted.epoch) - 1, "ms": 2**40}):
            db.session.execute(box.ADVANCE, told | {"epoch": int(told["epoch"])})
            db.session.commit()
            assert box.newest_published(app, 1) == noted
        db.session.execute(box.ADVANCE, earlier | {"epoch": int(noted.epoch) + 1})
        db.session.commit()
        assert box.newest_published(app, 1).epoch == str(int(noted.epoch) + 1)


def test_a_database_that_is_away_is_waited_for_as_redis_is(app, broker):
    with app.app_context():
        db.session.execute(text("ALTER TABLE accounts RENAME TO elsewhere"))
        db.session.commit()
    broker.high_water_marks.invalidate()
    with pytest.raises(OSError, match="database"):
        broker.position(1)
    with app.app_context():
        db.session.execute(text("ALTER TABLE elsewhere RENAME TO accounts"))
        db.session.commit()
    assert broker.position(1)
