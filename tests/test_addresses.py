"""The client's address: what the limits count, and what the log has."""

from dataclasses import replace

import pytest

from rtapp import addresses
from rtapp import create_app
from rtapp import ratelimits

STREAM = "/streams/conversations/1"

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

from .support import release


@pytest.fixture
def behind(app):
    """The application behind one proxy."""
    behind = create_app(replace(app.extensions["settings"], proxies=1))
    yield behind
    release(behind)


def counted(app, forwarded: str | None, peer: str | None = "127.0.0.1") -> str:
    """What limits count for a request that `peer` passed on for `forwarded`."""
    keys = []
    app.before_request_funcs.setdefault(None, []).append(lambda: keys.append(ratelimits.address()))
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    app.test_client().get("/healthz", headers=headers, environ_overrides={"REMOTE_ADDR": peer})
    app.before_request_funcs[None].pop()
    return keys[0].removeprefix("address ")


def opened(app, user, address: str):
    """The answer to a request of a stream from this address."""
    environ = {"REMOTE_ADDR": address}
    return app.test_client().get(STREAM, headers=user.headers, environ_overrides=environ)


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.7:4711", "192.0.2.7/32"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("[::ffff:192.0.2.7]:4711", "192.0.2.7/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]:4711", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ('"[2001:db8:1:2::1]:4711"', "2001:db8:1:2::/64"),
        ("evil, 192.0.2.7", "192.0.2.7/32"),
    ],
)
def test_one_client_is_one_address_however_a_proxy_writes_it(behind, forwarded, expected):
    assert counted(behind, forwarded) == expected


@pytest.mark.parametrize(
    "garbage",
    ["unknown", "_hidden", "", "1.2.3", "1.2.3.4.5", "192.0.2.7:80:80", "x" * 5_000, "%", "[",
     "::g", "192.0.2.999", "\N{FULLWIDTH DIGIT ONE}.2.3.4"],
)  # fmt: skip
def test_what_is_no_address_counts_as_the_proxys_own(behind, garbage):
    """A client whose text a proxy passes on could otherwise send another one each time."""
    assert counted(behind, garbage, peer="192.0.2.200") == "192.0.2.200/32"


def test_two_networks_are_two_clients(behind):
    assert counted(behind, "2001:db8:1:2::1") != counted(behind, "2001:db8:1:3::1")


def test_a_forwarded_address_does_not_count_without_a_proxy(app):
    assert counted(app, "192.0.2.7", peer="192.0.2.200") == "192.0.2.200/32"


def test_a_unix_sockets_client_has_the_address_that_its_proxy_forwards(behind):
    assert counted(behind, "192.0.2.7", peer="") == "192.0.2.7/32"
    assert counted(behind, None, peer="") == addresses.UNKNOWN


def test_streams_without_a_known_address_are_not_limited_together(app, ada):
    app.config["STREAMS_PER_ADDRESS"] = 1
    streams = [opened(app, ada, address) for address in ("", "", "", "192.0.2.7")]
    refused = opened(app, ada, "192.0.2.7")
    assert [stream.status_code for stream in streams] == [200] * 4
    assert refused.status_code == 429
    for stream in streams:
        stream.close()


@pytest.mark.parametrize("addresses", [["2001:db8::1", "2001:db8::2"], ["192.0.2.7"] * 2])
def test_streams_from_one_network_are_limited_together(app, ada, addresses):
    app.config["STREAMS_PER_ADDRESS"] = 1
    first, second = (
        app.test_client().get(
            STREAM, headers=ada.headers, environ_overrides={"REMOTE_ADDR": address}
        )
        for address in addresses
    )
    assert (first.status_code, second.status_code) == (200, 429)
    first.close()
