import os
import signal
import time
from collections import Counter
from dataclasses import replace

import gevent
import pytest
from limits import RateLimitItem
from sqlalchemy import func
from sqlalchemy import select
from werkzeug.security import generate_password_hash

from rtapp import auth
from rtapp import create_app
from rtapp import ratelimits
from rtapp.config import TYPING_PER_USER
from rtapp.extensions import db
from rtapp.models import Token

from .files import upload
from .support import ApiClient
from .support import CustomerClient
from .support import VisitorClient
from .support import release
from .world import add_website

# The counters are in Redis: one database is enough.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

KEVIN = {"email": "kevin@example.com", "password": "password"}
WRONG = {**KEVIN, "password": "guess"}
PER_PAIR, PER_EMAIL, PER_ADDRESS = 10, 20, 60  # as config.py has them
PER_VISITOR, PER_VISITORS_ADDRESS, SESSIONS = 30, 60, 20


@pytest.fixture
def limited(app, monkeypatch):
    """The application with rate limits on and empty counters, and a quick hash for unknown users:
    the attempts of a test must fit into a minute, on a busy machine, too."""
    quick = generate_password_hash("nothing", "pbkdf2:sha256:1")
    monkeypatch.setattr(auth, "dummy_hash", lambda: quick)
    limited = create_app(replace(app.extensions["settings"], rate_limits=True))
    ratelimits.limiter._storage_dead = False
    yield limited
    release(limited)
    ratelimits.limiter.enabled = False


@pytest.fixture
def long_window(monkeypatch):
    """Make every window an hour: a slow test must not outlast a window of ten seconds."""
    monkeypatch.setattr(RateLimitItem, "get_expiry", lambda _: 3600)


def sign_in(app, credentials, address="192.0.2.1", **more):
    return app.test_client().post(
        "/login", json=credentials, environ_base={"REMOTE_ADDR": address}, **more
    )


def statuses(app, credentials, count, address="192.0.2.1"):
    return [sign_in(app, credentials, address).status_code for _ in range(count)]


def test_uploads_of_a_visitor_are_limited_before_those_of_a_user(limited, monkeypatch, long_window):
    monkeypatch.setattr(ratelimits, "UPLOADS_PER_VISITOR", "2 per 10 minute")
    maria = CustomerClient(limited, "maria.lindqvist@example.com")
    ada = ApiClient(limited, "ada@example.com")
    found = {client: [upload(client, b"x", "a.txt") for _ in range(3)] for client in (maria, ada)}
    assert [answer.status_code for answer in found[maria]] == [201, 201, 429]
    assert [answer.status_code for answer in found[ada]] == [201, 201, 201]
    assert int(found[maria][-1].headers["Retry-After"]) > 0


def test_wrong_passwords_for_one_account_from_one_address_are_limited(limited):
    assert statuses(limited, WRONG, PER_PAIR) == [401] * PER_PAIR
    refused = sign_in(limited, KEVIN)
    assert (refused.status_code, refused.content_type) == (429, "application/problem+json")
    assert 0 < int(refused.headers["Retry-After"]) <= 600
    assert refused.headers["Retry-After"] in refused.json["detail"]
    assert "Set-Cookie" not in refused.headers


def test_the_doctor_is_asked_six_times_a_minute_by_a_user(limited, long_window):
    ada, other = ApiClient(limited, "ada@example.com"), ApiClient(limited, "kevin@example.com")
    answers = [ada.post("/accounts/1/settings/doctor", {}).status_code for _ in range(7)]
    assert answers == [200] * 6 + [429]
    assert other.post("/accounts/1/settings/doctor", {}).status_code == 403


def test_asking_for_password_links_is_limited_by_the_email_and_by_the_client(limited, long_window):
    """Also where no mail is sent (403), and alike for an address that nobody has."""

    def asked(email, client="192.0.2.1"):
        there = {"REMOTE_ADDR": client}
        answer = limited.test_client().post("/forgot", json={"email": email}, environ_base=there)
        return answer.status_code

    for email in ("kevin@example.com", "nobody@example.com"):
        assert [asked(email) for _ in range(6)] == [403] * 5 + [429]
        assert asked(email.upper(), "192.0.2.2") == 429  # for all clients
    statuses = [asked(f"{n}@example.com", "192.0.2.3") for n in range(21)]
    assert statuses == [403] * 20 + [429]
    assert asked("20@example.com", "192.0.2.4") == 403


def test_an_administrator_makes_sixty_links_in_ten_minutes(limited, long_window):
    ada = ApiClient(limited, "ada@example.com")
    path = "/accounts/1/settings/invitations"
    answers = [ada.post(path, {}).status_code for _ in range(61)]
    assert answers == [201] * 60 + [429]


def test_right_passwords_do_not_use_up_the_limits(limited, broker, long_window):
    for _ in range(3 * PER_PAIR):
        assert sign_in(limited, KEVIN).status_code == 200
    assert {key: broker.redis.get(key) for key in broker.redis.keys("LIMITS*")} == dict.fromkeys(
        broker.redis.keys("LIMITS*"), b"0"
    )
    assert len(broker.redis.keys("LIMITS*")) == 3
    assert statuses(limited, WRONG, PER_PAIR + 1) == [401] * PER_PAIR + [429]


def test_a_right_password_between_wrong_ones_takes_none_of_them_back(limited, long_window):
    assert statuses(limited, WRONG, PER_PAIR - 1) == [401] * (PER_PAIR - 1)
    assert statuses(limited, KEVIN, 3) == [200] * 3
    assert statuses(limited, WRONG, 2) == [401, 429]
    assert sign_in(limited, KEVIN).status_code == 429


def test_a_form_with_the_right_password_does_not_use_up_the_limits(limited, long_window):
    headers = {"Accept": "text/html"}
    for _ in range(2 * PER_PAIR):
        answer = limited.test_client().post("/login", data=KEVIN, headers=headers)
        assert answer.status_code == 303


def test_wrong_passwords_sent_at_once_are_limited_before_any_is_checked(limited, long_window):
    jobs = [gevent.spawn(sign_in, limited, WRONG) for _ in range(2 * PER_PAIR)]
    gevent.joinall(jobs, raise_error=True)
    counts = Counter(job.value.status_code for job in jobs)
    assert counts == {401: PER_PAIR, 429: PER_PAIR}


def test_a_window_that_ends_during_a_sign_in_gives_no_guess_away(limited, broker, monkeypatch):
    check = auth.user_of

    def slow(email, password):
        user = check(email, password)
        assert broker.redis.delete(*broker.redis.keys("LIMITS*")) == 3  # as the windows end
        return user

    monkeypatch.setattr(auth, "user_of", slow)
    assert sign_in(limited, KEVIN).status_code == 200
    monkeypatch.undo()
    assert {broker.redis.get(key) for key in broker.redis.keys("LIMITS*")} <= {b"0"}


def test_right_passwords_do_not_use_up_the_limits_without_redis(limited, redis):
    redis.stop()
    try:
        assert statuses(limited, KEVIN, 2 * PER_PAIR) == [200] * 2 * PER_PAIR
        assert statuses(limited, WRONG, PER_PAIR + 1) == [401] * PER_PAIR + [429]
    finally:
        redis.start()


def test_a_rate_limited_login_in_a_browser_gets_an_html_page(limited):
    statuses(limited, WRONG, PER_PAIR)
    page = sign_in(limited, KEVIN, headers={"Accept": "text/html"})
    assert (page.status_code, page.mimetype) == (429, "text/html")
    assert int(page.headers["Retry-After"]) > 0


def test_a_limited_address_does_not_limit_other_addresses_or_accounts(limited):
    statuses(limited, WRONG, PER_PAIR + 1)
    assert sign_in(limited, KEVIN).status_code == 429
    assert sign_in(limited, KEVIN, "192.0.2.2").status_code == 200
    assert sign_in(limited, {**KEVIN, "email": "ada@example.com"}).status_code == 200


def test_wrong_passwords_for_one_account_from_many_addresses_are_limited_for_at_most_a_minute(
    limited,
):
    for n in range(PER_EMAIL):
        assert sign_in(limited, WRONG, f"198.51.100.{n}").status_code == 401
    refused = sign_in(limited, KEVIN, "203.0.113.1")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60


@pytest.mark.parametrize("spelling", ["Kevin@example.com", " kevin@example.com "])
def test_another_spelling_of_the_email_counts_to_the_same_limit(limited, spelling):
    statuses(limited, WRONG, PER_PAIR)
    assert sign_in(limited, {**KEVIN, "email": spelling}).status_code == 429
    form = limited.test_client().post(
        "/login", data={**KEVIN, "email": spelling}, environ_base={"REMOTE_ADDR": "192.0.2.1"}
    )
    assert form.status_code == 429


def test_wrong_passwords_for_many_accounts_from_one_address_are_limited(limited, long_window):
    answers = [sign_in(limited, {**WRONG, "email": f"{n}@example.com"}) for n in range(PER_ADDRESS)]
    assert {answer.status_code for answer in answers} == {401}
    assert sign_in(limited, KEVIN).status_code == 429


def test_addresses_of_one_ipv6_network_count_as_one_address(limited):
    for n in range(PER_PAIR):
        assert sign_in(limited, WRONG, f"2001:db8::{n:x}").status_code == 401
    assert sign_in(limited, KEVIN, "2001:db8::ffff").status_code == 429
    assert sign_in(limited, KEVIN, "2001:db8:0:1::1").status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [("[" * 100_000, 400), ('{"email": ["x"]}', 422), ("7", 422), ("x" * 1_100_000, 413)],
    ids=["deep", "a list", "a number", "too large"],
)
def test_a_login_without_a_usable_email_gets_its_usual_answer_with_limits_on(limited, body, status):
    answer = limited.test_client().post("/login", data=body, content_type="application/json")
    assert answer.status_code == status
    assert ratelimits.limiter._storage_dead is False


def test_messages_are_limited_per_user_and_reads_are_not(limited, long_window):
    ada, kevin = ApiClient(limited, "ada@example.com"), ApiClient(limited, "kevin@example.com")
    codes = [ada.post("/conversations/1/messages", {}).status_code for _ in range(201)]
    assert codes == [422] * 200 + [429]
    assert kevin.send(1, "hello").status_code == 201
    assert ada.get("/conversations/1").status_code == 200  # reads are not limited


def test_fifty_typing_posts_a_second_are_accepted_without_redis_counters_and_more_are_limited(
    limited, long_window
):
    limited.post("/typing")(ratelimits.typing(empty))
    ada = ApiClient(limited, "ada@example.com")
    per_window, _, window, _ = (int(w) if w.isdigit() else w for w in TYPING_PER_USER.split())
    assert per_window / window >= 50
    codes = [ada.post("/typing").status_code for _ in range(per_window)]
    assert set(codes) == {200}
    assert (
        limited.extensions["broker"].redis.keys("LIMITS*") == []
    )  # counted in the process, to spare Redis
    refused = ada.post("/typing")
    assert refused.status_code == 429  # a client in an endless loop
    assert int(refused.headers["Retry-After"]) > 0


def test_saving_drafts_has_a_count_of_its_own_and_reading_them_no_limit(limited, long_window):
    ada = ApiClient(limited, "ada@example.com")
    path = "/conversations/1/draft"
    codes = [ada.post(path, {}).status_code for _ in range(101)]
    assert codes == [422] * 100 + [429]
    assert ada.get(path).status_code == 200
    assert ada.send(1, "sent all the same").status_code == 201


def empty():
    return ""


def test_posts_without_a_limit_of_their_own_have_the_default_limit(limited, long_window):
    ada = ApiClient(limited, "ada@example.com")
    codes = [ada.post("/logout").status_code for _ in range(101)]
    assert codes == [204] * 100 + [429]


def test_rate_limits_that_are_off_refuse_nothing(app, ada):
    assert statuses(app, WRONG, PER_PAIR + 2) == [401] * (PER_PAIR + 2)


def test_the_keys_of_rate_limits_contain_no_email_password_or_token(limited, broker):
    sign_in(limited, WRONG)
    ada = ApiClient(limited, "ada@example.com")
    ada.send(1, "hello")
    keys = b"\n".join(broker.redis.keys("LIMITS*")).decode()
    assert keys.count("\n") == 3
    for secret in ("kevin", "guess", ada.headers["Authorization"].split()[1]):
        assert secret not in keys
    assert "user 1/" in keys


def test_without_redis_each_process_counts_its_own_rate_limits(limited, redis):
    redis.stop()
    try:
        assert statuses(limited, WRONG, PER_PAIR) == [401] * PER_PAIR
        assert sign_in(limited, KEVIN).status_code == 429
        assert ApiClient(limited, "ada@example.com").send(1, "meanwhile").status_code == 201
    finally:
        redis.start()


def test_a_hanging_redis_delays_most_posts_by_less_than_the_limiters_patience(limited, broker):
    ada = ApiClient(limited, "ada@example.com")
    ada.send(1, "so that there is a connection")
    pid = broker.redis.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        taken = []
        for n in range(5):
            start = time.monotonic()
            assert ada.send(1, f"hung {n}").status_code == 201
            taken.append(time.monotonic() - start)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert ratelimits.limiter._storage_dead  # otherwise the limiter never waited
    assert sum(taken) < 5  # s: one socket timeout of the broker, which a single POST must not take
    assert sorted(taken)[2] < ratelimits.PATIENCE  # most do not wait


@pytest.mark.parametrize(("proxies", "address"), [(0, "127.0.0.1"), (1, "192.0.2.9")])
def test_a_forwarded_address_is_trusted_from_the_configured_proxies_only(app, proxies, address):
    behind = create_app(replace(app.extensions["settings"], proxies=proxies))
    addresses = []
    behind.before_request(lambda: addresses.append(ratelimits.address()))
    forged = {"X-Forwarded-For": "203.0.113.7, 192.0.2.9"}
    behind.test_client().get("/healthz", headers=forged)
    assert addresses == [f"address {address}/32"]
    release(behind)


def test_a_customer_and_a_user_of_the_same_id_have_separate_rate_limits(limited, broker):
    maria, ada = (
        CustomerClient(limited, "maria.lindqvist@example.com"),
        ApiClient(limited, "ada@example.com"),
    )
    assert maria.id == ada.id
    assert maria.send(1, "Is anybody there?").status_code == 201
    [counted] = broker.redis.keys("LIMITS*")
    assert f"contact {maria.id}/" in counted.decode()
    assert ada.send(1, "I am.").status_code == 201
    assert len(broker.redis.keys("LIMITS*")) == 2


def test_the_messages_of_a_visitor_are_limited_by_token_address_and_website(
    limited, long_window, monkeypatch
):
    add_website(limited)
    add_website(limited, 2, "website2")
    vera, will = VisitorClient(limited, "website1"), VisitorClient(limited, "website1")
    started = vera.start("Hello")
    assert started.status_code == 201
    id = started.json["conversation"]["id"]
    path = f"/conversations/{id}/messages"
    # A client_id that is used again costs the least, and counts.
    body = {"content": "Hello?", "client_id": "c1"}
    answers = [vera.post(path, body).status_code for _ in range(PER_VISITOR)]
    assert answers == [201] + [200] * (PER_VISITOR - 2) + [429]
    refused = vera.start("By the other endpoint")
    assert (refused.status_code, refused.content_type) == (429, "application/problem+json")
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert vera.post(f"/conversations/{id}/typing", {"typing": True}).status_code == 204
    assert vera.get(f"/conversations/{id}").status_code == 200
    # Another visitor from the same address, until that has reached its own limit.
    first = {"content": "Hi", "client_id": "c2"}
    answers = [will.post("/chat/website1/conversations", first).status_code for _ in range(28)]
    assert answers == [201] + [200] * 27
    other = VisitorClient(limited, "website2")
    answers = [
        other.post("/chat/website2/conversations", first).status_code
        for _ in range(PER_VISITORS_ADDRESS)
    ]
    # Fewer than the limit of a token would let through.
    assert answers.count(429) > PER_VISITORS_ADDRESS - PER_VISITOR


def test_an_agents_messages_are_not_limited_as_a_visitors(limited, long_window):
    ada = ApiClient(limited, "ada@example.com")
    body = {"content": "Hello", "client_id": "c1"}
    answers = [ada.post("/conversations/1/messages", body).status_code for _ in range(70)]
    assert answers == [201] + [200] * 69


def test_new_sessions_are_limited_by_address_and_leave_no_row_beyond(limited, long_window):
    add_website(limited)

    def session(address):
        there = {"REMOTE_ADDR": address}
        return limited.test_client().post("/chat/website1/session", json={}, environ_base=there)

    answers = [session("192.0.2.1").status_code for _ in range(SESSIONS + 1)]
    assert answers == [201] * SESSIONS + [429]
    assert session("192.0.2.2").status_code == 201
    with limited.app_context():
        count = select(func.count()).select_from(Token).where(Token.inbox_id == 1)
        assert db.session.scalar(count) == SESSIONS + 1


def test_the_form_without_scripts_is_limited_by_address(limited, long_window):
    add_website(limited)
    browser = limited.test_client()
    answers = [
        browser.post("/chat/website1", data={"content": ""}).status_code
        for _ in range(PER_VISITORS_ADDRESS + 1)
    ]
    assert answers == [422] * PER_VISITORS_ADDRESS + [429]


def reached(broker, scope):
    """The keys of a limit that has counted requests, and how many."""
    found = broker.redis.keys(f"LIMITS*{scope}*")
    return {key.decode().split("/")[1].split()[0]: int(broker.redis.get(key)) for key in found}


def test_a_visitor_who_is_refused_uses_up_nothing_that_others_share(limited, broker, long_window):
    add_website(limited)
    vera = VisitorClient(limited, "website1")
    first = {"content": "Hi", "client_id": "c1"}
    for _ in range(PER_VISITOR + 5):
        vera.post("/chat/website1/conversations", first)
    assert reached(broker, "visitors' messages") == {
        "visitor": PER_VISITOR + 5,
        "address": PER_VISITOR,
        "inbox": PER_VISITOR,
    }


def test_an_address_that_is_refused_locks_no_other_one_out(limited, broker, long_window):
    add_website(limited)
    for _ in range(SESSIONS + 5):
        limited.test_client().post("/chat/website1/session", json={})
    [by_address] = [int(broker.redis.get(key)) for key in broker.redis.keys("LIMITS*sessions/20/*")]
    [by_inbox] = [int(broker.redis.get(key)) for key in broker.redis.keys("LIMITS*sessions/600/*")]
    assert (by_address, by_inbox) == (SESSIONS + 5, SESSIONS)


def test_the_form_makes_no_more_visitors_than_the_chat(limited, long_window):
    add_website(limited)

    def write(browser, content):
        return browser.post("/chat/website1", data={"content": content}).status_code

    browser = limited.test_client()
    assert write(browser, "Hello") == 303
    others = [write(limited.test_client(), "Hello") for _ in range(SESSIONS)]
    assert others == [303] * (SESSIONS - 1) + [429]
    assert limited.test_client().post("/chat/website1/session", json={}).status_code == 429
    assert write(browser, "Hello again") == 303


def test_who_has_a_session_renews_it_on_each_page(limited, long_window):
    add_website(limited)
    vera = VisitorClient(limited, "website1")
    for _ in range(SESSIONS + 5):
        answer = vera.post("/chat/website1/session", {})
        assert answer.status_code == 201
        vera.headers["Authorization"] = f"Bearer {answer.json['token']}"


def test_a_visitor_who_changes_their_name_all_the_time_is_limited_as_one_who_writes(
    limited, long_window
):
    add_website(limited)
    vera = VisitorClient(limited, "website1")
    answers = [
        vera.post("/chat/website1/contact", {"name": f"Vera {n}"}).status_code
        for n in range(PER_VISITOR + 1)
    ]
    assert answers == [200] * PER_VISITOR + [429]
