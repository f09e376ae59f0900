"""Serials from what artifacts said as they came are those from reading them."""

from pathlib import Path

import pytest

from tests.publish.project import ZONE, Project, zone_text
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish import noted, serials
from xferzone.store.incoming import Received
from xferzone.zone import serial

SOA = "$TTL 3600\n@ 3600 SOA ns1.example.net. hostmaster.example.net. {} 7200 3600 1209600 300\n"
TEXTS = (
    zone_text(serial=7),
    b"$ORIGIN example.com.\n" + SOA.format(9).encode() + b"soa 300 A 192.0.2.1\n",
    b"$ORIGIN other.test.\n" + SOA.format(11).encode(),  # no floor: not at the apex
    SOA.format(5).encode() * 2,
    (SOA.format(5) + SOA.format(6)).encode(),  # none: two that differ
    b"@ 1h SOA ( ns1 h\n 12 ; the serial\n 1 1 1 1 )\n",
    b"x 1 A 192.0.2.1\n" * 300 + SOA.format(20).encode(),  # too far down to be noted
    b"",
)


@pytest.mark.parametrize("bound", [0, 3, 100_000])
def test_noted_or_read_the_serials_are_the_same(
    tmp_path: Path, bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noted, "MAX_NOTES", bound)
    project, notes = Project(tmp_path), noted.Noted()
    line: list[ArtifactId] = []
    for text in TEXTS:
        manifest = project.manifest(text, *line[-1:])
        line.append(artifact_id(manifest))
        with project.writing() as (writer, _):
            writer.put_all([Received(line[-1], None, manifest)], notes)
    for text in TEXTS:
        note = notes.note(text, None)
        if note is not None:
            notes.keep(artifact_id(text), note)
    with project.store.reader() as reader:
        kept, read = (serials.computed(reader, ZONE, line[-1], how) for how in (notes, None))
    assert kept == read
    assert [serial for _, serial in read.found] == [7, 9, 9, 10, 10, 12, 20, 20]


def test_a_long_text_is_not_read_to_its_end_for_a_note() -> None:
    text = b"x 1 A 192.0.2.1\n" * 100 + SOA.format(20).encode()
    assert serial.few_entries(text, sum(len(tokens) for _, tokens in serial.entries(text))) == serial.entries(
        text
    )
    assert serial.few_entries(text, 100) is None
    assert serial.few_entries(b"\n" + text[:-1], 0) is None
