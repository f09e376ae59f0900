"""Sockets that systemd has bound and hands over, so that nothing here needs the right to bind ports below 1024.

    descriptors 3, 4, ...    LISTEN_FDS of them, for the process LISTEN_PID
    TCP                      one for an address; it is used where it would have been bound
    UDP                      any number for an address (ReusePort=yes), spread over the answerers; if there are fewer,
                             several answerers read one

A UDP socket of a wildcard would answer from an address that was not asked (dnsd/listen.py), and one of IPv6 that takes
IPv4 too would show clients in a form of their own: both are refused.

Source: sd_listen_fds(3), systemd.socket(5).
"""

import socket
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Final

from xferzone.config import Address
from xferzone.errors import CannotServe

FIRST: Final = 3  # the first descriptor, SD_LISTEN_FDS_START
MAX_SOCKETS: Final = 1024  # ours
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class Activated:
    """The sockets, by address."""

    def __init__(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Raises CannotServe: one of them cannot be used."""
        self.tcp: dict[Address, socket.socket] = {}
        self.udp: dict[Address, list[socket.socket]] = {}
        for each in sockets:
            address = _address(each)
            if each.type == socket.SOCK_DGRAM:
                self.udp.setdefault(address, []).append(each)
            elif self.tcp.setdefault(address, each) is not each:
                raise CannotServe(f"systemd hands over two TCP sockets for {address}")

    @classmethod
    def of(cls, environ: MutableMapping[str, str], pid: int) -> "Activated":
        """Those for the process `pid`; what says so is taken out of the environment.

        Raises:
            CannotServe: one of them cannot be used.
        """
        owner, number, _ = (environ.pop(name, "") for name in _VARIABLES)
        if owner != str(pid):
            return cls()
        if not (number.isascii() and number.isdigit() and int(number) <= MAX_SOCKETS):
            raise CannotServe(f"LISTEN_FDS is {number!r}: expected a number up to {MAX_SOCKETS}")
        sockets = []
        for descriptor in range(FIRST, FIRST + int(number)):
            try:
                sockets.append(socket.socket(fileno=descriptor))
            except OSError as exc:
                raise CannotServe(
                    f"descriptor {descriptor} of systemd is not a socket: {exc.strerror}"
                ) from exc
            sockets[-1].set_inheritable(False)
        return cls(sockets)

    def strangers(self, tcp: Sequence[Address], udp: Sequence[Address]) -> Iterator[str]:
        """The sockets for addresses that are not among these."""
        yield from (f"{address} (TCP)" for address in self.tcp if address not in tcp)
        yield from (f"{address} (UDP)" for address in self.udp if address not in udp)

    def share(self, number: int, answerers: int) -> dict[Address, list[socket.socket]]:
        """The UDP sockets that answerer `number`, from 0, of so many reads: each socket has a reader."""
        return {address: _share(sockets, number, answerers) for address, sockets in self.udp.items()}

    def close_udp(self) -> None:
        """Called in a new process that reads none of them."""
        for sockets in self.udp.values():
            for each in sockets:
                each.close()


def _share(sockets: Sequence[socket.socket], number: int, answerers: int) -> list[socket.socket]:
    return list(sockets[number::answerers]) or [sockets[number % len(sockets)]]


def _address(of: socket.socket) -> Address:
    if of.family not in (socket.AF_INET, socket.AF_INET6) or of.type not in (
        socket.SOCK_STREAM,
        socket.SOCK_DGRAM,
    ):
        raise CannotServe(f"systemd hands over descriptor {of.fileno()}, which is neither TCP nor UDP")
    address = Address(*of.getsockname()[:2])
    if of.family == socket.AF_INET6 and not of.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        raise CannotServe(f"the socket of systemd on {address} takes IPv4 too: write BindIPv6Only=ipv6-only")
    if of.type == socket.SOCK_DGRAM and address.is_wildcard:
        raise CannotServe(
            f"the socket of systemd on {address} (UDP) cannot tell which address was asked: write ListenDatagram= for "
            "each address"
        )
    return address
