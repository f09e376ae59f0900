"""Which serial of a zone each target of NOTIFY has acknowledged last: so a start tells nobody what they know."""

from collections.abc import Mapping

from xferzone.store.reader import Reader
from xferzone.store.writer import Writer


def of_all(reader: Reader) -> dict[tuple[str, str], int]:
    """The serials by zone id and target."""
    rows = reader.db.execute("SELECT zone, target, serial FROM acknowledged")
    return {(zone, target): serial for zone, target, serial in rows}


def put(writer: Writer, serials: Mapping[tuple[str, str], int]) -> None:
    """Keep serials by zone id and target."""
    rows = [(*key, serial) for key, serial in serials.items()]
    writer.db.executemany("INSERT OR REPLACE INTO acknowledged VALUES (?, ?, ?)", rows)
