"""Requests of every kind, and what chance makes of them: octets, cards and numbers changed; signed again, or not.

mutation = Mutations(chance, account)
content_type, octets = mutation.request(known)       `known`: artifacts that the server may have
"""

import random
from collections.abc import Callable, Sequence
from typing import Final

from tests.sync.recorded import signed
from xferzone import delta
from xferzone.artifacts import CheckIn, Cluster, Control, FileCard, Tag
from xferzone.cards import CFile, Clone, Cookie, File, Gimme, IGot, Pragma, Private, ReqConfig, UVIGot
from xferzone.cards.body import COMPRESSED, DEBUG, UNCOMPRESSED, pack
from xferzone.hashing import ArtifactId, artifact_id

NUMBERS: Final = (b"-1", b"0", b"1", b"99", b"65536", b"2147483648", b"9" * 19, b"9" * 25, b"x", b"")
ZONE: Final = "mutated.test"

Harm = Callable[[random.Random, bytes], bytes]


def flipped(chance: random.Random, octets: bytes) -> bytes:
    at = chance.randrange(len(octets))
    return octets[:at] + bytes((octets[at] ^ (1 << chance.randrange(8)),)) + octets[at + 1 :]


def cut(chance: random.Random, octets: bytes) -> bytes:
    return octets[: chance.randrange(len(octets))]


def without(chance: random.Random, octets: bytes) -> bytes:
    at = chance.randrange(len(octets))
    return octets[:at] + octets[at + chance.randrange(1, 50) :]


def widened(chance: random.Random, octets: bytes) -> bytes:
    at = chance.randrange(len(octets))
    return octets[:at] + chance.randbytes(chance.randrange(1, 50)) + octets[at:]


def renumbered(chance: random.Random, octets: bytes) -> bytes:
    """Another number in place of a token."""
    words = octets.split(b" ")
    words[chance.randrange(len(words))] = chance.choice(NUMBERS)
    return b" ".join(words)


def shuffled(chance: random.Random, octets: bytes) -> bytes:
    """Lines in another order, some twice."""
    lines = octets.splitlines(keepends=True)
    return b"".join(chance.choices(lines, k=len(lines)))


def repeated(chance: random.Random, octets: bytes) -> bytes:
    lines = octets.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    return b"".join([*lines[:at], *[lines[at]] * chance.choice((2, 50, 2_000)), *lines[at:]])


def untouched(_chance: random.Random, octets: bytes) -> bytes:
    return octets


OF_OCTETS: Final[Sequence[Harm]] = (flipped, cut, without, widened)
OF_TEXT: Final[Sequence[Harm]] = (*OF_OCTETS, renumbered, shuffled, repeated, untouched)


class Mutations:
    """A source of requests by `login`, whose password is `password`, for project `project`."""

    def __init__(self, chance: random.Random, login: str, password: str, project: str) -> None:
        self._chance = chance
        self._account = login, password, project
        self._contents = [b"line %d\n" % number * 50 for number in range(50)]
        self._tip: ArtifactId | None = None
        self._date_ms = 1_700_000_000_000

    def request(self, known: Sequence[ArtifactId]) -> tuple[str, bytes]:
        """Content type and octets of the next request."""
        chance = self._chance
        login, password, project = self._account
        text = self.text(known)
        if chance.random() < 0.8:
            text = chance.choice(OF_TEXT)(chance, text) or b"#\n"
        if chance.random() < 0.9:
            text = signed(login, password, text, project)
        content_type = chance.choice((COMPRESSED, COMPRESSED, UNCOMPRESSED, DEBUG))
        octets = pack(text) if content_type == COMPRESSED else text
        if chance.random() < 0.1:
            octets = chance.choice(OF_OCTETS)(chance, octets)
        return content_type, octets

    def text(self, known: Sequence[ArtifactId]) -> bytes:
        """The cards of the next request, as a client would send them, without a login."""
        _, _, project = self._account
        words = self._chance.choice((["pull"], ["push"], ["pull", "push"]))
        return "".join(f"{word} x {project}\n" for word in words).encode() + b"".join(self._cards(known))

    def _cards(self, known: Sequence[ArtifactId]) -> list[bytes]:
        chance = self._chance
        some = [*chance.sample(known, min(len(known), 5)), ArtifactId(chance.randbytes(32).hex())]
        kinds = (self._blob, self._delta, self._cfile, self._checkin, self._control, self._cluster)
        made = [card for kind in chance.choices(kinds, k=3) for card in kind(some)]
        others = (
            *(IGot(each).encode() for each in some),
            *(Gimme(each).encode() for each in some),
            Clone(3, chance.randrange(100)).encode(),
            Cookie("0123456789abcdef").encode(),
            Pragma("xferzone", ("1", "refs", "0" * 32, "5")).encode(),
            Pragma("req-clusters", ()).encode(),
            Pragma("uv-hash", ("da39a3ee5e6b4b0d3255bfef95601890afd80709",)).encode(),
            ReqConfig("/all").encode(),
            Private().encode(),
            UVIGot("file", 1_700_000_000, some[0], 5).encode(),
        )
        return [*made, *chance.sample(others, 4)]

    def _blob(self, _some: Sequence[ArtifactId]) -> list[bytes]:
        content = self._chance.choice(self._contents) + self._chance.randbytes(2)
        return [File(artifact_id(content), content).encode()]

    def _cfile(self, _some: Sequence[ArtifactId]) -> list[bytes]:
        content = self._chance.choice(self._contents)
        return [CFile(artifact_id(content), len(content), pack(content)).encode()]

    def _delta(self, some: Sequence[ArtifactId]) -> list[bytes]:
        source = self._chance.choice(self._contents)
        content = source + self._chance.randbytes(9)
        made = delta.create(source, content)
        assert made is not None
        of = artifact_id(source) if self._chance.random() < 0.7 else self._chance.choice(some)
        return [File(artifact_id(content), made, of).encode()]

    def _checkin(self, some: Sequence[ArtifactId]) -> list[bytes]:
        """Another version of ZONE, now and then on a parent that is none."""
        chance, branch = self._chance, f"{ZONE}/main"
        text = (
            "$TTL 3600\n@ 3600 SOA ns1.example.net. host.example.net. 1 7200 3600 1209600 300\n"
            f"@ 3600 NS ns1.example.net.\nwww 60 A 192.0.2.{chance.randrange(256)}\n"
        ).encode()
        self._date_ms += chance.randrange(1, 5_000)
        begins = (Tag("*", "branch", None, branch), Tag("*", f"sym-{branch}", None, None))
        parent = self._tip if chance.random() < 0.9 else chance.choice(some)
        made = CheckIn(
            comment="mutated",
            date_ms=self._date_ms,
            user="ann",
            files=(FileCard(f"{ZONE}.zone", artifact_id(text)),),
            parents=() if parent is None else (parent,),
            tags=begins if parent is None else (),
        ).encode()
        self._tip = artifact_id(made)
        return [File(artifact_id(text), text).encode(), File(self._tip, made).encode()]

    def _control(self, some: Sequence[ArtifactId]) -> list[bytes]:
        target = self._tip or some[0]
        tag = self._chance.choice(
            (
                Tag("+", "closed", target),
                Tag("+", "comment", target, "x"),
                Tag("*", "branch", target, "other/x"),
            )
        )
        content = Control(date_ms=self._date_ms, user="ann", tags=(tag,)).encode()
        return [File(artifact_id(content), content).encode()]

    def _cluster(self, some: Sequence[ArtifactId]) -> list[bytes]:
        content = Cluster(tuple(sorted(some))).encode()
        return [File(artifact_id(content), content).encode()]
