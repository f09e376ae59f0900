"""Spans as a collector gets them: sent by OpenTelemetry's own exporter over HTTP, taken in by a server of the test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.observer.conftest import commit, way_to
from xferzone import exchange
from xferzone.cards.body import DEBUG
from xferzone.env import Env
from xferzone.errors import PeerError
from xferzone.exchange import Account, Options, Terms
from xferzone.observer.otel import OpenTelemetry
from xferzone.store import Store
from xferzone.transport import Body, Canned

_TYPE = "application/x-protobuf"  # of OTLP over HTTP (OpenTelemetry Protocol 1.5, "OTLP/HTTP")


class Collector(HTTPServer):
    """Takes OTLP posts; `spans` are those that came, in order."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.spans: list[Span] = []

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


class _Taking(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_right = (self.path, self.headers["Content-Type"]) == ("/v1/traces", _TYPE)
        if is_right:
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.server.spans.extend(scope.spans)
        self.send_response(200 if is_right else 400)
        self.send_header("Content-Type", _TYPE)
        self.end_headers()
        self.wfile.write(ExportTraceServiceResponse().SerializeToString())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def collecting() -> Iterator[tuple[OpenTelemetry, Collector]]:
    """An observer, and the collector that has its spans when they have ended."""
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        provider = TracerProvider()
        exporter = OTLPSpanExporter(f"http://127.0.0.1:{collector.server_port}/v1/traces")
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        try:
            yield OpenTelemetry(provider.get_tracer("tests")), collector
        finally:
            provider.shutdown()
            collector.shutdown()
            thread.join()


def attributes(span: Span) -> dict[str, str | int]:
    return {
        each.key: each.value.string_value if each.value.HasField("string_value") else each.value.int_value
        for each in span.attributes
    }


def test_a_session_holds_its_rounds_and_each_request_is_a_span(primary: Store) -> None:
    exchange.clone(primary.path.with_name("c.xferzone"), way_to(primary))
    commit(primary, 2)
    with collecting() as (spans, collector), Store.open(primary.path.with_name("c.xferzone")) as laptop:
        with laptop.reader() as reader:
            code = reader.project_code
        commit(laptop, 3)
        way = way_to(primary, Terms(observer=spans, remote="192.0.2.7"))
        done = exchange.sync(laptop, way, Options(account=Account("dev", "devpw"), observer=spans)).traffic
    (session,) = collector.named("xferzone.sync")
    rounds = collector.named("xferzone.round")
    requests = collector.named("xferzone.request")
    assert len(rounds) == len(requests) == done.rounds >= 2
    assert len(collector.spans) == 1 + 2 * done.rounds
    assert session.kind == Span.SPAN_KIND_CLIENT
    assert not session.parent_span_id
    for each in rounds:
        assert (each.trace_id, each.parent_span_id) == (session.trace_id, session.span_id)
        assert session.start_time_unix_nano <= each.start_time_unix_nano
        assert each.end_time_unix_nano <= session.end_time_unix_nano
    told = attributes(session)
    assert (told["xferzone.peer"], told["xferzone.project"]) == ("primary", code)
    for name in ("sent", "received", "bytes_in", "bytes_out"):
        each_way = [attributes(each)[f"xferzone.{name}"] for each in rounds]
        assert sum(map(int, each_way)) == told[f"xferzone.{name}"] == getattr(done, name) > 0
    asked = [attributes(each) for each in requests]
    assert {each.kind for each in requests} == {Span.SPAN_KIND_SERVER}
    assert {
        (each["xferzone.operation"], each["xferzone.project"], each["client.address"]) for each in asked
    } == {("sync", code, "192.0.2.7")}
    assert {(each["xferzone.outcome"], each["enduser.id"]) for each in asked} == {("ok", "dev")}
    assert sum(int(each["xferzone.received"]) for each in asked) == done.sent
    assert sum(int(each["http.request.body.size"]) for each in asked) == done.bytes_out
    assert sum(int(each["http.response.body.size"]) for each in asked) == done.bytes_in
    assert {each.status.code for each in collector.spans} == {Status.STATUS_CODE_UNSET}


def test_a_session_that_fails_has_the_error_and_its_last_round(primary: Store) -> None:
    with collecting() as (spans, collector):
        with pytest.raises(PeerError):
            exchange.sync(primary, Canned([], name="nobody there"), Options(observer=spans))
        exchange.sync(primary, Canned([(DEBUG, b"error closed\\stoday\n")]), Options(observer=spans))
    first, second = collector.named("xferzone.sync")
    assert [each.parent_span_id for each in collector.named("xferzone.round")] == [
        first.span_id,
        second.span_id,
    ]
    assert first.status.code == second.status.code == Status.STATUS_CODE_ERROR
    assert first.status.message == "nobody there has no reply to request 1"
    assert second.status.message == "closed today"
    for each in (first, second):
        (event,) = each.events
        assert event.name == "exception"
        message = next(found for found in event.attributes if found.key == "exception.message")
        assert message.value.string_value == each.status.message


def test_a_request_that_fails_has_its_error(primary: Store, tmp_path: Path) -> None:
    def broken() -> int:
        raise ValueError("a bug")

    exchange.clone(tmp_path / "c.xferzone", way_to(primary))
    with collecting() as (spans, collector), Store.open(tmp_path / "c.xferzone") as laptop:
        terms = Terms(observer=spans)
        exchange.answer(primary, Body.of(DEBUG, b"nonsense\n"), terms).body.octets.close()
        commit(laptop, 2)
        way = way_to(primary, Terms(observer=spans, env=Env(clock_ms=broken)))
        with pytest.raises(ValueError, match="a bug"):
            exchange.sync(laptop, way, Options(account=Account("dev", "devpw")))
    refused, failed = collector.named("xferzone.request")
    assert refused.status.code == failed.status.code == Status.STATUS_CODE_ERROR
    assert (refused.status.message, len(refused.events)) == ("error", 0)
    assert [event.name for event in failed.events] == ["exception"]
    assert attributes(failed)["xferzone.outcome"] == "failed"
