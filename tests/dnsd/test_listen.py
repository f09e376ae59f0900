"""Addresses: how they are written, what a wildcard stands for, and how a failure to bind is told."""

import socket

import pytest

from tests.live import free_port
from xferzone.config import Address, parse_address
from xferzone.dnsd.listen import places, probe_udp, tcp_socket, udp_socket
from xferzone.errors import CannotServe

WRITTEN = [
    ("127.0.0.1:5300", Address("127.0.0.1", 5300)),
    ("0.0.0.0:53", Address("0.0.0.0", 53)),
    ("[::1]:5300", Address("::1", 5300)),
    ("[::]:53", Address("::", 53)),
    ("[fe80::1%eth0]:65535", Address("fe80::1%eth0", 65535)),
]


@pytest.mark.parametrize(("text", "address"), WRITTEN)
def test_an_address_is_read_and_written(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1",
        ":5300",
        "5300",
        "::1",
        "::1:5300",
        "[::1]",
        "[127.0.0.1]:53",
        "[::1:5300",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:+53",
        "127.0.0.1: 53",
        "127.0.0.1:٥٣",
        "127.0.0.256:53",
        "127.1:53",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:5300"):
        parse_address(text)


def test_the_same_address_is_written_one_way() -> None:
    assert parse_address("[0:0::1]:53") == parse_address("[::1]:53")


def test_a_wildcard_stands_for_the_addresses_of_this_machine() -> None:
    assert Address("127.0.0.1", 53) in places([Address("0.0.0.0", 53)])
    assert not any(":" in place.host or place.is_wildcard for place in places([Address("0.0.0.0", 53)]))
    assert Address("::1", 54) in places([Address("::", 54)])
    assert all(":" in place.host and not place.is_wildcard for place in places([Address("::", 54)]))


def test_other_addresses_stand_for_themselves() -> None:
    given = [Address("192.0.2.1", 53), Address("127.0.0.1", 53)]
    assert places([*given, Address("0.0.0.0", 53)]) >= set(given)
    assert places(given) == set(given)


def test_answerers_share_an_address() -> None:
    address = Address("127.0.0.1", free_port())
    with udp_socket(address), udp_socket(address):
        pass


def test_a_taken_address_is_named() -> None:
    port = free_port()
    address = Address("127.0.0.1", port)
    with socket.socket(type=socket.SOCK_DGRAM) as other, socket.socket() as tcp:
        other.bind(("127.0.0.1", port))
        tcp.bind(("127.0.0.1", port))
        tcp.listen()
        for protocol, bind in [("UDP", udp_socket), ("UDP", probe_udp), ("TCP", tcp_socket)]:
            with pytest.raises(CannotServe) as caught:
                bind(address)
            assert str(caught.value) == f"cannot bind {address} ({protocol}): the address is taken"


@pytest.mark.parametrize("host", ["192.0.2.77", "2001:db8::77", "fe80::77%nowhere"])
def test_an_address_of_somebody_else_is_named(host: str) -> None:
    with pytest.raises(
        CannotServe, match=r"cannot bind .*: (not an address of this machine|no interface with this name)"
    ):
        udp_socket(Address(host, 5300))


def test_an_ipv6_wildcard_leaves_ipv4_alone() -> None:
    port = free_port()
    with tcp_socket(Address("::", port)), tcp_socket(Address("0.0.0.0", port)):
        pass
