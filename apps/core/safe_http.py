"""Outgoing HTTP to addresses that users choose: what is connected to was checked; no answer holds or fills a worker.

Guarantees: http and https only; every record of the name is checked and the connection goes to a checked address,
whatever the name says a moment later; TLS is verified against the name; no redirects, no proxies, no decompression;
one deadline for all of it; at most so many bytes are read. Ports are 80, 443, 8080 and 8443.
`ATRIUM_SAFE_HTTP_ALLOW` opens addresses and ports of the operator's own network.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit

import idna

from apps.core.addresses import Address, is_allowed, why_forbidden

# The ports that services on the Internet listen on; others only where the operator opens them.
PORTS = frozenset({80, 443, 8080, 8443})
MAX_TIMEOUT = 30.0
# Of one address, so that a name with a dead one among its records is still reached.
CONNECT_TIMEOUT = 10.0
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


class SafeHttpError(Exception):
    """The request was not sent, or not answered as it must be. `code` is stable; `status` is the peer's, if any."""

    code: ClassVar[str] = "failed"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class BadUrl(SafeHttpError):
    code = "bad_url"


class PortForbidden(SafeHttpError):
    code = "port_forbidden"


class AddressForbidden(SafeHttpError):
    code = "address_forbidden"


class NameUnknown(SafeHttpError):
    code = "name_unknown"


class ConnectFailed(SafeHttpError):
    code = "connect_failed"


class TlsFailed(SafeHttpError):
    code = "tls_failed"


class TimedOut(SafeHttpError):
    code = "timeout"


class Redirected(SafeHttpError):
    code = "redirect"


class BadResponse(SafeHttpError):
    code = "bad_response"


@dataclass(frozen=True)
class SafeResponse:
    """An answer, whatever its status. Header names are in lower case; `truncated` says that the body went on."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool


@dataclass(frozen=True)
class Target:
    """A URL taken apart. `literal` is the address when the host is one, and then no name is looked up."""

    scheme: str
    host: str
    port: int
    path: str
    literal: Address | None

    @property
    def host_header(self) -> str:
        name = f"[{self.host}]" if isinstance(self.literal, IPv6Address) else self.host
        return name if self.port == {"http": 80, "https": 443}[self.scheme] else f"{name}:{self.port}"


class Deadline:
    """The moment at which everything must be over."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left; raises TimedOut when none are."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimedOut("the answer did not come in time")
        return left


def parse_url(url: str) -> Target:
    """Takes a URL apart and refuses whatever two parsers could read in two ways. Looks nothing up. Raises BadUrl."""
    if not url.isprintable() or re.search(r"[\s\\]", url):
        raise BadUrl("the URL holds spaces, backslashes or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadUrl(f"the URL cannot be read: {error}") from error
    scheme = parts.scheme.lower()
    if scheme not in {"http", "https"}:
        raise BadUrl("the URL must begin with http:// or https://")
    if "@" in parts.netloc:
        raise BadUrl("the URL must not carry a user name or password")
    if not parts.hostname:
        raise BadUrl("the URL names no host")
    host, literal = _host(parts.hostname, bracketed="[" in parts.netloc)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii():
        raise BadUrl("path and query must be percent-encoded")
    if port is None:
        port = 443 if scheme == "https" else 80
    return Target(scheme, host, port, path, literal)


def _host(text: str, *, bracketed: bool) -> tuple[str, Address | None]:
    """The host in the one form that is resolved, sent and verified."""
    if bracketed:
        try:
            six = IPv6Address(text)
        except ValueError as error:
            raise BadUrl("the host is not an IPv6 address") from error
        if six.scope_id:
            raise BadUrl("an address with a zone is not reachable from here")
        return str(six), six
    try:
        name = idna.encode(text, uts46=True).decode("ascii").lower() if not text.isascii() else text.lower()
    except idna.IDNAError as error:
        raise BadUrl("the host is not a valid name") from error
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadUrl("the host is not a valid name")
    # What ends in a number is an address to every resolver: octal, hex and short forms are refused, not guessed at.
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        try:
            four = IPv4Address(name)
        except ValueError as error:
            raise BadUrl("an IPv4 address must be four decimal numbers") from error
        return name, four
    return name, None


def check_url(url: str) -> Target:
    """What can be said of a URL without looking its name up. Raises BadUrl, AddressForbidden, PortForbidden."""
    target = parse_url(url)
    if target.literal is not None:
        _check(target.literal, target.port)
    return target


def _check(address: Address, port: int) -> None:
    if is_allowed(address, port):
        return
    if why_forbidden(address):
        # Not which address: a name of somebody else's network would be looked up for the asking.
        raise AddressForbidden("the host is, or points to, an address that this server does not call")
    if port not in PORTS:
        raise PortForbidden(f"port {port} is not one that this server calls")


def lookup(host: str, port: int) -> list[str]:
    """Every address of a name, as the system's resolver says."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _resolve(target: Target, deadline: Deadline) -> list[Address]:
    """The checked addresses of the target: all of them may be connected to, or none is."""
    if target.literal is not None:
        addresses: list[Address] = [target.literal]
    else:
        addresses = [ip_address(text.partition("%")[0]) for text in _lookup_in_time(target, deadline)]
    if not addresses:
        raise NameUnknown(f"{target.host} has no address")
    for address in addresses:
        _check(address, target.port)
    return addresses


def _lookup_in_time(target: Target, deadline: Deadline) -> list[str]:
    """`lookup` cannot be interrupted, so it runs beside us and is left behind when it takes too long."""
    answer: list[str] = []
    failure: list[OSError] = []

    def run() -> None:
        try:
            answer.extend(lookup(target.host, target.port))
        except (OSError, UnicodeError) as error:
            failure.append(error if isinstance(error, OSError) else OSError(str(error)))

    thread = threading.Thread(target=run, name="safe-http-lookup", daemon=True)
    thread.start()
    thread.join(deadline.left())
    if thread.is_alive():
        raise TimedOut("the name was not resolved in time")
    if failure:
        raise NameUnknown(f"{target.host} cannot be resolved") from failure[0]
    return answer


class _TimedReader(io.RawIOBase):
    """Reads of a socket, each given what is left of the deadline: a peer that drips gains nothing."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._deadline.left())
        return self._sock.recv_into(buffer)


class _TimedSocket:
    """The part of a socket that http.client uses, under one deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._sock.settimeout(self._deadline.left())
            view = view[self._sock.send(view) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._deadline))

    def close(self) -> None:
        """http.client calls this before it has read the body; the socket is closed by whoever opened it."""


def _connect(target: Target, deadline: Deadline) -> socket.socket:
    """A connection to the first checked address that takes one, with TLS verified against the name."""
    reason: OSError | None = None
    for address in _resolve(target, deadline):
        try:
            sock = socket.create_connection((str(address), target.port), timeout=min(deadline.left(), CONNECT_TIMEOUT))
        except OSError as error:
            reason = error
            continue
        try:
            if ip_address(sock.getpeername()[0]) != address:
                raise AddressForbidden("the connection did not go to the address that was checked")
            return _secured(sock, target, deadline) if target.scheme == "https" else sock
        except BaseException:
            sock.close()
            raise
    if isinstance(reason, TimeoutError):
        raise TimedOut("the connection was not taken in time") from reason
    raise ConnectFailed(f"the connection to {target.host} was refused") from reason


def _secured(sock: socket.socket, target: Target, deadline: Deadline) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    secured = context.wrap_socket(sock, server_hostname=target.host, do_handshake_on_connect=False)
    try:
        secured.settimeout(deadline.left())
        secured.do_handshake()
    except TimeoutError:
        secured.close()
        raise TimedOut("the TLS handshake did not end in time") from None
    except (ssl.SSLError, OSError) as error:
        secured.close()
        reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or "the connection was closed"
        raise TlsFailed(f"TLS with {target.host} failed: {reason}") from error
    return secured


def safe_request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes = b"",
    timeout: float = MAX_TIMEOUT,
    max_response_bytes: int,
) -> SafeResponse:
    """Sends one request and reads the answer, at most `timeout` seconds (≤ 30) from first to last.

    Raises SafeHttpError: bad_url, port_forbidden, address_forbidden, name_unknown, connect_failed, tls_failed, timeout,
    redirect, bad_response. An answer of any other status is returned.
    """
    if method not in _METHODS:
        raise ValueError(f"method {method!r}")
    target = parse_url(url)
    deadline = Deadline(min(timeout, MAX_TIMEOUT))
    sock = _connect(target, deadline)
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = cast(socket.socket, _TimedSocket(sock, deadline))
    try:
        return _exchange(connection, method, target, headers, body, max_response_bytes)
    except TimeoutError:
        raise TimedOut("the answer did not come in time") from None
    except (OSError, http.client.HTTPException) as error:
        raise BadResponse(f"the answer was not HTTP, or broke off ({type(error).__name__})") from error
    finally:
        sock.close()


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    target: Target,
    headers: Mapping[str, str],
    body: bytes,
    max_response_bytes: int,
) -> SafeResponse:
    connection.putrequest(method, target.path, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", target.host_header)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.putheader("Connection", "close")
    if body or method in {"POST", "PUT", "PATCH"}:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body or None)
    response = connection.getresponse()
    if response.status in REDIRECTS:
        raise Redirected(
            f"the answer was a redirect ({response.status}); redirects are not followed", status=response.status
        )
    content = response.read(max_response_bytes + 1)
    return SafeResponse(
        status=response.status,
        headers={name.lower(): value for name, value in response.getheaders()},
        body=content[:max_response_bytes],
        truncated=len(content) > max_response_bytes,
    )
