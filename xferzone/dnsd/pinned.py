"""Zones that are served as they were: `at` of their terms, looked up and compiled once, before any process is made.

    REV      history/revision.py, in each zone that has it in its terms; a hash, or ZONE/BRANCH, that leads to another
             zone's check-in names that zone: it alone is pinned
    DATE     2026-11-21 (00:00 UTC), 2026-11-21T10:00Z, 2026-11-21T10:00+01:00
             where the publication log begins after it    the last check-in dated then or before, by first parents
             else                                         what this repository served then

What was not there is not served, and told; where no zone has it, that is an error. Nothing is written. The compiled
zones are shared by all processes that are forked later.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

from xferzone.dnsd.terms import Pin, Terms
from xferzone.errors import Ambiguous, NotFound, UsageError, ZoneInvalid
from xferzone.hashing import ArtifactId, short
from xferzone.history import revision
from xferzone.publish import served
from xferzone.publish.serials import serial_in
from xferzone.refs import BranchName, LocalRefs
from xferzone.refs.served import expanded
from xferzone.store import Reader, Store, places
from xferzone.wording import instant
from xferzone.zone import cut
from xferzone.zone.compile import Compiled, Task
from xferzone.zone.index import Index

TOLD: Final = 20  # zones named at start, of those that are pinned and of those that are not served
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?P<time>.*)", re.ASCII | re.DOTALL)


class Pins(NamedTuple):
    """The terms with what is pinned, and a line for each zone: of those that are, and of those that are not served."""

    terms: Terms
    pinned: Sequence[str]
    refused: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Found:
    """A check-in that a zone is pinned to, and how it was found."""

    zone: str
    checkin: ArtifactId
    how: str


def pin(
    store: Store,
    terms: Terms,
    now_ms: int,
    compiler: Callable[[Iterable[Task]], Iterator[Compiled]] = served.compile_all,
) -> Pins:
    """The terms with each zone that has `at` compiled as it was.

    Raises:
        UsageError: an `at` is neither a revision nor a date.
        NotFound: no zone has it; says why.
    """
    refused: dict[str, str] = {}
    found: list[_Found] = []
    for at in dict.fromkeys(each.at for _pattern, each in terms.zones if each.at is not None):
        search = _Search(store, terms, at, now_ms)
        terms = search.terms
        refused |= search.refused
        found += search.found
        search.check()
    pins = {}
    pinned = []
    compiled = compiler(_task(store, each) for each in found)
    for each, made in zip(found, compiled, strict=True):
        with store.reader() as reader:
            serial = serial_in(reader, each.zone, each.checkin) or 0
        if made.faults:
            refused[each.zone] = f"check-in {short(each.checkin)} is invalid: {ZoneInvalid(made.faults)}"
            continue
        parts = [(row.first, Index(expanded(frame))) for row, frame in made.rows]
        pins[each.zone] = Pin(each.checkin, serial, parts)
        pinned.append(
            f"zone {each.zone} is served as of check-in {short(each.checkin)}, serial {serial}: {each.how}"
        )
    if found and not pins:
        raise NotFound("; ".join(f"{zone}: {why}" for zone, why in refused.items()))
    lines = [f"zone {zone} is not served: {why}" for zone, why in sorted(refused.items())]
    return Pins(replace(terms, pins=pins), _bounded(pinned), _bounded(lines))


class _Search:
    """The zones that have the same `at`. `terms` get rid of it where it names another zone."""

    def __init__(self, store: Store, terms: Terms, at: str, now_ms: int) -> None:
        self.found: list[_Found] = []
        self.refused: dict[str, str] = {}
        self._at, self._now_ms = at, now_ms
        self._date_ms = _date(at, now_ms)
        self._named: dict[str, _Found] = {}
        with store.reader() as reader:
            zones = dict.fromkeys(ref.branch.zone for ref in LocalRefs(reader).list())
        own = [zone for zone in zones if terms.serves(zone) and terms.of(zone).at == at]
        for zone in own:
            with store.reader() as reader:  # one for each: of ten thousand zones one would last too long
                self._look(reader, zone, terms.of(zone).branch)
        strangers = self._named.keys() - own
        if strangers:
            raise NotFound(f"{at} is of {', '.join(sorted(strangers))}, which is not to be served as of it")
        self.terms = terms
        if self._named:
            # The others are served as if there were no `at`.
            self.refused = {}
            self.found = list(self._named.values())
            exact = tuple((zone, terms.of(zone)) for zone in self._named)
            rest = tuple(
                (name, replace(each, at=None) if each.at == at else each) for name, each in terms.zones
            )
            self.terms = replace(terms, zones=exact + rest)

    def check(self) -> None:
        """Raises NotFound where no zone has it."""
        if not self.found:
            why = next(iter(self.refused.values()), "no zone here is to be served so")
            raise NotFound(f"no zone can be served as of {self._at}: {why}")

    def _look(self, reader: Reader, zone: str, branch: str) -> None:
        look_up = self._by_revision if self._date_ms is None else self._by_date
        try:
            found = look_up(reader, zone, branch)
            placed = places.placed(reader, found.checkin)
            on = None if placed is None else BranchName.parse(placed.branch)
            if on is not None and on.zone != zone:
                self._named[on.zone] = replace(found, zone=on.zone)
                return
            if not cut.zone_files(zone, reader.files(found.checkin)):
                raise NotFound(f"{found.how}: the zone was removed")
        except (NotFound, Ambiguous) as exc:
            self.refused[zone] = str(exc)
        else:
            self.found.append(found)

    def _by_revision(self, reader: Reader, zone: str, branch: str) -> _Found:
        checkin = revision.resolve(reader, LocalRefs(reader), zone, self._at, self._now_ms, branch)
        return _Found(zone, checkin, f"revision {self._at}")

    def _by_date(self, reader: Reader, zone: str, branch: str) -> _Found:
        assert self._date_ms is not None
        date_ms, shown = self._date_ms, instant(self._date_ms)
        refs = LocalRefs(reader)
        begins = refs.begins()
        if begins is not None and begins <= date_ms:
            move = refs.last_before(BranchName(zone, branch), date_ms)
            if move is None:
                raise NotFound(f"{zone}/{branch} had not been published at {shown}")
            return _Found(zone, move.checkin, f"served at {shown}")
        ref = refs.get(BranchName(zone, branch))
        if ref is None:
            raise NotFound(f"there is no branch {zone}/{branch}")
        checkin = revision.at_date(reader, ref.checkin, date_ms, self._at)
        return _Found(
            zone, checkin, f"the last check-in dated before {shown}, when the publication log had not begun"
        )


def _task(store: Store, found: _Found) -> Task:
    with store.reader() as reader:
        return served.task(reader, found.zone, reader.files(found.checkin))


def _date(text: str, now_ms: int) -> int | None:
    """Milliseconds since 1970. None: it is a revision."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    try:
        date = datetime.fromisoformat(text)
    except ValueError as exc:
        raise UsageError(
            f"{text!r} is not a date: write 2026-11-21, 2026-11-21T10:00Z or 2026-11-21T10:00+01:00"
        ) from exc
    if date.tzinfo is None:
        if match["time"]:
            raise UsageError(f"{text!r} has no time zone: write {text}Z for UTC, or {text}+01:00")
        date = date.replace(tzinfo=UTC)
    date_ms = int(date.timestamp() * 1000)
    if date_ms > now_ms:
        raise UsageError(f"{text} is in the future: nobody knows what will be served then")
    return date_ms


def _bounded(lines: Sequence[str]) -> Sequence[str]:
    return lines if len(lines) <= TOLD else [*lines[:TOLD], f"and {len(lines) - TOLD} zones more"]
