"""Artifacts: check-ins, controls, clusters and those without a meaning here.

parse(octets)          a value or None, never an error; hazard() the same
parse(encode(value))   value, but for what encode fills in: a comment, a user; dates before the year 1 cannot be written
encode(value)          stable
forks.artifact(value)  a control of a later date, for every check-in without a hazard
plain_checkin(octets)  what the long way reads, where it answers
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tests.fuzz import vectors
from tests.fuzz.harms import OF_LINES
from tests.fuzz.kind import Harm, Kind, Shape, holds
from xferzone.artifacts import CheckIn, Cluster, Control, Other, Parsed, hazard, parse
from xferzone.artifacts.checkin import parse_checkin
from xferzone.artifacts.dates import FIRST_DATE
from xferzone.artifacts.grammar import read, sealed
from xferzone.artifacts.plain import plain_checkin
from xferzone.hashing import artifact_id
from xferzone.publish import forks
from xferzone.refs import BranchName

#: Cards that a check-in, control or other artifact may have, to be put in.
CARDS: Final = (
    b"B %b" % (b"b" * 64),
    b"C a\\scomment",
    b"C \\0",
    b"D 2024-02-29T23:59:59.999",
    b"D 1970-01-01",
    b"E 2024-01-01 %b" % (b"e" * 40),
    b"F a/b %b" % (b"f" * 64),
    b"F a/c %b x old" % (b"f" * 40),
    b"F _FOSSIL_ %b" % (b"f" * 40),
    b"F gone",
    b"G %b" % (b"1" * 64),
    b"H title",
    b"I %b" % (b"2" * 64),
    b"J +name value",
    b"K %b" % (b"c" * 40),
    b"L Page",
    b"M %b" % (b"d" * 64),
    b"N text/plain",
    b"P %b %b" % (b"a" * 64, b"B" * 40),
    b"P",
    b"Q +%b" % (b"a" * 64),
    b"Q -%b %b" % (b"a" * 64, b"c" * 64),
    b"R %b" % (b"0" * 32),
    b"T *branch * example.com/main",
    b"T +closed %b" % (b"a" * 64),
    b"T -sym-x %b v\\0w" % (b"a" * 40),
    b"U ann",
    b"U",
    b"W 3\nabc",
    b"Z %b" % (b"0" * 32),
)


def _seeds() -> list[bytes]:
    made = [
        sealed(sorted({card[:1]: card for card in CARDS if card[:1] in letters}.values()))
        for letters in (
            (b"D", b"T", b"U"),
            (b"M",),
            (b"C", b"D", b"F", b"P", b"R", b"T", b"U"),
            (b"B", b"C", b"D", b"F", b"P", b"Q", b"U"),
            (b"D", b"L", b"U", b"W"),
            (b"D", b"J", b"K", b"U"),
            (b"A", b"D"),
            (b"D", b"E", b"W"),
            (b"D", b"G", b"I", b"U", b"W"),
        )
    ]
    signed = (
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\n" + made[0] + b"-----BEGIN PGP SIGNATURE-----\n"
    )
    return [*vectors.artifacts(), *made, signed]


def _resealed(_chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """With a Z card that is right, in place of the last line if that was one."""
    lines = octets.split(b"\n")
    while lines and (not lines[-1] or lines[-1].startswith(b"Z ")):
        lines.pop()
    return sealed(lines)


def _with_card(chance: random.Random, octets: bytes, corpus: Sequence[bytes]) -> bytes:
    """One card more, where it belongs, and sealed."""
    card = chance.choice(CARDS)
    lines = [line for line in octets.split(b"\n") if line and not line.startswith(b"Z ")]
    at = next((number for number, line in enumerate(lines) if line >= card), len(lines))
    lines[at : at + chance.choice((0, 0, 1))] = [card]
    return sealed(lines)


def _harmed(chance: random.Random, octets: bytes, corpus: Sequence[bytes]) -> bytes:
    """Harmed as any text, and sealed again."""
    return _resealed(chance, chance.choice(OF_LINES)(chance, octets, corpus), corpus)


def _sorted(chance: random.Random, octets: bytes, corpus: Sequence[bytes]) -> bytes:
    return _resealed(chance, b"\n".join(sorted(octets.split(b"\n")[:-2])), corpus)


def _check(octets: bytes) -> Shape:
    parsed = parse(octets)
    danger = hazard(octets, parsed)
    _check_plain(octets)
    if isinstance(parsed, CheckIn) and danger is None:
        _check_fork(octets, parsed)
    written: Shape = None
    if not (parsed is None or isinstance(parsed, Other)):
        written = _written(parsed)
    return _kind(parsed), danger and danger[:20], written


def _written(value: CheckIn | Control | Cluster) -> Shape:
    """Write the value and read it again."""
    wanted = _filled(value)
    if not isinstance(wanted, Cluster) and wanted.date_ms < FIRST_DATE:
        return "old"
    text = wanted.encode()
    again = parse(text)
    holds(again == wanted, "what was read and written is read otherwise")
    holds(wanted.encode() == text, "the writer is not stable")
    return "written"


def _filled(value: CheckIn | Control | Cluster) -> CheckIn | Control | Cluster:
    """The value as its writer completes it: every artifact has a user, and a check-in a comment."""
    if isinstance(value, Cluster):
        return value
    if isinstance(value, Control):
        return replace(value, user=value.user or "x")
    picks = tuple(sorted(value.cherrypicks, key=lambda pick: (pick.sign, pick.target, pick.since or "")))
    comment = value.comment or "(no comment)"
    return replace(value, cherrypicks=picks, user=value.user or "x", comment=comment)


def _check_fork(octets: bytes, checkin: CheckIn) -> None:
    """The check-in can be moved to a fork branch."""
    moved = parse(forks.artifact(BranchName("example.com", "main"), artifact_id(octets), checkin))
    holds(isinstance(moved, Control) and moved.date_ms > checkin.date_ms, "a fork that is not later")


def _check_plain(octets: bytes) -> None:
    """The short way and the long way read the same."""
    try:
        short = plain_checkin(octets)
    except ValueError:
        return
    if short is not None:
        holds(parse_checkin(read(octets)) == short, "plain_checkin reads otherwise than parse_checkin")


def _kind(parsed: Parsed) -> Shape:
    """Which kind, and which of its fields say something."""
    if parsed is None or isinstance(parsed, Other):
        return parsed and parsed.kind
    if isinstance(parsed, Cluster):
        return "cluster"
    if isinstance(parsed, Control):
        return "control", frozenset((tag.prefix, tag.value is None) for tag in parsed.tags)
    fields = ("files", "parents", "baseline", "tags", "cherrypicks", "r_card", "mimetype", "comment", "user")
    perms = frozenset((file.perm, file.id is None, file.old_name is None) for file in parsed.files)
    return "check-in", tuple(bool(getattr(parsed, name)) for name in fields), perms


_HARMS: Final[Sequence[Harm]] = (*OF_LINES, *[_resealed] * 3, *[_with_card] * 6, *[_harmed] * 12, _sorted)

ARTIFACTS: Final = Kind(
    name="artifacts",
    code=("artifacts/", "escape.py"),
    seeds=_seeds,
    harms=_HARMS,
    check=_check,
    memory=lambda size: 4_000_000 + 100 * size,
)
