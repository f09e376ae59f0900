"""The counters of servers: their names, their cells (counters.py), and the text that Prometheus reads.

    family                            labels, each combination with a cell
    xferzone_xfer_rounds_total        kind, outcome
    xferzone_xfer_bytes_total         direction
    xferzone_xfer_artifacts_total     direction
    xferzone_xfer_unversioned_total   direction
    xferzone_content_cache_total      result
    xferzone_xfer_seconds             kind: a cell for each bucket, one for the sum in microseconds
    xferzone_dns_questions_total      type, protocol
    xferzone_dns_answers_total        rcode, protocol
    xferzone_dns_cache_hits_total     none
    xferzone_walk_requests_total      kind, outcome
    xferzone_walk_bytes_total         direction
    xferzone_dns_routed_total         cohort
    xferzone_dns_limited_total        action
    xferzone_dns_zone_questions_total zone: the places of names (counters.py), and `other`

Every label has a fixed set of values, with `other` for the rest, so that no client makes series. A series with labels
is told once it has counted something.

Source: Prometheus text exposition format 0.0.4.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, product
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OTHER: Final = "other"

KINDS: Final = ("clone", "pull", "push", "sync", OTHER)
OUTCOMES: Final = ("ok", "error", "refused", "busy", "failed")
DIRECTIONS: Final = ("in", "out")
RESULTS: Final = ("hit", "miss")
WALK_KINDS: Final = ("refs", "walk", "pull", "batch", "object", "auth", "copies", "unversioned", "tables")
WALK_OUTCOMES: Final = ("ok", "refused", "busy", "failed", "cut")
ACTIONS: Final = ("dropped", "truncated", "badcookie")
PROTOCOLS: Final = ("udp", "tcp")
#: By number; RFC 1035 and the registry "DNS Resource Record (RR) TYPEs".
TYPES: Final[Mapping[int, str]] = {
    1: "A",
    2: "NS",
    5: "CNAME",
    6: "SOA",
    12: "PTR",
    15: "MX",
    16: "TXT",
    28: "AAAA",
    33: "SRV",
    35: "NAPTR",
    43: "DS",
    48: "DNSKEY",
    52: "TLSA",
    64: "SVCB",
    65: "HTTPS",
    251: "IXFR",
    252: "AXFR",
    255: "ANY",
    257: "CAA",
}
#: By number; 16 is BADVERS of RFC 6891.
RCODES: Final[Mapping[int, str]] = {
    0: "NOERROR",
    1: "FORMERR",
    2: "SERVFAIL",
    3: "NXDOMAIN",
    4: "NOTIMP",
    5: "REFUSED",
    6: "YXDOMAIN",
    9: "NOTAUTH",
    16: "BADVERS",
}
COHORTS: Final = ("main", "canary")
PLACES: Final = 100  # of zones that are counted by name, as counters.py has
NO_ANSWER: Final = "none"  # a message that deserves no answer
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # seconds


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: its cells begin at `start`, one for each combination of label values, the last label fastest."""

    name: str
    help: str
    labels: Mapping[str, Sequence[str]]
    start: int
    width: int = 1  # cells of a combination: 1, or those of a histogram

    def combinations(self) -> Iterator[tuple[int, str]]:
        """The first cell of each combination, and the labels as text."""
        for number, values in enumerate(product(*self.labels.values())):
            pairs = zip(self.labels, values, strict=True)
            yield self.start + number * self.width, ",".join(f'{label}="{value}"' for label, value in pairs)

    def cell(self, *values: str) -> int:
        """The first cell of a combination; a value that a label does not have is `other`."""
        number = 0
        for known, value in zip(self.labels.values(), values, strict=True):
            number = number * len(known) + known.index(value if value in known else OTHER)
        return self.start + number * self.width

    @property
    def end(self) -> int:
        cells = self.width
        for values in self.labels.values():
            cells *= len(values)
        return self.start + cells


_KIND: Final = {"kind": KINDS}
_DIRECTION: Final = {"direction": DIRECTIONS}
ROUNDS: Final = Family(
    "xferzone_xfer_rounds_total", "Requests answered", {**_KIND, "outcome": (*OUTCOMES, OTHER)}, 0
)
BYTES: Final = Family("xferzone_xfer_bytes_total", "Bytes of bodies", _DIRECTION, ROUNDS.end)
ARTIFACTS: Final = Family("xferzone_xfer_artifacts_total", "Artifacts", _DIRECTION, BYTES.end)
SECONDS: Final = Family("xferzone_xfer_seconds", "Seconds", _KIND, ARTIFACTS.end, len(BUCKETS) + 2)
QUESTIONS: Final = Family(
    "xferzone_dns_questions_total",
    "Messages that came",
    {"type": (*TYPES.values(), OTHER), "protocol": PROTOCOLS},
    SECONDS.end,
)
ANSWERS: Final = Family(
    "xferzone_dns_answers_total",
    "What was answered",
    {"rcode": (*RCODES.values(), OTHER, NO_ANSWER), "protocol": PROTOCOLS},
    QUESTIONS.end,
)
HITS: Final = Family("xferzone_dns_cache_hits_total", "Answers that were kept from before", {}, ANSWERS.end)
WALKS: Final = Family(
    "xferzone_walk_requests_total",
    "Requests of mirrors answered",
    {"kind": (*WALK_KINDS, OTHER), "outcome": (*WALK_OUTCOMES, OTHER)},
    HITS.end,
)
WALK_BYTES: Final = Family("xferzone_walk_bytes_total", "Bytes of their bodies", _DIRECTION, WALKS.end)
ROUTED: Final = Family(
    "xferzone_dns_routed_total", "Answers of zones with a canary", {"cohort": COHORTS}, WALK_BYTES.end
)
LIMITED: Final = Family(
    "xferzone_dns_limited_total", "Answers that rate limiting held back", {"action": ACTIONS}, ROUTED.end
)
ZONES: Final = Family(
    "xferzone_dns_zone_questions_total",
    "Messages that a zone answered",
    {"zone": (*map(str, range(PLACES)), OTHER)},
    LIMITED.end,
)
CACHE: Final = Family(
    "xferzone_content_cache_total",
    "Contents that workers looked for in memory",
    {"result": RESULTS},
    ZONES.end,
)
FILES: Final = Family(
    "xferzone_xfer_unversioned_total", "Unversioned files, deletions included", _DIRECTION, CACHE.end
)
SIZE: Final = FILES.end  # cells

_COUNTERS: Final = (
    ROUNDS,
    BYTES,
    ARTIFACTS,
    FILES,
    CACHE,
    QUESTIONS,
    ANSWERS,
    HITS,
    WALKS,
    WALK_BYTES,
    ROUTED,
    LIMITED,
)


def observed(kind: str, seconds: float) -> dict[int, int]:
    """What to add to the cells of SECONDS for one request."""
    first = SECONDS.cell(kind)
    bucket = next((at for at, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))
    return {first + bucket: 1, first + len(BUCKETS) + 1: round(1e6 * seconds)}


def exposition(sums: Sequence[int]) -> Iterator[str]:
    """The lines for all families, of the sums of their cells."""
    for family in _COUNTERS:
        samples = ((labels, float(sums[cell])) for cell, labels in family.combinations())
        yield from told(
            family.name, family.help, "counter", (each for each in samples if each[1] or not each[0])
        )
    yield from _head(SECONDS.name, SECONDS.help, "histogram")
    for first, labels in SECONDS.combinations():
        counts = list(accumulate(sums[first : first + len(BUCKETS) + 1]))
        if counts[-1]:
            for bound, count in zip((*map(float, BUCKETS), "+Inf"), counts, strict=True):
                yield f'{SECONDS.name}_bucket{{{labels},le="{bound}"}} {float(count)}'
            yield f"{SECONDS.name}_count{{{labels}}} {float(counts[-1])}"
            yield f"{SECONDS.name}_sum{{{labels}}} {sums[first + len(BUCKETS) + 1] / 1e6}"


def of_zones(sums: Sequence[int], names: Sequence[str]) -> Iterator[str]:
    """The lines for ZONES, of the sums of its cells and the names at their places."""
    counts = sums[ZONES.start : ZONES.end]
    samples = [
        (f'zone="{name}"', float(count))
        for name, count in zip((*names, OTHER), (*counts[: len(names)], counts[-1]), strict=True)
    ]
    yield from told(ZONES.name, ZONES.help, "counter", (each for each in samples if each[1]))


def told(name: str, help_: str, kind: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    """The lines of one metric of that kind (counter or gauge): of each sample its labels as text, and its value."""
    yield from _head(name, help_, kind)
    for labels, value in samples:
        yield f"{name}{{{labels}}} {value}" if labels else f"{name} {value}"


def _head(name: str, help_: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {help_}"
    yield f"# TYPE {name} {kind}"
