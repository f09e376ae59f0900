"""Bodies of many artifacts, as a follower reads them: an octet, how many names it asked for, then the body.

Arriving.records, .pulled    at most as many records as were asked for, or PeerError; however the body is cut in pieces
                             memory is bounded by what came, not by what a record states
written again                the same records
"""

import random
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from tests.fuzz.harms import OF_OCTETS
from tests.fuzz.kind import Harm, Kind, Shape, holds, kind_of_error
from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.replicate import batch
from xferzone.replicate.batch import Arriving, Unsent, Why
from xferzone.store.incoming import Received

NAMES: Final = [artifact_id(b"%d" % number) for number in range(12)]
_PULL: Final = 255  # the octet of a pull

_Read: TypeAlias = tuple[list[Received | Unsent], str, Shape]


def _seeds() -> list[bytes]:
    a, b = NAMES[0], ArtifactId("a" * 40)
    records = [
        batch.whole(b""),
        batch.whole(b"content" * 50),
        batch.near(1, b"delta"),
        batch.near(-2, b""),
        batch.far(b, b"delta"),
        *map(batch.unsent, Why),
    ]
    own = batch.named(a)
    pulled = [batch.whole(b"x", own), batch.far(b, b"d", own), batch.unsent(Why.LATER, own)]
    return [
        bytes((0,)) + batch.MAGIC + batch.end(),
        bytes((len(records),)) + batch.MAGIC + b"".join(records) + batch.end(),
        *(bytes((1,)) + batch.MAGIC + record + batch.end() for record in records),
        bytes((_PULL,)) + batch.MAGIC + b"".join(pulled) + batch.end(f"{a}.5"),
        bytes((_PULL,)) + batch.MAGIC + batch.end("+7"),
    ]


def _recorded(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """A body of records, sound but for chance."""
    count = chance.randrange(len(NAMES))
    is_pull = chance.random() < 0.5
    parts = [batch.MAGIC]
    for _ in range(count + chance.choice((0, 0, 0, 1, -1))):
        own = batch.named(chance.choice(NAMES)) if is_pull else b""
        payload = chance.randbytes(chance.choice((0, 1, 127, 128, 129)))
        parts.append(
            chance.choice(
                (
                    batch.whole(payload, own),
                    batch.far(chance.choice(NAMES), payload, own),
                    batch.unsent(chance.choice(list(Why)), own),
                    batch.near(chance.randrange(-9, 10), payload),
                    b"w" + own + batch.number(chance.choice((2**26, 2**26 + 1, 2**35 - 1, 2**36))) + payload,
                )
            )
        )
    parts.append(batch.end(chance.choice(("", "+1", "x" * 200, "x" * 201))))
    return bytes((_PULL if is_pull else count,)) + b"".join(parts) + chance.choice((b"", b"", b"z\n"))


def _check(octets: bytes) -> Shape:
    asked, body = (octets or b"\0")[0], octets[1:]
    read = _read(asked, (body,))
    for size in (1, 50):
        pieces = (body[at : at + size] for at in range(0, len(body), size))
        holds(_read(asked, pieces) == read, "in pieces it is read otherwise")
    records, more, error = read
    holds(asked == _PULL or len(records) <= len(_names(asked)), "more records than were asked for")
    if error is None:
        holds(_read(asked, (_written(asked, records, more),)) == read, "written again it is read otherwise")
    kinds = [each.why if isinstance(each, Unsent) else each.source is None for each in records]
    return asked == _PULL, error, frozenset(kinds), bool(more)


def _names(asked: int) -> Sequence[ArtifactId]:
    return NAMES[: asked % (len(NAMES) + 1)]


def _read(asked: int, pieces: Iterable[bytes]) -> _Read:
    arriving = Arriving(pieces)
    records: list[Received | Unsent] = []
    try:
        records.extend(arriving.pulled() if asked == _PULL else arriving.records(_names(asked)))
    except PeerError as exc:
        return records, "", kind_of_error(exc)
    return records, arriving.more, None


def _written(asked: int, records: Sequence[Received | Unsent], more: str) -> bytes:
    parts = [batch.MAGIC]
    for each in records:
        own = batch.named(each.artifact) if asked == _PULL else b""
        if isinstance(each, Unsent):
            parts.append(batch.unsent(each.why, own))
        elif each.source is None:
            parts.append(batch.whole(each.payload, own))
        else:
            parts.append(batch.far(each.source, each.payload, own))
    return b"".join([*parts, batch.end(more)])


_HARMS: Final[Sequence[Harm]] = (*OF_OCTETS, *[_recorded] * 6)

BATCHES: Final = Kind(
    name="batches",
    code=("replicate/batch.py",),
    seeds=_seeds,
    harms=_HARMS,
    check=_check,
    memory=lambda size: 2_000_000 + 300 * size,
    largest=5_000,
)
