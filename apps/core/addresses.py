"""Addresses that the server may connect to for somebody else: a table of what is forbidden, the operator's exceptions.

Python's own `is_private` and `is_global` are not asked: they let CGNAT, NAT64, 6to4 or multicast addresses pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IANA's special-purpose registries (RFC 6890 and its updates), and every form that carries an IPv4 address in IPv6.
FORBIDDEN: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carrier-grade NAT"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local, cloud metadata"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4 relays"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarks"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("255.255.255.255/32", "broadcast"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::/96", "IPv4-compatible"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("::ffff:0:0:0/96", "IPv4-translated"),
    ("64:ff9b::/96", "NAT64"),
    ("64:ff9b:1::/48", "local NAT64"),
    ("100::/64", "discard"),
    ("2001::/32", "Teredo"),
    ("2001::/23", "protocol assignments"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment routing"),
    ("fc00::/7", "unique local"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
)
# The only part of IPv6 that is given out for the Internet; what lies outside is refused, named above or not.
GLOBAL_UNICAST = IPv6Network("2000::/3")

_NETWORKS: tuple[tuple[Network, str], ...] = tuple((ip_network(cidr), why) for cidr, why in FORBIDDEN)
_ENTRY = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<four>[0-9./]+)):(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?")


class BadAllowance(ValueError):
    """An entry of ATRIUM_SAFE_HTTP_ALLOW that is not `CIDR:port[-port]`."""


@dataclass(frozen=True)
class Allowance:
    """A network and a range of ports that the operator opened."""

    network: Network
    first: int
    last: int

    def covers(self, address: Address, port: int) -> bool:
        return address.version == self.network.version and address in self.network and self.first <= port <= self.last


def why_forbidden(address: Address) -> str:
    """The reason why an address is never connected to, or "" for one on the Internet."""
    for network, why in _NETWORKS:
        if address.version == network.version and address in network:
            return why
    if isinstance(address, IPv6Address) and address not in GLOBAL_UNICAST:
        return "not global unicast"
    return ""


def is_forbidden(address: Address | str) -> bool:
    """Whether an address is in the table. The operator's exceptions are another question: `is_allowed`."""
    return bool(why_forbidden(ip_address(address) if isinstance(address, str) else address))


def parse_allowance(entry: str) -> Allowance:
    """`10.1.0.0/16:8000-8999`, `127.0.0.1/32:9000`, `[fd00::/8]:443`. Raises BadAllowance."""
    match = _ENTRY.fullmatch(entry.strip())
    if match is None:
        raise BadAllowance(f"{entry!r} is not of the form CIDR:port[-port], with brackets around an IPv6 CIDR")
    try:
        network = ip_network(match["six"] or match["four"])
    except ValueError as error:
        raise BadAllowance(f"{entry!r}: {error}") from error
    if (network.version == 6) != bool(match["six"]):
        raise BadAllowance(f"{entry!r}: brackets are for IPv6")
    first = int(match["first"])
    last = int(match["last"] or first)
    if not 1 <= first <= last <= 65535:
        raise BadAllowance(f"{entry!r}: ports go from 1 to 65535")
    return Allowance(network, first, last)


@lru_cache(maxsize=16)
def _parsed(entries: tuple[str, ...]) -> tuple[Allowance, ...]:
    return tuple(parse_allowance(entry) for entry in entries if entry.strip())


def is_allowed(address: Address, port: int) -> bool:
    """Whether the operator opened this address and port."""
    return any(allowance.covers(address, port) for allowance in _parsed(tuple(settings.ATRIUM_SAFE_HTTP_ALLOW)))
