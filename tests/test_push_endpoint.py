"""The endpoint of a push subscription is hostile input: to which addresses the server connects."""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization import NoEncryption
from cryptography.hazmat.primitives.serialization import PrivateFormat
from cryptography.x509.oid import NameOID

from rtapp import clock
from rtapp import push_endpoint
from rtapp.push import delivery
from rtapp.push.delivery import Browser
from rtapp.push.delivery import Identity
from rtapp.push.delivery import Outcome
from rtapp.push.delivery import deliver
from rtapp.push_endpoint import RefusedEndpoint
from rtapp.push_endpoint import is_public
from rtapp.push_endpoint import refuse_endpoint

from .harness.push_service import Scripted
from .push import KEYS
from .push import VAPID_KEY

IDENTITY = Identity(VAPID_KEY, "mailto:admin@example.com")


def delivered(endpoint: str, *own_hosts: str) -> Outcome:
    browser = Browser(endpoint, **KEYS)
    return deliver(browser, b"{}", IDENTITY, topic="t", ttl=60, own_hosts=own_hosts)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    with closing(Scripted()) as service:
        yield service


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2001:4860:4860::8888", "2a00:1450::1"])
def test_addresses_of_the_public_internet_are_public(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
     "169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
     "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1",
     "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::",
     "2002:a00:1::1", "2001:0:4136:e378:8000:63bf:80ff:fffe"],
)  # fmt: skip
def test_addresses_of_this_machine_and_its_networks_are_not_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "endpoint",
    ["https://fcm.googleapis.com/fcm/send/x:APA91b", "https://web.push.apple.com/QGuQyavXutnMH",
     "https://updates.push.services.mozilla.com/wpush/v2/gAAAA",
     "https://db5p.notify.windows.com/w/?token=BQYAAA%2b", "https://push.example.net:443/x"],
)  # fmt: skip
def test_the_endpoints_of_browsers_are_accepted(endpoint):
    refuse_endpoint(endpoint, ())


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "0177.0.0.1", "10.1"])
def test_a_name_that_leads_to_a_private_address_is_blocked_as_it_is_sent_to(host):
    outcome = delivered(f"https://{host}/x")
    assert outcome.result == "blocked"
    assert host not in outcome.why


def test_the_operators_own_push_service_may_be_on_a_private_network(scripted):
    assert delivered(scripted.url, scripted.host) == Outcome("sent")
    assert delivered(scripted.url).result == "blocked"
    other_port = f"127.0.0.1:{int(scripted.host.rpartition(':')[2]) - 1}"
    assert delivered(scripted.url, other_port).result == "blocked"
    assert len(scripted.requests) == 1


def test_the_connection_leads_to_the_address_that_was_checked(scripted, monkeypatch):
    """A second look-up could have another answer (DNS rebinding)."""
    port = scripted.host.rpartition(":")[2]
    answers = [[(None, None, None, "", ("127.0.0.1", int(port)))]]
    monkeypatch.setattr(push_endpoint, "look_up", lambda *_: answers.pop())
    own = f"push.lan:{port}"
    assert delivered(f"http://{own}/send", own) == Outcome("sent")
    assert answers == []
    assert [request.headers["Host"] for request in scripted.requests] == [own]


def test_a_name_with_one_private_address_is_refused(monkeypatch):
    found = [(None, None, None, "", (address, 443)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(push_endpoint, "look_up", lambda *_: found)
    with pytest.raises(RefusedEndpoint, match="not public"):
        push_endpoint.connect("https://push.example.net/x", (), 1)


def test_no_proxy_of_the_environment_is_used(scripted, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert delivered(scripted.url, scripted.host) == Outcome("sent")


@pytest.mark.parametrize("host", ["nothing.invalid", f"{'a' * 64}.example", "a..b.example"])
def test_a_host_that_is_not_found_may_be_there_later_and_is_in_no_log(host, capfd):
    assert delivered(f"https://{host}/x").result == "later"
    assert capfd.readouterr() == ("", "")


def test_a_redirect_is_not_followed(scripted):
    scripted.status, scripted.headers = 307, {"Location": f"{scripted.url}/there"}
    assert delivered(scripted.url, scripted.host).result == "refused"
    assert [request.path for request in scripted.requests] == ["/send"]


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_push_service_that_does_not_answer_is_given_up_after_the_limit(silent, monkeypatch):
    monkeypatch.setattr(delivery, "LIMIT", 0.1)
    host = f"127.0.0.1:{silent.getsockname()[1]}"
    outcome = delivered(f"http://{host}/x", host)
    assert (outcome.result, outcome.why) == ("later", "it did not answer within 0.1 s")


def test_an_endless_answer_is_not_read(silent):
    ended = []

    def answer() -> None:
        client, _ = silent.accept()
        with client:
            client.recv(65536)
            client.sendall(b"HTTP/1.1 201 Created\r\n\r\n")
            try:
                while True:
                    client.sendall(b"x" * 65536)
            except OSError:
                ended.append(True)

    thread = threading.Thread(target=answer)
    thread.start()
    host = f"127.0.0.1:{silent.getsockname()[1]}"
    assert delivered(f"http://{host}/x", host) == Outcome("sent")
    thread.join()
    assert ended == [True]


def certificate(folder: Path, name: str) -> Path:
    """A file with a key and a certificate of its own for the host."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = clock.now()
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + made.public_bytes(Encoding.PEM))
    return file


@pytest.mark.parametrize(
    ("name", "trusted", "result"),
    [("localhost", True, "sent"), ("localhost", False, "later"), ("another.lan", True, "later")],
)
def test_the_certificate_of_a_push_service_is_checked(tmp_path, monkeypatch, name, trusted, result):
    file = certificate(tmp_path, name)
    context = ssl.create_default_context(cafile=file if trusted else None)
    monkeypatch.setattr(push_endpoint, "tls", lambda: context)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    with closing(Scripted(serving)) as service:
        host = f"localhost:{service.host.rpartition(':')[2]}"
        outcome = delivered(f"https://{host}/send", host)
    assert outcome.result == result, outcome
    assert len(service.requests) == (result == "sent")
