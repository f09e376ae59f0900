"""Answers kept for questions that come again.

    a batch        batch.py: what is kept as it came, and what is quickly made
        |  left
        v
    as it came     all but the id
        |  found: that answer
        v
    the direct way, direct.py; names that the zone itself has are kept as they came when they are asked for again
        |
        v
    normal form    flags: RD or nothing; name in lower case; OPT: size 512 or 1232, DO or not, no options
        |  found: that answer, with the question put back as it was asked
        v
    the slow path, kept under the normal form

A message has a normal form if it is *plain*: QR, opcode, TC and Z are 0, one question of class IN with an
uncompressed name, and then nothing or one OPT (version 0, no bits but DO, options that can be read).
So neither spellings nor cookies nor sizes multiply entries, and each holds as long as its view is live. A client that
offers between 512 and 1232 bytes gets the entry for 512. If that entry is truncated, its answer is made anew. An
answer's options (offers.py) are put behind what is kept; if there is no room for them, it is made anew, too.

Of a zone with a canary, the first look finds both answers, free of addresses; then the client is placed (route.py).
Main's answers to questions without options take the direct way, too.

The entries are in two parts. One has the names that the zone itself has, and those are limited by the size of the zone.
The other has all the rest (NXDOMAIN, wildcards, below DNAME and cuts), of which clients can invent any number. Zones
with a canary have a third part.
"""

from collections.abc import Callable, Sequence
from typing import Final

from xferzone.nameserver.batch import OVERHEAD, Batch, Late
from xferzone.nameserver.direct import Direct, Heads, Reply, reply_to
from xferzone.nameserver.edns import Edns, found
from xferzone.nameserver.generations import Generations
from xferzone.nameserver.offers import NOTHING, SILENT, Offers, Told
from xferzone.nameserver.respond import NOBODY, response
from xferzone.nameserver.subnet import CODE
from xferzone.nameserver.view import View
from xferzone.nameserver.wire import FORMERR, OUR_SIZE, SMALLEST_SIZE, Query, parse, with_options
from xferzone.nameserver.zones import Zones
from xferzone.zonefile.rdtypes import IXFR, OPT

OWN_SIZE: Final = 128 * 1024 * 1024  # bytes of answers for names that zones have
OTHER_SIZE: Final = 16 * 1024 * 1024  # bytes of all other answers
ROUTED_SIZE: Final = 32 * 1024 * 1024  # bytes of answers of zones with a canary
REPLIES_SIZE: Final = 2 * 1024 * 1024  # bytes of what questions with cookies get; some 4,000 clients

_REPLY_OVERHEAD: Final = 400  # bytes that CPython spends on one of these
_ONE_QUESTION: Final = b"\0\1\0\0\0\0\0\0"
_AND_OPT: Final = b"\0\1\0\0\0\0\0\1"
_SHORTEST: Final = 15  # bytes from the flags to the end of a question about the root
_NOT_PLAIN: Final = 0xFA  # QR, opcode, TC: in the first byte of the flags
_TC: Final = 0x02  # in the same
_Z: Final = 0x40  # in the second
_IN: Final = b"\0\1"
_OPT: Final = b"\0" + OPT.to_bytes(2)  # the root, type OPT
_NO_OPTIONS: Final = b"\0\0"
_BARE_OPT: Final = 11  # bytes of an OPT record without options
_LARGE: Final = OUR_SIZE.to_bytes(2)
_SMALL: Final = SMALLEST_SIZE.to_bytes(2)
_NONE: Final = (b"", 0)


class Responder:
    """Answers UDP messages; remembers answers to plain ones. The same bytes as `respond`, sooner."""

    __slots__ = (
        "_batch",
        "_direct",
        "_made_alone",
        "_offers",
        "_other",
        "_own",
        "_replies",
        "_routed",
        "_zones",
        "client_of",
        "is_own",
        "takes",
    )

    # many: two bounds
    def __init__(
        self,
        zones: Zones,
        own_size: int = OWN_SIZE,
        other_size: int = OTHER_SIZE,
        offers: Offers = SILENT,
    ) -> None:
        self._zones = zones
        self._offers = offers
        #: The address of the client of a slot, while the batch with that slot is answered.
        self.client_of: Callable[[int], bytes] = lambda _slot: NOBODY
        #: Whether somebody else answers a message, which has it then.
        self.takes: Callable[[Query, int, bytes], bool] = lambda _query, _slot, _wire: False
        #: Whether zones themselves have all names that were asked for since this was last set to True, as far as known.
        self.is_own = True
        self._direct = Direct(zones)
        self._made_alone = 0
        # By normal form: a message without its id, and the view that it holds for.
        self._own: Generations[tuple[bytes, View]] = Generations(own_size)
        self._other: Generations[tuple[bytes, View]] = Generations(other_size)
        # The view, main's message and the canary's; empty: not made yet; whether the zone has the name.
        self._routed: Generations[tuple[View, list[bytes], bool]] = Generations(ROUTED_SIZE)
        # By OPT record and client: how to answer it, and the last second in which that may be answered again.
        self._replies: Generations[tuple[Reply, int]] = Generations(REPLIES_SIZE)
        self._batch = Batch(zones, self._direct.heads, self._own, self._reply)

    @property
    def made(self) -> int:
        """Messages that had no answer from before, so far; a hit touches no counter."""
        return self._made_alone + self._batch.made

    def answers(self, messages: Sequence[bytes], late: Late) -> list[bytes | None]:
        """The answers to a batch of messages, all without their ids.

        The number of a message is its slot. `late` is asked for answers that take longer, by `respond` or otherwise.
        `is_own` does not change for the others.
        """
        return self._batch.answers(messages, late)

    def respond(self, wire: bytes, slot: int = 0) -> bytes | None:
        """The answer to a message in that slot, whatever it holds; None: no answer.

        Raises:
            XferzoneError: a part of the zone cannot be read.
        """
        message = wire[2:]
        entry = self._own.young.get(message)
        if entry is not None and entry[1].live:
            return wire[:2] + entry[0]
        entry = self._own.old.get(message)
        if entry is not None and entry[1].live:
            self._keep(self._own, message, entry)
            return wire[:2] + entry[0]
        answer = None
        if self._routed.young:
            answer = self._routed_answer(wire, message, message.find(b"\0", 10) + 5, slot)
        if answer is None:
            answer = self._made_directly(wire, message, slot)
        if answer is not None:
            return answer
        normal, end = _normal_form(message)
        if normal:
            entry = self._found(normal)
            if entry is None or len(message) > len(normal):
                if entry is None:
                    answer = self._routed_answer(wire, normal, end, slot)
                else:
                    answer = self._placed(wire, entry[1], entry[:1], end, slot)
                if answer is not None:
                    return answer
            else:
                kept = entry[0]
                if not kept[0] & _TC or not _offers_more(message[end:]):
                    return wire[:2] + kept[:10] + message[10:end] + kept[end:]
        return self._made(wire, normal, end, slot)

    def free(self) -> None:
        """To be called between batches of up to FREED messages."""
        self._own.free()
        self._other.free()
        self._routed.free()
        self._replies.free()
        self._offers.free()

    def _made_directly(self, wire: bytes, message: bytes, slot: int) -> bytes | None:
        routed = self._zones.routed[0]
        answered = self._direct.answer(wire, slot, self._is_mains)
        if answered is None:
            self._zones.routed[0] = routed
            return None
        answer, view = answered
        end = wire.find(0, 12) + 5
        opt = wire[end:]
        if len(opt) > _BARE_OPT:
            told = self._told(opt, slot)
            if told is None or len(answer) + len(told.options) > _size(opt):
                return None
            if told.options:
                answer = with_options(answer, told.options)
        elif view is not None:
            labels = wire[12 : end - 4 - len(view.origin)]
            if labels != labels.lower():
                pass  # who spells it oddly spells it otherwise each time
            elif view.route is not None:
                self._keep_routed(message, answer[2:], view, own=True, is_canary=False)
            elif view.came_before(labels, self._own.number):
                self._keep(self._own, message, (answer[2:], view))
        self._made_alone += 1
        self.is_own &= view is not None
        return answer

    def _is_mains(self, view: View, slot: int) -> bool:
        """Whether the client in that slot, without options, gets main's answer; it is counted, then."""
        is_canary, _ = self._zones.place(view, self.client_of(slot), None)
        self._zones.routed[0] += not is_canary
        return not is_canary

    def _told(self, opt: bytes, slot: int) -> Told | None:
        """What the options of an OPT record bring about; None: more than options in the answer."""
        options = opt[_BARE_OPT:]
        if self._zones.resolvers and found(options, CODE) is not None:
            return None
        told = self._offers.told(options, self.client_of(slot))
        return None if told.fault == FORMERR else told

    def _reply(self, opt: bytes, heads: Heads, slot: int) -> Reply | None:
        """How to answer a question with that OPT record, in that slot; None: not as others."""
        key = opt, self.client_of(slot)
        known = self._replies.young.get(key)
        if known is not None and self._offers.now <= known[1]:
            return known[0]
        reply = reply_to(heads, opt)
        if reply is None or len(opt) == _BARE_OPT:
            return reply
        told = self._told(opt, slot)
        if told is None:
            return None
        if told.options:
            reply = reply[0], with_options(reply[1], told.options)
        if told.until:
            self._replies.put(key, (reply, told.until), len(opt) + len(reply[1]) + _REPLY_OVERHEAD)
        return reply

    def _made(self, wire: bytes, normal: bytes, end: int, slot: int) -> bytes | None:
        self._made_alone += 1
        query = parse(wire)
        if query is None or ((query.tsig or query.rdtype == IXFR) and self.takes(query, slot, wire)):
            return None
        made = response(query, self._zones, self.client_of(slot), tcp=False, offers=self._offers)
        self.is_own &= made.own
        # A zero octet inside a label makes `end` too early: such a question is not kept.
        if normal and made.view is not None and end == 10 + len(query.question):
            kept = made.plain[2:12] + normal[10:end] + made.plain[2 + end :]
            if made.view.route is not None:
                self._keep_routed(normal, kept, made.view, own=made.own, is_canary=made.is_canary)
            else:
                self._keep(self._own if made.own else self._other, normal, (kept, made.view))
        return made.message

    def _found(self, normal: bytes) -> tuple[bytes, View] | None:
        for part in (self._own, self._other):
            entry = part.young.get(normal)
            if entry is not None and entry[1].live:
                break
            entry = part.old.get(normal)
            if entry is not None and entry[1].live:
                self._keep(part, normal, entry)
                break
        else:
            return None
        self.is_own &= part is self._own
        return entry

    def _routed_answer(self, wire: bytes, normal: bytes, end: int, slot: int) -> bytes | None:
        both = self._both(normal)
        if both is None:
            return None
        view, kept, own = both
        self.is_own &= own
        return self._placed(wire, view, kept, end, slot)

    # many: a message and where its question ends, what is kept of which view, and who asks
    def _placed(self, wire: bytes, view: View, kept: Sequence[bytes], end: int, slot: int) -> bytes | None:
        """The answer from what is kept, main's and the canary's, to whoever asks; None: it is to be made."""
        client, opt = self.client_of(slot), wire[2 + end :]
        asked = opt[_BARE_OPT:]
        told = self._offers.told(asked, client) if asked else NOTHING
        options, is_canary = told.options, False
        if view.route is not None or (asked and self._zones.resolvers):
            try:
                is_canary, subnet = self._zones.place(view, client, Edns(0, False, asked))
            except ValueError:
                return None
            options += subnet
        message = kept[is_canary]
        if told.fault == FORMERR or not message or (message[0] & _TC and _offers_more(opt)):
            return None
        answer = wire[:2] + message[:10] + wire[12 : 2 + end] + message[end:]
        if options and len(answer) + len(options) > _size(opt):
            return None
        if view.route is not None:
            self._zones.routed[is_canary] += 1
        return with_options(answer, options) if options else answer

    def _both(self, normal: bytes) -> tuple[View, list[bytes], bool] | None:
        """Both answers of a zone with a canary; None: neither was made."""
        both = self._routed.young.get(normal)
        if both is None:
            both = self._routed.old.get(normal)
            if both is not None and both[0].live:
                self._routed.put(normal, both, len(normal) + sum(map(len, both[1])) + 2 * OVERHEAD)
        return both if both is not None and both[0].live else None

    def _keep_routed(self, normal: bytes, kept: bytes, view: View, *, own: bool, is_canary: bool) -> None:
        both = self._both(normal) or (view, [b"", b""], own)
        both[1][is_canary] = kept
        self._routed.put(normal, both, len(normal) + len(kept) + 2 * OVERHEAD)

    def _keep(self, part: Generations[tuple[bytes, View]], normal: bytes, entry: tuple[bytes, View]) -> None:
        part.put(normal, entry, len(normal) + len(entry[0]) + OVERHEAD)


def _normal_form(message: bytes) -> tuple[bytes, int]:
    """The normal form of a message without its id, empty if it has none, and where its question ends.

    It takes the name to end at the first zero octet; `Responder` makes sure of that before it keeps anything.
    What is kept was parsed, and whatever has the same normal form has its labels and its end at the same places.
    """
    end = message.find(b"\0", 10) + 5
    if end < _SHORTEST or message[0] & _NOT_PLAIN or message[1] & _Z or message[end - 2 : end] != _IN:
        return _NONE
    counts = message[2:10]
    if counts == _AND_OPT:
        opt = _normal_opt(message[end:])
        if not opt:
            return _NONE
    elif counts == _ONE_QUESTION and len(message) == end:
        opt = b""
    else:
        return _NONE
    flags = b"\1\0" if message[0] & 1 else b"\0\0"
    return flags + counts + message[10 : end - 4].lower() + message[end - 4 : end] + opt, end


def _size(opt: bytes) -> int:
    """Bytes that an answer may have, at least, to a client with that OPT record."""
    return OUR_SIZE if opt[3:5] >= _LARGE else SMALLEST_SIZE


def _offers_more(opt: bytes) -> bool:
    """Whether an answer that was truncated for 512 bytes may have more by that OPT record."""
    return _SMALL < opt[3:5] < _LARGE


def _normal_opt(opt: bytes) -> bytes:
    """The normal form of what follows the question, if that is one OPT record; else nothing."""
    if len(opt) < 11 or opt[:3] != _OPT or opt[6] or opt[7] & 0x7F or opt[8]:
        return b""
    at = 11
    if opt[9:11] != _NO_OPTIONS:
        while at + 4 <= len(opt):
            at += 4 + int.from_bytes(opt[at + 2 : at + 4])
        if len(opt) != 11 + int.from_bytes(opt[9:11]):
            return b""
    if at != len(opt):
        return b""
    size = _LARGE if opt[3:5] >= _LARGE else _SMALL
    return _OPT + size + (b"\0\0\x80\0\0\0" if opt[7] else b"\0\0\0\0\0\0")
