"""Webhooks: what is refused, and that nothing is taken for delivered that is not."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from faultsight.core.errors import DeliveryError, SettingError
from faultsight.notifiers import Notification
from faultsight.notifiers._address_guard import networks, refusal
from faultsight.notifiers._receiver import HttpReceiver
from faultsight.notifiers.webhook import Webhook, WebhookConfig

LOOPBACK = ("127.0.0.0/8",)
MESSAGE = Notification("00ff", {"title": "x"})


@contextmanager
def answering(*chunks: bytes, pause_s: float = 0.0) -> Iterator[str]:
    """Serve one connection with raw bytes; yields the URL."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                for chunk in chunks:
                    try:
                        connection.sendall(chunk)
                    except OSError:
                        return
                    if over.wait(pause_s):
                        return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        over.set()
        thread.join()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "loopback"), ("127.8.9.1", "loopback"), ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"), ("64:ff9b::7f00:1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("169.254.169.254", "link-local"), ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"), ("64:ff9b::a9fe:a9fe", "link-local"),
        ("fd00:ec2::254", "metadata of a cloud"), ("100.100.100.200", "metadata of a cloud"),
        ("168.63.129.16", "metadata of a cloud"), ("192.0.0.192", "metadata of a cloud"),
        ("0.0.0.0", "this machine"), ("0.1.2.3", "this machine"), ("::", "this machine"),
        ("224.0.0.1", "more than one machine"), ("ff02::1", "more than one machine"),
        ("255.255.255.255", "more than one machine"),
    ],
)  # fmt: skip
def test_addresses_of_ours_and_of_the_cloud_are_refused(address: str, why: str) -> None:
    assert refusal(address) == why


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "192.168.1.1", "8.8.8.8", "fd00::1", "2001:db8::1"]
)
def test_private_and_public_addresses_may_be_reached(address: str) -> None:
    assert refusal(address) is None


def test_a_setting_allows_an_address_and_no_other() -> None:
    allowed = networks(["169.254.169.254/32", "::1"])
    assert refusal("169.254.169.254", allowed) is None
    assert refusal("::ffff:169.254.169.254", allowed) is None
    assert refusal("::1", allowed) is None
    assert refusal("127.0.0.1", allowed) == "loopback"


def test_loopback_is_not_reached_unless_it_is_allowed() -> None:
    with HttpReceiver() as receiver:
        with pytest.raises(DeliveryError, match=r"127\.0\.0\.1 \(loopback\), which is refused"):
            Webhook(WebhookConfig(receiver.url)).send(MESSAGE)
        assert receiver.n_requests == 0
        Webhook(WebhookConfig(receiver.url, allowed_networks=LOOPBACK)).send(MESSAGE)
        assert receiver.n_requests == 1


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "localhost", "[::1]"])
def test_other_ways_to_write_loopback_are_refused_too(host: str) -> None:
    with pytest.raises(DeliveryError, match=r"refused|not known"):
        Webhook(WebhookConfig(f"http://{host}:9/")).send(MESSAGE)


def test_a_name_with_one_refused_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(_host: str, port: int, **_: Any) -> list[Any]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("198.51.100.1", port)), (*kind, ("169.254.169.254", port))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with pytest.raises(DeliveryError, match=r"169\.254\.169\.254"):
        Webhook(WebhookConfig("http://noc.example/")).send(MESSAGE)


def test_the_address_that_was_checked_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that answers a second question differently gains nothing."""
    with HttpReceiver() as receiver:
        port = int(receiver.url.split(":")[2].split("/")[0])
        asked = []

        def answer(host: str, port: int, **_: Any) -> list[Any]:
            asked.append(host)
            address = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

        connect = socket.create_connection
        reached = []

        def noted(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
            reached.append(address)
            monkeypatch.undo()
            return connect(address, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", answer)
        monkeypatch.setattr(socket, "create_connection", noted)
        config = WebhookConfig(f"http://noc.example:{port}/hook", allowed_networks=("127.0.0.1",))
        Webhook(config).send(MESSAGE)
        assert asked == ["noc.example"]
        assert reached == [("127.0.0.1", port)]
        assert receiver.headers[0]["Host"] == f"noc.example:{port}"


def test_the_fingerprint_is_in_header_and_body() -> None:
    with HttpReceiver() as receiver:
        config = WebhookConfig(receiver.url, {"X-Team": "noc"}, allowed_networks=LOOPBACK)
        Webhook(config).send(MESSAGE)
    assert receiver.headers[0]["Idempotency-Key"] == "00ff"
    assert receiver.headers[0]["X-Team"] == "noc"
    assert receiver.messages()[0]["fingerprint"] == "00ff"


@pytest.mark.parametrize("status", [301, 307, 400, 404, 429, 500, 503])
def test_only_2xx_is_delivered_and_redirects_are_not_followed(status: int) -> None:
    with HttpReceiver() as elsewhere:
        answer = (
            f"HTTP/1.1 {status} No\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        with (
            answering(answer) as url,
            pytest.raises(DeliveryError, match=f"answered {status}"),
        ):
            Webhook(WebhookConfig(url, allowed_networks=LOOPBACK)).send(MESSAGE)
        assert elsewhere.n_requests == 0


def test_how_long_to_wait_is_read_from_the_answer() -> None:
    answer = b"HTTP/1.1 429 Later\r\nRetry-After: 120\r\n\r\n"
    with answering(answer) as url, pytest.raises(DeliveryError) as caught:
        Webhook(WebhookConfig(url, allowed_networks=LOOPBACK)).send(MESSAGE)
    assert caught.value.retry_after_s == 120


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0\r\n", b"HTTP/1.1 2xx\r\n\r\n", b"\x00" * 70_000])
def test_what_is_no_answer_is_a_failure(answer: bytes) -> None:
    with answering(answer) as url, pytest.raises(DeliveryError):
        Webhook(WebhookConfig(url, allowed_networks=LOOPBACK)).send(MESSAGE)


def test_nobody_listening_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(DeliveryError, match="cannot be reached"):
        Webhook(WebhookConfig(f"http://127.0.0.1:{port}/", allowed_networks=LOOPBACK)).send(MESSAGE)


def test_a_receiver_that_answers_byte_by_byte_is_cut_off() -> None:
    # Far more header than the deadline leaves time for, each byte well within the timeout.
    trickle = [b"HTTP/1.1 200 OK\r\n", *[b"X"] * 10_000]
    with answering(*trickle, pause_s=0.02) as url:
        config = WebhookConfig(url, timeout_s=0.3, deadline_s=0.3, allowed_networks=LOOPBACK)
        with pytest.raises(DeliveryError):
            Webhook(config).send(MESSAGE)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://h/", "must be"), ("file:///etc/passwd", "must be"), ("http:///x", "must be"),
        ("h/x", "must be"), ("http://h:0/", "must be"), ("http://h:99999/", "cannot be read"),
        ("http://[::1/", "cannot be read"),
        ("http://user:pw@h/", "user or password"), ("http://h/\r\nX: 1", "a control"),
        ("http://h/a b", "a blank"), ("http://hö/", "non-ASCII"), ("", "must be"),
    ],
)  # fmt: skip
def test_urls_that_cannot_be_are_refused_without_being_shown(url: str, why: str) -> None:
    with pytest.raises(SettingError, match=why) as caught:
        WebhookConfig(url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"headers": {"A:b": "x"}}, {"headers": {"A": "x\r\nB: y"}}, {"headers": {"": "x"}},
        {"timeout_s": 0.0}, {"timeout_s": 20.0, "deadline_s": 10.0},
        {"allowed_networks": ("localhost",)}, {"allowed_networks": ("127.0.0.1/8",)},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        WebhookConfig("http://h/", **settings)


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:
        got = []

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    got.append(context.wrap_socket(connection, server_side=True).recv(100))
                except OSError:
                    got.append(b"")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(DeliveryError, match="certificate"):
            Webhook(WebhookConfig(url, allowed_networks=LOOPBACK)).send(MESSAGE)
        thread.join()
    assert got == [b""]


def _self_signed(folder: Path) -> Path:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "pair.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
