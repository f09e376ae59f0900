"""A smaller input that breaks the same."""

import time
from collections.abc import Callable
from typing import Final

MOST_TRIES: Final = 3_000
MOST_S: Final = 60.0  # of processor time


def shrunk(octets: bytes, is_same: Callable[[bytes], bool]) -> bytes:
    """The smallest input that was found: pieces are left out while `is_same` says yes, then octets made plain.

    At most MOST_TRIES questions are asked, in MOST_S.
    """
    tries, end = 0, time.process_time() + MOST_S

    def asked(smaller: bytes) -> bool:
        nonlocal tries
        tries += 1
        return tries <= MOST_TRIES and time.process_time() < end and is_same(smaller)

    size = len(octets) // 2
    while size and tries < MOST_TRIES:
        at, is_smaller = 0, False
        while at < len(octets):
            smaller = octets[:at] + octets[at + size :]
            if asked(smaller):
                octets, is_smaller = smaller, True
            else:
                at += size
        if not is_smaller or size > 1:
            size //= 2
    for at in range(len(octets)):
        for plain in (b"a", b"0"):
            if octets[at : at + 1] not in b"a0\n " and asked(octets[:at] + plain + octets[at + 1 :]):
                octets = octets[:at] + plain + octets[at + 1 :]
    return octets
