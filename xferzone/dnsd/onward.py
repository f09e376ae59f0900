"""No serial goes back because the configuration changed: who has the higher one would keep what it has.

    main 500 was served, then `branch = "stable"`
        stable 400 or 500    refused
        stable 600           taken; then back to main 500: refused
    main 500 was served, then `at`, then main 500               taken: `at` is exempt, and what was before it counts
    main 500 was served, then a branch that is not there yet    taken; if it comes with 400, it is not served until it
                                                                is above 500, and the next start is refused

What was served before is what the address had when a server last started or reloaded there (refs/past.py). An address
without a past has that of the server that was started last: it may have moved.

Source: RFC 1982 3.2.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from xferzone.dnsd.terms import Terms, ZoneTerms
from xferzone.errors import Refused
from xferzone.refs import BranchName, LocalRefs, Ref
from xferzone.refs.past import Past, newest, pasts, put
from xferzone.store import Reader, Writer
from xferzone.zone.serial import is_ahead
from xferzone.zonefile.names import zone_name

MAX_TOLD: Final = 10  # zones named in a refusal
_PINNED: Final = "past"  # in place of the revision, which no longer matters


def check(reader: Reader, addresses: Sequence[str], terms: Terms) -> None:
    """See whether DNS may be answered on those terms from now on.

    Raises:
        Refused: a line for each zone whose serial would go back, with the remedy.
    """
    refs = _Refs(reader)
    told = [why for past in pasts(reader, addresses).values() for why in refs.refusals(past, terms)]
    told = list(dict.fromkeys(told))
    if told:
        more = [f"and {len(told) - MAX_TOLD} zones more"] if len(told) > MAX_TOLD else []
        raise Refused("\n".join(told[:MAX_TOLD] + more))


def above(reader: Reader, addresses: Sequence[str], terms: Terms) -> dict[str, tuple[str, int]]:
    """Of zones whose branch is not there now: the branch and the serial that were served before it comes."""
    refs, found = _Refs(reader), dict[str, tuple[str, int]]()
    for past in pasts(reader, addresses).values():
        for zone, had in refs.kept(past, terms).items():
            if terms.of(zone).at is None and (zone not in found or is_ahead(had[1], found[zone][1])):
                found[zone] = had
    return found


def is_known(reader: Reader, addresses: Sequence[str], terms: Terms) -> bool:
    """Whether `remember` has nothing to write."""
    known = pasts(reader, addresses)
    return newest(reader, len(addresses)) == list(addresses) and all(
        past.rules == _rules(terms) for past in known.values()
    )


def remember(writer: Writer, addresses: Sequence[str], terms: Terms) -> None:
    """Take note that DNS is answered on those terms from now on."""
    refs, known = _Refs(writer), pasts(writer, addresses)
    newest_one = next(iter(known.values()), None)
    found = {}
    for address in addresses:
        past = known.get(address, newest_one)
        found[address] = Past(_rules(terms), {} if past is None else refs.kept(past, terms))
    put(writer, found)


def _rules(terms: Terms) -> tuple[tuple[str, str, bool], ...]:
    return tuple((pattern, each.branch, each.at is not None) for pattern, each in terms.zones)


class _Refs:
    """The refs as they are now, by branch; read when first needed."""

    def __init__(self, reader: Reader) -> None:
        self._refs = LocalRefs(reader)
        self._now: Mapping[BranchName, Ref] | None = None

    @property
    def now(self) -> Mapping[BranchName, Ref]:
        if self._now is None:
            self._now = {ref.branch: ref for ref in self._refs.list()}
        return self._now

    @property
    def zones(self) -> Iterable[str]:
        return dict.fromkeys(branch.zone for branch in self.now)

    def refusals(self, past: Past, terms: Terms) -> Iterator[str]:
        if past.rules == _rules(terms) and not past.above:
            return
        before = _terms(past)
        for zone in self.zones:
            chosen = terms.of(zone)
            if chosen.at is not None or not terms.serves(zone):
                continue
            had = self._served(zone, past, before.of(zone))
            if had is None or had[0] == chosen.branch:
                continue
            stands = self.now.get(BranchName(zone, chosen.branch))
            if stands is not None and stands.serial is not None and not is_ahead(stands.serial, had[1]):
                yield _told(zone, stands, *had)

    def kept(self, past: Past, terms: Terms) -> Mapping[str, tuple[str, int]]:
        """What was served of the zones that are served from now on otherwise than by the branch that served it."""
        before = _terms(past)
        found = {}
        for zone in self.zones:
            chosen = terms.of(zone)
            stands = self.now.get(BranchName(zone, chosen.branch))
            is_hidden = not terms.serves(zone) or stands is None or stands.serial is None
            if chosen.at is not None or is_hidden:
                had = self._served(zone, past, before.of(zone))
                if had is not None and (chosen.at is not None or had[0] != chosen.branch):
                    found[zone] = had
        return found

    def _served(self, zone: str, past: Past, before: ZoneTerms) -> tuple[str, int] | None:
        """The branch and the highest serial of a zone that were served. None: none was."""
        above = past.above.get(zone)
        if before.at is not None:
            return above
        branch = BranchName(zone, before.branch)
        ref = self.now.get(branch) or next(iter(self._refs.publications(branch)), None)
        if ref is None or ref.serial is None or (above is not None and not is_ahead(ref.serial, above[1])):
            return above
        return before.branch, ref.serial


def _terms(past: Past) -> Terms:
    return Terms(
        zones=tuple(
            (pattern, ZoneTerms(branch, at=_PINNED if is_pinned else None))
            for pattern, branch, is_pinned in past.rules
        )
    )


def _told(zone: str, stands: Ref, branch: str, serial: int) -> str:
    name, other = zone_name(zone).to_text(omit_final_dot=True), stands.branch.branch
    return (
        f"{name} cannot be served from {other}, which has serial {stands.serial}: {serial} was served, from {branch}. "
        + remedy(zone, other, branch, serial)
    )


def remedy(zone: str, other: str, branch: str, serial: int) -> str:
    """What to do where the branch `other` has a serial that is not above the one that was served from `branch`."""
    reset = shlex.join(("xferzone", "reset", "-b", branch, zone, other))
    return (
        f"Merge {other} into {branch} (`fossil merge` in a check-out), or bring it there whole with `{reset}`, and "
        f"serve {branch}; or give the SOA of {other} a serial above {serial}"
    )
