"""What a pusher is told of a zone's default TTL that has changed, since answers keep the TTLs that records state."""

from xferzone.publish import losing, served
from xferzone.refs import Ref
from xferzone.store import Reader
from xferzone.zone.difference import default_change, default_told
from xferzone.zone.index import rrsets
from xferzone.zonefile.rdtypes import SOA


def told(reader: Reader, before: Ref, after: Ref) -> str | None:
    """The words, for a move between two versions, both compiled. None: the default TTL is the same."""
    zone = before.branch.zone
    defaults = (served.default_ttl(reader, zone, reader.files(ref.checkin)) for ref in (before, after))
    old, new = (None if default is None else default.ttl for default in defaults)
    change = default_change(old, new)
    if change is None:
        return None
    gone, come = map(dict, losing.nodes(reader, before, after))
    changed = {key for key, node in gone.items() ^ come.items()}
    is_same = all(_but_soa(gone.get(key, b"")) == _but_soa(come.get(key, b"")) for key in changed)
    return default_told(change, is_same=is_same)


def _but_soa(node: bytes) -> list[bytes]:
    """The RRsets of a node. The SOA is left out: people raise its serial with every change."""
    return [rrset.records for rrset in rrsets(node) if rrset.rdtype != SOA]
