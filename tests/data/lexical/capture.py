r"""What BIND, Knot and NSD read of odd zone text, and what we read: rules.tsv.

    text as a JSON string  <TAB>  verdicts of BIND, Knot, NSD: + read, - refused  <TAB>  ours  <TAB>  why

The text stands below a sound SOA and NS of example.com with $TTL 300; with "!" before it, it stands alone. `why` is
empty where we do what two of the three do; else it is a row of docs/zone-checks.md, by the word in its last column.

tests/interop/test_lexical.py asks the programs again. To add a row write its text, three TABs and `why` into the file,
and run `python -m tests.data.lexical.capture` from the project's root, with named-checkzone, kzonecheck and
nsd-checkzone installed: it fills in what such a row lacks.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

import dns.name

from xferzone.errors import ZoneInvalid
from xferzone.zonefile import text

RULES: Final = Path(__file__).parent / "rules.tsv"
ORIGIN: Final = dns.name.from_text("example.com.")
HEAD: Final = b"$TTL 300\n@ SOA ns1.example.net. h.example.net. 1 2 3 4 5\n@ NS ns1.example.net.\n"
PROGRAMS: Final = (
    ["named-checkzone", "-i", "none", "example.com"],
    ["kzonecheck", "-o", "example.com"],
    ["nsd-checkzone", "example.com"],
)


class Rule(NamedTuple):
    """A row of the file; `written` with HEAD."""

    written: bytes
    verdicts: str
    ours: str
    why: str


def rules() -> list[Rule]:
    """All rows."""
    return [_rule(row) for row in RULES.read_text("ascii").splitlines()]


def verdicts(written: bytes, scratch: Path) -> str:
    """What BIND, Knot and NSD say of a zone's text."""
    file = scratch / "zone"
    file.write_bytes(written)
    ran = [subprocess.run([*words, str(file)], capture_output=True, check=False) for words in PROGRAMS]
    return "".join("-" if each.returncode else "+" for each in ran)


def ours(written: bytes) -> str:
    """What we say of it."""
    try:
        text.read(written, ORIGIN)
    except ZoneInvalid:
        return "-"
    return "+"


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for row in RULES.read_text("ascii").splitlines():
            rule = _rule(row)
            said = rule.verdicts or verdicts(rule.written, Path(scratch))
            rows.append("\t".join((row.partition("\t")[0], said, rule.ours or ours(rule.written), rule.why)))
    RULES.write_text("".join(f"{row}\n" for row in rows), "ascii")


def _rule(row: str) -> Rule:
    written, said, our, why = row.split("\t")
    octets = json.loads(written).encode("latin-1")
    return Rule(octets[1:] if octets.startswith(b"!") else HEAD + octets, said, our, why)


if __name__ == "__main__":
    main()
