"""A request to an address that a user chose goes to the address that was checked, or nowhere, and ends in time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.core import safe_http
from apps.core.safe_http import SafeHttpError, SafeResponse, safe_request
from tests.support.peers import Peer, answers, certificate_for, drips, listening, says

OPEN = ["127.0.0.0/8:1-65535", "[::1/128]:1-65535"]


@pytest.fixture(autouse=True)
def _opened(settings: Any) -> None:
    settings.ATRIUM_SAFE_HTTP_ALLOW = OPEN


@pytest.fixture
def peer() -> Iterator[Peer]:
    with listening(answers(200, b"hello", X_Kind="test")) as found:
        yield found


def post(url: str, **options: Any) -> SafeResponse:
    return safe_request("POST", url, headers={}, **{"body": b"{}", "timeout": 5, "max_response_bytes": 1000, **options})


def code_of(url: str, **options: Any) -> str:
    with pytest.raises(SafeHttpError) as raised:
        post(url, **options)
    return raised.value.code


def resolves_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """The resolver gives these answers one after the other; returns the names that were asked for, as they are."""
    asked: list[str] = []

    def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    monkeypatch.setattr(safe_http, "lookup", lookup)
    return asked


def test_what_is_sent_and_what_comes_back(peer: Peer) -> None:
    sent = safe_request(
        "POST", peer.url("/a?b=%20c"), headers={"X-Mine": "1"}, body=b"body", timeout=5, max_response_bytes=1000
    )
    assert (sent.status, sent.body, sent.truncated, sent.headers["x-kind"]) == (200, b"hello", False, "test")
    request = peer.requests[0]
    assert request.line == "POST /a?b=%20c HTTP/1.1"
    assert request.body == b"body"
    assert request.headers == {
        "host": f"127.0.0.1:{peer.port}",
        "x-mine": "1",
        "connection": "close",
        "content-length": "4",
    }


def test_an_answer_of_any_status_is_an_answer() -> None:
    with listening(answers(503, b"busy", Retry_After="7")) as peer:
        sent = post(peer.url())
    assert (sent.status, sent.headers["retry-after"]) == (503, "7")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://localhost/", "http://169.254.169.254/latest/meta-data/", "http://[::1]/",
        "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/",
        "http://0.0.0.0/", "http://10.0.0.1:8080/", "http://100.64.1.1/", "https://[fd00::1]/", "http://[::]/",
        "HTTP://127.0.0.1/", "http://LOCALHOST/", "http://１２７.0.0.1/", "http://127。0。0。1/",
    ],
)  # fmt: skip
def test_addresses_of_ours_are_refused_in_every_spelling(settings: Any, url: str) -> None:
    settings.ATRIUM_SAFE_HTTP_ALLOW = []
    assert code_of(url) == "address_forbidden"


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://0x7f.1/", "http://127.1/", "http://127.0.1/",
        "http://127.0.0.1./", "http://hooks.example./", "http://[fe80::1%25eth0]/", "http://[::1/", "http://::1/",
        "http://alice@hooks.example/", "http://alice:secret@hooks.example/", "http://hooks.example@127.0.0.1/",
        "http://hooks.example\\@127.0.0.1/", "http://hooks.example#@127.0.0.1/ ", " http://hooks.example/",
        "http://hooks example/", "http://hooks.example/\r\nX: y", "http://hooks.example/\x00", "http://hooks.example:port/",
        "http://hooks.example:99999/", "http:///path", "http://", "//hooks.example/", "hooks.example", "", "http://-a.example/",
        "http://a..example/", "http://hooks.example/é", "ftp://hooks.example/", "file:///etc/passwd", "gopher://hooks.example/",
        "javascript:alert(1)", "http://%31%32%37.0.0.1/", "http://999.1.1.1/", "http://" + "a" * 64 + ".example/",
        "http://" + "a." * 127 + "example/",
    ],
)  # fmt: skip
def test_a_url_that_can_be_read_in_two_ways_is_refused(url: str) -> None:
    assert code_of(url) == "bad_url"


@pytest.mark.parametrize("port", [22, 25, 81, 6379, 9200, 1])
def test_only_ports_of_the_list_are_called_on_the_internet(settings: Any, port: int) -> None:
    settings.ATRIUM_SAFE_HTTP_ALLOW = []
    assert code_of(f"http://8.8.8.8:{port}/") == "port_forbidden"


def test_a_literal_is_judged_without_a_lookup(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolves_to(monkeypatch, ["8.8.8.8"])
    settings.ATRIUM_SAFE_HTTP_ALLOW = []
    assert code_of("http://127.0.0.1/") == "address_forbidden"
    assert asked == []
    with pytest.raises(safe_http.AddressForbidden):
        safe_http.check_url("http://127.0.0.1/")
    assert safe_http.check_url("https://Hooks.Example:8443/x").host_header == "hooks.example:8443"
    assert safe_http.check_url("http://bücher.example/").host == "xn--bcher-kva.example"
    assert asked == []


def test_one_forbidden_record_among_many_refuses_the_name(monkeypatch: pytest.MonkeyPatch, peer: Peer) -> None:
    resolves_to(monkeypatch, ["127.0.0.1", "10.0.0.1"])
    assert code_of(peer.url(host="hooks.example")) == "address_forbidden"
    assert peer.connections == 0


def test_a_name_that_changes_its_mind_is_asked_once(monkeypatch: pytest.MonkeyPatch, peer: Peer) -> None:
    asked = resolves_to(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    assert post(peer.url(host="hooks.example")).status == 200
    assert asked == ["hooks.example"]
    assert peer.requests[0].headers["host"] == f"hooks.example:{peer.port}"


def test_the_address_that_is_connected_to_is_compared(monkeypatch: pytest.MonkeyPatch, peer: Peer) -> None:
    """Whatever stands between us and the socket: what was not checked is not spoken to."""
    connect = socket.create_connection
    monkeypatch.setattr(
        safe_http.socket, "create_connection", lambda address, timeout: connect(("127.0.0.1", address[1]), timeout)
    )
    resolves_to(monkeypatch, ["127.0.0.2"])
    assert code_of(peer.url(host="hooks.example")) == "address_forbidden"
    assert peer.requests == []


@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2"])
def test_a_dead_address_among_the_records_is_passed_over(monkeypatch: pytest.MonkeyPatch, peer: Peer) -> None:
    resolves_to(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    assert post(peer.url(host="hooks.example")).status == 200


def test_a_name_without_addresses_and_a_port_without_a_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves_to(monkeypatch, [])
    assert code_of("http://hooks.example/") == "name_unknown"

    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(safe_http, "lookup", unknown)
    assert code_of("http://hooks.example/") == "name_unknown"
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert code_of(f"http://127.0.0.1:{port}/") == "connect_failed"


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, peer: Peer) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert post(peer.url()).status == 200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with listening(answers(200)) as target, listening(answers(status, b"", Location=target.url())) as peer:
        with pytest.raises(safe_http.Redirected) as raised:
            post(peer.url())
        assert (raised.value.code, raised.value.status) == ("redirect", status)
        assert target.connections == 0


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b"H"),
        (HEAD, b"X-Drip: drop\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (HEAD + b"Content-Length: 100000\r\n\r\n", b"x"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (HEAD + b"\r\n", b"x"),
    ],
    ids=["status line", "headers", "interim answers", "body", "chunks", "body without length"],
)
def test_a_peer_that_drips_is_left(head: bytes, drop: bytes) -> None:
    """Each drop comes well within any time-out of a single read."""
    peers: list[Peer] = []
    with listening(drips(peers, head, drop)) as peer:
        peers.append(peer)
        assert code_of(peer.url(), timeout=0.5, max_response_bytes=100_000) == "timeout"


def test_a_peer_that_says_nothing_is_left() -> None:
    silent = threading.Event()
    with listening(lambda connection: bool(silent.wait(10))) as peer:
        assert code_of(peer.url(), timeout=0.3) == "timeout"
        silent.set()


def test_a_resolver_that_says_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = threading.Event()
    monkeypatch.setattr(safe_http, "lookup", lambda host, port: [str(silent.wait(10))])
    assert code_of("http://hooks.example/", timeout=0.3) == "timeout"
    silent.set()


def test_no_request_may_ask_for_more_than_thirty_seconds(monkeypatch: pytest.MonkeyPatch, peer: Peer) -> None:
    given: list[float] = []

    class Noted(safe_http.Deadline):
        def __init__(self, seconds: float) -> None:
            given.append(seconds)
            super().__init__(seconds)

    monkeypatch.setattr(safe_http, "Deadline", Noted)
    post(peer.url(), timeout=3600)
    assert given == [30.0]


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 1000000\r\n", b"Transfer-Encoding: chunked\r\n", b""],
    ids=["length", "chunked", "until close"],
)
def test_of_a_large_answer_only_the_beginning_is_read(head: bytes) -> None:
    body = b"x" * 1_000_000
    if head.startswith(b"Transfer"):
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    with listening(says(HEAD + head + b"\r\n" + body)) as peer:
        sent = post(peer.url(), max_response_bytes=1000)
    assert (len(sent.body), sent.truncated) == (1000, True)


def test_an_answer_without_end_is_cut_off() -> None:
    peers: list[Peer] = []
    with listening(drips(peers, HEAD + b"\r\n", b"x" * 1000)) as peer:
        peers.append(peer)
        assert post(peer.url(), max_response_bytes=1500).truncated


def test_a_compressed_answer_stays_compressed(peer: Peer) -> None:
    with listening(answers(200, b"\x1f\x8b" + bytes(50), Content_Encoding="gzip")) as packed:
        assert post(packed.url()).body.startswith(b"\x1f\x8b")
        assert "accept-encoding" not in packed.requests[0].headers


@pytest.mark.parametrize(
    "data",
    [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n", HEAD + b"X: " + b"y" * 70_000, HEAD + b"A: b\r\n" * 200 + b"\r\n",
     HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"],
    ids=["nothing", "not http", "no status", "long header", "many headers", "bad chunk"],
)  # fmt: skip
def test_what_is_not_http_is_a_bad_response(data: bytes) -> None:
    with listening(says(data)) as peer:
        assert code_of(peer.url()) == "bad_response"


def test_headers_cannot_smuggle_lines(peer: Peer) -> None:
    with pytest.raises(ValueError, match="Invalid header value"):
        safe_request("POST", peer.url(), headers={"X-A": "b\r\nX-C: d"}, timeout=5, max_response_bytes=10)
    assert peer.requests == []


def test_tls_is_verified_against_the_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trusted, context = certificate_for("hooks.example", tmp_path)
    resolves_to(monkeypatch, ["127.0.0.1"])
    with listening(answers(200), tls=context) as peer:
        assert code_of(peer.url(host="hooks.example", scheme="https")) == "tls_failed"
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert post(peer.url(host="hooks.example", scheme="https")).status == 200
        assert code_of(peer.url(host="other.example", scheme="https")) == "tls_failed"
        assert code_of(peer.url(scheme="https")) == "tls_failed"
    assert [request.headers["host"] for request in peer.requests] == [f"hooks.example:{peer.port}"]


def test_tls_of_an_address_is_verified_against_the_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trusted, context = certificate_for("127.0.0.1", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with listening(answers(200), tls=context) as peer:
        assert post(peer.url(scheme="https")).status == 200


def test_a_tls_handshake_that_stalls_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        assert code_of(f"https://127.0.0.1:{port}/", timeout=0.3) == "timeout"


def test_a_peer_that_drips_under_tls_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trusted, context = certificate_for("127.0.0.1", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    peers: list[Peer] = []
    with listening(drips(peers, HEAD + b"Content-Length: 100000\r\n\r\n", b"x"), tls=context) as peer:
        peers.append(peer)
        assert code_of(peer.url(scheme="https"), timeout=1, max_response_bytes=100_000) == "timeout"


def test_ipv6_is_called_too() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        with listening(answers(200), host="::1") as peer:
            assert post(peer.url(host="[::1]")).status == 200
            assert peer.requests[0].headers["host"] == f"[::1]:{peer.port}"
    except OSError as error:
        pytest.skip(f"no IPv6 loopback: {error}")


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in SafeHttpError.__subclasses__()]
    assert sorted(codes) == sorted(set(codes))
    assert set(codes) == {
        "bad_url", "port_forbidden", "address_forbidden", "name_unknown", "connect_failed", "tls_failed", "timeout", "redirect",
        "bad_response",
    }  # fmt: skip
