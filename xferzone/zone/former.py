"""Compiled zone files of layout 2, which releases of before this one left in repositories, brought to today's.

    0    1          version, 2
    1    3          zero
    4    4          CRC-32 of all that follows
    8    1 + ...    length and wire form of the zone's name
         4          n, the number of names (here and below little endian)
         4 (n+1)    where each name's sort key begins, ascending; the last: where the last key ends
         4 (n+1)    where each name's node begins, likewise
         8 n        hashes
                    keys and nodes

    node            flags 1, then RRsets: type 2, number of records 4, size of the records 4 (big endian), the records

Nothing is compiled again: their records are those of today, so a large zone is served at once by a new release, part by
part as questions need them.
"""

import struct
import zlib
from typing import Final

from xferzone.errors import XferzoneError
from xferzone.zone.index import RRset, laid_out

_VERSION: Final = 2
_HEADER: Final = struct.Struct("<B3xL")
_RRSET: Final = struct.Struct(">HLL")


def current(content: bytes) -> bytes:
    """The bytes that compile_index() makes today of the file that `content` was made from.

    Raises:
        XferzoneError: they are of layout 2 and damaged. What is of no layout is given back for Index to refuse.
    """
    if content[:1] != bytes((_VERSION,)):
        return content
    try:
        if _HEADER.unpack_from(content)[1] != zlib.crc32(memoryview(content)[_HEADER.size :]):
            raise ValueError("the sum is wrong")
        at = _HEADER.size + 1 + content[_HEADER.size]
        origin = content[_HEADER.size + 1 : at]
        (number,) = struct.unpack_from("<L", content, at)
        places = struct.unpack_from(f"<{2 * number + 2}L", content, at + 4)
        keys, nodes = places[: number + 1], places[number + 1 :]
        owners = {
            content[keys[each] : keys[each + 1]]: _rrsets(content[nodes[each] : nodes[each + 1]])
            for each in range(number)
        }
        return laid_out({key: rrsets for key, rrsets in owners.items() if rrsets}, origin)
    except (IndexError, ValueError, struct.error) as exc:
        raise XferzoneError(
            "a compiled zone file is damaged: run `xferzone check`, then `xferzone rebuild`"
        ) from exc


def _rrsets(node: bytes) -> list[RRset]:
    found, at = [], 1
    while at < len(node):
        rdtype, number, size = _RRSET.unpack_from(node, at)
        at += _RRSET.size
        found.append(RRset(rdtype, number, node[at : at + size]))
        at += size
    return found
