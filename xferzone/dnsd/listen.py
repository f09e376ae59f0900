"""Sockets bound to the addresses that a server listens on.

    127.0.0.1:5300   [::1]:5300   0.0.0.0:53   [::]:53

The last two mean all local addresses of their family. A UDP answer must come from the address that was asked, which
a socket bound to the wildcard does not know: so UDP has one socket for each local address (`places`), and its holder
looks for new addresses now and then. A TCP connection knows both its ends: there the wildcard is bound as it is.

UDP sockets share their address among the answerers (SO_REUSEPORT, the kernel spreads the questions). A TCP socket is
bound once; the processes that accept on it inherit it. IPv6 sockets take IPv6 only.

Source: getifaddrs(3), ipv6(7), udp(7).
"""

import contextlib
import ctypes
import errno
import ipaddress
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from xferzone.config import Address
from xferzone.errors import CannotServe

BUFFER: Final = 1024 * 1024  # bytes of datagrams that may wait on either side; NSD's default
BACKLOG: Final = 256  # connections that may wait to be accepted


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
        CannotServe: it cannot be bound.
    """
    unbound = socket.socket(address.family, socket.SOCK_DGRAM)
    unbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    enlarge(unbound)
    return _bound(unbound, address, "UDP")


def enlarge(datagrams: socket.socket) -> None:
    """Let BUFFER wait on the socket, in both directions."""
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        datagrams.setsockopt(socket.SOL_SOCKET, option, BUFFER)


def leave(bound: socket.socket) -> None:
    """Have the kernel send new questions to the sockets that share this one's address; what came is still here.

    A connected socket gets datagrams of its peer only: of itself, which sends none.
    """
    with contextlib.suppress(OSError):
        bound.connect(bound.getsockname())


def tcp_socket(address: Address, backlog: int = BACKLOG) -> socket.socket:
    """A listening socket.

    Raises:
        CannotServe: it cannot be bound.
    """
    unbound = socket.socket(address.family, socket.SOCK_STREAM)
    # Connections that ended a moment ago are no reason to refuse; a listener still is.
    unbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound = _bound(unbound, address, "TCP")
    bound.listen(backlog)
    bound.setblocking(False)
    return bound


def probe_udp(address: Address) -> None:
    """Bind and let go, without SO_REUSEPORT, which would share the address with a stranger.

    Raises:
        CannotServe: it cannot be bound.
    """
    _bound(socket.socket(address.family, socket.SOCK_DGRAM), address, "UDP").close()


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
        raise CannotServe(f"cannot bind {address} ({protocol}): {_reason(exc)}") from exc
    return unbound


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "the address is taken"
        case errno.EACCES:
            return "ports below 1024 need root or CAP_NET_BIND_SERVICE"
        case errno.EADDRNOTAVAIL:
            return "not an address of this machine"
        case _:
            return error.strerror or str(error)


class _IfAddrs(ctypes.Structure):
    """The head of struct ifaddrs, the same on every system that has one."""


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
        raise CannotServe("cannot list the addresses of this machine")
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
