"""Capture what dig and kdig print of a transfer: dig.txt, dig-multiline.txt, kdig.txt, beside the zone, transfer.zone.

The zone holds the records of records.tsv that BIND reads, so that dig can show them; NSD serves it and signs with TSIG.
Run from the project's root: `python -m tests.data.records.transfer`; it needs nsd, dig and kdig, and port 5399.
"""

import subprocess
import tempfile
import time
from pathlib import Path

import dns.name

from xferzone.zonefile import text

HERE = Path(__file__).parent
ORIGIN = dns.name.from_text("example.com.")
KEY = "K2tf3TRjvQkVCmJF3/Z9vA=="
#: Words of records that would not come back: types that dig shows in forms of their own (and xferzone reads as octets
#: only) or refuses at such owners, a tag that NSD refuses, a time that kdig prints as one before 1970, and names that
#: NSD puts in lower case though canonical form does not.
LEFT_OUT = {"NXT", "ATMA", "A6", "NSEC3", "IssueWild", "4294967295"}
LEFT_OUT |= {"Case.Example.NET.", "Case.Sub", "MyGateway.example.com.", "L64-Subnet1.example.com."}
PROGRAMS = {
    "dig.txt": ["dig", "-y", f"hmac-sha256:key:{KEY}"],
    "dig-multiline.txt": ["dig", "+multiline"],
    "kdig.txt": ["kdig", "+noidn"],
}
CONFIGURATION = """
server:
  ip-address: 127.0.0.1@5399
  zonesdir: "{folder}"
  zonelistfile: "{folder}/list"
  xfrdfile: "{folder}/xfrd"
  xfrdir: "{folder}"
  pidfile: ""
  username: ""
  database: ""
remote-control:
  control-enable: no
key:
  name: key
  algorithm: hmac-sha256
  secret: "{key}"
zone:
  name: example.com
  zonefile: "{zone}"
  provide-xfr: 127.0.0.1 key
  provide-xfr: 127.0.0.1 NOKEY
"""


def main() -> None:
    rows = [row.split("\t") for row in (HERE / "records.tsv").read_text("ascii").splitlines()]
    lines = [line for line, _, _, judges in rows if judges[0] == "B" and LEFT_OUT.isdisjoint(line.split())]
    lines = ["@ 300 SOA ns1 host 5 2 3 4 5", "@ 300 NS ns1"] + [line for line in lines if " SOA " not in line]
    zone = HERE / "transfer.zone"
    zone.write_bytes(text.write(text.read("\n".join(lines).encode("ascii") + b"\n", ORIGIN), ORIGIN))
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder, "nsd.conf")
        configuration.write_text(CONFIGURATION.format(folder=folder, key=KEY, zone=zone), "ascii")
        server = subprocess.Popen(["nsd", "-d", "-c", str(configuration)], stderr=subprocess.DEVNULL)
        try:
            time.sleep(2)
            for name, program in PROGRAMS.items():
                command = [*program, "@127.0.0.1", "-p", "5399", "example.com", "AXFR"]
                done = subprocess.run(command, check=True, capture_output=True)
                (HERE / name).write_bytes(done.stdout)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
