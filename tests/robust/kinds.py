"""Pushes of every kind that grows, as raw artifacts: what is there before, then the requests, for a size n.

    name of the kind ─> made(n) ─> Pushes

Whoever counts or times them (tests/robust/test_growth.py, bench/growth.py) compares n with 2n.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Final, NamedTuple

from xferzone import delta
from xferzone.artifacts import CheckIn, Cluster, Control, FileCard, Tag
from xferzone.cards import File
from xferzone.hashing import ArtifactId, artifact_id

START_MS: Final = 1_700_000_000_000  # milliseconds since 1970; the date of the first check-in of each kind
ZONE: Final = "example.com"
_APEX: Final = """\
$TTL 3600
@ 3600 SOA ns1.example.net. hostmaster.example.net. 1 7200 3600 1209600 300
@ 3600 NS ns1.example.net.
"""


class Pushes(NamedTuple):
    """The artifacts that are there before, and those of each request."""

    before: Sequence[File]
    requests: Sequence[Sequence[File]]


def zone_text(number: int) -> bytes:
    """A valid zone; each number makes another."""
    return f"{_APEX}www 3600 A 10.{number >> 16}.{number >> 8 & 255}.{number & 255}\n".encode()


def broken_text(number: int) -> bytes:
    """A zone that must not be served: a CNAME beside other data."""
    return zone_text(number) + b"www 3600 CNAME a\n"


@dataclass
class Made:
    """Artifacts made by hand, each a second after the one before."""

    cards: list[File] = field(default_factory=list)
    number: int = 0

    def put(self, content: bytes) -> ArtifactId:
        self.cards.append(File(artifact_id(content), content))
        return artifact_id(content)

    def put_delta(self, content: bytes, source: bytes) -> ArtifactId:
        payload = delta.create(source, content)
        assert payload is not None
        self.cards.append(File(artifact_id(content), payload, artifact_id(source)))
        return artifact_id(content)

    def checkin(
        self,
        *parents: ArtifactId,
        text: bytes | None = None,
        branch: str = "",
        files: Sequence[FileCard] | None = None,
        baseline: ArtifactId | None = None,
    ) -> ArtifactId:
        """A check-in of the zone, with a text of its own unless that or its files are given."""
        self.number += 1
        if files is None:
            zone = branch.partition("/")[0] or ZONE
            files = [FileCard(f"{zone}.zone", self.put(text or zone_text(self.number)))]
        tags = (Tag("*", "branch", None, branch), Tag("*", f"sym-{branch}", None, None)) if branch else ()
        return self.put(
            CheckIn(
                comment=f"change {self.number}",
                date_ms=START_MS + 1_000 * self.number,
                user="ann",
                files=tuple(files),
                parents=parents,
                baseline=baseline,
                tags=tags,
            ).encode()
        )

    def line(self, start: ArtifactId, count: int, text: Callable[[int], bytes] = zone_text) -> ArtifactId:
        """That many check-ins, each the first parent of the next; the last of them."""
        at = start
        for _ in range(count):
            at = self.checkin(at, text=text(self.number + 1))
        return at

    def control(self, *tags: Tag) -> ArtifactId:
        self.number += 1
        return self.put(Control(START_MS + 1_000 * self.number, tags, "ann").encode())

    def taken(self) -> list[File]:
        """What was made since the last call."""
        cards, self.cards = self.cards, []
        return cards


def _begun() -> tuple[Made, ArtifactId]:
    """A zone of one check-in."""
    made = Made()
    return made, made.checkin(branch=f"{ZONE}/main")


def _beaten() -> tuple[Made, ArtifactId]:
    """The same, and a second check-in that is served; the first."""
    made, root = _begun()
    made.checkin(root)
    return made, root


def _line(n: int) -> Pushes:
    made, root = _begun()
    before = made.taken()
    made.line(root, n)
    return Pushes(before, [made.taken()])


def _line_of_requests(n: int) -> Pushes:
    made, root = _begun()
    before, requests = made.taken(), []
    at = root
    for _ in range(n):
        at = made.checkin(at)
        requests.append(made.taken())
    return Pushes(before, requests)


def _line_newest_first(n: int) -> Pushes:
    pushes = _line(n)
    return pushes._replace(requests=[requests[::-1] for requests in pushes.requests])


def _line_backwards(n: int) -> Pushes:
    pushes = _line_of_requests(n)
    return pushes._replace(requests=pushes.requests[::-1])


def _losers(n: int) -> Pushes:
    made, root = _beaten()
    before = made.taken()
    made.line(root, n)
    return Pushes(before, [made.taken()])


def _siblings(n: int) -> Pushes:
    made, root = _begun()
    before = made.taken()
    for _ in range(n):
        made.checkin(root)
    return Pushes(before, [made.taken()])


def _losers_with_heirs(n: int) -> Pushes:
    made, root = _beaten()
    before = made.taken()
    for _ in range(n):
        made.line(root, 2)
    return Pushes(before, [made.taken()])


def _waiting(n: int) -> Pushes:
    """A line whose beginning comes later."""
    made = Made()
    made.line(made.checkin(branch=f"{ZONE}/main"), n)
    cards = made.taken()
    return Pushes([], [cards[2:], cards[:2]])


def _above_what_never_came(n: int) -> Pushes:
    """Check-ins on the branch whose beginning never comes, a request each."""
    made, at = Made(), artifact_id(b"never")
    requests = []
    for _ in range(n):
        at = made.checkin(at, branch=f"{ZONE}/main")
        requests.append(made.taken())
    return Pushes([], requests)


def _invalid(n: int) -> Pushes:
    made, root = _begun()
    before = made.taken()
    made.line(root, n, broken_text)
    return Pushes(before, [made.taken()])


def _invalid_requests(n: int) -> Pushes:
    made, root = _begun()
    before, requests = made.taken(), []
    for _ in range(n):
        root = made.line(root, 1, broken_text)
        requests.append(made.taken())
    return Pushes(before, requests)


def _corrections_in_vain(n: int) -> Pushes:
    """Two invalid versions on the last invalid one, a request for both: the line goes on from the first."""
    made, root = _begun()
    before, requests = made.taken(), []
    at = made.line(root, 1, broken_text)
    for _ in range(n // 2):
        at, _other = made.line(at, 1, broken_text), made.line(at, 1, broken_text)
        requests.append(made.taken())
    return Pushes(before, requests)


def _never_fit(n: int) -> Pushes:
    """Versions dated before the invalid one that they follow, a request each."""
    made, root = _begun()
    made.line(root, 1, broken_text)
    invalid = made.line(root, 1, broken_text)
    before, requests = made.taken(), []
    for _ in range(n):
        last, made.number = made.number, 1
        text = zone_text(last + (1 << 20))
        files = [FileCard(f"{ZONE}.zone", made.put(text))]
        made.checkin(invalid, files=files)
        made.number = last + 1
        requests.append(made.taken())
    return Pushes(before, requests)


def _orphans(n: int) -> Pushes:
    """Check-ins of a branch that never begins, on what is not a check-in, a request each."""
    made = Made()
    blob = made.put(b"not a check-in\n")
    before, requests = made.taken(), []
    for _ in range(n):
        made.checkin(blob, branch=f"{ZONE}/main")
        requests.append(made.taken())
    return Pushes(before, requests)


def _invalid_siblings(n: int) -> Pushes:
    made, root = _begun()
    before = made.taken()
    for _ in range(n):
        made.line(root, 1, broken_text)
    return Pushes(before, [made.taken()])


def _retags(n: int) -> Pushes:
    """Tags that move a line which lost a race from branch to branch."""
    made, root = _beaten()
    first = made.checkin(root)
    made.line(first, n - 1)
    before = made.taken()
    for number in range(n // 4):
        made.control(Tag("*", "branch", first, f"topic{number}"))
    return Pushes(before, [made.taken()])


def _retagged_in_turn(n: int) -> Pushes:
    """A line, and a tag on each check-in of it, in one request."""
    made, root = _beaten()
    ids, at = [], root
    for _ in range(n):
        at = made.checkin(at)
        ids.append(at)
    before = made.taken()
    for number, each in enumerate(ids):
        made.control(Tag("*", "branch", each, f"topic{number}"))
    return Pushes(before, [made.taken()])


def _tags_in_one(n: int) -> Pushes:
    made, root = _begun()
    before = made.taken()
    made.control(*(Tag("+", f"sym-{ZONE}/v{number}", root) for number in range(n)))
    return Pushes(before, [made.taken()])


def _tags(n: int) -> Pushes:
    made, root = _begun()
    before = made.taken()
    for number in range(n):
        made.control(Tag("+", f"sym-{ZONE}/v{number}", root))
    return Pushes(before, [made.taken()])


def _tags_of_requests(n: int) -> Pushes:
    made, root = _begun()
    before, requests = made.taken(), []
    for number in range(n):
        made.control(Tag("+", f"sym-{ZONE}/v{number}", root))
        requests.append(made.taken())
    return Pushes(before, requests)


def _branches(n: int) -> Pushes:
    made, root = _begun()
    before = made.taken()
    for number in range(n):
        made.checkin(root, branch=f"{ZONE}/b{number}")
    return Pushes(before, [made.taken()])


def _foreign_branches(n: int) -> Pushes:
    """Branches of something else that have a "/" in their names."""
    made, root = Made(), artifact_id(b"never")
    root = made.checkin(files=[FileCard("README", made.put(b"read me\n"))], branch="trunk")
    before = made.taken()
    for number in range(n):
        file = FileCard("README", made.put(b"read me %d\n" % number))
        made.checkin(root, files=[file], branch=f"feature/b{number}")
    return Pushes(before, [made.taken()])


def _zones(n: int) -> Pushes:
    made = Made()
    for number in range(n):
        made.checkin(branch=f"z{number}.example/main")
    return Pushes([], [made.taken()])


def _ladder(n: int) -> Pushes:
    """Two lines that merge each other at every step."""
    made, root = _begun()
    before = made.taken()
    left = right = root
    right = made.checkin(root, branch=f"{ZONE}/next")
    for _ in range(n // 2):
        left, right = made.checkin(left, right), made.checkin(right, left)
    return Pushes(before, [made.taken()])


def _ladder_of_losers(n: int) -> Pushes:
    """The same on one branch, after both have lost a race."""
    made, root = _beaten()
    before = made.taken()
    left, right = made.checkin(root), made.checkin(root)
    for _ in range(n // 2):
        left, right = made.checkin(left, right), made.checkin(right, left)
    return Pushes(before, [made.taken()])


def _merged_losers(n: int) -> Pushes:
    """Losers, each merged into a tip of its own."""
    made, root = _begun()
    served = made.checkin(root)
    before = made.taken()
    for _ in range(n):
        made.checkin(made.checkin(root), served)
    return Pushes(before, [made.taken()])


def _files(n: int) -> Pushes:
    made, root = _begun()
    before = made.taken()
    zone = FileCard(f"{ZONE}.zone", made.put(zone_text(1 << 20)))
    others = [FileCard(f"other/{number:06}", made.put(b"%d\n" % number)) for number in range(n)]
    made.checkin(root, files=[zone, *others])
    return Pushes(before, [made.taken()])


def _same_files(n: int) -> Pushes:
    """Names of one content."""
    made, root = _begun()
    before = made.taken()
    zone = FileCard(f"{ZONE}.zone", made.put(zone_text(1 << 20)))
    other = made.put(b"same\n")
    made.checkin(root, files=[zone, *(FileCard(f"other/{number:06}", other) for number in range(n))])
    return Pushes(before, [made.taken()])


def _delta_manifests(n: int, *, are_here: bool = True) -> Pushes:
    """Small manifests, each of which stands for ten times as many files."""
    made, root = _begun()
    contents = [b"%d\n" % number for number in range(10 * n)]
    names = [made.put(content) if are_here else artifact_id(content) for content in contents]
    others = [FileCard(f"other/{number:06}", name) for number, name in enumerate(names)]
    zone = FileCard(f"{ZONE}.zone", made.put(zone_text(1 << 20)))
    baseline = made.checkin(root, files=[zone, *others])
    before, at = made.taken(), baseline
    for number in range(n):
        own = FileCard(f"{ZONE}.zone", made.put(zone_text(number + (1 << 21))))
        at = made.checkin(at, files=[own], baseline=baseline)
    return Pushes(before, [made.taken()])


def _parents(n: int) -> Pushes:
    """A check-in that merges many, which are not here."""
    made, root = _begun()
    before = made.taken()
    made.checkin(root, *(artifact_id(b"%d" % number) for number in range(n - 1)))
    return Pushes(before, [made.taken()])


def _merges_of_many(n: int) -> Pushes:
    """Check-ins that merge fifty branches each, which came with them."""
    made, root = _begun()
    before = made.taken()
    others = [made.checkin(root, branch=f"{ZONE}/b{number}") for number in range(n)]
    at = root
    for start in range(0, n, 50):
        at = made.checkin(at, *others[start : start + 50])
    return Pushes(before, [made.taken()])


def _versions(count: int) -> list[bytes]:
    """Versions of a file that is not a zone's, each with a line more."""
    noise = random.Random(count).randbytes(1_000).hex().encode()
    return [noise + b"".join(b"%d\n" % line for line in range(number)) for number in range(count)]


def _deltas_on_deltas(n: int) -> Pushes:
    made, versions = Made(), _versions(n + 1)
    made.put(versions[0])
    before = made.taken()
    for older, newer in pairwise(versions):
        made.put_delta(newer, older)
    return Pushes(before, [made.taken()])


def _deltas_backwards(n: int) -> Pushes:
    """Each is a delta of the one that comes after it, in a request of its own; the source of all comes last."""
    made, versions = Made(), _versions(n + 1)
    requests = []
    for older, newer in reversed(list(pairwise(versions))):
        made.put_delta(newer, older)
        requests.append(made.taken())
    made.put(versions[0])
    return Pushes([], [*requests, made.taken()])


def _deltas_aside(n: int) -> Pushes:
    made, source = Made(), random.Random(1).randbytes(500)
    for number in range(n):
        made.put_delta(source + b"%d" % number, source)
    aside = made.taken()
    made.put(source)
    return Pushes([], [aside, made.taken()])


def _deltas_aside_for_ever(n: int) -> Pushes:
    """Each of a source of its own that never comes."""
    made = Made()
    for number in range(n):
        source = random.Random(number).randbytes(100)
        made.put_delta(source + b"more", source)
    return Pushes([], [made.taken()])


def _cluster_of_nothing(n: int) -> Pushes:
    made = Made()
    made.put(Cluster(tuple(artifact_id(b"%d" % number) for number in range(n))).encode())
    made.checkin(branch=f"{ZONE}/main")
    return Pushes([], [made.taken()])


def _small_files(n: int) -> Pushes:
    made = Made()
    for number in range(n):
        made.put(b"file %d\n" % number)
    return Pushes([], [made.taken()])


#: Each by what grows with n.
KINDS: Final[Mapping[str, Callable[[int], Pushes]]] = {
    "check-ins in a line": _line,
    "check-ins in a line, newest first": _line_newest_first,
    "check-ins in a line, a request each": _line_of_requests,
    "check-ins in a line, a request each, newest first": _line_backwards,
    "check-ins that wait for their first": _waiting,
    "check-ins that wait for ever, a request each": _above_what_never_came,
    "losers of a race, in a line": _losers,
    "losers of a race, two in a line": _losers_with_heirs,
    "losers, each merged with what is served": _merged_losers,
    "siblings": _siblings,
    "invalid versions in a line": _invalid,
    "invalid versions, a request each": _invalid_requests,
    "invalid siblings": _invalid_siblings,
    "invalid versions, two on the last, a request each": _corrections_in_vain,
    "versions before the invalid one that they follow": _never_fit,
    "check-ins on what is no check-in, a request each": _orphans,
    "retags of a line, n / 4": _retags,
    "retags, one a check-in": _retagged_in_turn,
    "tags of one control": _tags_in_one,
    "tags, a control each": _tags,
    "tags, a request each": _tags_of_requests,
    "branches": _branches,
    "branches of something else": _foreign_branches,
    "zones": _zones,
    "merge ladder of two branches": _ladder,
    "merge ladder of losers": _ladder_of_losers,
    "merges of fifty branches": _merges_of_many,
    "parents that are not here": _parents,
    "files of a check-in": _files,
    "files of one content": _same_files,
    "plain artifacts": _small_files,
    "delta manifests": _delta_manifests,
    "delta manifests on files that never come": partial(_delta_manifests, are_here=False),
    "deltas on deltas": _deltas_on_deltas,
    "deltas on deltas, a request each, sources last": _deltas_backwards,
    "deltas of a source that comes last": _deltas_aside,
    "deltas of sources that never come": _deltas_aside_for_ever,
    "a cluster of names that nobody has": _cluster_of_nothing,
}
