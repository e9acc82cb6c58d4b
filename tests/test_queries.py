"""Lists of each kind of member, searched and paged, on both databases."""

import random
import re
from datetime import timedelta

import pytest
from sqlalchemy import event
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update

from rtapp import access
from rtapp import clock
from rtapp import database
from rtapp import queries
from rtapp.config import PAGE_SIZE
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.models.conversation import STATUSES

LIST = "/accounts/1/conversations"
ADA, KEVIN, GRACE = 1, 2, 3


def ids(answer):
    assert answer.status_code == 200, answer.json
    return [conversation["id"] for conversation in answer.json["conversations"]]


def search(agent, q, **more):
    client = agent.app.test_client()
    return client.get(LIST, query_string={"q": q, **more}, headers=agent.headers)


def add_conversations(app, count, inbox=1, **more):
    """Add equal conversations, the oldest first, all newer than the demo's. Return their ids."""
    with app.app_context():
        now = clock.now()
        rows = [
            Conversation(
                account_id=1, inbox_id=inbox, contact_id=1,
                last_public_at=now + timedelta(seconds=n), **more,
            )
            for n in range(count)
        ]  # fmt: skip
        db.session.add_all(rows)
        db.session.commit()
        return [row.id for row in rows]


# The list of each kind of member


@pytest.mark.parametrize("apart", [20, 1], ids=["inbox by inbox", "more inboxes than the limit"])
def test_the_partial_queries_of_a_member_match_the_access_rule_without_overlap(
    app, monkeypatch, apart
):
    monkeypatch.setattr(access, "INBOXES_APART", apart)
    chance = random.Random(7)
    with app.app_context():
        other = Account(name="Second")
        db.session.add(other)
        db.session.flush()
        inboxes = [Inbox(account_id=1, name="Third"), Inbox(account_id=other.id, name="Elsewhere")]
        db.session.add_all(inboxes)
        db.session.flush()
        for account, inbox in [(1, 1), (1, 2), (1, inboxes[0].id), (other.id, inboxes[1].id)] * 10:
            assignee = chance.choice([None, ADA, KEVIN, GRACE])
            db.session.add(
                Conversation(account_id=account, inbox_id=inbox, contact_id=1, assignee_id=assignee)
            )
        db.session.add(InboxMember(inbox_id=inboxes[0].id, user_id=KEVIN))
        db.session.add(InboxMember(inbox_id=inboxes[1].id, user_id=KEVIN))
        db.session.add(Membership(account_id=other.id, user_id=GRACE, sees="assigned"))
        db.session.commit()
        counts = set()
        for sees in ("inbox", "assigned"):
            db.session.execute(
                update(Membership).where(Membership.user_id == KEVIN).values(sees=sees)
            )
            for membership in db.session.scalars(select(Membership)).all():
                for inbox in (None, 1, 2, inboxes[0].id, inboxes[1].id, 10**6):
                    allowed = select(Conversation.id).where(
                        access.SEEN, Conversation.account_id == membership.account_id
                    )
                    if inbox is not None:
                        allowed = allowed.where(Conversation.inbox_id == inbox)
                    seen = []
                    for view in access.seen_by(membership, inbox):
                        seen += db.session.scalars(select(Conversation.id).where(view))
                    viewer = {"viewer": membership.user_id}
                    assert sorted(seen) == sorted(db.session.scalars(allowed, viewer))
                    counts.add(len(seen))
        assert len(counts) > 4  # otherwise the cases do not differ


def test_an_agent_of_several_inboxes_has_one_list_ordered_by_the_last_public_message(app, kevin):
    with app.app_context():
        db.session.add(InboxMember(inbox_id=2, user_id=KEVIN))
        db.session.commit()
    complete = kevin.get(LIST).json["conversations"]
    assert len({c["inbox_id"] for c in complete}) == 2
    times = [c["last_public_at"] for c in complete]
    assert times == sorted(times, reverse=True)
    paged, before = [], {}
    while before is not None:
        page = kevin.app.test_client().get(
            LIST, query_string={"limit": 3, **before}, headers=kevin.headers
        )
        paged += ids(page)
        next_before = page.json["next_before"]
        before = {"before": next_before} if next_before else None
    assert paged == [c["id"] for c in complete]


def test_an_agent_without_an_inbox_has_an_empty_list(app, kevin):
    with app.app_context():
        db.session.delete(db.session.get(InboxMember, (1, KEVIN)))
        db.session.commit()
    answer = kevin.get(LIST)
    assert (ids(answer), answer.json["next_before"]) == ([], None)


def test_filtering_by_an_inbox_without_access_gives_an_empty_list(kevin):
    assert ids(kevin.get(f"{LIST}?inbox=1"))
    assert ids(kevin.get(f"{LIST}?inbox=2")) == []


def test_the_list_of_an_agent_restricted_to_assigned_has_only_their_conversations(app, kevin):
    with app.app_context():
        db.session.execute(
            update(Membership).where(Membership.user_id == KEVIN).values(sees="assigned")
        )
        db.session.commit()
    listed = kevin.get(LIST).json["conversations"]
    assert listed
    assert {c["assignee"]["id"] for c in listed} == {KEVIN}
    assert ids(kevin.get(f"{LIST}?assignee=none")) == []


# Search


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("Lindqvist", [1]),  # a contact's name
        ("lINDQ", [1]),
        ("maria.lindqvist@", [1]),  # their address
        ("#10482", [1]),  # a message
        ("neighbour at number 12", [1]),
        ("Third complaint", [1]),  # a private note: only agents search
        ("“delivered”", [1]),
        ("ship", [1, 3, 4]),
        ("no such words", []),
    ],
)
def test_a_search_finds_contacts_and_messages_ignoring_case(ada, q, found):
    assert sorted(ids(search(ada, q))) == found


def test_a_search_finds_nothing_without_access(ada, kevin, grace):
    assert ids(search(ada, "Weber")) == ids(search(grace, "Weber")) == [7]
    assert ids(search(kevin, "Weber")) == []
    assert ids(search(ada, "purchase order for 40 desks")) == [7]
    assert ids(search(kevin, "purchase order for 40 desks")) == []


def test_a_search_combines_with_filters(ada):
    assert sorted(ids(search(ada, "e", assignee="me", status="resolved"))) == [12]
    assert ids(search(ada, "ship", status="pending")) == [4]
    assert ids(search(ada, "ship", inbox=2)) == []


@pytest.mark.parametrize("q", ["", "   ", "\t"])
def test_a_blank_search_returns_the_list(ada, q):
    assert ids(search(ada, q)) == ids(ada.get(LIST))


def test_a_search_does_not_find_deleted_messages(app, ada):
    assert ids(search(ada, "#10482")) == [1]
    with app.app_context():
        db.session.execute(update(Message).values(deleted=True))
        db.session.commit()
    assert ids(search(ada, "#10482")) == []


@pytest.mark.parametrize("sign", ["%", "_", "\\", "/", "'", '"', "😀", "%%", "\\%"])
def test_a_search_takes_wildcards_and_quotes_literally(app, ada, sign):
    with app.app_context():
        db.session.execute(update(Message).values(content="plain"))
        db.session.execute(update(Contact).values(name="plain", email=None))
        db.session.commit()
    assert ids(search(ada, sign)) == []
    ada.send(2, f"before{sign}after")
    assert ids(search(ada, sign)) == [2]
    assert ids(search(ada, f"e{sign}a")) == [2]


@pytest.mark.parametrize(
    "q", ["x" * 201, "x" * 1_000_000, "a%00b"], ids=["201 characters", "1 MB", "NUL"]
)
def test_a_search_text_that_is_too_long_or_has_a_nul_is_400(ada, q):
    answer = ada.get(f"{LIST}?q={q}")
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")


def test_a_search_text_that_is_not_utf_8_finds_nothing(ada):
    assert ids(ada.get(f"{LIST}?q=%ED%A0%80")) == []


def test_a_search_text_of_the_maximum_length_is_found(ada):
    ada.send(2, "é" * 200)
    assert ids(search(ada, "é" * 200)) == [2]


def test_a_search_limited_in_depth_continues_until_every_conversation_is_searched(
    app, ada, monkeypatch
):
    monkeypatch.setattr(queries, "SEARCH_DEPTH", 5)
    add_conversations(app, 7)
    found, pages, before = [], 0, {}
    while before is not None:
        page = search(ada, "Tom Okafor", **before)
        found += ids(page)
        pages += 1
        next_before = page.json["next_before"]
        before = {"before": next_before} if next_before else None
    assert found == [2]
    assert pages == 4  # 19 conversations, five at a time


def test_a_search_whose_depth_covers_the_list_has_no_next_page(app, ada, monkeypatch):
    monkeypatch.setattr(queries, "SEARCH_DEPTH", 12)
    assert search(ada, "Tom Okafor").json["next_before"] is None
    monkeypatch.setattr(queries, "SEARCH_DEPTH", 11)
    assert search(ada, "Tom Okafor").json["next_before"] is not None


def test_a_full_page_of_a_search_continues_after_its_last_conversation(app, ada):
    new = add_conversations(app, 5)[::-1]  # of Maria, as the demo's first
    first = search(ada, "maria", limit=4)
    assert ids(first) == new[:4]
    rest = search(ada, "maria", limit=4, before=first.json["next_before"])
    assert ids(rest) == [new[4], 1]
    assert rest.json["next_before"] is None


def test_the_link_to_older_conversations_keeps_the_filter_and_the_search(app, ada):
    add_conversations(app, 60, status="pending")
    page = ada.page(f"{LIST}?status=pending&q=maria").get_data(as_text=True)
    (link,) = [part.split('"')[0] for part in page.split('href="') if "before=" in part[:200]]
    assert "status=pending" in link
    assert "q=maria" in link
    older = ada.get(link.replace("&amp;", "&"))
    assert len(ids(older)) == 10


# Pages


def test_conversations_with_equal_times_are_paged_without_gaps_or_duplicates(app, ada):
    with app.app_context():
        db.session.execute(update(Conversation).values(last_public_at=clock.now()))
        db.session.commit()
    first = ada.get(f"{LIST}?limit=7")
    second = ada.get(f"{LIST}?limit=7&before={first.json['next_before']}")
    assert ids(first) + ids(second) == list(range(12, 0, -1))
    assert second.json["next_before"] is None


def test_a_later_page_does_not_change_when_new_conversations_arrive(app, ada):
    first = ada.get(f"{LIST}?limit=5")
    rest = ids(ada.get(f"{LIST}?before={first.json['next_before']}"))
    add_conversations(app, 3)
    assert ids(ada.get(f"{LIST}?before={first.json['next_before']}")) == rest


def test_a_thread_can_be_fetched_between_two_messages_and_beyond_its_ends(ada):
    messages = "/conversations/1/messages"
    complete = [m["id"] for m in ada.get(messages).json["messages"]]
    assert len(complete) > 3

    def part(query):
        answer = ada.get(f"{messages}?{query}").json
        return [m["id"] for m in answer["messages"]], answer["next_before"]

    assert part(f"after={complete[0]}&before={complete[-1]}") == (complete[1:-1], None)
    assert part(f"before={complete[0]}") == ([], None)
    assert part(f"after={complete[-1]}") == ([], None)
    assert part("limit=2") == (complete[-2:], complete[-2])
    assert part(f"limit=2&after={complete[0]}")[0] == complete[1:3]
    assert part(f"limit={len(complete)}") == (complete, None)


# Plans: without an index of their own, these would read every conversation of the account.

PLANS = {
    "all": ({}, "by_account"),
    "by status": ({"status": "open"}, "by_status"),
    "mine": ({"assignee": "me"}, "by_assignee"),
    "mine by status": ({"assignee": "me", "status": "open"}, "by_assignee_and_status"),
    "of an inbox": ({"inbox": 1}, "by_inbox"),
    "of an inbox by status": ({"inbox": 1, "status": "open"}, "by_inbox_and_status"),
}
# Enough rows for PostgreSQL, which plans by their number; SQLite plans by rules.
ROWS, INBOXES = 4_000, 4


@pytest.fixture
def large(app):
    """An account in which each filter selects a small part."""
    start = clock.now()
    with app.app_context(), database.unlimited():
        db.session.add_all(Inbox(account_id=1, name=f"Inbox {n}") for n in range(3, INBOXES + 1))
        db.session.flush()
        rows = [
            {
                "account_id": 1, "contact_id": 1, "inbox_id": 1 + n % INBOXES,
                "assignee_id": (None, ADA, KEVIN, GRACE)[n // 3 % 4],
                "status": STATUSES[n // 7 % 4],
                "created_at": start, "last_activity_at": start, "version": 1,
                "last_public_at": start + timedelta(seconds=n),
                "waiting_since": start + timedelta(seconds=n) if n // 11 % 3 else None,
            }
            for n in range(ROWS)
        ]  # fmt: skip
        db.session.execute(insert(Conversation.__table__), rows)
        if db.engine.dialect.name == "postgresql":
            db.session.execute(text("ANALYZE conversations"))
        db.session.commit()
    return app


def plan_of(statement, parameters):
    explain = "EXPLAIN" if db.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    plan = db.session.connection().exec_driver_sql(f"{explain} {statement}", parameters)
    return [str(line[-1]) for line in plan]


def sorts_more_than_a_page(plan):
    """SQLite does not name the number of rows: it sorts the page, and what is sorted besides."""
    in_sqlite = sum("TEMP B-TREE" in line for line in plan)
    sorted_rows = re.findall(r"Sort +\(cost=\S+ rows=(\d+)", "\n".join(plan))
    return in_sqlite > 1 or any(int(rows) > PAGE_SIZE + 1 for rows in sorted_rows)


def listing_statement(**filters):
    """The last statement of Ada's list."""
    statements = []

    def record(*args):
        if "FROM conversations" in args[2]:  # the relay has others
            statements.append(args[2:4])

    ada = db.session.scalars(select(Membership).where(Membership.user_id == ADA)).one()
    event.listen(db.engine, "before_cursor_execute", record)
    queries.conversations(ada, **filters)
    event.remove(db.engine, "before_cursor_execute", record)
    return statements[-1]


@pytest.mark.parametrize("sort", ["newest", "oldest", "waiting"])
def test_every_list_is_read_by_its_own_index_in_every_order(large, ada, sort):
    with large.app_context():
        on_postgresql = db.engine.dialect.name == "postgresql"
    before = ada.get(f"{LIST}?sort={sort}&limit=1").json["next_before"]
    for filters, index in PLANS.values():
        kind = "ix_conversations_waiting_by_" if sort == "waiting" else "ix_conversations_by_"
        # PostgreSQL takes the index of a wider filter where that costs as little.
        name = kind if on_postgresql else f"{kind.removesuffix('by_')}{index} "
        for end in (None, before):
            with large.app_context():
                plan = plan_of(*listing_statement(**filters, sort=sort, before=end))
            assert any(name in line for line in plan), (filters, plan)
            assert not sorts_more_than_a_page(plan), (filters, plan)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_list_of_a_label_is_read_by_the_lists_index_and_the_labels(large):
    """PostgreSQL chooses by the number of conversations that have the label."""
    with large.app_context():
        for filters, index in (({}, "by_account"), ({"status": "open"}, "by_status")):
            plan = plan_of(*listing_statement(label=2, **filters))
            assert any(f"ix_conversations_{index} " in line for line in plan), plan
            assert any("ix_conversation_labels_label_id" in line for line in plan), plan
            assert not sorts_more_than_a_page(plan), plan


def test_without_its_index_a_list_is_sorted_as_a_whole(large):
    with large.app_context():
        db.session.execute(text("DROP INDEX ix_conversations_waiting_by_account"))
        plan = plan_of(*listing_statement(sort="waiting"))
        db.session.rollback()
    assert sorts_more_than_a_page(plan), plan
