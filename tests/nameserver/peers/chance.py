"""Messages that chance makes: names in and out of the zones here, types, classes, opcodes, flags, EDNS with options.

python -m tests.nameserver.peers.chance [NUMBER [SEED]]     asks NSD, Knot, BIND and us, and counts differences
"""

import random
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import dns.name
import dns.rdatatype

from tests.nameserver.peers import ours
from tests.nameserver.peers.asking import by_connections, by_windows
from tests.nameserver.peers.cases import NAMES, TYPES
from tests.nameserver.peers.differences import ALONE, CLASSES, Essence, differences, essence
from tests.nameserver.peers.programs import SECRET, running
from xferzone.nameserver.cookies import COOKIE, Cookies
from xferzone.nameserver.edns import option

#: The answers at a port to messages, each None if there was none.
Ask = Callable[[int, Sequence[bytes]], list[bytes | None]]

CLIENT: Final = b"\x7f\0\0\1"
# A wildcard DNAME below which it is asked for at random ends Knot 3.2.6.
_NAMES: Final = tuple(name for name in NAMES if "wilddname" not in name)
_LABELS: Final = (b"*", b"a", b"nosuch", b"www", b"a\0b", b"_tcp", b"x" * 63)
_ELSEWHERE: Final = ("version.bind", "id.server", "other.", "example.", ".", "com", "xexample.test")
_FLAGS: Final = (0x0400, 0x0200, 0x0080, 0x0040, 0x0020, 0x0010, 0x0003)  # AA TC RA Z AD CD, an rcode


def messages(number: int, seed: int, now: int) -> list[bytes]:
    """So many, the same for the same seed, but for cookies of ours, which are made at `now`."""
    chance = random.Random(seed)
    return [_message(chance, now) for _ in range(number)]


def _message(chance: random.Random, now: int) -> bytes:
    opcode = chance.choice((1, 2, 4, 5, 6, 15)) if chance.random() < 0.03 else 0
    flags = opcode << 11 | (0x0100 if chance.random() < 0.5 else 0)
    if chance.random() < 0.15:
        flags |= chance.choice(_FLAGS)
    rdtype = (
        chance.choice(TYPES)
        if chance.random() < 0.9
        else f"TYPE{chance.choice((0, 99, 128, 250, 251, 252, 1000, 65535))}"
    )
    rdclass = chance.choice((3, 4, 254, 255, 1000)) if chance.random() < 0.04 else 1
    question = _name(chance) + struct.pack(">HH", dns.rdatatype.from_text(rdtype), rdclass)
    opt = _opt(chance, now) if chance.random() < 0.7 else b""
    return struct.pack(">6H", 0, flags, 1, 0, 0, bool(opt)) + question + opt


def _name(chance: random.Random) -> bytes:
    drawn = chance.random()
    text = chance.choice(_NAMES) if drawn < 0.9 else chance.choice(_ELSEWHERE)
    labels = list(dns.name.from_text(text).labels)
    if drawn < 0.25:
        labels.insert(0, chance.choice(_LABELS))
    if 0.2 < drawn < 0.3 and len(labels) > 2:
        labels.pop(0)
    if sum(map(len, labels)) + len(labels) > 255:
        labels.pop(0)
    octets = b"".join(bytes((len(label),)) + label for label in labels)
    if chance.random() < 0.3:
        octets = bytes(
            each ^ 0x20 if chr(each).isalpha() and chance.random() < 0.5 else each for each in octets
        )
    return octets


def _opt(chance: random.Random, now: int) -> bytes:
    size = chance.choice((0, 511, 512, 513, 700, 1000, 1231, 1232, 1400, 4096, 65535))
    version = 1 if chance.random() < 0.02 else 0
    flags = chance.choice((0, 0x8000)) | (0x4000 if chance.random() < 0.02 else 0)
    options = b"".join(_option(chance, now) for _ in range(chance.choice((0, 0, 1, 1, 2, 3))))
    return b"\0" + struct.pack(">HHBBHH", 41, size, 0, version, flags, len(options)) + options


def _option(chance: random.Random, now: int) -> bytes:
    asker = chance.randbytes(8)
    valid = Cookies([SECRET]).judged(asker, CLIENT, now)
    assert valid is not None
    made: tuple[bytes, ...] = (
        option(3, b""),
        option(COOKIE, asker),
        valid.option,
        option(COOKIE, asker + chance.randbytes(16)),
        option(12, bytes(chance.randrange(40))),
        option(65001, b"abc"),
        option(8, b"\0\1\x18\0\xc0\0\2"),
        option(8, b"\0\2\x38\0\x20\1\x0d\xb8\0\0\0"),
    )
    rare = (
        option(COOKIE, chance.randbytes(chance.randrange(60))),
        option(8, b"\0\1\x21\0\xc0"),
        option(3, b"x"),
    )
    return chance.choice(made if chance.random() < 0.97 else rare)


def compared(
    number: int, seed: int, scratch: Path, ask: Ask = by_windows
) -> tuple[Counter[str], list[bytes]]:
    """How often each class of differences occurs, "agree" for none; and the messages of which one is not decided.

    Where all others have ways of their own, they are asked the bare question too.
    """
    asked = messages(number, seed, int(time.time()))
    ours_in, theirs_in = scratch / "ours", scratch / "theirs"
    for place in (ours_in, theirs_in):
        place.mkdir()
    with ours.running(ours_in) as port, running(theirs_in, every_option=True) as ports:

        def judged(sent: Sequence[bytes]) -> list[tuple[Essence, set[str]]]:
            mine = [*map(essence, ask(port, sent))]
            theirs = {server: [*map(essence, ask(its, sent))] for server, its in ports.items()}
            return [
                (one, {*differences(message, one, {server: said[at] for server, said in theirs.items()})})
                for at, (message, one) in enumerate(zip(sent, mine, strict=True))
            ]

        found = judged(asked)
        alone = [at for at, (_, names) in enumerate(found) if ALONE in names]
        bare = judged([_bare(asked[at]) for at in alone])
        # What is said again is the same, and comes from what was kept.
        again = [*map(essence, ask(port, asked))]
    for at, (said, names) in zip(alone, bare, strict=True):
        if names & {"?", ALONE} or said.rcode != found[at][0].rcode not in _OF_OPT:
            found[at][1].add("?")
    for (said, names), repeated in zip(found, again, strict=True):
        if said != repeated:
            names.add("?")
    counts = Counter(name for _, names in found for name in names or {"agree"})
    return counts, [message for message, (_, names) in zip(asked, found, strict=True) if "?" in names]


_OF_OPT: Final = ("FORMERR", "BADVERS")


def _bare(message: bytes) -> bytes:
    """Its question with no flag but RD, without OPT."""
    end = 16 + dns.name.from_wire(message, 12)[1]
    return message[:2] + bytes((message[2] & 0x79, 0)) + b"\0\1\0\0\0\0\0\0" + message[12:end]


def main(number: int = 20_000, seed: int = 1) -> int:
    left: list[bytes] = []
    for way, ask in (("UDP", by_windows), ("TCP", by_connections)):
        with tempfile.TemporaryDirectory() as directory:
            found, undecided = compared(number, seed, Path(directory), ask)
        print(f"by {way}")
        for name, count in found.most_common():
            print(f"{count:6} {name} ({CLASSES.get(name, '')})")
        left += undecided
    for message in left:
        print("undecided", message.hex())
    return bool(left)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
