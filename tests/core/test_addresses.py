"""No address that belongs to this machine, its network or nobody is ever called, in whatever form it is written."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from apps.core import addresses
from apps.core.addresses import FORBIDDEN, BadAllowance, is_allowed, is_forbidden, parse_allowance

# An address inside each range, both of its ends where they are near the next range, and the neighbours that are free.
REFUSED = [
    "0.0.0.0", "0.255.255.255",
    "10.0.0.0", "10.255.255.255",
    "100.64.0.0", "100.127.255.255",
    "127.0.0.1", "127.255.255.254",
    "169.254.0.1", "169.254.169.254",
    "172.16.0.0", "172.31.255.255",
    "192.0.0.0", "192.0.0.170", "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1", "192.168.255.255",
    "198.18.0.0", "198.19.255.255",
    "198.51.100.7", "203.0.113.200",
    "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.254", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::8.8.8.8",
    "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8",
    "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "64:ff9b:1:ffff::1",
    "100::1",
    "2001::1", "2001:0:53aa:64c:0:fffe:9f5b:9cd8", "2001:1ff:ffff::1",
    "2001:db8::1", "2001:db8:ffff::1",
    "2002::1", "2002:7f00:1::1", "2002:808:808::1",
    "3fff::1", "3fff:fff::1", "5f00::1",
    "fc00::1", "fd12:3456::1", "fe80::1", "febf::1", "fec0::1", "feff::1",
    "ff02::1", "ff0e::1",
    # Outside what is given out, though in no range of its own.
    "4000::1", "8000::1", "::2:0:0:0:1",
]  # fmt: skip
FREE = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.88.98.255",
    "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0",
    "203.0.112.255", "203.0.114.0", "223.255.255.255",
    "2000::1", "2001:200::1", "2001:4860:4860::8888", "2001:db7::1", "2001:db9::1", "2003::1", "2606:4700::1", "3ffe::1",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_is_forbidden(address: str) -> None:
    assert is_forbidden(address)


@pytest.mark.parametrize("address", FREE)
def test_is_not_forbidden(address: str) -> None:
    assert not is_forbidden(address)


@pytest.mark.parametrize("cidr", [cidr for cidr, _ in FORBIDDEN])
def test_both_ends_of_every_range_are_forbidden(cidr: str) -> None:
    network = ip_network(cidr)
    assert is_forbidden(network[0])
    assert is_forbidden(network[-1])


def test_every_range_of_the_table_has_an_example_here() -> None:
    examples = [ip_address(address) for address in REFUSED]
    for cidr, _ in FORBIDDEN:
        assert any(address in ip_network(cidr) for address in examples), cidr


@pytest.mark.parametrize(
    ("entry", "address", "port", "allowed"),
    [
        ("127.0.0.1/32:9000", "127.0.0.1", 9000, True),
        ("127.0.0.1/32:9000", "127.0.0.1", 9001, False),
        ("127.0.0.1/32:9000", "127.0.0.2", 9000, False),
        ("127.0.0.1:9000", "127.0.0.1", 9000, True),
        ("10.1.0.0/16:8000-8999", "10.1.255.255", 8000, True),
        ("10.1.0.0/16:8000-8999", "10.1.0.1", 8999, True),
        ("10.1.0.0/16:8000-8999", "10.1.0.1", 9000, False),
        ("10.1.0.0/16:8000-8999", "10.2.0.1", 8000, False),
        ("[fd00::/8]:443", "fd00::1", 443, True),
        ("[fd00::/8]:443", "fe80::1", 443, False),
        # The same bits in another form are another address.
        ("127.0.0.1/32:9000", "::ffff:127.0.0.1", 9000, False),
    ],
)
def test_the_operator_opens_addresses_with_ports(
    settings: object, entry: str, address: str, port: int, allowed: bool
) -> None:
    settings.ATRIUM_SAFE_HTTP_ALLOW = [entry]  # type: ignore[attr-defined]
    assert is_allowed(ip_address(address), port) is allowed


def test_nothing_is_opened_by_default(settings: object) -> None:
    assert settings.ATRIUM_SAFE_HTTP_ALLOW == []  # type: ignore[attr-defined]
    assert not is_allowed(ip_address("127.0.0.1"), 80)


@pytest.mark.parametrize(
    "entry",
    ["127.0.0.1", "127.0.0.1/32", "127.0.0.1/32:", "127.0.0.1/32:0", "127.0.0.1/32:70000", "127.0.0.1/32:9-8", "::1:80",
     "[127.0.0.1/32]:80", "10.0.0.1/8:80", "localhost:80", "127.0.0.1/33:80", "*:80", ""],
)  # fmt: skip
def test_an_entry_that_says_nothing_clear_is_refused(entry: str) -> None:
    with pytest.raises(BadAllowance):
        parse_allowance(entry)


def test_the_server_does_not_start_with_an_unclear_entry(settings: object) -> None:
    from apps.core.checks import allowances_are_clear

    settings.ATRIUM_SAFE_HTTP_ALLOW = ["10.0.0.0/8:443", "everything"]  # type: ignore[attr-defined]
    assert [problem.id for problem in allowances_are_clear()] == ["core.E002"]
    assert addresses.parse_allowance("10.0.0.0/8:443").covers(ip_address("10.9.9.9"), 443)
