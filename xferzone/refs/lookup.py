"""What to say of a zone or a branch that is not here, with what people may have meant.

    nosuch.org          is not a zone of this repository
    exmaple.com         is nearly the name of one
    192.0.2.0/24        is a network
    www.example.com     is a name in example.com
    example.com/canarry is not a branch of that zone
    example.com         was removed

`zone` and `branch` return the message, for a NotFound.
"""

from collections.abc import Iterator
from typing import Final

import dns.name

from xferzone.refs import BranchName, LocalRefs, State
from xferzone.zonefile import names
from xferzone.zonefile.reverse import reverse

_NEAR: Final = 0.8  # of difflib: a letter missing, doubled, changed or exchanged in names of usual length


def zone(refs: LocalRefs, zone_id: str) -> str | None:
    """Why nothing is known of the zone. None: it is here, or was once."""
    if refs.of_zone(zone_id):
        return None
    name = names.zone_name(zone_id)
    shown = name.to_text(omit_final_dot=True)
    if (network := reverse(shown)) is not None:
        return f"{shown} is not a zone: its reverse zone is {network.zone}"
    if "/" in shown:  # a hint to add such a zone would rarely be what was meant
        apex, _, branch = shown.partition("/")
        return (
            f"{shown} is not a zone of this repository; a branch is named behind its zone: {apex} {branch}, "
            f"or {apex} -b {branch} to write to it"
        )
    above = enclosing(refs, name)
    if above is None:
        near = _near(refs, shown)
        meant = f"did you mean {near}? " if near else ""
        return (
            f"no zone {shown} in this repository: {meant}`xferzone zone list` shows the zones, "
            f"`xferzone zone add {shown}` adds it"
        )
    return (
        f"{shown} is a name in {above}: `xferzone blame {above} {shown}` says who brought its records, "
        f"`xferzone log {above} {shown}` says what happened to them"
    )


def near_zone(refs: LocalRefs, name: dns.name.Name) -> str | None:
    """The name of a zone here that may have been meant by the end of `name`, put in its place. None: none is near."""
    for depth in range(len(name.labels) - 2):
        ending = dns.name.Name(name.labels[depth:]).to_text(omit_final_dot=True)
        near = _near(refs, ending)
        if near and near.count(".") == ending.count("."):
            return ".".join([*(label.decode("ascii", "replace") for label in name.labels[:depth]), near])
    return None


def _near(refs: LocalRefs, shown: str) -> str:
    """The zone here whose name is the nearest to that one; empty: none is near."""
    here = {ref.branch.zone for ref in refs.list() if ref.state is not State.REMOVED}
    import difflib  # 5 ms, which a zone that is here does not need

    found = difflib.get_close_matches(shown.lower(), sorted(here), 1, _NEAR)
    return names.zone_name(found[0]).to_text(omit_final_dot=True) if found else ""


def branch(refs: LocalRefs, wanted: BranchName) -> str:
    """Why the branch is not served."""
    reason = zone(refs, wanted.zone)
    if reason is not None:
        return reason
    ref = refs.get(wanted)
    if ref is None:
        return (
            f"{wanted.zone} has no branch {wanted.branch}: `xferzone branch {wanted.zone}` lists its branches"
        )
    option = "" if wanted.is_main else f" -b {wanted.branch}"
    return f"{wanted} was removed, it is not served: `xferzone reset {wanted.zone} ~1{option}` brings it back"


def enclosing(refs: LocalRefs, name: dns.name.Name) -> str | None:
    """The longest zone that has or had a branch here and contains `name`. None: no such zone."""
    return next((zone_id for zone_id in _around(name) if refs.of_zone(zone_id)), None)


def containing(refs: LocalRefs, name: dns.name.Name, branch: str, *, removed: bool = False) -> str | None:
    """The longest zone with a branch of that name that contains `name`. None: no such zone.

    `removed`: a zone that was removed counts too.
    """
    for zone_id in _around(name):
        ref = refs.get(BranchName.parse(f"{zone_id}/{branch}"))
        if ref is not None and (removed or ref.state is not State.REMOVED):
            return zone_id
    return None


def above(refs: LocalRefs, name: dns.name.Name) -> str | None:
    """The zone here that a DS of `name` belongs to if `name` is a zone here. None: it is not, or none is above it."""
    own = next(_around(name))
    if names.zone_name(own) != name or len(name.labels) == 1 or not _is_here(refs, own):
        return None
    return next((zone_id for zone_id in _around(name.parent()) if _is_here(refs, zone_id)), None)


def _is_here(refs: LocalRefs, zone_id: str) -> bool:
    """Whether a branch of the zone is published."""
    return any(ref.state is not State.REMOVED for ref in refs.of_zone(zone_id))


def _around(name: dns.name.Name) -> Iterator[str]:
    """The ids of all zones that might contain `name`, the longest first."""
    for depth in range(len(name.labels)):
        try:
            yield names.zone_id(dns.name.Name(name.labels[depth:]))
        except ValueError:
            continue  # too long for a zone's name
