"""HTTP peers on loopback that answer well or badly, byte by byte if need be, and remember what was asked of them."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# What a peer does with a connection whose request it has read.
Behaviour = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Request:
    """A request as it arrived; header names in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Peer:
    """A listening peer; `requests` grows as they come, `arrived` is set by the first."""

    port: int
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/hook", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


def answers(status: int = 200, body: bytes = b"ok", **headers: str) -> Behaviour:
    """A complete answer. `Retry_After="5"` becomes `Retry-After: 5`."""

    def behave(connection: socket.socket) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return behave


def says(data: bytes) -> Behaviour:
    """These bytes, then the end of the connection."""
    return lambda connection: connection.sendall(data)


def drips(peer: list[Peer], head: bytes, drop: bytes) -> Behaviour:
    """`head` at once, then `drop` again and again until the other side hangs up or the test ends."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(head)
        while not peer[0].stopping.wait(0.02):
            connection.sendall(drop)

    return behave


@contextmanager
def listening(
    behave: Behaviour, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> Iterator[Peer]:
    """A peer on a free port unless one is given, each connection in a thread of its own."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as server:
        peer = Peer(server.getsockname()[1])
        acceptor = threading.Thread(target=_accept, args=(server, peer, behave, tls), daemon=True)
        acceptor.start()
        try:
            yield peer
        finally:
            peer.stopping.set()
            server.shutdown(socket.SHUT_RDWR)
            acceptor.join(5)


def _accept(server: socket.socket, peer: Peer, behave: Behaviour, tls: ssl.SSLContext | None) -> None:
    while not peer.stopping.is_set():
        try:
            connection, _ = server.accept()
        except OSError:
            return
        peer.connections += 1
        threading.Thread(target=_serve, args=(connection, peer, behave, tls), daemon=True).start()


def _serve(connection: socket.socket, peer: Peer, behave: Behaviour, tls: ssl.SSLContext | None) -> None:
    with connection:
        connection.settimeout(20)
        try:
            secured = tls.wrap_socket(connection, server_side=True) if tls else connection
            with secured:
                peer.requests.append(_read(secured))
                behave(secured)
        except OSError:
            return


def _read(connection: socket.socket) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            raise ConnectionResetError
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    line, *rest = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (item.partition(":") for item in rest)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return Request(line, headers, body)


def certificate_for(name: str, directory: Path) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate of a host name or address: the file to trust, and the server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    try:
        subject: x509.GeneralName = x509.IPAddress(ip_address(name))
    except ValueError:
        subject = x509.DNSName(name)
    now = datetime.datetime.now(datetime.UTC)
    issued = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peer")]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peer")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([subject]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, private = directory / f"{name}.pem", directory / f"{name}.key"
    trusted.write_bytes(issued.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return trusted, context
