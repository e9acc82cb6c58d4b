"""Random actions of five agents with random access that changes meanwhile. Readers that lose
connections apply events alone, and have the state of a fresh fetch in the end; no reader receives
an event without access."""

import random
import re
import time
from collections import Counter
from typing import Any

import pytest

from rtapp import clock
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
from .random_actions import assigned_automatically
from .random_actions import assigned_unseen
from .random_actions import now_ms
from .random_actions import wrong_times
from .support import ApiClient
from .support import CustomerClient
from .support import outbox_drained

EVERY = 20  # actions between two reads of the streams
CHECKPOINT = 500  # actions between two comparisons with a fresh fetch
THREADS = 2  # of each reader, beside the account's stream
PAGE = 100  # rows of a fetch at most: older ones are not compared
PATIENCE = 10.0  # s for published events to arrive
SEED = 20261124

# These go to one user, who had access when they were published: later replays are allowed.
OWN = {"conversation.removed", "conversation.read", "notification.created", "notification.read"}


class Watch:
    """One stream of a reader, and the state that it gives."""

    def __init__(self, client: ApiClient, name: str, rights: Rights, counts: Counter[str]):
        self.client, self.name, self._rights, self._counts = client, name, rights, counts
        self.conversation = int(name.partition(":")[2]) if name.startswith("conv") else None
        self.gone = False
        self._subscription: Subscription | None = None
        self.fetch()

    def fetch(self) -> None:
        """Start with a fresh state, like a reloaded page."""
        self.drop()
        self._state = self.fresh()
        self._notified_since = oldest(self._state.notifications)
        if self.conversation is not None and self.conversation not in self._state.threads:
            self.gone = True
            return
        self._connect(self._state.cursor)

    def fresh(self) -> State:
        return State(self.client, *([self.conversation] if self.conversation else []))

    def _connect(self, cursor: str) -> None:
        self._opened = now_ms()
        self._quiet = self._opened
        self._subscription = Subscription(self.client, [self.name], cursor)
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
        """Apply the events that have arrived."""
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
                if self.conversation is None:  # a member who was away: the page is loaded again
                    self.gone = False
                    self.fetch()
            else:
                self._apply(event)

    def _apply(self, event: Event) -> None:
        self._check_access(event)
        if event.event not in ("typing", "conversation.viewers"):
            self._state.apply(event.event, event.data)

    def _check_access(self, event: Event) -> None:
        if event.event in OWN and self.conversation is None:
            return
        if event.data.get("viewers") == []:  # clears an earlier event
            return
        ephemeral = event.event in ("typing", "conversation.viewers")
        # A viewer who has left is published for the grace, to the lists of the time of leaving.
        late = round(VIEWERS.grace * 1000) if event.event == "conversation.viewers" else 0
        published = self._quiet if ephemeral else int(re.split(r"[.-]", event.id)[1])
        if self.conversation is not None:
            published = max(published, self._opened)
        id = event.data.get("conversation_id", event.data.get("id"))
        assert not self._rights.denied(self.client, id, published - late), (
            self.client.id,
            self.name,
            event,
        )

    def difference(self, fresh: State) -> Any:
        """Return the rows in which the reader's state and a fresh fetch differ."""
        if self.conversation is not None:
            if self.gone:
                return None
            rows = self._state.threads.get(self.conversation, {})
            return unlike(rows, fresh.threads.get(self.conversation, {}))
        shown, wanted = self._state.shown(), fresh.shown()
        return unlike(shown["conversations"], wanted["conversations"]) or unlike(
            shown["notifications"], wanted["notifications"], self._notified_since
        )


def oldest(rows: dict[int, Any]) -> int:
    """Return the first id that a page covers: the first on it if it is full, else 0."""
    return min(rows) if len(rows) >= PAGE else 0


def unlike(kept: dict[int, Any], fresh: dict[int, Any], since: int = 0) -> Any:
    """Return the rows that differ, of those that both pages cover; the kept one begins at `since`.
    After a loss of access, a fresh page covers older rows."""
    since = max(since, oldest(fresh))
    ids = {id for id in (*kept, *fresh) if id >= since}
    return {id: (kept.get(id), fresh.get(id)) for id in ids if kept.get(id) != fresh.get(id)}


class Readers:
    """Readers with the account's stream and some threads each, which are dropped now and then."""

    def __init__(self, agents: list[ApiClient], rights: Rights, seed: int):
        self._rights = rights
        self._random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self._lists = [Watch(agent, "account:1", rights, self.counts) for agent in agents]
        self._threads: dict[ApiClient, list[Watch]] = {agent: [] for agent in agents}

    def watches(self) -> list[Watch]:
        return [*self._lists, *(w for watches in self._threads.values() for w in watches)]

    def read(self) -> None:
        for watch in self.watches():
            watch.read()
            if self._random.random() < 0.1:
                watch.drop()
            elif self._random.random() < 0.5:
                watch.resume()
        for agent in self._threads:
            self._choose(agent)

    def _choose(self, agent: ApiClient) -> None:
        """Replace a lost thread, and sometimes another, by a new one."""
        for watch in self._threads[agent]:
            if watch.gone:
                self.counts["threads lost"] += 1
            elif self._random.random() < 0.02:
                watch.drop()
                watch.gone = True
        held = self._threads[agent] = [w for w in self._threads[agent] if not w.gone]
        accessible = self._rights.accessible(agent)
        if len(held) < THREADS and accessible:
            name = f"conversation:{self._random.choice(accessible)}"
            held.append(Watch(agent, name, self._rights, self.counts))

    def check(self) -> None:
        """Check that all states equal a fresh fetch, and that no thread without access is open."""
        watches = self.watches()
        for watch in watches:
            watch.resume()
        fresh = {watch: watch.fresh() for watch in watches}
        deadline = time.monotonic() + PATIENCE
        for watch in watches:
            watch.read(0.005)
            while (lacks := watch.difference(fresh[watch])) or self._overdue(watch):
                assert time.monotonic() < deadline, (watch.client.id, watch.name, lacks)
                watch.read(0.05)
            self.counts["compared"] += 1

    def _overdue(self, watch: Watch) -> bool:
        id = watch.conversation
        return id is not None and not watch.gone and not self._rights.has_access(watch.client, id)

    def close(self) -> None:
        for watch in self.watches():
            watch.drop()


@pytest.fixture
def agents(app) -> list[ApiClient]:
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
    """The customers of conversations 1 to 12, in this order."""
    with app.app_context():
        contacts = db.session.query(Contact).order_by(Contact.id).all()
        return [CustomerClient(app, contact.email) for contact in contacts]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_events_alone_give_each_agent_the_state_of_a_fresh_fetch_and_nothing_without_access(
    app, agents, customers, subscribe
):
    app.config["STREAMS_PER_ADDRESS"] = 0
    for agent in agents:
        assert subscribe("presence:1", agent).confirmed  # or nothing is assigned automatically
    for inbox in (1, 2):
        on = {"auto_assign": True, "assignment_cap": None}
        assert agents[0].post(f"/inboxes/{inbox}", on).status_code == 200
    rights = Rights(app, agents)
    rights.update(now_ms())
    actions = Actions(app, agents, customers, rights, SEED)
    readers = Readers(agents, rights, SEED + 1)
    try:
        for number in range(1, SIZES.actions + 1):
            actions.one()
            if number % EVERY == 0:
                readers.read()
            if number % CHECKPOINT == 0:
                assert outbox_drained(app)
                readers.check()
                assert wrong_times(app) == []
                assert assigned_unseen(app) == []
    finally:
        readers.close()
    automatic = assigned_automatically(app)
    print(f"{automatic} automatic assignments, {actions.assigned_later} of them later")
    assert automatic > actions.assigned_later > 0
    assert actions.left > 0
    print(sorted(actions.answers.items()), sorted(readers.counts.items()))
    for counted in ("drops", "resumed", "stream.reset", "stream.closed", "conversation.removed"):
        assert readers.counts[counted] > 0, counted
    assert readers.counts["compared"] > SIZES.actions / CHECKPOINT * len(agents)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_change_without_an_event_is_found_by_the_readers(app, agents, monkeypatch):
    monkeypatch.setattr("tests.test_random_actions.PATIENCE", 0.3)
    rights = Rights(app, agents)
    rights.update(now_ms())
    readers = Readers(agents, rights, SEED)
    readers.check()
    with app.app_context():
        db.session.get_one(Conversation, 1).status = "resolved"
        db.session.commit()
    with pytest.raises(AssertionError, match="'resolved'"):
        readers.check()
    readers.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_time_in_the_lists_that_is_not_of_the_messages_is_found(app):
    assert wrong_times(app) == []
    with app.app_context():
        answered = db.session.get_one(Conversation, 4)
        assert answered.waiting_since is None
        answered.waiting_since = answered.created_at
        db.session.get_one(Conversation, 1).last_public_at = clock.now()
        db.session.commit()
    assert [id for id, _ in wrong_times(app)] == [1, 4]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_conversation_whose_assignee_does_not_see_it_is_found(app, kevin):
    assert assigned_unseen(app) == []
    with app.app_context():
        db.session.get_one(Conversation, 7).assignee_id = kevin.id
        db.session.commit()
    assert assigned_unseen(app) == [7]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_event_received_without_access_is_found_by_the_readers(app, agents):
    rights = Rights(app, agents)
    rights.update(now_ms())
    kevins = Watch(agents[1], "account:1", rights, Counter())
    later = f"x-{now_ms() + 5_000}-0"
    kevins._check_access(Event("conversation.updated", "account:1", {"id": 1}, later))
    with pytest.raises(AssertionError):
        kevins._check_access(Event("conversation.updated", "account:1", {"id": 7}, later))
    kevins.drop()
