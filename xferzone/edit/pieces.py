"""The canonical files of a zone in owner order, of which an edit reads only those that its owners lie in."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cached_property

from xferzone.hashing import ArtifactId
from xferzone.publish import served
from xferzone.store import Reader
from xferzone.zone import changes, cut
from xferzone.zone.changes import Change
from xferzone.zone.compile import IndexRow
from xferzone.zonefile import names, text
from xferzone.zonefile.record import Record
from xferzone.zonefile.whole import DefaultTTL


class Pieces:
    """The files of a zone that is compiled, as `cut` needs them; each is read when it is needed, and once."""

    def __init__(self, reader: Reader, zone: str, own: Mapping[str, ArtifactId]) -> None:
        rows = served.ordered(reader, zone, own)
        assert rows is not None
        self._reader, self._zone = reader, zone
        self.all = [self._piece(name, row) for name, row in rows]
        self._lasts = [row.last for _, row in rows]
        self._read: dict[int, dict[bytes, list[Record]]] = {}  # by owner, of each piece

    def _piece(self, name: str, row: IndexRow) -> cut.Piece:
        return cut.Piece(name, self._reader.size(row.file), lambda: self._reader.content(row.file), row.first)

    def records(self, owner: bytes) -> list[Record]:
        """The owner's records."""
        at = bisect_left(self._lasts, names.owner_key(owner))
        if at == len(self.all):
            return []
        if at not in self._read:
            held: dict[bytes, list[Record]] = {}
            self._read[at] = held
            piece = self.all[at]
            for record in text.read(piece.load(), names.zone_name(self._zone), file=piece.name):
                held.setdefault(record.owner, []).append(record)
        return self._read[at].get(owner, [])

    @cached_property
    def default(self) -> DefaultTTL:
        """The zone's default TTL."""
        default = text.default_of(self.all[0].load())
        assert default is not None
        return default

    def edited(self, wanted: Sequence[Change]) -> tuple[dict[bytes, list[Record]], dict[bytes, list[Record]]]:
        """The records of every owner that the changes touch, and the new ones of those that they really change."""
        before: dict[bytes, list[Record]] = {}
        after: dict[bytes, list[Record]] = {}
        for change in wanted:
            owner = changes.owner_in(change.name, self._zone)
            if owner not in before:
                before[owner] = self.records(owner)
            held = after.get(owner, before[owner])
            after[owner] = changes.changed(held, owner, change, self.default.ttl)
        for owner in [owner for owner in after if after[owner] == before[owner]]:
            del after[owner]
        return before, after
