"""Train xferzone/store/zone.dict: the zstd dictionary for zone text, manifests and deltas.

    python bench/train_dictionary.py OUTPUT

The samples are made up from fixed words, so a second run gives the same dictionary. A dictionary that
repositories were written with is never replaced: a new one is a new file with another id.
"""

import hashlib
import random
import sys
from pathlib import Path

import zstandard

SIZE = 32_768  # bytes; 64 KiB gained 1 % more on manifests
DICTIONARY_ID = 0x787A0001
WORDS = [
    "www",
    "mail",
    "ns1",
    "ns2",
    "api",
    "cdn",
    "shop",
    "blog",
    "dev",
    "test",
    "staging",
    "vpn",
    "ftp",
    "imap",
    "smtp",
    "pop",
    "autodiscover",
    "_dmarc",
    "_domainkey",
    "selector1",
    "k1",
    "host",
    "web",
    "db",
    "cache",
    "lb",
    "edge",
    "static",
    "img",
    "assets",
    "login",
    "auth",
    "portal",
    "intranet",
    "wiki",
    "git",
    "ci",
    "docs",
    "status",
]
DOMAINS = ["example.com", "example.net", "example.org", "corp.example", "test.example", "customer.example"]


def hexadecimal(rng: random.Random, digits: int) -> str:
    return hashlib.sha512(rng.randbytes(16)).hexdigest()[:digits]


def address(rng: random.Random) -> str:
    return f"{rng.choice((192, 198, 203, 10, 172))}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"


def record(rng: random.Random) -> str:
    owner = rng.choice(WORDS) + rng.choice(("", "", str(rng.randrange(999))))
    ttl = rng.choice((300, 3600, 3600, 86400, 600, 7200))
    host = f"{rng.choice(WORDS)}.{rng.choice(DOMAINS)}."
    kind, data = rng.choice(
        (
            ("A", address(rng)),
            ("A", address(rng)),
            ("AAAA", f"2001:db8:{rng.randrange(65536):x}::{rng.randrange(65536):x}"),
            ("CNAME", host),
            ("MX", f"{rng.choice((0, 5, 10, 20))} {host}"),
            ("NS", host),
            ("TXT", f'"v=spf1 include:_spf.{rng.choice(DOMAINS)} ip4:{address(rng)}/24 ~all"'),
            ("TXT", '"v=DMARC1; p=quarantine; rua=mailto:postmaster@example.com"'),
            ("SRV", f"0 5 {rng.choice((443, 5060, 5222))} {host}"),
            ("CAA", '0 issue "letsencrypt.org"'),
            ("TLSA", f"3 1 1 {hexadecimal(rng, 64)}"),
            ("HTTPS", f"1 {host} alpn=h2,h3"),
        )
    )
    return f"{owner} {ttl} {kind} {data}\n"


def zone(rng: random.Random) -> str:
    soa = (
        f"@ 3600 SOA ns1.example.com. hostmaster.example.com. {rng.randrange(2**31)} 7200 3600 1209600 300\n"
    )
    return (
        soa
        + "@ 3600 NS ns1.example.net.\n@ 3600 NS ns2.example.net.\n"
        + "".join(sorted(record(rng) for _ in range(rng.randrange(2, 60))))
    )


def date(rng: random.Random) -> str:
    clock = f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}.{rng.randrange(1000):03}"
    return f"20{rng.randrange(25, 40)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}T{clock}"


def manifest(rng: random.Random) -> str:
    name = f"{rng.choice(WORDS)}{rng.randrange(999)}.{rng.choice(DOMAINS)}"
    comment = rng.choice(
        ("set www A", "add mail MX 10", f"import\\s{name}", f"delete\\s{name}", "Create\\snew\\szone")
    )
    parent = rng.choice((f"P {hexadecimal(rng, 64)}\n", f"T *branch * {name}/main\nT *sym-{name}/main *\n"))
    files = "".join(
        f"F {name}.zone.d/{hexadecimal(rng, 32)}.zone {hexadecimal(rng, 64)}\n"
        for _ in range(rng.choice((0, 0, 0, 3)))
    )
    text = f"C {comment}\nD {date(rng)}\nF {name}.zone {hexadecimal(rng, 64)}\n{files}"
    text += f"{parent}U ops\n" if parent[0] == "P" else f"{parent}U root\n"
    return text + f"Z {hexadecimal(rng, 32)}\n"


def control(rng: random.Random) -> str:
    name = f"{rng.choice(WORDS)}.{rng.choice(DOMAINS)}/main"
    target = hexadecimal(rng, 64)
    tags = f"T *branch {target} {name}-fork-{target[:16]}\nT *sym-{name}-fork-{target[:16]} {target}\n"
    return f"D {date(rng)}\n{tags}T -sym-{name} {target}\nU ops\nZ {hexadecimal(rng, 32)}\n"


def main() -> None:
    rng = random.Random(20261121)
    kinds = (zone, zone, manifest, manifest, manifest, control)
    samples: list[bytes | bytearray | memoryview[int]] = [
        rng.choice(kinds)(rng).encode() for _ in range(8_000)
    ]
    trained = zstandard.train_dictionary(SIZE, samples, dict_id=DICTIONARY_ID, level=3)
    Path(sys.argv[1]).write_bytes(trained.as_bytes())


if __name__ == "__main__":
    main()
