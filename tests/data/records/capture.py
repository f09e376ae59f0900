"""Make records.tsv out of inputs.txt: what each line of zone text means, by judges that know nothing of xferzone.

    input  <TAB>  canonical text  <TAB>  wire form of the record in hex  <TAB>  judges

The zone is example.com. The wire form is owner, type, class, TTL, length, rdata, uncompressed, as canonical as
xferzone keeps it: owner in lower case, names in rdata where RFC 4034 6.2 as RFC 6840 5.1 amends it asks for it.

    B   named-compilezone (BIND 9) reads the line to the same octets, case of names aside
    D   dnspython does
    b d the judge refuses the line or does not know the type

A judge that reads other octets stops the capture. (dnspython 2.7.0 would, where \\DDD above 127 stands in CAA, HINFO
or URI: it writes two octets of UTF-8 for one.) Run it from the project's root with named-compilezone installed,
`python -m tests.data.records.capture`, for more inputs or newer judges. Text and octets of rows that exist are pinned:
it refuses to change them.
"""

import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import dns.exception
import dns.name
import dns.zone

from xferzone.zonefile import names, rdtypes, text
from xferzone.zonefile.rdata import layouts
from xferzone.zonefile.rdata.names import wire_name
from xferzone.zonefile.record import Record

HERE = Path(__file__).parent
ORIGIN = dns.name.from_text("example.com.")
HEAD = b"$ORIGIN example.com.\n$TTL 7\nexample.com. NS .\n"
HEAD_SOA = b"example.com. SOA . . 1 1 1 1 1\n"


def main() -> int:
    pinned = {}
    target = HERE / "records.tsv"
    if target.exists():
        pinned = dict(line.split("\t", 1) for line in target.read_text("ascii").splitlines())
    rows = []
    for line in (HERE / "inputs.txt").read_text("ascii").splitlines():
        (record,) = text.read(line.encode("ascii") + b"\n", ORIGIN)
        wire = octets(record)
        judges = verdict("B", line, wire, by_bind(line)) + verdict("D", line, wire, by_dnspython(line))
        row = f"{text.line(record, ORIGIN).decode('ascii')}\t{wire.hex()}\t{judges}"
        if line in pinned and pinned[line].rsplit("\t", 1)[0] != row.rsplit("\t", 1)[0]:
            print(f"pinned otherwise: {line}\n  {pinned[line]}\n  {row}", file=sys.stderr)
            return 1
        rows.append(f"{line}\t{row}\n")
    target.write_text("".join(rows), "ascii")
    return 0


def octets(record: Record) -> bytes:
    """A record in wire form."""
    owner = wire_name((*names.owner_labels(record.owner), *ORIGIN.labels[:-1]))
    return owner + struct.pack(">HHIH", record.rdtype, 1, record.ttl, len(record.rdata)) + record.rdata


def verdict(judge: str, line: str, ours: bytes, theirs: bytes | None) -> str:
    if theirs is None:
        return judge.lower()
    if canonical(theirs) == ours:
        return judge
    raise SystemExit(f"{judge} disagrees: {line}\n  ours   {ours.hex()}\n  theirs {theirs.hex()}")


def canonical(wire: bytes) -> bytes:
    """A judge's octets with names in lower case where the canonical form has them so."""
    at = 0
    while wire[at]:
        at += 1 + wire[at]
    head, body = wire[: at + 1].lower() + wire[at + 1 : at + 11], wire[at + 11 :]
    rdtype = struct.unpack(">H", wire[at + 1 : at + 3])[0]
    return head + (layouts.canonical(rdtype, body) if rdtype in rdtypes.LOWERED else body)


def by_bind(line: str) -> bytes | None:
    """The one record that BIND makes of a line, in wire form; None: it refuses the line."""
    program = shutil.which("named-compilezone") or "/usr/sbin/named-compilezone"
    with tempfile.TemporaryDirectory() as folder:
        zone, raw = Path(folder, "zone"), Path(folder, "raw")
        zone.write_bytes(whole(line))
        checks = [
            "-i",
            "none",
            "-k",
            "ignore",
            "-m",
            "ignore",
            "-n",
            "ignore",
            "-M",
            "ignore",
            "-S",
            "ignore",
        ]
        command = [program, "-q", *checks, "-F", "raw", "-o", str(raw), "example.com", str(zone)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            return None
        return next((wire for wire in records_of(raw.read_bytes()) if not is_of_head(wire)), None)


def whole(line: str) -> bytes:
    """A zone that holds the line."""
    return (
        HEAD + (b"" if line.startswith("@") and " SOA " in line else HEAD_SOA) + line.encode("ascii") + b"\n"
    )


def records_of(raw: bytes) -> list[bytes]:
    """The records of a raw zone file. Source: BIND 9.18, lib/dns/masterdump.c dump_rdataset_raw()."""
    made = []
    at = struct.calcsize(">IIIIII")  # format, version, dump time, flags, serial, last transfer
    while at < len(raw):
        _total, rdclass, rdtype, _covers, ttl, count = struct.unpack_from(">IHHHII", raw, at)
        at += 18
        (size,) = struct.unpack_from(">H", raw, at)
        owner = raw[at + 2 : at + 2 + size]
        at += 2 + size
        for _ in range(count):
            (size,) = struct.unpack_from(">H", raw, at)
            body = raw[at + 2 : at + 2 + size]
            made.append(owner + struct.pack(">HHIH", rdtype, rdclass, ttl, size) + body)
            at += 2 + size
    return made


def is_of_head(wire: bytes) -> bool:
    apex = wire_name(ORIGIN.labels[:-1])
    return wire.lower().startswith(apex) and wire[len(apex) + 4 : len(apex) + 8] == struct.pack(">I", 7)


def by_dnspython(line: str) -> bytes | None:
    try:
        zone = dns.zone.from_text(whole(line).decode("ascii"), "example.com.", relativize=False)
    except dns.exception.DNSException:
        return None
    for name, ttl, each in zone.iterate_rdatas():
        body = each.to_wire(origin=ORIGIN) or b""
        wire = (
            (name.to_wire() or b"") + struct.pack(">HHIH", each.rdtype, each.rdclass, ttl, len(body)) + body
        )
        if not is_of_head(wire):
            return wire
    return None


if __name__ == "__main__":
    raise SystemExit(main())
