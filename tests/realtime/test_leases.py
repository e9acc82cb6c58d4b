"""The leases of processes that die, pause, are drained, or lose their Redis. No test waits."""

import gevent
import pytest

from rtapp.realtime import presence
from rtapp.realtime.presence import PRESENCE
from rtapp.realtime.shard_leases import MAX_SCRIPTS
from rtapp.realtime.shard_leases import RENEWAL

from ..harness.gate import Gate
from .clock import dumped
from .clock import restore
from .processes import ACCOUNT
from .processes import GROUPS
from .processes import Account
from .processes import key

VIEWING = GROUPS[1]


@pytest.fixture
def account(redis):
    account = Account(redis.url)
    yield account
    account.close()


def there(*users):
    return {(presence.GROUP, str(user)): "online" for user in users}


def left(*users):
    return [(presence.GROUP, str(user)) for user in users]


def test_the_users_of_a_killed_process_leave_once_and_within_a_minute(account):
    p, q, r = (account.start() for _ in range(3))
    for user in range(50):
        p.open(user)
    q.open(1)
    r.open(100)
    account.passes(40)
    p.kill()
    account.passes(29)
    account.listen()
    assert account.left == []
    account.passes(31)
    account.listen()
    assert sorted(account.left) == sorted(left(0, *range(2, 50)))
    assert account.present() == account.members == there(1, 100)


def test_a_process_that_slept_brings_its_users_back_and_its_old_leases_keep_nobody(account):
    p, q = account.start(), account.start()
    closing, staying = p.open(1), p.open(2)
    q.open(3)
    p.runs = False
    account.passes(60)
    assert account.present() == there(3)
    p.runs = True
    account.passes(1)
    account.listen()
    assert account.present() == account.members == there(1, 2, 3)
    p.close(closing)
    account.passes(PRESENCE.grace + 1)
    assert account.present() == there(2, 3)
    p.close(staying, "forbidden")
    account.passes(1)
    assert account.present() == there(3)


def test_a_process_that_slept_shorter_than_its_lease_is_not_noticed(account):
    p, q = account.start(), account.start()
    p.open(1)
    q.open(2)
    account.passes(15)
    p.runs = False
    account.passes(28)
    p.runs = True
    account.passes(60)
    account.listen()
    assert account.left == []


def test_a_stream_that_opens_as_its_process_wakes_is_kept(account):
    p, q = account.start(), account.start()
    p.open(1)
    q.open(2)
    p.runs = False
    account.passes(46)
    p.open(3)  # before its renewal
    p.runs = True
    account.passes(60)
    account.listen()
    assert account.present() == account.members == there(1, 2, 3)
    assert account.left == left(1)


def test_a_drained_process_keeps_its_users_until_they_are_back(account):
    p = account.start()
    for user in (1, 2, 3):
        p.open(user)
    account.passes(14)
    p.drain()
    account.passes(40)
    q = account.start()
    q.open(1)
    q.open(2)
    account.listen()
    assert account.left == []
    account.passes(60)
    account.listen()
    assert account.left == left(3)
    assert account.present() == there(1, 2)


def test_after_redis_lost_everything_all_are_back_at_once(account):
    p, q = account.start(), account.start()
    p.open(1, views=True)
    q.open(2)
    account.passes(5)
    account.line.redis.flushall()
    account.clock.set()
    for process in (p, q):
        process.leases.renew()  # as the engine does on a new connection
        process.works()
    assert account.look() == {*there(1, 2), (VIEWING, "1/1")}


def test_after_redis_lost_its_newest_writes_who_came_is_there_and_who_left_is_not(account):
    p, q = account.start(), account.start()
    gone, _ = p.open(1), p.open(2)
    q.open(9)
    account.passes(1)
    saved = dumped(account.line.redis, ACCOUNT)
    p.open(3)
    p.close(gone, "forbidden")
    account.passes(1)
    assert account.present() == there(2, 3, 9)
    restore(account.line.redis, ACCOUNT, saved)
    assert account.present() == there(1, 2, 9)
    account.passes(RENEWAL + 1)
    assert account.present() == there(1, 2, 3, 9)
    account.passes(60)  # the first name lapses, by which user 1 was held
    assert account.present() == there(2, 3, 9)


@pytest.mark.parametrize("outage", [3, 20, 100, 1000])
def test_nobody_leaves_while_redis_is_away_but_who_has_closed(account, outage):
    p, q = account.start(), account.start()
    for user in (1, 2):
        p.open(user)
    closing = p.open(3)
    q.open(4)
    account.passes(5)
    account.line.cut = True
    account.passes(1)
    p.close(closing)
    came = p.open(5)
    account.passes(outage)
    account.line.cut = False
    account.passes(5)
    account.listen()
    assert account.left == []
    assert set(account.present()) >= {*there(1, 2, 4, 5)}
    account.passes(90)
    account.listen()
    assert account.left == left(3)
    assert account.present() == account.members == there(1, 2, 4, 5)
    p.close(came, "forbidden")
    account.passes(1)
    assert account.present() == there(1, 2, 4)


def test_a_release_that_failed_leaves_nobody_behind(account):
    p = account.start()
    closing = p.open(1)
    p.open(2)
    account.passes(5)
    account.line.cut = True
    p.close(closing)
    p.works()  # which fails
    account.line.cut = False
    account.passes(70)
    account.listen()
    assert account.left == left(1)


def test_the_release_of_a_stream_does_not_end_the_one_that_is_opened_before_it_is_sent(account):
    """The second one may well have the descriptor of the first."""
    p = account.start()
    first = p.open(1)
    p.close(first)
    second = p.open(1)
    assert second.lease != first.lease
    account.passes(60)
    account.listen()
    assert account.left == []


def test_a_viewer_who_closes_within_the_join_delay_was_never_there(account):
    p = account.start()
    stream = p.open(1, views=True)
    account.passes(0.5)
    p.close(stream)
    account.passes(60)
    account.listen()
    assert account.left == left(1)


def test_a_viewer_in_the_join_delay_is_not_taken_early_when_all_is_taken_again(account):
    p = account.start()
    p.open(2)
    account.passes(20)
    account.line.redis.flushall()
    account.clock.set()
    account.line.cut = True
    p.open(1, views=True)
    account.line.cut = False
    p.leases.renew()
    p.works()
    assert account.present() == there(1, 2)
    account.passes(1.5)
    assert set(account.present()) == {*there(1, 2), (VIEWING, "1/1")}


def test_a_status_chosen_meanwhile_is_kept_when_all_is_held_again(account):
    p, q = account.start(), account.start()
    p.open(1)
    q.open(2)
    q.leases.submit(ACCOUNT, presence.GROUP, presence.choice(1, "busy"))
    q.works()
    account.line.cut = True
    p.leases.renew()
    p.works()  # which fails
    account.line.cut = False
    p.leases.of(ACCOUNT)._holdings[ACCOUNT].doubt()
    account.passes(2)
    assert account.present() == {**there(2), (presence.GROUP, "1"): "busy"}


def test_an_idle_period_is_one_script_of_each_account_however_many_groups_it_has(account):
    """And no account without streams is renewed."""
    p = account.start()
    streams = [p.open(user, views=user % 2 == 0) for user in range(3 * MAX_SCRIPTS)]
    account.passes(2)

    def scripts():
        stats = account.line.redis.info("commandstats")
        return stats.get("cmdstat_evalsha", {"calls": 0})["calls"]

    before = scripts()
    account.passes(4 * RENEWAL)
    assert scripts() - before == 4
    for stream in streams:
        p.close(stream)
    account.passes(60)
    before = scripts()
    account.passes(4 * RENEWAL)
    assert scripts() == before
    assert p.leases.of(ACCOUNT)._holdings == {}
    assert account.line.redis.exists(*(key(group) for group in GROUPS)) == 0


def test_a_shard_that_hangs_holds_up_the_leases_of_its_accounts_only(account, monkeypatch):
    line = account.line
    hangs, change_groups = Gate("the shard of account 1"), line.change_groups
    monkeypatch.setattr(line, "shard_of", str)

    def answered(batch):
        if {changes.account_id for changes in batch} == {1}:
            hangs()
        return change_groups(batch)

    monkeypatch.setattr(line, "change_groups", answered)
    p = account.start()
    slow = gevent.spawn(p.open, 1)
    hangs.wait_reached()
    p.open(2, account_id=2)
    assert line.redis.hgetall("rt:{2}:presence:presence") == {b"2": b"online"}
    assert not slow.ready()
    hangs.open()
    slow.get()
    assert account.present() == there(1)
