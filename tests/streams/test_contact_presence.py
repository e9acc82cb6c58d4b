"""The presence of a website's visitor in their threads: contact.presence, for agents."""

from contextlib import closing

import pytest

from rtapp import access
from rtapp import create_app
from rtapp.realtime.contact_presence import HOLDER

from ..support import VisitorClient
from ..support import eventually
from ..support import release

EVENT = "contact.presence"

pytestmark = pytest.mark.usefixtures("website")


def start(client, text="Hello"):
    answer = client.start(text)
    assert answer.status_code == 201, answer.data
    return answer.json["conversation"]["id"]


def thread(agent, id):
    """The stream of a thread, live."""
    stream = agent.stream(f"/streams/conversations/{id}")
    stream.named("stream.open")
    stream.ephemeral("conversation.viewers")
    return closing(stream)


def visit(client, *more):
    """The stream of a visitor, with its leases taken."""
    names = "&".join(f"stream={name}" for name in (f"contact:{client.id}", *more))
    stream = client.stream(f"/streams?{names}")
    stream.named("stream.open")
    stream.ephemeral("inbox.presence")
    return closing(stream)


def presence(id, client, present):
    return {
        "account_id": 1, "conversation_id": id, "contact_id": client.id, "present": present,
    }  # fmt: skip


def announced(stream):
    return stream.raw.count(f"event: {EVENT}\n")


def until_the_end(stream, agent, id):
    """Read what was published so far."""
    agent.send(id, "the end")
    while "the end" not in stream.next().data:
        pass


def test_a_visitor_is_announced_once_in_each_of_their_threads_whatever_the_number_of_tabs(
    vera, will, ada, kevin
):
    first, second, other = start(vera), start(vera), start(will)
    agents = thread(ada, first), thread(kevin, second), thread(ada, other)
    with agents[0] as one, agents[1] as two, agents[2] as wills, visit(vera), visit(vera):
        assert one.ephemeral(EVENT) == presence(first, vera, True)
        assert two.ephemeral(EVENT) == presence(second, vera, True)
        for stream, id in ((one, first), (two, second), (wills, other)):
            until_the_end(stream, ada, id)
        assert [announced(stream) for stream in (one, two, wills)] == [1, 1, 0]


def test_a_thread_opened_later_has_the_presence_as_a_snapshot(vera, ada):
    id = start(vera)
    with visit(vera), closing(ada.stream(f"/streams/conversations/{id}")) as stream:
        assert stream.ephemeral(EVENT) == presence(id, vera, True)


def test_without_a_visitor_a_thread_has_no_presence(vera, ada):
    id = start(vera)
    with thread(ada, id) as stream:
        until_the_end(stream, ada, id)
        assert announced(stream) == 0


def test_a_visitor_who_opens_the_page_again_within_the_grace_has_not_left(vera, ada, engine):
    id = start(vera)
    with thread(ada, id) as stream:
        with visit(vera):
            stream.ephemeral(EVENT)
        eventually(lambda: len(engine.hub) == 1)
        with visit(vera):
            until_the_end(stream, ada, id)
            assert announced(stream) == 1


def test_a_visitor_who_leaves_is_announced_after_the_grace_and_to_who_comes_later(
    vera, ada, kevin, engine
):
    id = start(vera)
    leases = f"rt:{{1}}:contact_presence:conversation:{id}:leases"
    redis = engine.broker.redis
    with thread(ada, id) as stream:
        with visit(vera):
            stream.ephemeral(EVENT)
            lasts = redis.zrange(leases, 0, -1, withscores=True)[0][1]

        def in_grace():
            [(_, score)] = redis.zrange(leases, 0, -1, withscores=True)
            return score < lasts - 10_000

        eventually(in_grace)
        [member] = redis.zrange(leases, 0, -1)
        assert member.startswith(HOLDER.encode())
        redis.zadd(leases, {member: engine.broker.now_ms() - 1})  # so that no time has to pass
        engine.leases.renew()
        assert stream.ephemeral(EVENT) == presence(id, vera, False)
        with closing(kevin.stream(f"/streams/conversations/{id}")) as later:
            assert later.ephemeral(EVENT) == presence(id, vera, False)


def test_a_visitor_who_signs_out_is_gone_at_once(vera, ada):
    id = start(vera)
    with thread(ada, id) as stream, visit(vera):
        stream.ephemeral(EVENT)
        assert vera.post(f"/chat/{vera.key}/session/delete").status_code == 204
        assert stream.ephemeral(EVENT) == presence(id, vera, False)


def test_a_blocked_visitor_is_gone_at_once_and_comes_back_once_unblocked(vera, ada):
    id = start(vera)
    with thread(ada, id) as stream, visit(vera):
        stream.ephemeral(EVENT)
        ada.post(f"/contacts/{vera.id}/block", {"blocked": True})
        assert stream.ephemeral(EVENT) == presence(id, vera, False)
        assert vera.get(f"/streams/contacts/{vera.id}").status_code == 403
        ada.post(f"/contacts/{vera.id}/block", {"blocked": False})
        with visit(vera):
            assert stream.ephemeral(EVENT) == presence(id, vera, True)


def test_a_visitor_is_present_in_a_conversation_that_begins_while_the_page_is_open(vera, ada):
    with visit(vera):
        id = start(vera)
        with closing(ada.stream(f"/streams/conversations/{id}")) as stream:
            assert stream.ephemeral(EVENT) == presence(id, vera, True)


def test_a_visitor_is_present_in_their_newest_threads_only(vera, ada, monkeypatch, app):
    monkeypatch.setattr(access, "NEWEST_THREADS", access.NEWEST_THREADS.limit(2))
    oldest, *newest = [start(vera, f"number {number}") for number in range(3)]
    with visit(vera), thread(ada, oldest) as old, thread(ada, newest[0]) as new:
        until_the_end(old, ada, oldest)
        until_the_end(new, ada, newest[0])
        assert (announced(old), announced(new)) == (0, 1)


def test_a_customers_own_streams_carry_no_presence_of_theirs(vera, ada):
    id = start(vera)
    with visit(vera, f"conversation:{id}") as stream, thread(ada, id) as agents:
        assert announced(agents) == 1
        until_the_end(stream, ada, id)
        assert announced(stream) == 0


def test_two_processes_announce_a_visitor_once(app, vera, ada):
    id = start(vera)
    second = create_app(app.extensions["settings"])
    second.extensions["engine"].start()
    try:
        there = VisitorClient.__new__(VisitorClient)
        there.__dict__.update(vera.__dict__, app=second)
        with thread(ada, id) as stream, visit(vera), visit(there):
            assert stream.ephemeral(EVENT) == presence(id, vera, True)
            until_the_end(stream, ada, id)
            assert announced(stream) == 1
    finally:
        second.extensions["engine"].stop()
        release(second)
