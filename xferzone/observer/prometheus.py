"""Counters for Prometheus.

xferzone_xfer_rounds_total{kind,outcome}     requests answered
xferzone_xfer_bytes_total{direction}         bodies as they travelled: in, out
xferzone_xfer_artifacts_total{direction}     in: pushed to us, out: sent by us
xferzone_xfer_seconds{kind}                  from the opening of the request until the reply is made
xferzone_sync_sessions_total{kind,outcome}   sessions with other repositories, each counted once, at its end: ok, failed
xferzone_sync_artifacts_total{direction}     artifacts of all sessions, those of failed ones included
"""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram

from xferzone.observer import Answered, Asked, Session, Silent, Traffic

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # seconds


@dataclass(slots=True)
class _Session:
    """A session under way, and what it comes to as far as is known."""

    operation: str
    outcome: str = "ok"


class Prometheus(Silent):
    """Counts in a registry of the caller's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._rounds = Counter(
            "xferzone_xfer_rounds", "Requests answered", ["kind", "outcome"], registry=registry
        )
        self._bytes = Counter("xferzone_xfer_bytes", "Bytes of bodies", ["direction"], registry=registry)
        self._artifacts = Counter("xferzone_xfer_artifacts", "Artifacts", ["direction"], registry=registry)
        self._seconds = Histogram(
            "xferzone_xfer_seconds", "Seconds", ["kind"], registry=registry, buckets=_BUCKETS
        )
        self._sessions = Counter(
            "xferzone_sync_sessions", "Syncs with others", ["kind", "outcome"], registry=registry
        )
        self._synced = Counter(
            "xferzone_sync_artifacts", "Artifacts of these", ["direction"], registry=registry
        )

    def session_started(self, session: Session) -> object:
        return _Session(session.operation)

    def session_ended(self, context: object, so_far: Traffic) -> None:
        assert isinstance(context, _Session)
        self._sessions.labels(context.operation, context.outcome).inc()
        self._synced.labels("in").inc(so_far.received)
        self._synced.labels("out").inc(so_far.sent)

    def request_started(self, asked: Asked) -> object:
        return asked

    def request_ended(self, context: object, answered: Answered) -> None:
        assert isinstance(context, Asked)
        self._rounds.labels(answered.operation, answered.outcome).inc()
        self._bytes.labels("in").inc(context.size)
        self._bytes.labels("out").inc(answered.size)
        self._artifacts.labels("in").inc(answered.received)
        self._artifacts.labels("out").inc(answered.sent)
        self._seconds.labels(answered.operation).observe(answered.seconds)

    def failed(self, context: object, _error: BaseException) -> None:
        if isinstance(context, _Session):
            context.outcome = "failed"
