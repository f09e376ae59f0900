"""Addresses to listen on, and sockets bound to them.

    127.0.0.1:5300   [::1]:5300   0.0.0.0:53   [::]:53

The last two mean all local addresses of their family. A UDP answer must come from the address that was asked, which
a socket bound to the wildcard does not know: so UDP has one socket for each local address (`places`), and whoever
holds them looks again now and then. A TCP connection knows both its ends: there the wildcard is bound as it is.

UDP sockets share their address among the answerers (SO_REUSEPORT, the kernel spreads the questions); a TCP socket
has one owner, the agent. IPv6 sockets take IPv6 only.

Source: getifaddrs(3), ipv6(7); RFC 5952 (the text of an address).
"""

import contextlib
import ctypes
import errno
import ipaddress
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from xferzone.errors import CannotServe, UsageError

BUFFER: Final = 1024 * 1024  # bytes of datagrams that may wait on either side; NSD's default
BACKLOG: Final = 256  # connections that may wait to be accepted


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """A numeric host, with a %scope if it is link-local, and a port from 1 to 65535."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def is_wildcard(self) -> bool:
        return ipaddress.ip_address(self.host).is_unspecified


def parse_address(text: str) -> Address:
    """The address that `text` writes as in the picture above.

    Raises:
        UsageError: it is none.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        if not (colon and port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
            raise ValueError("no port")
        parsed = ipaddress.ip_address(host[1:-1] if bracketed else host)
        if bracketed != (parsed.version == 6):
            raise ValueError("brackets are for IPv6")
    except ValueError as exc:
        raise UsageError(f"{text!r} is no address to listen on: write 127.0.0.1:5300 or [::1]:5300") from exc
    return Address(str(parsed), int(port))


def places(addresses: Sequence[Address]) -> set[Address]:
    """`addresses` with each wildcard replaced by what it stands for now."""
    found: set[Address] = set()
    for address in addresses:
        if address.is_wildcard:
            found.update(Address(host, address.port) for host in _local_hosts(address.family))
        else:
            found.add(address)
    return found


def udp_socket(address: Address) -> socket.socket:
    """A socket for datagrams, bound to `address` together with others of ours.

    Raises:
        CannotServe: the address cannot be had.
    """
    bound = socket.socket(address.family, socket.SOCK_DGRAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        bound.setsockopt(socket.SOL_SOCKET, option, BUFFER)
    return _bound(bound, address, "UDP")


def tcp_socket(address: Address) -> socket.socket:
    """A listening socket of our own.

    Raises:
        CannotServe: the address cannot be had.
    """
    bound = socket.socket(address.family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _bound(bound, address, "TCP").listen(BACKLOG)
    bound.setblocking(False)
    return bound


def _bound(unbound: socket.socket, address: Address, protocol: str) -> socket.socket:
    host, _, scope = address.host.partition("%")
    try:
        if address.family == socket.AF_INET6:
            unbound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            number = socket.if_nametoindex(scope) if scope else 0
            unbound.bind((host, address.port, 0, number))
        else:
            unbound.bind((host, address.port))
    except OSError as exc:
        unbound.close()
        why = "is taken" if exc.errno == errno.EADDRINUSE else f"cannot be had ({exc.strerror})"
        raise CannotServe(f"{address} ({protocol}) {why}: choose another with --listen") from exc
    return unbound


class _IfAddrs(ctypes.Structure):
    """The head of struct ifaddrs, which is the same wherever there is one."""


_IfAddrs._fields_ = [
    ("next", ctypes.POINTER(_IfAddrs)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
]

_LENGTHS: Final = {socket.AF_INET: 16, socket.AF_INET6: 28}  # bytes of a sockaddr


def _local_hosts(family: socket.AddressFamily) -> set[str]:
    """The addresses of this machine's interfaces, in the form of Address.host."""
    hosts = set()
    for raw in _raw_addresses():
        # BSD has a length before the family, Linux a family of two bytes.
        own_family = raw[1] if sys.platform != "linux" else int.from_bytes(raw[:2], sys.byteorder)
        if own_family != family:
            continue
        if family == socket.AF_INET:
            hosts.add(str(ipaddress.IPv4Address(raw[4:8])))
        else:
            host = ipaddress.IPv6Address(raw[8:24])
            scope = int.from_bytes(raw[24:28], sys.byteorder)
            with contextlib.suppress(OSError):  # the interface may have gone meanwhile
                hosts.add(f"{host}%{socket.if_indextoname(scope)}" if host.is_link_local else str(host))
    return hosts


def _raw_addresses() -> Iterator[bytes]:
    libc = ctypes.CDLL(None, use_errno=True)
    head = ctypes.POINTER(_IfAddrs)()
    if libc.getifaddrs(ctypes.byref(head)) != 0:
        raise CannotServe("the addresses of this machine cannot be listed")
    try:
        entry = head
        while entry:
            at = entry.contents.address
            if at:
                # An address of another kind may be shorter: look at the family first.
                short = ctypes.string_at(at, 2)
                family = short[1] if sys.platform != "linux" else int.from_bytes(short, sys.byteorder)
                if family in _LENGTHS:
                    yield ctypes.string_at(at, _LENGTHS[socket.AddressFamily(family)])
            entry = entry.contents.next
    finally:
        libc.freeifaddrs(head)
