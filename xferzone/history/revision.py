"""The check-in that a revision means.

REV = [BASE][@DATE]["~" N]
BASE   a branch (main, example.com/main), a tag, or the first 4 or more hex digits of a check-in's hash; default: the
       branch of -b, which is main unless given
@DATE  the last check-in on its line at or before DATE: ISO 8601 in UTC (2026-11-21, 2026-11-21T10:00:00), or -2h
~N     N first parents back
"""

import itertools
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from xferzone.errors import Ambiguous, NotFound, UsageError, XferzoneError
from xferzone.hashing import SHORT, ArtifactId, short
from xferzone.publish import above
from xferzone.refs import DEFAULT_BRANCH, BranchName, LocalRefs, Ref, lookup
from xferzone.store import Reader, places, symbols, timeline
from xferzone.wording import instant
from xferzone.zonefile.rdata.values import parse_interval

MAX_CANDIDATES = 10
FEWEST, MOST = 4, 256  # check-ins of a line that are looked up together
_FORM = re.compile(r"(?P<base>[^@~\ud800-\udfff]*)(?:@(?P<date>[^~]+))?(?:~(?P<back>\d{1,9}))?")
_HASH = re.compile(r"[0-9a-fA-F]{4,64}")
_AGO = re.compile(r"-(\d{1,9}[smhdw])", re.ASCII)


# many: what a REV means depends on every one of them
def resolve(
    reader: Reader, refs: LocalRefs, zone: str, revision: str, now_ms: int, branch: str = DEFAULT_BRANCH
) -> ArtifactId:
    """The check-in that `revision` means in `zone`, on `branch` if it names none.

    Raises:
        UsageError: it is not a revision.
        NotFound: no check-in matches.
        Ambiguous: several match; carries them.
    """
    match = _FORM.fullmatch(revision)
    if match is None:
        what = "a check-in's id, a branch or a tag, optionally followed by @DATE or @-2h, and by ~N"
        raise UsageError(f"{revision!r} is not a revision: expected {what}")
    back = int(match["back"] or 0)
    ref = _ref(refs, zone, match["base"] or branch)
    if ref is not None and back and match["date"] is None:
        return _back_from_ref(reader, ref, back, revision)
    at = _base(reader, refs, zone, match["base"] or branch) if ref is None else ref.checkin
    if match["date"] is not None:
        at = at_date(reader, at, _parse_date(match["date"], now_ms), revision)
    found = _back(reader, at, back)
    if found is None:
        raise NotFound(f"{revision}: {zone} does not go back that far")
    return found


def line(reader: Reader, tip: ArtifactId) -> Iterator[ArtifactId]:
    """The check-in and its first parents, newest first."""
    return (each.id for each in placed_line(reader, tip))


def placed_line(reader: Reader, tip: ArtifactId) -> Iterator[places.Placed]:
    """The same, each with its place."""
    return (each for batch in placed_batches(reader, tip) for each in batch)


def placed_batches(reader: Reader, tip: ArtifactId) -> Iterator[list[places.Placed]]:
    """The same, as they are looked up: a few first, and then more and more."""
    at: ArtifactId | None = tip
    seen: set[ArtifactId] = set()
    size = FEWEST
    while at is not None:
        batch = places.first_parents(reader, at, size)
        for each in batch:
            if each.id in seen:
                raise XferzoneError(f"check-in {each.id} leads back to itself: run `xferzone rebuild`")
            seen.add(each.id)
        yield batch
        at = batch[-1].parents[0] if batch and batch[-1].parents else None
        size = min(2 * size, MOST)


def at_date(reader: Reader, tip: ArtifactId, date_ms: int, revision: str) -> ArtifactId:
    """The last check-in on a line, dated `date_ms` or before. `revision` is what was asked for.

    Raises:
        NotFound: none is.
    """
    for at in line(reader, tip):
        placed = places.placed(reader, at)
        if placed is not None and placed.date_ms <= date_ms:
            return at
    raise NotFound(f"{revision}: nothing existed yet at {instant(date_ms)}")


def _back(reader: Reader, at: ArtifactId, count: int) -> ArtifactId | None:
    """The check-in so many first parents back. None: the line does not go back that far."""
    return next(itertools.islice(line(reader, at), count, None), None)


def _back_from_ref(reader: Reader, ref: Ref, count: int, revision: str) -> ArtifactId:
    """The same from where a branch stands, if nothing unpublished above it makes that doubtful."""
    found, left = _back(reader, ref.checkin, count), above.unpublished(reader, ref)
    other = _back(reader, left[-1].id, count) if left else None
    if found is not None and other is not None:
        tip, zone, on = left[-1].id, ref.branch.zone, "" if ref.branch.is_main else f" -b {ref.branch.branch}"
        raise Ambiguous(
            f"{revision} could be {short(found)}, counted from {short(ref.checkin)}, which is published, or "
            f"{short(other)}, counted from {short(tip)} above it, which is not: give the id; "
            f"`xferzone reset {zone} {ref.branch.branch}{on}` takes back what is not published"
        )
    if found is None and other is None:
        raise NotFound(f"{revision}: {ref.branch.zone} does not go back that far")
    return found or other or ref.checkin


def _ref(refs: LocalRefs, zone: str, word: str) -> Ref | None:
    return refs.get(BranchName.parse(f"{zone}/{word}")) or refs.get(BranchName.parse(word))


def _base(reader: Reader, refs: LocalRefs, zone: str, word: str) -> ArtifactId:
    named = f"{zone}/{word}"
    found: list[tuple[str, Callable[[], list[ArtifactId]]]] = [
        ("branch", lambda: _one(symbols.branch_tip(reader, named)) or _one(symbols.branch_tip(reader, word))),
        (
            "tag",
            lambda: symbols.tagged(reader, f"sym-{named}")[:1] or symbols.tagged(reader, f"sym-{word}")[:1],
        ),
    ]
    for kind, look_up in found:
        candidate = _only(kind, word, look_up())
        if candidate is not None:
            return candidate
    by_hash = by_id(reader, word)
    if by_hash is not None:
        return by_hash
    if not timeline.has_any(reader, timeline.of_zone(zone)) and (reason := lookup.zone(refs, zone)):
        raise NotFound(reason)
    raise NotFound(
        f"{zone} has no revision {word}: `xferzone log {zone}` shows check-ins, `xferzone branch {zone}` and "
        f"`xferzone tag {zone}` the names"
    )


def by_id(reader: Reader, word: str) -> ArtifactId | None:
    """The check-in whose id begins with these 4 or more hex digits. None: there is none, or they are something else.

    Raises:
        Ambiguous: several match; carries them.
    """
    return (
        _only("hash", word, reader.matching(word.lower(), MAX_CANDIDATES)) if _HASH.fullmatch(word) else None
    )


def _only(kind: str, word: str, candidates: list[ArtifactId]) -> ArtifactId | None:
    if len(candidates) > 1:
        listed = ", ".join(candidate[: max(SHORT, len(word) + 4)] for candidate in candidates)
        raise Ambiguous(f"{kind} {word} could be any of {listed}: give more digits")
    return candidates[0] if candidates else None


def _one(artifact: ArtifactId | None) -> list[ArtifactId]:
    return [] if artifact is None else [artifact]


def _parse_date(text: str, now_ms: int) -> int:
    """Milliseconds since 1970."""
    if ago := _AGO.fullmatch(text):
        return now_ms - parse_interval(ago[1].encode()) * 1000
    try:
        date = datetime.fromisoformat(text)
    except ValueError as exc:
        raise UsageError(
            f"{text!r} is not a date: expected @2026-11-21, @2026-11-21T10:00:00 (UTC), or @-2h (s, m, h, d, w)"
        ) from exc
    date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return int(date.timestamp() * 1000)
