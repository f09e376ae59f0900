"""Compiled files that an earlier release left are read as what this one compiles of the same text."""

import shutil
import sqlite3
import zlib
from contextlib import closing, suppress
from pathlib import Path

import pytest

from xferzone.errors import XferzoneError
from xferzone.hashing import ArtifactId
from xferzone.refs import LocalRefs, indexes
from xferzone.refs.served import MAX_INDEX
from xferzone.repository import check
from xferzone.serve.renewing import renew_all
from xferzone.store import Store, frames
from xferzone.store.check import faults
from xferzone.zone.former import current
from xferzone.zone.index import Index, compile_index
from xferzone.zonefile import names, text

GOLDEN = Path(__file__).parents[1] / "golden" / "schema-0011.xferzone"


def former() -> list[tuple[str, ArtifactId, bytes]]:
    """Zone, file and compiled form of each row of a repository with layout 2."""
    with closing(sqlite3.connect(f"file:{GOLDEN}?immutable=1", uri=True)) as db:
        rows = db.execute("SELECT zone, file, content FROM zone_index").fetchall()
    return [(zone, ArtifactId(file.hex()), frames.expand(frame, MAX_INDEX)) for zone, file, frame in rows]


def test_they_are_what_is_compiled_today(tmp_path: Path) -> None:
    path = tmp_path / "zones.xferzone"
    shutil.copy(GOLDEN, path)
    kept = former()
    assert {content[0] for _zone, _file, content in kept} == {2}
    with Store.open(path) as store, store.reader() as reader:
        for zone, file, content in kept:
            origin = names.zone_name(zone)
            expected = compile_index(text.read(reader.content(file), origin), origin)
            assert current(content) == expected
            (row,) = indexes.of_files(reader, zone, [file]).values()
            assert indexes.content(reader, row.number) == expected


def test_todays_stay_as_they_are() -> None:
    for _zone, _file, content in former():
        assert current(current(content)) == current(content)


def test_a_server_keeps_them_in_todays_layout(tmp_path: Path) -> None:
    path = tmp_path / "zones.xferzone"
    shutil.copy(GOLDEN, path)
    with Store.open(path) as store:
        assert renew_all(store) == len(former()) > 0
        assert renew_all(store) == 0
        with store.reader() as reader:
            assert list(faults.faults(reader)) == []
            assert list(check.faults(reader, LocalRefs(reader))) == []
    with closing(sqlite3.connect(path)) as db:
        kept = [
            frames.expand(frame, MAX_INDEX)[0] for (frame,) in db.execute("SELECT content FROM zone_index")
        ]
    assert set(kept) == {3}


@pytest.mark.parametrize("place", [8, 20, 40, -1])
def test_damage_is_noticed(place: int) -> None:
    for _zone, _file, content in former():
        damaged = bytearray(content)
        damaged[place] ^= 1
        with pytest.raises(XferzoneError, match="rebuild"):
            current(bytes(damaged))
        # The same with a sum that fits.
        damaged[4:8] = zlib.crc32(damaged[8:]).to_bytes(4, "little")
        with suppress(XferzoneError):
            Index(current(bytes(damaged)))
