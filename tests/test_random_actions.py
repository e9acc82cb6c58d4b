"""Random actions of five people with random rights, which change meanwhile. Readers that lose
connections apply events alone, and know in the end what a fresh fetch shows; and nobody hears what
they were not to see."""

import random
import re
import time
from collections import Counter
from typing import Any

import pytest

from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import User
from rtapp.realtime.viewers import VIEWERS
from rtapp.testing import Ended
from rtapp.testing import Event
from rtapp.testing import State
from rtapp.testing import Subscription

from .faults.sizes import SIZES
from .random_actions import Actions
from .random_actions import Rights
from .random_actions import now_ms
from .support import ApiClient
from .support import CustomerClient
from .support import outbox_drained

EVERY = 20  # actions between two looks at what has arrived
CHECKPOINT = 500  # actions between two comparisons with a fresh fetch
THREADS = 2  # that each reader holds beside the account's stream
PAGE = 100  # rows of a fetch at most: what is older is not compared
PATIENCE = 10.0  # s for what has been said to arrive
SEED = 20261124

# Whom these concern is told of them for ever: they were to hear it when it was said.
OWN = {"conversation.removed", "conversation.read", "notification.created", "notification.read"}


class Watch:
    """One stream of a reader, and what the reader knows by it."""

    def __init__(self, who: ApiClient, name: str, rights: Rights, counts: Counter[str]):
        self.who, self.name, self._rights, self._counts = who, name, rights, counts
        self.conversation = int(name.partition(":")[2]) if name.startswith("conv") else None
        self.gone = False
        self._subscription: Subscription | None = None
        self.fetch()

    def fetch(self) -> None:
        """Begins anew, as a page that is loaded again."""
        self.drop()
        self._state = self.fresh()
        self._notified_since = oldest(self._state.notifications)
        if self.conversation is not None and self.conversation not in self._state.threads:
            self.gone = True
            return
        self._connect(self._state.cursor)

    def fresh(self) -> State:
        return State(self.who, *([self.conversation] if self.conversation else []))

    def _connect(self, cursor: str) -> None:
        self._opened = now_ms()
        self._quiet = self._opened
        self._subscription = Subscription(self.who, [self.name], cursor)
        self.gone = not self._subscription.confirmed
        if not self.gone:
            self._counts["resumed" if self._subscription.resumed else "reset at once"] += 1

    def drop(self) -> None:
        if self._subscription is not None:
            self._last = self._subscription.last_id
            self._subscription.drop()
            self._subscription = None

    def resume(self) -> None:
        if self._subscription is None and not self.gone:
            self._counts["drops"] += 1
            self._connect(self._last)

    def read(self, timeout: float = 0.0) -> None:
        """Applies what has arrived."""
        while self._subscription is not None and not self.gone:
            try:
                event = self._subscription.next_event(timeout)
            except Ended:
                raise
            except AssertionError:
                self._quiet = now_ms()
                return
            self._counts[event.event] += 1
            if event.event == "stream.reset":
                self.fetch()
            elif event.event == "stream.closed":
                assert event.data["reason"] == "forbidden", event
                self._subscription.close()
                self.gone = True
            else:
                self._hear(event)

    def _hear(self, event: Event) -> None:
        self._refuse_denied(event)
        if event.event not in ("typing", "conversation.viewers"):
            self._state.apply(event.event, event.data)

    def _refuse_denied(self, event: Event) -> None:
        if event.event in OWN and self.conversation is None:
            return
        if event.data.get("viewers") == []:  # takes back what they were to know
            return
        ephemeral = event.event in ("typing", "conversation.viewers")
        # Who has left a thread is seen there for a little longer, on lists that it was on then too.
        late = round(VIEWERS.grace * 1000) if event.event == "conversation.viewers" else 0
        said = self._quiet if ephemeral else int(re.split(r"[.-]", event.id)[1])
        if self.conversation is not None:
            said = max(said, self._opened)
        id = event.data.get("conversation_id", event.data.get("id"))
        assert not self._rights.denied(self.who, id, said - late), (self.who.id, self.name, event)

    def difference(self, fresh: State) -> Any:
        """What it knows that a fresh fetch does not show, or the other way round."""
        if self.conversation is not None:
            if self.gone:
                return None
            known = self._state.threads.get(self.conversation, {})
            return unlike(known, fresh.threads.get(self.conversation, {}))
        shown, wanted = self._state.shown(), fresh.shown()
        return unlike(shown["conversations"], wanted["conversations"]) or unlike(
            shown["notifications"], wanted["notifications"], self._notified_since
        )


def oldest(rows: dict[int, Any]) -> int:
    """The first id of which a page tells: the first on it, if it is full."""
    return min(rows) if len(rows) >= PAGE else 0


def unlike(known: dict[int, Any], fresh: dict[int, Any], since: int = 0) -> Any:
    """The rows in which they differ, of those that the fresh page and the one that is known from
    `since` on both tell of. Where much was lost since, a fresh page shows older ones."""
    since = max(since, oldest(fresh))
    ids = {id for id in (*known, *fresh) if id >= since}
    return {id: (known.get(id), fresh.get(id)) for id in ids if known.get(id) != fresh.get(id)}


class Readers:
    """Each holds the account's stream and some threads, and loses them now and then."""

    def __init__(self, people: list[ApiClient], rights: Rights, seed: int):
        self._rights = rights
        self._random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self._lists = [Watch(who, "account:1", rights, self.counts) for who in people]
        self._threads: dict[ApiClient, list[Watch]] = {who: [] for who in people}

    def everyone(self) -> list[Watch]:
        return [*self._lists, *(w for watches in self._threads.values() for w in watches)]

    def look(self) -> None:
        for watch in self.everyone():
            watch.read()
            if self._random.random() < 0.1:
                watch.drop()
            elif self._random.random() < 0.5:
                watch.resume()
        for who in self._threads:
            self._choose(who)

    def _choose(self, who: ApiClient) -> None:
        """Goes on from what is lost, and sometimes from what is not, to another thread."""
        for watch in self._threads[who]:
            if watch.gone:
                self.counts["threads lost"] += 1
            elif self._random.random() < 0.02:
                watch.drop()
                watch.gone = True
        held = self._threads[who] = [w for w in self._threads[who] if not w.gone]
        seen = self._rights.seen(who)
        if len(held) < THREADS and seen:
            name = f"conversation:{self._random.choice(seen)}"
            held.append(Watch(who, name, self._rights, self.counts))

    def check(self) -> None:
        """All know what a fresh fetch shows, and none has a thread that they are not to see."""
        watches = self.everyone()
        for watch in watches:
            watch.resume()
        fresh = {watch: watch.fresh() for watch in watches}
        deadline = time.monotonic() + PATIENCE
        for watch in watches:
            watch.read(0.005)
            while (lacks := watch.difference(fresh[watch])) or self._overdue(watch):
                assert time.monotonic() < deadline, (watch.who.id, watch.name, lacks)
                watch.read(0.05)
            self.counts["compared"] += 1

    def _overdue(self, watch: Watch) -> bool:
        id = watch.conversation
        return id is not None and not watch.gone and not self._rights.sees(watch.who, id)

    def close(self) -> None:
        for watch in self.everyone():
            watch.drop()


@pytest.fixture
def people(app) -> list[ApiClient]:
    with app.app_context():
        for name in ("Nora", "Olga"):
            user = User(name=name, email=f"{name.lower()}@example.com", password_hash="none")
            db.session.add(user)
            db.session.flush()
            db.session.add(Membership(account_id=1, user_id=user.id, sees="assigned"))
            db.session.add(InboxMember(inbox_id=1, user_id=user.id))
        db.session.commit()
    return [
        ApiClient(app, f"{name}@example.com") for name in ("ada", "kevin", "grace", "nora", "olga")
    ]


@pytest.fixture
def customers(app) -> list[ApiClient]:
    """Those of conversations 1 to 12, in this order."""
    with app.app_context():
        contacts = db.session.query(Contact).order_by(Contact.id).all()
        return [CustomerClient(app, contact.email) for contact in contacts]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_events_alone_tell_everyone_what_they_may_know(app, people, customers):
    app.config["STREAMS_PER_ADDRESS"] = 0
    rights = Rights(app, people)
    rights.look(now_ms())
    actions = Actions(app, people, customers, rights, SEED)
    readers = Readers(people, rights, SEED + 1)
    try:
        for number in range(1, SIZES.actions + 1):
            actions.one()
            if number % EVERY == 0:
                readers.look()
            if number % CHECKPOINT == 0:
                assert outbox_drained(app)
                readers.check()
    finally:
        readers.close()
    print(sorted(actions.answers.items()), sorted(readers.counts.items()))
    for counted in ("drops", "resumed", "stream.reset", "stream.closed", "conversation.removed"):
        assert readers.counts[counted] > 0, counted
    assert readers.counts["compared"] > SIZES.actions / CHECKPOINT * len(people)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_change_that_no_reader_hears_of_is_found(app, people, monkeypatch):
    monkeypatch.setattr("tests.test_random_actions.PATIENCE", 0.3)
    rights = Rights(app, people)
    rights.look(now_ms())
    readers = Readers(people, rights, SEED)
    readers.check()
    with app.app_context():
        db.session.get_one(Conversation, 1).status = "resolved"
        db.session.commit()
    with pytest.raises(AssertionError, match="'resolved'"):
        readers.check()
    readers.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_heard_although_denied_is_found(app, people):
    rights = Rights(app, people)
    rights.look(now_ms())
    kevins = Watch(people[1], "account:1", rights, Counter())
    later = f"x-{now_ms() + 5_000}-0"
    kevins._refuse_denied(Event("conversation.updated", "account:1", {"id": 1}, later))
    with pytest.raises(AssertionError):
        kevins._refuse_denied(Event("conversation.updated", "account:1", {"id": 7}, later))
    kevins.drop()
