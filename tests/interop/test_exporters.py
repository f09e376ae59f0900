"""Zone files of eight exporters are imported, exported, and read by BIND to the same records and TTLs."""

import subprocess
from pathlib import Path

import dns.name
import dns.zone
import pytest

from tests.live import PROJECT
from tests.publish.project import NOW, Project
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.history import content
from xferzone.refs import BranchName
from xferzone.zone import checks
from xferzone.zonefile import names

pytestmark = pytest.mark.interop

EXPORTERS = PROJECT / "tests" / "data" / "exporters"
STYLES = sorted(path.name for path in EXPORTERS.iterdir() if path.is_dir() and path.name != "__pycache__")
LENIENT = [
    "-i",
    "none",
    "-k",
    "ignore",
    "-M",
    "ignore",
    "-m",
    "ignore",
    "-n",
    "ignore",
    "-r",
    "ignore",
    "-S",
    "ignore",
]


def compiled(written: bytes, zone: str, scratch: Path) -> set[str]:
    """The records that BIND finds in the text, a line each, rdata as octets in hex, names in it in lower case."""
    given, made = scratch / "given", scratch / "made"
    given.write_bytes(written)
    words = ["named-compilezone", "-q", *LENIENT, "-s", "full", "-o", str(made), zone, str(given)]
    subprocess.run(words, check=True, capture_output=True)
    origin = dns.name.from_text(zone)
    read = dns.zone.from_text(made.read_text("latin-1"), origin, relativize=False, check_origin=False)
    return {
        f"{name} {rdataset.ttl} {rdataset.rdtype} {rdata.to_digestable().hex()}".lower()
        for name, rdataset in read.iterate_rdatasets()
        for rdata in rdataset
    }


@pytest.mark.parametrize("style", STYLES)
def test_what_an_exporter_wrote_is_kept(tmp_path: Path, style: str) -> None:
    project = Project(tmp_path)
    files = sorted((EXPORTERS / style).glob("*.zone"))
    assert len(files) == 10
    for number, file in enumerate(files):
        zone = names.parse_zone(file.name.removesuffix(".zone"))
        written = file.read_bytes()
        given, _ = checks.check(zone, written, file.name)
        with project.writing() as (writer, refs):
            edit = Edit(writer, refs, BranchName(zone, "main"), Author("ann", NOW - 500_000 + number))
            done = edit.replace(given, "import")
            assert done.checkin is not None
            exported = content.export(writer, zone, done.checkin)
        assert compiled(exported, zone, tmp_path) == compiled(written, zone, tmp_path), file


def test_there_are_eighty_files_of_eight_exporters() -> None:
    assert len(STYLES) == 8
    assert len(list(EXPORTERS.glob("*/*.zone"))) == 80
