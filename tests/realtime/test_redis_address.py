"""REDIS_URL: what it may be, and what is answered for what it may not be."""

import pytest

from rtapp.realtime.redis_address import RedisAddress

PARSE = RedisAddress.parse


@pytest.mark.parametrize(
    ("url", "kind", "nodes"),
    [
        ("redis://r", "server", [("r", 6379)]),
        ("redis://", "server", [("localhost", 6379)]),
        ("redis:///3", "server", [("localhost", 6379)]),
        ("redis://r.example.com:6380/0/", "server", [("r.example.com", 6380)]),
        ("redis://[::1]:7000", "server", [("::1", 7000)]),
        ("redis://my_redis-1", "server", [("my_redis-1", 6379)]),
        ("rediss://r", "server", [("r", 6379)]),
        ("redis+cluster://a:7000,b,[fd00::1]:7002", "cluster",
         [("a", 7000), ("b", 6379), ("fd00::1", 7002)]),
        ("rediss+cluster://a", "cluster", [("a", 6379)]),
        ("redis+cluster://a:1,a:1/0", "cluster", [("a", 1)]),
        ("redis+sentinel://a,b:26380/mymaster", "sentinel", [("a", 26379), ("b", 26380)]),
        ("rediss+sentinel://a/m/", "sentinel", [("a", 26379)]),
        ("REDIS://r", "server", [("r", 6379)]),
    ],
)  # fmt: skip
def test_an_address_has_a_kind_and_nodes(url, kind, nodes):
    address = PARSE(url)
    assert (address.kind, list(address.nodes)) == (kind, nodes)
    assert (address.tls is not None) == url.startswith("rediss")


def test_users_passwords_and_databases_of_an_address():
    address = PARSE("redis://us%40er:p%2Fa%40s%23s:x@r/7")
    assert (address.username, address.password, address.database) == ("us@er", "p/a@s#s:x", 7)
    assert PARSE("redis://:p@r").username is None
    assert PARSE("redis://r?db=2&username=u&password=p+%26").password == "p &"
    socket = PARSE("unix://:p@/run/my%20redis.sock?db=1")
    assert (socket.path, socket.password, socket.database) == ("/run/my redis.sock", "p", 1)
    sentinel = PARSE("redis+sentinel://u:p@a,b/my-master/2?sentinel_password=s&sentinel_username=t")
    assert (sentinel.service, sentinel.database, sentinel.password) == ("my-master", 2, "p")
    assert (sentinel.sentinel_username, sentinel.sentinel_password) == ("t", "s")


def test_tls_verifies_the_host_unless_it_is_set_otherwise():
    assert PARSE("rediss://r").tls == {"ssl_check_hostname": True}
    own = PARSE("rediss://r?ssl_ca_certs=/ca.pem&ssl_certfile=/c.pem&ssl_keyfile=/k.pem")
    assert list(own.files()) == [
        ("ssl_ca_certs", "/ca.pem"), ("ssl_certfile", "/c.pem"), ("ssl_keyfile", "/k.pem"),
    ]  # fmt: skip
    lax = PARSE("rediss://r?ssl_cert_reqs=none&ssl_check_hostname=False").tls
    assert lax == {"ssl_check_hostname": False, "ssl_cert_reqs": "none"}


def test_an_address_as_text_names_nodes_and_no_secret():
    url = (
        "rediss+sentinel://user:se1cret@a,[::1]:5/m?sentinel_password=se2cret&ssl_password=se3cret"
    )
    address = PARSE(url)
    assert str(address) == "Sentinel's m at a:26379, [::1]:5"
    assert "cret" not in str(address) + repr(address)
    assert str(PARSE("unix:///run/r")) == "/run/r"
    assert str(PARSE("redis://:p@r")) == "r:6379"
    assert str(PARSE("redis+cluster://:p@a,b")) == "the cluster at a:6379, b:6379"


UNREADABLE = "can't be read"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", UNREADABLE),
        ("secret", UNREADABLE),
        ("r:6379", UNREADABLE),
        ("http://:secret@r", UNREADABLE),
        ("redis+tls://:secret@r", UNREADABLE),
        ("valkey://:secret@r", UNREADABLE),
        ("redis:r", UNREADABLE),
        ("redis://:sec/ret@r", UNREADABLE),
        ("redis://:sec#ret@r", UNREADABLE),
        ("redis://:sec?ret@r", UNREADABLE),
        ("redis://:secret[@r", UNREADABLE),
        ("redis://:secret@[::1", UNREADABLE),
        ("redis://:secret@r:0", UNREADABLE),
        ("redis://:secret@r:65536", UNREADABLE),
        ("redis://:secret@r:6379:6379", UNREADABLE),
        ("redis://:secret@r:six", UNREADABLE),
        ("redis://:secret@r\n", UNREADABLE),
        ("redis://:secret@r ", UNREADABLE),
        ("redis://:secret@h\u2100st", UNREADABLE),
        ("redis://:secret@r%00", UNREADABLE),
        ("redis://:secret@r%2Fx", UNREADABLE),
        ("redis://:secret@r/secret", "names no database"),
        ("redis://:secret@r/-1", "names no database"),
        ("redis://:secret@r?db=secret", "names no database"),
        ("redis://:secret@a,b", "names several servers; write redis\\+cluster"),
        ("redis://:secret@r?secret=1", "an option that rtapp does not know; they are db"),
        ("redis://:secret@r?socket_timeout=1", "an option that rtapp does not know"),
        ("redis://:secret@r?protocol=3", "an option that rtapp does not know"),
        ("redis://r?password=secret&password=secret", "sets password twice"),
        ("redis://:secret@r?db=", "sets db to nothing"),
        ("redis://:secret@r?ssl_ca_certs=/ca", "write rediss in the place of redis"),
        ("unix://:secret@", "names no socket"),
        ("unix://run/redis.sock", "names no socket"),
        ("unix:///run/r?ssl_cert_reqs=none", "write rediss"),
        ("redis+cluster://", "must name 1 to 100 nodes"),
        ("redis+cluster://:secret@a,,b", UNREADABLE),
        ("redis+cluster://:secret@a;b", UNREADABLE),
        ("redis+cluster://:secret@a,:secret@b", "more than one @"),
        ("redis+cluster://" + ",".join(f"h{n}" for n in range(101)), "must name 1 to 100 nodes"),
        ("redis+cluster://:secret@a/1", "a cluster has none but 0"),
        ("redis+cluster://a?db=1", "a cluster has none but 0"),
        ("redis+sentinel://:secret@a", "names no master"),
        ("redis+sentinel://:secret@a/", "names no master"),
        ("redis+sentinel:///mymaster", "must name 1 to 100 nodes"),
        ("redis+sentinel://a/my%20master", "names no master"),
        ("redis+sentinel://a/m/secret", "names no database"),
        ("redis+sentinel://a/m/1/2", "names no database"),
        ("redis://r?sentinel_password=secret", "its scheme is not redis\\+sentinel"),
        ("rediss://r?ssl_certfile=/c", "must set ssl_certfile and ssl_keyfile together"),
        ("rediss://r?ssl_cert_reqs=maybe", "to none of required, optional, none"),
        ("rediss://r?ssl_check_hostname=secret", "to neither true nor false"),
        ("redis://r?" + "&".join(f"x{n}=1" for n in range(10_000)), "does not know"),
    ],
)  # fmt: skip
def test_an_address_that_can_lead_nowhere_is_refused_in_one_sentence(url, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        PARSE(url)
    text = str(refused.value)
    assert text.startswith("REDIS_URL ")
    assert text.endswith(".")
    assert "secret" not in text
    assert len(text) < 400
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
