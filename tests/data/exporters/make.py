r"""Eighty zone files in the ways of eight exporters, out of the ten zones of zones.txt: STYLE/ZONE.zone.

    bind, nsd, powerdns    what named-compilezone -s relative, nsd-checkzone -p and pdnsutil list-zone print
    knot                   the columns of Knot's zone file dump
    cloudflare             the export of the dashboard: sections, tabs, "; cf_tags=..."
    cpanel                 /var/named/*.db: header, $TTL 14400, an SOA in lines with ";Serial Number"
    windows                dnscmd /ZoneExport: "Database file", no $TTL, owners left out, unknown types as TYPEn \#
    route53                cli53 export and its like: $ORIGIN, a line a record, a TTL and IN on each

Run it from the project's root, `python -m tests.data.exporters.make`, with the programs of Debian 12 installed; the
files are in the repository, so that nobody needs to. tests/interop/test_exporters.py imports and exports them.
"""

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import dns.rdata
import dns.rdataclass
import dns.rdatatype

HERE: Final = Path(__file__).parent


class Line(NamedTuple):
    """A record; names absolute, "@" for the zone's."""

    owner: str
    ttl: int
    rdtype: str
    rdata: str


class Zone(NamedTuple):
    name: str
    lines: list[Line]

    def owner(self, line: Line) -> str:
        return self.name if line.owner == "@" else line.owner

    def relative(self, name: str) -> str:
        if name == self.name:
            return "@"
        return name.removesuffix(f".{self.name}")


def zones() -> Iterator[Zone]:
    lines: list[Line] = []
    for row in (HERE / "zones.txt").read_text("ascii").splitlines():
        if row.startswith("zone "):
            lines = []
            yield Zone(row.removeprefix("zone "), lines)
        elif not row.startswith(";"):
            owner, ttl, rdtype, rdata = row.split(" ", 3)
            lines.append(Line(owner, int(ttl), rdtype, rdata))


def main() -> None:
    for zone in list(zones()):
        for style, export in STYLES.items():
            target = HERE / style / f"{zone.name.removesuffix('.')}.zone"
            target.parent.mkdir(exist_ok=True)
            target.write_text(export(zone), "ascii")


def plain(zone: Zone) -> str:
    """A line a record, nothing left out."""
    return "".join(f"{zone.owner(line)} {line.ttl} IN {line.rdtype} {line.rdata}\n" for line in zone.lines)


def printed(zone: Zone, *words: str) -> str:
    """What a program prints that finds the zone in the file FILE, or served by the bind backend in DIRECTORY."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "zone"
        file.write_text(plain(zone))
        (Path(scratch) / "named.conf").write_text(f'zone "{zone.name}" {{ type master; file "{file}"; }};\n')
        (Path(scratch) / "pdns.conf").write_text(f"launch=bind\nbind-config={scratch}/named.conf\n")
        given = [word.replace("FILE", str(file)).replace("DIRECTORY", scratch) for word in words]
        return subprocess.run(given, capture_output=True, check=True, text=True).stdout


def bind(zone: Zone) -> str:
    lenient = [word for check in "kMmnrS" for word in (f"-{check}", "ignore")]
    return printed(
        zone,
        "named-compilezone",
        "-q",
        "-i",
        "none",
        *lenient,
        "-s",
        "relative",
        "-o",
        "-",
        zone.name,
        "FILE",
    )


def nsd(zone: Zone) -> str:
    return printed(zone, "nsd-checkzone", "-p", zone.name, "FILE").rpartition("; zone")[0]


def powerdns(zone: Zone) -> str:
    return printed(zone, "pdnsutil", "--config-dir=DIRECTORY", "list-zone", zone.name.removesuffix("."))


def knot(zone: Zone) -> str:
    rows = "".join(f"{zone.owner(line):20}\t{line.ttl}\t{line.rdtype}\t{line.rdata}\n" for line in zone.lines)
    end = f";; Written {len(zone.lines)} records\n;; Time 2026-11-29 10:11:12 UTC\n"
    return f";; Zone dump (Knot DNS 3.2.6)\n{rows}{end}"


def cloudflare(zone: Zone) -> str:
    head = f";;\n;; Domain:     {zone.name}\n;; Exported:   2026-11-29 10:11:12\n;;\n"
    head += ";; This file is intended for use for informational and archival\n;; purposes ONLY.\n"
    made = [head]
    for rdtype in dict.fromkeys(line.rdtype for line in zone.lines):
        made.append(f"\n;; {rdtype} Record{'' if rdtype == 'SOA' else 's'}\n")
        for line in zone.lines:
            if line.rdtype == rdtype:
                tag = " ; cf_tags=cf-proxied:false" if rdtype in ("A", "AAAA", "CNAME") else ""
                made.append(f"{zone.owner(line)}\t{line.ttl}\tIN\t{rdtype}\t{line.rdata}{tag}\n")
    return "".join(made)


def cpanel(zone: Zone) -> str:
    made = [
        "; cPanel first:11.25.0-STABLE_1 (update_time):1732874400 Cpanel::ZoneFile::VERSION:1.3 latest:110.0.1\n"
    ]
    made.append(f"; Zone file for {zone.name.removesuffix('.')}\n$TTL 14400\n")
    for line in zone.lines:
        if line.rdtype == "SOA":
            mname, rname, serial, refresh, retry, expire, minimum = line.rdata.split()
            made.append(
                f"{zone.name}\t{line.ttl}\tIN\tSOA\t{mname}\t{rname}\t(\n\t\t\t\t\t\t{serial}\t;Serial Number\n"
                f"\t\t\t\t\t\t{refresh}\t;refresh\n\t\t\t\t\t\t{retry}\t;retry\n\t\t\t\t\t\t{expire}\t;expire\n"
                f"\t\t\t\t\t\t{minimum}\t;minimum\n\t)\n\n"
            )
        else:
            ttl = "" if line.ttl == 14400 else f"{line.ttl}"
            owner = zone.owner(line) if line.owner == "@" else zone.relative(line.owner)
            made.append(f"{owner}\t{ttl}\tIN\t{line.rdtype}\t{line.rdata}\n")
    return "".join(made)


def windows(zone: Zone) -> str:
    name = zone.name.removesuffix(".")
    made = [f";\n;  Database file {name}.dns for {name} zone.\n;      Zone version:  123\n;\n\n"]
    minimum = before = ""
    for line in zone.lines:
        owner = zone.relative(zone.owner(line))
        shown = "" if owner == before else owner
        if line.rdtype == "SOA":
            mname, rname, *numbers, minimum = line.rdata.split()
            rows = "".join(
                f"\t\t\t\t{number:<12} ; {what}\n"
                for number, what in zip(numbers, ("serial number", "refresh", "retry", "expire"), strict=True)
            )
            ttl = "" if minimum == str(line.ttl) else f"{line.ttl} "
            made.append(
                f"{owner:23} {ttl}IN  SOA {mname} {rname} (\n{rows}\t\t\t\t{minimum:<12} ) ; default TTL\n\n"
            )
            made.append(";\n;  Zone NS records\n;\n\n")
        else:
            # Windows leaves out a TTL that is the SOA's minimum.
            ttl = "" if minimum == str(line.ttl) else f"{line.ttl}"
            made.append(f"{shown:23} {ttl}\t{_known_to_windows(zone, line)}\n")
        before = owner
    return "".join(made)


def _known_to_windows(zone: Zone, line: Line) -> str:
    if line.rdtype in (
        "A",
        "AAAA",
        "NS",
        "CNAME",
        "MX",
        "PTR",
        "SRV",
        "TXT",
        "DNAME",
        "HINFO",
        "RP",
        "NAPTR",
        "DS",
    ):
        return f"{line.rdtype}\t{line.rdata}"
    rdtype = dns.rdatatype.from_text(line.rdtype)
    wire = dns.rdata.from_text(dns.rdataclass.IN, rdtype, line.rdata).to_wire()
    assert wire is not None
    return f"TYPE{rdtype:d}\t\\# {len(wire)} ( {wire.hex(' ', 4)} )"


def route53(zone: Zone) -> str:
    rows = "".join(
        f"{zone.relative(zone.owner(line))}\t{line.ttl}\tIN\t{line.rdtype}\t{line.rdata}\n"
        for line in zone.lines
    )
    return f"$ORIGIN {zone.name}\n{rows}"


STYLES: Final[Mapping[str, Callable[[Zone], str]]] = {
    "bind": bind,
    "nsd": nsd,
    "powerdns": powerdns,
    "knot": knot,
    "cloudflare": cloudflare,
    "cpanel": cpanel,
    "windows": windows,
    "route53": route53,
}

if __name__ == "__main__":
    main()
