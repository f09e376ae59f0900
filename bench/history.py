"""A made-up history of many zones, as a stream for `fossil import --git`: the same numbers give the same bytes.

Every zone is a line of check-ins of its own on branch ZONE/main; each check-in gives a few owners new data and raises
the serial. The text is not canonical: this is a load as people push it.
"""

import random
from collections.abc import Iterator

ZONES = 500
CHANGES = 10_000
OWNERS = 300
_START = 1_700_000_000
_HOSTS = ("alpha", "bravo", "delta", "echo", "gate", "mx", "node", "pop", "relay", "web", "www2", "zeta")


class _Zone:
    def __init__(self, rng: random.Random, number: int) -> None:
        self.name = f"{rng.choice(_HOSTS)}{number}.example"
        self.serial = 1
        self.tip = 0  # mark of its last check-in; 0: none yet
        self.lines = {f"{rng.choice(_HOSTS)}{owner}": _data(rng) for owner in range(OWNERS)}

    def change(self, rng: random.Random) -> None:
        self.serial += 1
        for owner in rng.sample(list(self.lines), rng.randint(1, 3)):
            self.lines[owner] = _data(rng)

    def text(self) -> bytes:
        head = (
            f"$ORIGIN {self.name}.\n@ 3600 SOA ns1.example.net. hostmaster.example.net. {self.serial}"
            " 7200 3600 1209600 300\n@ 3600 NS ns1.example.net.\n@ 3600 NS ns2.example.net.\n"
        )
        return (head + "".join(f"{owner} {data}\n" for owner, data in sorted(self.lines.items()))).encode()


def stream(zones: int = ZONES, changes: int = CHANGES, seed: int = 1) -> Iterator[bytes]:
    """The stream in pieces: each zone's first check-in, then `changes` more of zones drawn at random."""
    rng = random.Random(seed)
    every = [_Zone(rng, number) for number in range(zones)]
    for mark in range(1, zones + changes + 1):
        zone = every[mark - 1] if mark <= zones else rng.choice(every)
        if zone.tip:
            zone.change(rng)
        text, comment = zone.text(), f"serial {zone.serial} of {zone.name}".encode()
        yield b"commit refs/heads/%b/main\nmark :%d\n" % (zone.name.encode(), mark)
        yield b"committer ops <ops> %d +0000\ndata %d\n%b\n" % (_START + 10 * mark, len(comment), comment)
        if zone.tip:
            yield b"from :%d\n" % zone.tip
        yield b"M 644 inline %b.zone\ndata %d\n%b\n" % (zone.name.encode(), len(text), text)
        zone.tip = mark


def _data(rng: random.Random) -> str:
    """TTL, type and rdata of a record: two of three are addresses, the others names and texts."""
    ttl, draw, host = rng.choice((300, 900, 3600)), rng.random(), rng.choice(_HOSTS)
    if draw < 0.5:
        return f"{ttl} A {rng.randint(1, 223)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"
    if draw < 0.65:
        return f"{ttl} AAAA 2001:db8::{rng.randrange(1 << 16):x}:{rng.randrange(1 << 16):x}"
    if draw < 0.8:
        return f"{ttl} CNAME {host}{rng.randrange(100)}.example.net."
    if draw < 0.9:
        return f"{ttl} MX {rng.choice((5, 10, 20))} {host}{rng.randrange(10)}.example.net."
    return f'{ttl} TXT "v=spf1 ip4:198.{rng.randint(18, 19)}.{rng.randrange(256)}.0/24 -all"'
