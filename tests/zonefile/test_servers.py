"""Canonical text means to BIND, Knot, NSD and PowerDNS what it means to us, record by record, octet by octet."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import dns.name
import pytest

from tests.zonefile import servers
from xferzone.zonefile import names, rdtypes, text
from xferzone.zonefile.rdata import layouts
from xferzone.zonefile.record import Record

DATA = Path(__file__).parents[1] / "data" / "records"
ZONE = "t.example"
ORIGIN = dns.name.from_text(ZONE)
HEAD = text.read(b"@ 300 SOA ns host 1 7200 3600 1209600 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n", ORIGIN)


class Sample(NamedTuple):
    """Rdata of the zone t.example as text and octets; `is_read`: the text means the octets to us."""

    title: str
    rdtype: int
    text: bytes
    rdata: bytes
    is_read: bool

    @property
    def record(self) -> Record:
        return Record(b"x", 5, self.rdtype, layouts.canonical(self.rdtype, self.rdata))


def samples() -> list[Sample]:
    """The samples. `readers` in their file has what ten readers made of each text: ours of that time, dnspython 2.9,
    BIND 9.18 and 9.20, Knot 3.2 and 3.4, NSD 4.6 and 4.12, PowerDNS 4.7 and 4.9."""
    rows = [json.loads(line) for line in (DATA / "samples.jsonl").read_text("ascii").splitlines()]
    return [
        Sample(
            f"{row['type']} {row['label']}",
            rdtypes.parse_type(row["type"].encode()),
            row["text"].encode(),
            bytes.fromhex(row["rdata"]),
            row["readers"]["ours"] == "same",
        )
        for row in rows
    ]


SAMPLES = samples()
#: A digest of another length than its type asks, which is not rdata.
REFUSED = "DS digest 2 short"
TAKEN = [each for each in SAMPLES if each.title != REFUSED]
#: NSD 4.6 lowers the names in these, whose case means nothing.
LOWERED_BY_NSD = frozenset((rdtypes.IPSECKEY, rdtypes.SVCB, rdtypes.HTTPS, rdtypes.LP, rdtypes.NSEC))


def rdatas() -> list[tuple[int, bytes]]:
    """Type and octets of every sample, and of the records that judges read; each once, without those of an SOA."""
    lines = [row.split("\t")[1] for row in (DATA / "records.tsv").read_text("ascii").splitlines()]
    judged = [record for line in lines for record in text.read(line.encode() + b"\n", ORIGIN)]
    found = [(each.rdtype, each.record.rdata) for each in TAKEN]
    found += [(record.rdtype, record.rdata) for record in judged if record.rdtype != rdtypes.SOA]
    return list(dict.fromkeys(found))


def each_at_its_own_name(pairs: Iterable[tuple[int, bytes]]) -> list[Record]:
    return [Record(b"r%04d" % number, 300, rdtype, wire) for number, (rdtype, wire) in enumerate(pairs)]


def every_octet_in_names() -> list[Record]:
    """Owners and targets with each octet that a name can hold, at the beginning, in the middle and at the end."""
    made = []
    for octet in range(256):
        character = bytes((octet,)).lower()
        for number, label in enumerate((character + b"x", b"x" + character + b"y", b"z" + character)):
            owner = names.owner_text((label, b"o"))
            target = bytes((len(label),)) + label + b"\1t\0"
            made += [Record(owner, 300, rdtypes.TXT, b"\1%d" % number)]
            made += [Record(b"p%03d-%d" % (octet, number), 300, rdtypes.PTR, target)]
    return list(dict.fromkeys(made))


def every_covered_type() -> list[Record]:
    """Signatures of several types at one owner, each group with a TTL of its own."""
    types = sorted(rdtypes.PRESENTED)
    tail = b"\x0d\x03\0\0\1\x2c" + b"\x70\0\0\0" * 2 + b"\0\1" + b"\1t\7example\0" + b"sig"
    return [
        Record(b"signed", 300 + number, rdtypes.RRSIG, rdtype.to_bytes(2, "big") + tail)
        for number, rdtype in enumerate(types)
    ]


RECORDS = each_at_its_own_name(rdatas()) + every_octet_in_names() + every_covered_type()


def written(name: str, file: Path) -> list[Record]:
    """Canonical text of HEAD and those of RECORDS that the server can say back, under a default TTL that would show
    wherever a line left its TTL out; those records."""
    lines = text.lines(RECORDS, ORIGIN)
    kept = [
        record
        for record, line in zip(RECORDS, lines, strict=True)
        if not servers.unread(name, record.rdtype, record.rdata, line)
    ]
    assert len(kept) > 2_200
    file.write_bytes(b"$TTL 77\n" + text.write(HEAD + kept, ORIGIN))
    return kept


def as_read(records: Iterable[Record]) -> set[servers.Read]:
    return {
        ((*names.owner_labels(record.owner), *ORIGIN.labels[:-1]), record.ttl, record.rdtype, record.rdata)
        for record in [*HEAD, *records]
    }


def test_one_of_the_855_samples_is_not_rdata() -> None:
    assert len(SAMPLES) == 855
    (refused,) = (each for each in SAMPLES if each.title == REFUSED)
    with pytest.raises(ValueError, match="its digest has 5 octets, not 32"):
        layouts.canonical(refused.rdtype, refused.rdata)


def test_the_text_of_a_sample_gives_its_octets() -> None:
    read = [each for each in TAKEN if each.is_read]
    assert len(read) > 830
    for each in read:
        (record,) = text.read(b"x 5 TYPE%d %b\n" % (each.rdtype, each.text), ORIGIN)
        assert record[:4] == each.record[:4], each.title


def test_a_sample_is_written_in_one_form_that_reads_back_and_so_is_what_people_are_shown() -> None:
    for each in TAKEN:
        line = text.line(each.record, ORIGIN)
        (shown,) = text.shown_lines([each.record], ORIGIN)
        assert [record[:4] for record in text.read(line + b"\n" + shown + b"\n", ORIGIN)] == [
            each.record[:4]
        ] * 2
        assert each.rdtype in rdtypes.PRESENTED or line.startswith(rb"x 5 TYPE%d \# " % each.rdtype)


@pytest.mark.interop
def test_bind_reads_every_record_as_we_do_and_refuses_only_octets(tmp_path: Path) -> None:
    """What it refuses in canonical text it refuses as \\# too."""
    canonical, generic = tmp_path / "canonical", tmp_path / "generic"
    kept = written("bind", canonical)
    lines = canonical.read_bytes().split(b"\n")
    by_line = {
        record.owner + b" %d" % record.ttl: record for record in kept if record.rdtype != rdtypes.RRSIG
    }
    generic.write_bytes(b"\n".join([_generic(line, by_line) for line in lines]))
    refused = servers.refused_by_bind(ZONE, canonical)
    assert refused == servers.refused_by_bind(ZONE, generic)
    assert len(refused) < 100
    canonical.write_bytes(b"\n".join(line for number, line in enumerate(lines, 1) if number not in refused))
    wanted = text.read(canonical.read_bytes(), ORIGIN)
    assert servers.by_bind(ZONE, canonical, tmp_path) == as_read(wanted)


def _generic(line: bytes, records: Mapping[bytes, Record]) -> bytes:
    record = records.get(b" ".join(line.split(b" ")[:2]))
    if record is None:
        return line
    return b"%b %d TYPE%d %b" % (*record[:3], layouts.generic_text(record.rdata))


@pytest.mark.interop
@pytest.mark.parametrize("name", ["knot", "nsd", "powerdns"])
def test_a_server_reads_every_record_as_we_do(name: str, tmp_path: Path) -> None:
    file = tmp_path / "zone"
    wanted = as_read(written(name, file))
    read = servers.by_transfer(name, ZONE, file, tmp_path)
    if name == "nsd":
        wanted, read = _lowered(wanted), _lowered(read)
    if name == "knot":
        wanted, read = _without_ttls_of_signatures(wanted), _without_ttls_of_signatures(read)
    assert read == wanted


def _lowered(records: Iterable[servers.Read]) -> set[servers.Read]:
    return {
        (owner, ttl, rdtype, rdata.lower() if rdtype in LOWERED_BY_NSD else rdata)
        for owner, ttl, rdtype, rdata in records
    }


def _without_ttls_of_signatures(records: Iterable[servers.Read]) -> set[servers.Read]:
    """Knot sends all signatures of a name with one TTL, whatever the text says."""
    return {
        (owner, 0 if rdtype == rdtypes.RRSIG else ttl, rdtype, rdata) for owner, ttl, rdtype, rdata in records
    }
