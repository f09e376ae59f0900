"""Artifacts that somebody pushes, as publishing meets them: blocks with a line "--" between them.

    a block      lines of cards, sealed here; or the text of a file, if it begins with "$"
    {N}          in a block: the id of the block N before it, from 0

publish      raises nothing, whatever the artifacts say; those that are a hazard are refused before, as a server does
afterwards   every artifact and ref is sound; published again, nothing moves

Each push meets the same repository: its transaction is rolled back.
"""

import atexit
import random
import re
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from tests.fuzz import artifacts
from tests.fuzz.harms import OF_LINES
from tests.fuzz.kind import Harm, Kind, Shape, holds
from tests.publish.project import Project, zone_text
from xferzone.artifacts import hazard, parse
from xferzone.artifacts.grammar import sealed
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish.publish import publish
from xferzone.refs import Door, LocalRefs
from xferzone.repository import check as published
from xferzone.store.check import faults

_BETWEEN: Final = b"\n--\n"
_NAMED: Final = re.compile(rb"\{([0-9])\}")
_DATED: Final = b"D 2027-01-15T08:00:01.000"  # after all that is there, and before the clock of the project


class Base(NamedTuple):
    """A repository with a zone: its root, what is served, a check-in beside it, and a branch."""

    project: Project
    root: ArtifactId
    served: ArtifactId
    fork: ArtifactId
    canary: ArtifactId


@cache
def _base() -> Base:
    place = Path(tempfile.mkdtemp(prefix="xferzone-fuzz-"))
    atexit.register(shutil.rmtree, place)
    project = Project(place)
    made = [project.manifest(zone_text("www 300 A 192.0.2.1"))]
    root = artifact_id(made[0])
    made.append(project.manifest(zone_text("www 300 A 192.0.2.2"), root))
    made.append(project.manifest(zone_text("www 300 A 192.0.2.3"), root))
    made.append(project.manifest(zone_text("www 300 A 192.0.2.4"), root, branch="example.com/canary"))
    for each in made:
        project.push(each)
    return Base(project, root, *map(artifact_id, made[1:]))


class _Undone(Exception):
    """Ends a transaction without keeping it."""


def _seeds() -> list[bytes]:
    base = _base()
    text = zone_text("mail 300 A 192.0.2.9", serial=7).rstrip(b"\n")
    after = b"C change\n" + _DATED + b"\nF example.com.zone {0}\nP %b\nU ann"
    begins = b"C begin\n" + _DATED + b"\nF %b.zone {0}\nT *branch * %b/main\nT *sym-%b/main *\nU ann"
    merge = b"C merge\n" + _DATED + b"\nF example.com.zone {0}\nP %b %b\nU ann"
    delta = b"B %b\nC delta\n" + _DATED + b"\nF example.com.zone {0}\nP %b\nU ann"
    control = _DATED + b"\nT %b %b%b\nU ann"
    served, fork, canary = (each.encode() for each in base[2:])
    zone = b"example.net"
    return [
        text + _BETWEEN + after % served,
        text + _BETWEEN + after % fork,
        text + _BETWEEN + after % canary,
        text + b"\nwww 300 CNAME x\nwww 300 A 192.0.2.1" + _BETWEEN + after % served,
        text + _BETWEEN + after % served + _BETWEEN + after.replace(b"%b", b"{1}").replace(b":01.", b":02."),
        text + _BETWEEN + begins % (zone, zone, zone),
        text + _BETWEEN + merge % (served, fork),
        text + _BETWEEN + merge % (fork, served),
        text + _BETWEEN + delta % (served, served),
        text + _BETWEEN + after.replace(b"\nF example.com.zone {0}", b"") % served,
        *(control % each for each in (
            (b"+sym-example.com/v1", served, b""),
            (b"*branch", served, b" example.com/main"),
            (b"+closed", canary, b""),
            (b"-sym-example.com/main", fork, b""),
            (b"+date", served, b" 2020-01-01"),
            (b"+parent", served, b" " + canary),
        )),
    ]  # fmt: skip


def _recarded(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """A block with another card, or one less."""
    blocks = octets.split(_BETWEEN)
    at = chance.randrange(len(blocks))
    card = chance.choice(artifacts.CARDS).replace(b"a" * 64, chance.choice(_base()[1:]).encode())
    lines = [line for line in blocks[at].split(b"\n") if line[:1] != card[:1] or chance.random() < 0.3]
    if chance.random() < 0.7:
        lines.append(card)
    blocks[at] = b"\n".join(sorted(lines))
    return _BETWEEN.join(blocks)


def _reparented(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """Another id in place of one of those that are there."""
    old, new = (
        chance.choice(_base()[1:]).encode(),
        chance.choice([*_base()[1:], artifact_id(b"never")]).encode(),
    )
    return octets.replace(old, chance.choice((new, b"{0}", b"{1}")))


def _redated(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    dates = (
        b"1970-01-01",
        b"-4712-01-02",
        b"9999-12-31T23:59:59.998",
        b"2027-01-15T08:00:00",
        b"now",
        b"2461055.5",
    )
    return re.sub(rb"D [^\n]*", b"D " + chance.choice(dates), octets, count=chance.choice((0, 1)))


def _appended(chance: random.Random, octets: bytes, corpus: Sequence[bytes]) -> bytes:
    """The blocks of another push behind it; numbers of blocks mean what they say."""
    return octets + _BETWEEN + chance.choice(corpus)


def _contents(octets: bytes) -> list[bytes]:
    """What is pushed."""
    made: list[bytes] = []
    names: list[bytes] = []

    def named(match: re.Match[bytes]) -> bytes:
        number = int(match[1])
        return names[number] if number < len(names) else match[0]

    for block in octets.split(_BETWEEN):
        text = _NAMED.sub(named, block)
        made.append(text + b"\n" if text.startswith(b"$") else sealed(text.split(b"\n")))
        names.append(artifact_id(made[-1]).encode())
    return made


def _check(octets: bytes) -> Shape:
    told: list[str] = []
    with suppress(_Undone), _base().project.writing() as (writer, refs):
        for content in _contents(octets):
            if hazard(content, parse(content)) is None:
                writer.put(content)
        told += publish(writer, refs, _base().project.occasion(Door.PUSH))
        stands = {str(ref.branch): ref for ref in refs.list()}
        publish(writer, refs, _base().project.occasion(Door.PUSH))
        holds({str(ref.branch): ref for ref in refs.list()} == stands, "published again, refs move")
        wrong = [*faults.faults(writer), *published.faults(writer, LocalRefs(writer))]
        holds(wrong == [], f"a fault: {wrong[:1]}")
        raise _Undone
    return (
        frozenset(_worded(each) for each in told),
        len(stands),
        frozenset(ref.state for ref in stands.values()),
    )


def _worded(told: str) -> str:
    """A message without ids, names and what follows."""
    return re.sub(r"[0-9a-f]{16,}|\d+", "", told.partition(": ")[2])[:60]


_HARMS: Final[Sequence[Harm]] = (
    *OF_LINES, *[_recarded] * 6, *[_reparented] * 4, *[_redated] * 2, *[_appended] * 3,
)  # fmt: skip

PUSHES: Final = Kind(
    name="pushes",
    code=("publish/", "store/link.py", "store/symbols.py", "store/branches.py", "refs/"),
    seeds=_seeds,
    harms=_HARMS,
    check=_check,
    memory=lambda size: 40_000_000 + 200 * size,
    largest=6_000,
)
