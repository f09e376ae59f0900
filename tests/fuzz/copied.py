"""Bodies of copies as a member takes them, before zstd: a head and a batch, held by a repository that is emptied then.

copies.hold      Held, or NotTaken with 400 or 409; however the body is cut in pieces
                 refused: nothing is stored. Taken: what is there is what its name says
                 nothing that was asked for is neither here nor lacking
"""

import atexit
import random
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from tests.fuzz.harms import OF_OCTETS
from tests.fuzz.kind import Harm, Kind, Shape, holds, kind_of_error
from xferzone.delta import create
from xferzone.hashing import ArtifactId, artifact_id, is_named
from xferzone.refs import Door
from xferzone.refs.membership import Membership, put
from xferzone.replicate import batch, copies
from xferzone.replicate.batch import Why
from xferzone.replicate.copies import At, By, Head, Held, NotTaken
from xferzone.store import Store

LIFE: Final = "1" * 32
_CONTENTS: Final = [b"x" * 300, b"x" * 299 + b"y", b"", b"a file\n"]
_NAMES: Final = [artifact_id(each) for each in _CONTENTS]
_DELTA: Final = create(_CONTENTS[0], _CONTENTS[1]) or b""


@cache
def _store() -> Store:
    directory = Path(tempfile.mkdtemp(prefix="xferzone-fuzz-"))
    atexit.register(shutil.rmtree, directory)
    Store.create(directory / "member.xferzone").close()
    store = Store.open(directory / "member.xferzone").with_cache(0)  # what was deleted must not be known
    share = Membership((), "xferzone", "b", "2" * 32, LIFE, "http://b.example/", "5" * 64)
    with store.writer() as writer:
        put(writer, share)
    return store


def _records() -> list[bytes]:
    own = [batch.named(each) for each in _NAMES]
    return [
        *(batch.whole(content, name) for content, name in zip(_CONTENTS, own, strict=True)),
        batch.far(_NAMES[0], _DELTA, own[1]),
        batch.far(ArtifactId("0" * 64), _DELTA, own[1]),
        batch.whole(b"another", own[0]),
        batch.unsent(Why.ABSENT, own[2]),
    ]


def _text(head: Head, records: Iterable[bytes]) -> bytes:
    return b"".join((msgspec.json.encode(head), b"\n", batch.MAGIC, *records, batch.end()))


def _heads() -> list[Head]:
    names = [*_NAMES]
    return [
        Head(group=LIFE),
        Head(group="0"),
        Head(group=LIFE, artifacts=[*names, "0" * 40]),
        Head(group=LIFE, branches=[At("example.com/main", names[0]), At("trunk", names[1])]),
        Head(group=LIFE, brought=[By("ann", Door.PUSH, [*names])]),
    ]


def _seeds() -> list[bytes]:
    heads, records = _heads(), _records()
    return [
        *(_text(head, ()) for head in heads),
        *(_text(heads[2], (record,)) for record in records),
        _text(heads[4], records[:5]),
    ]


def _recorded(chance: random.Random, _octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    records = _records()
    some = [chance.choice(records) for _ in range(chance.randrange(5))]
    return _text(chance.choice(_heads()), some)


def _check(octets: bytes) -> Shape:
    shape = _held(_store(), (octets,))
    for size in (1, 50):
        pieces = (octets[at : at + size] for at in range(0, len(octets), size))
        holds(_held(_store(), pieces) == shape, "in pieces it is taken otherwise")
    return shape


def _held(store: Store, pieces: Iterable[bytes]) -> Shape:
    try:
        held = copies.hold(store, pieces)
    except NotTaken as exc:
        holds(exc.status in (400, 409), "another status")
        holds(not _here(store), "refused, and something of it is stored")
        return exc.status, kind_of_error(exc)
    shape = _sound(store, held)
    with store.writer() as writer:
        for table in ("brought", "aside", "awaited", "unclustered", "blob"):
            writer.db.execute(f"DELETE FROM {table}")  # noqa: S608 our own tables
    return shape


def _sound(store: Store, held: Held) -> Shape:
    here = _here(store)
    with store.reader() as reader:
        holds(all(is_named(each, reader.content(each)) for each in here), "it is not what its name says")
    holds(not here & set(held.lacking), "what is here is said to be lacking")
    return len(here), len(held.lacking), held.more


def _here(store: Store) -> set[ArtifactId]:
    with store.reader() as reader:
        return set(reader.artifacts())


_HARMS: Final[Sequence[Harm]] = (*OF_OCTETS, *[_recorded] * 6)

COPIES: Final = Kind(
    name="copies",
    code=("replicate/copies.py",),
    seeds=_seeds,
    harms=_HARMS,
    check=_check,
    memory=lambda size: 20_000_000 + 300 * size,
    largest=5_000,
)
