"""The shortest way: the messages of a batch, answered with as little as can be; the octets of `Responder.respond`.

    the message    kept: that answer
                   plain, and its name belongs to a ready zone (zones.py):
      the name     has the type before all others, with records that are ready: these
                   is one label below the zone's, and is not there: NXDOMAIN
    else           left to that

Messages are without their ids here, and so are kept ones: an id stays where the socket's memory has it
(dnsd/datagrams.py).

Nothing is called, built or looked at twice that can be done without: a question that comes for the first time takes
some twenty looks and slices, and a call costs as much as two of them.

Source: as nameserver/direct.py.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from struct import Struct
from typing import Final
from zlib import crc32

from xferzone.nameserver.direct import MAX_NAME, Heads, Reply
from xferzone.nameserver.generations import Generations
from xferzone.nameserver.view import View, key_of
from xferzone.nameserver.wire import SMALLEST_SIZE
from xferzone.nameserver.zones import Zones
from xferzone.zone.index import NAME
from xferzone.zonefile.rdtypes import DS, OPT

#: The answer to the message in a slot; None: it gets none.
Late = Callable[[int], bytes | None]
#: How to answer what follows a question in a slot, where that has options; None: it is left.
Options = Callable[[bytes, Heads, int], Reply | None]

OVERHEAD: Final = 200  # bytes that CPython spends on what is kept of an answer beside question and answer

_ID: Final = 2  # octets
_OPT: Final = 11  # octets of an OPT record without options
_MAX_LABEL: Final = 63
_NEXT: Final = Struct("<L")  # the place of the next name of a bucket
_FIRST: Final = Struct(
    ">2x2sLL"
)  # behind the type of a node's first RRset: the number of records, and the sizes

#: By type and class IN: how a node without flags begins whose first RRset has that type. Special types are left.
_BEGINNINGS: Final = {
    number.to_bytes(2) + b"\0\1": b"\0" + number.to_bytes(2)
    for number in range(1, 128)
    if number not in (DS, OPT)
}


class Batch:
    """Answers to plain questions, out of ready zones and what is `kept`.

    By what a message has before its question, `heads` has what that leads to.
    """

    __slots__ = ("_heads", "_kept", "_options", "_ready", "made")

    def __init__(
        self,
        zones: Zones,
        heads: Mapping[bytes, Heads],
        kept: Generations[tuple[bytes, View]],
        options: Options,
    ) -> None:
        self._ready = zones.ready.get
        self._heads = heads.get
        self._kept = kept
        self._options = options
        self.made = 0  # answers made here

    def answers(self, messages: Sequence[bytes], late: Late) -> list[bytes | None]:
        """The answer to each message, whose slots are their numbers; `late` has those to messages that are left."""
        kept, made = self._kept, self._made
        old, answers, here = kept.old, list[bytes | None](messages), 0
        for slot, entry in enumerate(map(kept.young.get, messages)):
            if entry is not None and entry[1].live:
                answers[slot] = entry[0]
                continue
            message = messages[slot]
            if old:
                entry = old.get(message)
                if entry is not None and entry[1].live:
                    kept.put(message, entry, len(message) + len(entry[0]) + OVERHEAD)
                    answers[slot] = entry[0]
                    continue
            try:
                answer = made(message, slot)
            except Exception:  # noqa: BLE001 - whatever it is, `late` comes to it again, and tells of it
                answer = None
            if answer is None:
                answers[slot] = late(slot)
            else:
                answers[slot] = answer
                here += 1
        self.made += here
        return answers

    # long: as the module says, nothing is called
    def _made(self, message: bytes, slot: int) -> bytes | None:
        """The answer to a message; None: it is left. So are messages at which this fails."""
        heads = self._heads(message[:10])
        if heads is None:
            return None
        limit, opt, end = SMALLEST_SIZE, b"", len(message)
        is_for_all = True  # who ask the same
        if heads.has_opt:
            end -= _OPT
            reply = heads.replies.get(message[end:])
            if reply is None:
                is_for_all = False
                end = message.find(0, 10) + 5
                reply = self._options(message[end:], heads, slot)
                if reply is None:
                    return None
            limit, opt = reply
        name = message[10 : end - 4].lower()
        beginning = _BEGINNINGS.get(message[end - 4 : end])
        size = name[0]
        at, last = size + 1, 0
        while (view := self._ready(name[at:])) is None:
            if not 0 < size <= _MAX_LABEL:
                return None
            last = at
            size = name[at]
            at += size + 1
        if beginning is None or not 0 < size <= _MAX_LABEL:
            return None
        labels = name[:at]
        sought = labels + b"\0"
        key = key_of(labels) if last or 0 in labels or 1 in labels else sought[1:]
        position = bisect_right(view.firsts, key) - 1
        part = view.parts[position] or view.part(position)
        content = part.content
        bucket = crc32(labels) & part.mask
        at = part.places[bucket]
        node = sought + beginning
        step = NAME.size + len(node)
        while at:
            found = content[at + NAME.size : at + step]
            if found == node:
                break
            if found.startswith(sought):
                return None
            (at,) = _NEXT.unpack_from(content, at)
        else:
            nothing = view.nothings.get(len(labels)) or view.nothing(len(labels))
            if last or not nothing or labels in view.odd:
                return None
            answer = heads.missing + message[10:end] + nothing + opt
            return None if len(answer) + _ID > limit else answer
        cover = view.covers[position]
        if last and (len(name) > MAX_NAME or (cover is not None and key.startswith(cover))):
            return None
        at += step
        number, size, more = _FIRST.unpack_from(content, at)
        at += _FIRST.size
        answer = b"".join((heads.positive, number, message[6:end], content[at : at + size], opt))
        if more or len(answer) + _ID > limit:
            return None
        if part.asked[bucket] != self._kept.number:
            part.asked[bucket] = self._kept.number
        elif (
            is_for_all and name == message[10 : end - 4]
        ):  # who spells it oddly spells it otherwise each time
            self._kept.put(message, (answer, view), len(message) + len(answer) + OVERHEAD)
        return answer
