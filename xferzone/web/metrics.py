"""What the HTTP side counts, in Prometheus' text form.

    xferzone_xfer_rounds_total{kind,outcome}     one a request of the sync protocol
    xferzone_xfer_bytes_total{direction}         bodies as they travelled: in, out
    xferzone_xfer_artifacts_total{direction}     in: pushed to us, out: sent by us
    xferzone_xfer_seconds{kind}                  from the first byte read to the reply made
    xferzone_refs_published                      branches of zones (from the repository, see health)

Counters belong to a worker. With several of them set PROMETHEUS_MULTIPROC_DIR to an empty directory before the
start: then each answer is the sum over all.
"""

import os
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from xferzone.sync.server.reply import Reply

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # seconds


class Metrics:
    """The counters of one app."""

    def __init__(self) -> None:
        own = self._own = CollectorRegistry()
        self._rounds = Counter("xferzone_xfer_rounds", "Requests answered", ["kind", "outcome"], registry=own)
        self._bytes = Counter("xferzone_xfer_bytes", "Bytes of bodies", ["direction"], registry=own)
        self._artifacts = Counter("xferzone_xfer_artifacts", "Artifacts", ["direction"], registry=own)
        self._seconds = Histogram(
            "xferzone_xfer_seconds", "Seconds", ["kind"], registry=own, buckets=_BUCKETS
        )

    def count(self, reply: Reply, came: int, went: int, seconds: float) -> None:
        """Count one round: `came` and `went` are bytes on the wire."""
        self._rounds.labels(reply.kind, reply.outcome).inc()
        self._bytes.labels("in").inc(came)
        self._bytes.labels("out").inc(went)
        self._artifacts.labels("in").inc(reply.received)
        self._artifacts.labels("out").inc(reply.sent)
        self._seconds.labels(reply.kind).observe(seconds)

    def exposition(self) -> bytes:
        """All of it, as a scraper reads it."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._own)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]  # the library's own omission
        return generate_latest(everybody)
