"""REDIS_URL with TLS: certificates of the server and of its clients, verified on both sides."""

import subprocess

import pytest
from redis.exceptions import RedisError

from rtapp.realtime.broker import Broker
from rtapp.realtime.diagnosis import diagnose

from ..harness.redis_nodes import RedisNode
from ..support import eventually
from .test_two_servers import Host
from .test_two_servers import Record


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def authority(folder, name):
    """A new authority: `name`.pem and its key."""
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", 2, "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key",
            "-out", folder / f"{name}.pem")  # fmt: skip


def certificate(folder, name, host):
    """A certificate of the host by the authority `ca`: `name`.pem and its key."""
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key",
            "-out", folder / f"{name}.csr")  # fmt: skip
    (folder / "names").write_text(f"subjectAltName=DNS:{host}")
    openssl("x509", "-req", "-in", folder / f"{name}.csr", "-CA", folder / "ca.pem",
            "-CAkey", folder / "ca.key", "-CAcreateserial", "-days", 2,
            "-extfile", folder / "names", "-out", folder / f"{name}.pem")  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ca", "other"):
        authority(folder, name)
    for name in ("server", "client"):
        certificate(folder, name, "localhost")
    return folder


@pytest.fixture(scope="module")
def node(files, tmp_path_factory):
    """A server that wants certificates of its clients."""
    node = RedisNode(
        tmp_path_factory.mktemp("tls") / "server",
        "--tls-cert-file", str(files / "server.pem"), "--tls-key-file", str(files / "server.key"),
        "--tls-ca-cert-file", str(files / "ca.pem"),
        ssl=True, ssl_check_hostname=False, ssl_ca_certs=str(files / "ca.pem"),
        ssl_certfile=str(files / "client.pem"), ssl_keyfile=str(files / "client.key"),
    )  # fmt: skip
    node.start()
    yield node
    node.stop()


def url(files, node, host="localhost", ca="ca", client=True):
    certificate = f"&ssl_certfile={files}/client.pem&ssl_keyfile={files}/client.key"
    own = certificate if client else ""
    return f"rediss://{host}:{node.port}?ssl_ca_certs={files}/{ca}.pem{own}"


def problem(url):
    broker = Broker(url)
    try:
        broker.check()
    except (RedisError, OSError) as error:
        return diagnose(error).text
    finally:
        broker.close()
    return None


def test_events_pass_over_tls_with_certificates_of_both_sides(files, node):
    record = Record()
    host = Host(url(files, node), record)
    try:
        record.publish(host.broker, 1)
        eventually(lambda: host.reader.numbers() == [1], "the event arrives")
        host.heartbeat()
        assert host.engine.heartbeat.problem is None
    finally:
        host.close()


def test_a_certificate_that_does_not_hold_is_explained(files, node):
    assert problem(url(files, node)) is None, "the precondition does not hold"
    unverified = "The certificate of Redis is not of an authority that is known here"
    assert unverified in problem(url(files, node, ca="other"))
    assert unverified in problem(url(files, node, host="127.0.0.1"))
    unchecked = url(files, node, host="127.0.0.1") + "&ssl_check_hostname=false"
    assert problem(unchecked) is None
    assert problem(url(files, node, client=False)) is not None
    plain = url(files, node).partition("?")[0].replace("rediss", "redis")
    assert "can't be reached" in problem(plain)
