"""The relay: publishes the rows of the outbox. Several run at once, one in each process.

A relay publishes what its process commits, at once, and sweeps for rows that others have left. It
reads the waiting rows of an account from the first one, whichever process wrote them: so their
order holds. An account with more of them than a batch is claimed, so that relays share a backlog by
account; docs/decisions.md, "The outbox", has the reasons.

The accounts of one shard of Redis have a lane: a greenlet of their own, so that a shard that is
away keeps no other account waiting.
"""

import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Collection
from collections.abc import Sequence
from itertools import groupby
from itertools import islice
from typing import Any

import gevent
from flask import Flask
from gevent.event import Event
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from rtapp.database import is_away
from rtapp.extensions import db
from rtapp.realtime.backoff import Backoff
from rtapp.realtime.broker import Broker

from . import waiting_rows
from .batch import Batch

BATCH = 100  # rows published at once; they block Redis for a few milliseconds
LEAST = 10  # of them of one account, if there are many
SWEEP = 1.0  # s between two queries for rows of other processes
SWEPT = 1_000  # accounts that one sweep finds at most; the next one goes on from there
ACCOUNTS = 25  # whose rows are read at once
CLAIMED_ELSEWHERE = 0.25  # s until an account is looked at again that another relay works on
RETRY_DELAY = (0.5, 2.0)  # s without Redis or the database: the first, and the longest
UNREACHABLE = (RedisConnectionError, RedisTimeoutError, OSError, SQLAlchemyError)

logger = logging.getLogger(__name__)


class Relay:
    """Hands each account with waiting rows to the lane of its shard."""

    def __init__(self, app: Flask, broker: Broker):
        self._app = app
        self._broker = broker
        self._lanes: dict[str, Lane] = {}
        self._swept = 0  # the account up to which the last sweep came; 0: all
        self._backoff = Backoff(logger, "The outbox can't be read", *RETRY_DELAY, away=is_away)
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        """Start publishing in greenlets. A second call does nothing."""
        if self._greenlet is None:
            sqlalchemy_event.listen(db.session, "after_commit", self._after_commit)
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        if self._greenlet is not None:
            sqlalchemy_event.remove(db.session, "after_commit", self._after_commit)
            self._greenlet.kill()
            self._greenlet = None
            for lane in self._lanes.values():
                lane.stop()
            self._lanes = {}

    def publish_batch(self) -> int:
        """Publish up to BATCH rows and delete them. Returns their number.

        Raises RedisError or OSError when Redis is unavailable: unpublished rows stay.
        """
        with self._app.app_context():
            accounts = waiting_rows.accounts_waiting(0, ACCOUNTS)
            return Lane(self._app, self._broker).publish(accounts) if accounts else 0

    def _after_commit(self, session: Session) -> None:
        accounts = session.info.pop("outbox_written", None)
        if accounts:
            self._hand_over(accounts, own=True)
            gevent.sleep(0)  # the relay sends to Redis first; meanwhile the request goes on

    def _hand_over(self, account_ids: Collection[int], *, own: bool) -> None:
        for account_id in account_ids:
            shard = self._broker.shard_of(account_id)
            if shard not in self._lanes:
                self._lanes[shard] = Lane(self._app, self._broker)
                self._lanes[shard].start()
            self._lanes[shard].add(account_id, own=own)

    def _run(self) -> None:
        while True:
            gevent.sleep(SWEEP)
            try:
                with self._app.app_context():
                    found = waiting_rows.accounts_waiting(self._swept, SWEPT)
                self._swept = found[-1] if len(found) == SWEPT else 0
                self._hand_over(found, own=False)
                self._backoff.succeeded()
            except Exception as error:
                self._backoff.wait(error)


class Lane:
    """Publishes the rows of accounts, those of this process's commits first."""

    def __init__(self, app: Flask, broker: Broker):
        self._app = app
        self._broker = broker
        self._holder = secrets.token_hex(16)  # of claims
        self._has_claimed = False
        self._accounts: OrderedDict[int, None] = OrderedDict()  # that may have waiting rows
        self._paused: dict[int, float] = {}  # account → time.monotonic() from which it is tried
        self._woken = Event()
        self._backoff = Backoff(logger, "Events wait in the outbox", *RETRY_DELAY, away=is_away)
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None

    def add(self, account_id: int, *, own: bool) -> None:
        """Publish the account's waiting rows soon."""
        self._accounts[account_id] = None
        if own:
            self._accounts.move_to_end(account_id, last=False)
        self._woken.set()

    def _run(self) -> None:
        while True:
            self._woken.wait(self._patience())
            self._woken.clear()
            try:
                with self._app.app_context():
                    self._publish_ready()
                self._backoff.succeeded()
            except Exception as error:
                self._backoff.wait(error)

    def _patience(self) -> float | None:
        """Seconds until the next paused account, None if there is none."""
        until = min((self._paused.get(id, 0.0) for id in self._accounts), default=None)
        return None if until is None else max(0.0, until - time.monotonic())

    def _publish_ready(self) -> None:
        """Publish until no account is left but paused ones. What is committed meanwhile is
        published before the rows of all are deleted, at once: at the latest those of a BATCH."""
        batch = Batch(self._broker)
        try:
            while accounts := self._take():
                self._publish(batch, accounts)
                gevent.sleep(0)  # deliver the events first, then delete their rows
                if len(batch) >= BATCH:
                    self._settle(batch)
        except Exception:  # not GreenletExit: `key` keeps a row from being published twice
            self._settle(batch)
            raise
        self._settle(batch)

    def publish(self, account_ids: Sequence[int]) -> int:
        """Publish rows of these accounts, about BATCH, and settle them. Returns their number.
        Raises the error that has kept an account from it, after all have been tried."""
        batch = Batch(self._broker)
        try:
            error = self._publish(batch, account_ids)
            gevent.sleep(0)
        finally:
            count = len(batch)
            self._settle(batch)
        if error is not None:
            raise error
        return count

    def _take(self) -> list[int]:
        """The next accounts that are not paused. They are added again if rows are left."""
        now = time.monotonic()
        self._paused = {id: until for id, until in self._paused.items() if until > now}
        taken = list(islice((id for id in self._accounts if id not in self._paused), ACCOUNTS))
        for id in taken:
            del self._accounts[id]
        return taken

    def _publish(self, batch: Batch, account_ids: Sequence[int]) -> Exception | None:
        """Publish the first rows of each account. Returns the first error that concerns one
        account. Raises one that concerns all, as RedisError, OSError or SQLAlchemyError."""
        try:
            found = self._read(batch, account_ids)
            failure = None
            for account_id, rows in found.items():
                try:
                    batch.publish(account_id, rows)
                except UNREACHABLE:
                    raise
                except Exception as error:
                    self._add_later([account_id], self._backoff.failed(error))
                    failure = failure or error
            return failure
        except Exception:
            self._accounts.update(dict.fromkeys(account_ids))
            raise

    def _read(self, batch: Batch, account_ids: Sequence[int]) -> dict[int, list[Any]]:
        """The first rows of each account, but of those whose backlog another relay publishes."""
        each = max(BATCH // len(account_ids), LEAST)
        rows = waiting_rows.read(account_ids, batch.taken, each)
        found = {id: list(own) for id, own in groupby(rows, key=lambda row: row.account_id)}
        long = [id for id, own in found.items() if len(own) >= each]
        if long:
            claimed = waiting_rows.claim(self._holder, long)
            self._has_claimed = True
            self._accounts.update(dict.fromkeys(claimed))
            elsewhere = set(long) - claimed
            self._add_later(elsewhere, CLAIMED_ELSEWHERE)
            found = {id: own for id, own in found.items() if id not in elsewhere}
        return found

    def _add_later(self, account_ids: Collection[int], delay: float) -> None:
        self._accounts.update(dict.fromkeys(account_ids))
        self._paused |= dict.fromkeys(account_ids, time.monotonic() + delay)

    def _settle(self, batch: Batch) -> None:
        batch.settle()
        if self._has_claimed:
            self._has_claimed = False
            waiting_rows.release(self._holder)
