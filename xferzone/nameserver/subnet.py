"""Whose question a resolver passes on: the option "client subnet" (ECS).

    option      code 0008: FAMILY 2 (1: IPv4, 2: IPv6), SOURCE 1, SCOPE 1 (0 in a question), ADDRESS
    ADDRESS     the first SOURCE bits, in as few octets as hold them, and zero bits

Source: RFC 7871 6 (option), 7.1.2 and 7.2.1 (FORMERR, SCOPE in answers).
"""

from typing import Final, NamedTuple

from xferzone.nameserver.edns import option

CODE: Final = 8

#: Bits of an address by FAMILY.
_WIDTHS: Final = {1: 32, 2: 128}


class Subnet(NamedTuple):
    """The option of a question: `source` bits of an address of that family."""

    family: int
    source: int
    address: bytes

    @classmethod
    def read(cls, value: bytes) -> "Subnet":
        """Raises ValueError where `value` is not what a question may hold."""
        if len(value) < 4:
            raise ValueError("a client subnet is cut short")
        family, source, scope, address = int.from_bytes(value[:2]), value[2], value[3], value[4:]
        if family not in _WIDTHS or source > _WIDTHS[family] or scope:
            raise ValueError("a client subnet of an unknown family, of too many bits, or with a scope")
        if len(address) != -(-source // 8) or (source % 8 and address[-1] << source % 8 & 0xFF):
            raise ValueError("a client subnet has another length than it says, or stray bits")
        return cls(family, source, address)

    def echoed(self, scope: int) -> bytes:
        """The option for the answer, which holds for the first `scope` bits."""
        return option(CODE, self.family.to_bytes(2) + bytes((self.source, scope)) + self.address)
