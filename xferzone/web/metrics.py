"""The exposition of this process's metrics, or of all workers'.

Counters belong to a worker. With several of them set PROMETHEUS_MULTIPROC_DIR to an empty directory before the
start: then each answer is the sum over all.
"""

import os
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


def exposition(own: CollectorRegistry) -> bytes:
    """All of it, as a scraper reads it; `own` are the counters of this process."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(own)
    everybody = CollectorRegistry()
    MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]  # the library's own omission
    return generate_latest(everybody)
