"""Card text about unversioned files, as a server takes it from a fellow, and as a client takes it for a reply.

server       a reply that can be parsed, or PeerError, and then nothing is stored
client       PeerError, or what came is kept, and the next request can be parsed
either       no state gets older; all contents are what they say; the same a third time stores nothing

Each input meets the same repository: its transactions are rolled back.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Final

from tests.fuzz import vectors
from tests.fuzz.harms import OF_LINES
from tests.fuzz.kind import Harm, Kind, Shape, appended, holds, kind_of_error, scratch, undone
from xferzone.cards import UVFile, UVGimme, UVIGot, parse_cards
from xferzone.cards.unversioned import DELETED, NO_CONTENT
from xferzone.env import Env
from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import Reader, Store, Writer, unversioned
from xferzone.store.unversioned import MAX_MTIME, Unversioned
from xferzone.sync.client.options import Options, Purpose
from xferzone.sync.client.session import ClientSession
from xferzone.sync.server.login import Rights
from xferzone.sync.server.request import Request
from xferzone.sync.server.round import Round
from xferzone.sync.server.terms import Terms

_FELLOW: Final = Rights("", frozenset("oy"))
_BOTH_WAYS: Final = Purpose(pull=False, push=False, uv_pull=True, uv_push=True)
_ENV: Final = Env(clock_ms=lambda: 1_800_000_000_000, monotonic=lambda: 0.0, token=bytes)
_NOW: Final = 1_700_000_000
_CONTENTS: Final = (b"", b"one\n", b"two\nlines\n", b"\0\xff" * 50)
_NAMES: Final = ("a", "gone", "maps/site.svg", "new", "z\u00e4")
_TIMES: Final = (0, 1, _NOW - 1, _NOW, _NOW + 1, MAX_MTIME, MAX_MTIME + 1, 2**63 - 1)


@cache
def _store() -> Store:
    store = scratch("files.xferzone")
    with store.writer() as writer:
        for name, content in zip(_NAMES[:3], (_CONTENTS[1], None, _CONTENTS[2]), strict=True):
            artifact = None if content is None else artifact_id(content)
            unversioned.put(writer, Unversioned(name, _NOW, artifact, len(content or b"")), content)
    return store


def _seeds() -> list[bytes]:
    with _store().reader() as reader:
        own = b"pragma uv-hash %s\n" % unversioned.catalogue_hash(reader).encode()
    one, two = _CONTENTS[1:3]
    file = UVFile("a", _NOW + 1, artifact_id(two), len(two), payload=two).encode()
    gone = UVFile("a", _NOW + 1, None, 0, DELETED).encode()
    listed = UVIGot("new", _NOW, artifact_id(one), len(one)).encode()
    recorded = [each for each in vectors.card_texts() if b"uvfile " in each or b"uvigot " in each]
    return [
        own,
        b"pragma uv-hash %s\nuvgimme a\nuvgimme gone\n" % (b"0" * 40),
        file,
        gone,
        file + gone,
        UVFile("a", _NOW + 1, artifact_id(one), len(one), NO_CONTENT).encode(),
        b"pragma uv-push-ok\n" + listed,
        b"pragma uv-pull-only\n" + listed + file,
        *(each for each in recorded if len(each) < 4_000),
    ]


def _carded(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """One more card behind it, which is well formed."""
    name, mtime = chance.choice(_NAMES), chance.choice(_TIMES)
    content, other = chance.choice(_CONTENTS), chance.choice(_CONTENTS)
    artifact: ArtifactId | None = artifact_id(other if chance.random() < 0.2 else content)
    flags = chance.choice((0, 0, 0, DELETED, NO_CONTENT))
    if flags == DELETED or chance.random() < 0.1:
        artifact, content = None, b""
    card: UVFile | UVIGot | UVGimme = chance.choice((
        UVFile(name, mtime, artifact, len(content), flags, b"" if flags else content),
        UVIGot(name, mtime, artifact, len(content)),
        UVGimme(name),
    ))  # fmt: skip
    return appended(octets, card)


def _check(octets: bytes) -> Shape:
    return _tried(octets, _served), _tried(octets, _received)


def _tried(octets: bytes, take: Callable[[Writer, bytes], Shape]) -> Shape:
    """What `take` makes of them, in a transaction that is not kept."""
    shape: Shape = None
    with undone(_store()) as writer:
        before = _states(writer)
        try:
            shape = take(writer, octets)
        finally:
            _look(writer, before)
        # A card without its content may come before the one that has it: what it tells counts the next time.
        settled = [_again(writer, octets, take) for _ in range(3)]
        holds(settled[1] == settled[2], "taken again, it stores something")
    return shape


def _again(
    writer: Writer, octets: bytes, take: Callable[[Writer, bytes], Shape]
) -> Mapping[str, Unversioned]:
    """What is there after they were taken once more."""
    with suppress(PeerError):
        take(writer, octets)
    return _states(writer)


def _served(writer: Writer, octets: bytes) -> Shape:
    round_ = Round(writer, Request(octets), Terms(_FELLOW))
    round_.receive()
    reply = round_.finish()
    cards = list(parse_cards(reply.text))
    return reply.outcome, reply.files, tuple(sorted({type(card).__name__ for card in cards}))


def _received(writer: Writer, octets: bytes) -> Shape:
    session = ClientSession(writer.project_code, Options(_BOTH_WAYS, env=_ENV))
    session.request(writer)
    try:
        session.receive(octets)
        session.keep(writer)
    except PeerError as exc:
        return kind_of_error(exc)
    asks = session.request(writer)
    cards = [] if asks is None else list(parse_cards(asks))
    return bool(session.errors), tuple(sorted({type(card).__name__ for card in cards}))


def _states(reader: Reader) -> Mapping[str, Unversioned]:
    return {each.name: each for each in unversioned.files(reader, deleted=True)}


def _look(reader: Reader, before: Mapping[str, Unversioned]) -> None:
    """Hold what is there now against what was."""
    after = _states(reader)
    wrong = list(unversioned.faults(reader))
    holds(wrong == [], f"a fault: {wrong[:1]}")
    holds(
        all(name in after and after[name].rank >= was.rank for name, was in before.items()),
        "older than it was",
    )
    holds(all(0 <= each.mtime <= MAX_MTIME for each in after.values()), "a date beyond bounds")


_HARMS: Final[Sequence[Harm]] = (*OF_LINES, *[_carded] * 12)

UNVERSIONED: Final = Kind(
    name="unversioned",
    code=("cards/unversioned.py", "store/unversioned.py", "sync/unversioned.py", "sync/server/unversioned.py",
          "sync/client/unversioned.py"),
    seeds=_seeds,
    harms=_HARMS,
    check=_check,
    memory=lambda size: 40_000_000 + 200 * size,
    largest=6_000,
)  # fmt: skip
