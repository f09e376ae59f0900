"""Spans for OpenTelemetry: sessions with their rounds inside, and requests. Needs the extra `otel`.

xferzone.clone|pull|push|sync|repair   client; peer, project, and every count of observer.Traffic
  xferzone.round                       client; the counts of this round
xferzone.request                       server; operation, project, address; outcome, login, cards, artifacts, bytes

A session that failed and a request whose outcome is not ok have the status ERROR. Attributes begin with `xferzone.`,
except those for which OpenTelemetry has a name.
"""

from dataclasses import asdict

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from xferzone.observer import Answered, Asked, Session, Silent, Traffic


class OpenTelemetry(Silent):
    """Makes spans with a tracer of the caller's. A session is a child of the span that is current where it starts."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def session_started(self, session: Session) -> object:
        return self._tracer.start_span(
            f"xferzone.{session.operation}",
            kind=SpanKind.CLIENT,
            attributes={"xferzone.peer": session.peer, "xferzone.project": session.project_code or ""},
        )

    def session_ended(self, context: object, so_far: Traffic) -> None:
        _count(_span(context), so_far)
        _span(context).end()

    def round_started(self, context: object, _out: Traffic, /) -> object:
        inside = trace.set_span_in_context(_span(context))
        return self._tracer.start_span("xferzone.round", context=inside, kind=SpanKind.CLIENT)

    def round_ended(self, context: object, round_: Traffic, _so_far: Traffic, /) -> None:
        _count(_span(context), round_)
        _span(context).end()

    def request_started(self, asked: Asked) -> object:
        return self._tracer.start_span(
            "xferzone.request",
            kind=SpanKind.SERVER,
            attributes={
                "xferzone.operation": asked.operation,
                "xferzone.project": asked.project_code,
                "client.address": asked.remote,
                "http.request.body.size": asked.size,
            },
        )

    def request_ended(self, context: object, answered: Answered) -> None:
        span = _span(context)
        span.set_attributes(
            {
                "xferzone.operation": answered.operation,
                "xferzone.outcome": answered.outcome,
                "enduser.id": answered.login,
                "xferzone.cards": answered.cards,
                "xferzone.received": answered.received,
                "xferzone.sent": answered.sent,
                "xferzone.uv_received": answered.uv_received,
                "xferzone.uv_sent": answered.uv_sent,
                "xferzone.uv_gimmes": answered.uv_gimmes,
                "http.response.body.size": answered.size,
            }
        )
        if answered.outcome != "ok":
            span.set_status(Status(StatusCode.ERROR, answered.why or answered.outcome))
        span.end()

    def failed(self, context: object, error: BaseException) -> None:
        _span(context).record_exception(error)
        _span(context).set_status(Status(StatusCode.ERROR, str(error)))


def _count(span: Span, traffic: Traffic) -> None:
    span.set_attributes({f"xferzone.{name}": number for name, number in asdict(traffic).items()})


def _span(context: object) -> Span:
    assert isinstance(context, Span)
    return context
