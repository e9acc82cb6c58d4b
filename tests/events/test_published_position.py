"""The database stores the newest published position, so that a loss in Redis is detected."""

from functools import partial

import pytest
from sqlalchemy import text

from rtapp.events import published
from rtapp.events import waiting_rows
from rtapp.events.relay import Relay
from rtapp.extensions import db
from rtapp.realtime.broker import Broker
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.replay import why_lost

from ..realtime.clock import dumped
from ..realtime.clock import restore


@pytest.fixture
def relay(app):
    """The application's relay, stopped: it publishes only when the test calls it."""
    app.extensions["relay"].stop()
    return app.extensions["relay"]


def lost_since(app, redis, start):
    """Return why a new process with the database's position can't resume from `start`, or None."""
    afterwards = Broker(redis.url, partial(published.newest_published, app))
    reading = afterwards.read(1, ["conversation:1"], start)
    afterwards.redis.close()
    return why_lost(start, reading)


def test_a_new_process_detects_that_redis_lost_published_events(app, ada, broker, relay, redis):
    ada.send(1, "first")
    relay.publish_batch()
    start, dump = broker.position(1), dumped(broker.redis, 1)
    ada.send(1, "forgotten")
    relay.publish_batch()
    assert lost_since(app, redis, start) is None
    restore(broker.redis, 1, dump)
    assert lost_since(app, redis, start) == "unknown_cursor"


def test_a_relay_of_another_process_publishes_in_a_new_epoch_after_redis_lost_events(
    app, ada, broker, relay, redis
):
    """That process observed the account before the lost event, and not the event."""
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


def test_the_published_position_only_advances_in_whatever_order_relays_store_it(
    app, ada, broker, relay
):
    with app.app_context():
        assert published.newest_published(app, [1])[1] == Cursor("0", 0, 0)
    ada.send(1, "stored")
    relay.publish_batch()
    with app.app_context():
        stored = published.newest_published(app, [1])[1]
        assert stored == broker.high_water_marks.newest(1) > Cursor("0", 0, 0)
        earlier = stored._replace(ms=stored.ms - 1, n=5)
        older_epoch = earlier._replace(epoch=str(int(stored.epoch) - 1), ms=2**40)
        for position in (earlier, older_epoch):
            waiting_rows.settle([], {1: position})
            db.session.rollback()
            assert published.newest_published(app, [1])[1] == stored
        waiting_rows.settle([], {1: earlier._replace(epoch=str(int(stored.epoch) + 1))})
        db.session.rollback()
        assert published.newest_published(app, [1])[1].epoch == str(int(stored.epoch) + 1)


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
