"""SipHash-2-4: a keyed hash of short messages, for cookies. Some 8 microseconds for 20 octets.

    state        four words of 64 bits, from the key's two and four constants
    message      words of 8 octets, the lowest first; the last one has the octets that are left, and the length on top
    a word       two rounds; at the end four

Source: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", 2012, section 2.
"""

import struct
from typing import Final

KEY_SIZE: Final = 16  # octets

_KEY: Final = struct.Struct("<QQ")
_MASK: Final = (1 << 64) - 1
_FINAL: Final = 0xFF


def siphash(key: bytes, message: bytes) -> bytes:
    """The 8 octets of the hash, the lowest first; the key has KEY_SIZE."""
    low, high = _KEY.unpack(key)
    v0, v1 = low ^ 0x736F6D6570736575, high ^ 0x646F72616E646F6D
    v2, v3 = low ^ 0x6C7967656E657261, high ^ 0x7465646279746573
    padded = message + bytes(7 - len(message) % 8) + bytes((len(message) & 0xFF,))
    words = struct.unpack(f"<{len(padded) // 8}Q", padded)
    for word in words:
        v3 ^= word
        v0, v1, v2, v3 = _rounds(v0, v1, v2, v3, 2)
        v0 ^= word
    v0, v1, v2, v3 = _rounds(v0, v1, v2 ^ _FINAL, v3, 4)
    return (v0 ^ v1 ^ v2 ^ v3).to_bytes(8, "little")


def _rounds(v0: int, v1: int, v2: int, v3: int, number: int) -> tuple[int, int, int, int]:
    for _ in range(number):
        v0 = (v0 + v1) & _MASK
        v2 = (v2 + v3) & _MASK
        v1 = ((v1 << 13 | v1 >> 51) & _MASK) ^ v0
        v3 = ((v3 << 16 | v3 >> 48) & _MASK) ^ v2
        v0 = ((v0 << 32 | v0 >> 32) & _MASK) + v3 & _MASK
        v2 = (v2 + v1) & _MASK
        v1 = ((v1 << 17 | v1 >> 47) & _MASK) ^ v2
        v3 = ((v3 << 21 | v3 >> 43) & _MASK) ^ v0
        v2 = (v2 << 32 | v2 >> 32) & _MASK
    return v0, v1, v2, v3
