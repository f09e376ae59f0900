"""What to say of a zone, a branch or a revision that is not there: what people may have meant.

    nosuch.org          is no zone here
    www.example.com     is a name in example.com
    example.com/canarry is no branch of that zone
    example.com         was removed

Both functions return the message, for a NotFound.
"""

import dns.name

from xferzone.refs import LocalRefs
from xferzone.refs.branch import DEFAULT_BRANCH
from xferzone.zonefile import names


def zone(refs: LocalRefs, zone_id: str) -> str | None:
    """Why nothing is known of the zone; None: it is here, or was."""
    if refs.of_zone(zone_id):
        return None
    name = names.zone_name(zone_id)
    shown = name.to_text(omit_final_dot=True)
    above = enclosing(refs, name)
    if above is None:
        return (
            f"{shown} is no zone here: `xferzone zone list` shows them, `xferzone zone add {shown}` adds it"
        )
    return (
        f"{shown} is a name in {above}: `xferzone blame {above} {shown}` says who brought its records, "
        f"`xferzone log {above} {shown}` what happened to them"
    )


def branch(refs: LocalRefs, zone_id: str, wanted: str) -> str:
    """Why branch `wanted` of the zone is not served."""
    reason = zone(refs, zone_id)
    if reason is not None:
        return reason
    ref = refs.get(f"{zone_id}/{wanted}")
    if ref is None:
        return f"{zone_id} has no branch {wanted}: `xferzone branch {zone_id}` lists them"
    option = "" if wanted == DEFAULT_BRANCH else f" -b {wanted}"
    return f"{zone_id}/{wanted} was removed, it is not served: `xferzone reset {zone_id} ~1{option}` brings it back"


def enclosing(refs: LocalRefs, name: dns.name.Name) -> str | None:
    """The longest zone that has or had a branch here and contains `name`; None: there is none."""
    for depth in range(len(name.labels)):
        try:
            zone_id = names.zone_id(dns.name.Name(name.labels[depth:]))
        except ValueError:
            continue  # too long for a zone's name
        if refs.of_zone(zone_id):
            return zone_id
    return None
