"""Which zone a verb is about: the one that -z or XFERZONE_ZONE names, else the one that a record belongs to.

    -z ZONE, then XFERZONE_ZONE            that zone, and no other: a name outside is an error
    DS, and RRSIG that covers DS           the zone above the one of that name, where both are here
    everything else                        the deepest zone here that holds the name

Names are absolute all the same.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click
import dns.name

from xferzone.errors import NotFound, UsageError
from xferzone.refs import DEFAULT_BRANCH, BranchName, LocalRefs, lookup
from xferzone.zone import changes
from xferzone.zonefile import names

VARIABLE = "XFERZONE_ZONE"
QUOTE = "a * is to be quoted, as in '*.example.com'"
_Command = TypeVar("_Command", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Named:
    """A zone that was chosen, and `by` what: -z or XFERZONE_ZONE."""

    zone: str
    by: str

    def check(self, refs: LocalRefs) -> None:
        """Raise NotFound if there is no such zone."""
        if reason := lookup.zone(refs, self.zone):
            raise NotFound(f"{self.by}: {reason}")

    def owner(self, name: dns.name.Name) -> bytes:
        """The owner field of `name` in it. Raises UsageError: it is not in that zone."""
        try:
            return changes.owner_in(name, self.zone)
        except UsageError as exc:
            raise UsageError(f"{exc} ({self.by} names that zone)") from exc


def zone_option(command: _Command) -> _Command:
    """Give a verb -z; `named` reads it."""
    text = f"The zone; else {VARIABLE}, else the deepest one here that holds NAME."
    return click.option("-z", "chosen", metavar="ZONE", help=text)(command)


def named(chosen: str | None) -> Named | None:
    """The zone that was chosen with -z, else with XFERZONE_ZONE. None: with neither."""
    by, word = ("-z", chosen) if chosen is not None else (VARIABLE, os.environ.get(VARIABLE, ""))
    if not word and chosen is None:
        return None
    try:
        return Named(names.parse_zone(word), by)
    except UsageError as exc:
        raise UsageError(f"{by}: {exc}") from exc


# many: all of them decide which zone it is
def zone_of(
    refs: LocalRefs,
    name: dns.name.Name,
    chosen: Named | None,
    branch: str = DEFAULT_BRANCH,
    *,
    is_ds: bool = False,
    removed: bool = False,
) -> str:
    """The zone of a record of that name, which has a branch of that name; `is_ds`: a DS, or a signature over DS.

    `removed`: a zone that was removed counts too.

    Raises:
        UsageError: the name is not in the zone that was chosen.
        NotFound: no such zone or branch.
    """
    if chosen is not None:
        chosen.check(refs)
        chosen.owner(name)
        return chosen.zone
    above = lookup.above(refs, name) if is_ds else None
    if above is not None:
        return above
    zone = lookup.containing(refs, name, branch, removed=removed)
    if zone is not None:
        return zone
    enclosing = lookup.enclosing(refs, name)
    if enclosing is not None:
        raise NotFound(lookup.branch(refs, BranchName(enclosing, branch)))
    hint = ""
    if are_files([name.to_text(omit_final_dot=True)]):
        hint = f", but there is a file of that name: {QUOTE}"
    elif len(name.labels) == 2:
        hint = f"; names are absolute, as in {name}example.com"
    elif near := lookup.near_zone(refs, name):
        hint = f"; did you mean {near}?"
    raise NotFound(
        f"no zone here contains {name}{hint}: `xferzone zone list` shows them, `zone add` adds one"
    )


def zone_and_name(
    refs: LocalRefs, words: tuple[str | None, str | None], chosen: Named | None
) -> tuple[str | None, str | None]:
    """What `[ZONE|BRANCH] [NAME]` mean beside the zone that was chosen: one word may be either.

    Raises:
        UsageError: -z and ZONE differ.
        NotFound: there is no zone as was chosen.
    """
    first, second = words
    if chosen is None:
        return words
    if first is None:
        chosen.check(refs)
        return chosen.zone, None
    zone = _zone_in(first)
    if zone == chosen.zone or (
        chosen.by == VARIABLE and (second is not None or _is_known(refs, first, zone))
    ):
        return words
    if second is not None:
        raise UsageError(f"{first} and {chosen.by} {chosen.zone} are two zones: give one of them")
    chosen.check(refs)
    chosen.owner(changes.parse_name(first))
    return chosen.zone, first


def _zone_in(word: str) -> str | None:
    """The zone of `ZONE` or `ZONE/BRANCH`. None: it is neither."""
    try:
        return names.parse_zone(word.partition("/")[0])
    except UsageError:
        return None


def _is_known(refs: LocalRefs, word: str, zone: str | None) -> bool:
    """Whether a word means a zone here, or a branch that is no zone's, as trunk."""
    return zone is None or bool(refs.of_zone(zone)) or "/" in word or word == "trunk"


def are_files(words: Sequence[str]) -> bool:
    """Whether these words may have come from the shell, in place of a *."""
    return {path.name for path in Path().iterdir()}.issuperset(words)
