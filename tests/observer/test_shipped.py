"""The observers that are shipped: log lines, lines on a terminal, counters."""

import logging
from io import StringIO

import pytest
from prometheus_client import CollectorRegistry
from rich.console import Console

from tests.live import within
from tests.observer.conftest import commit, way_to
from xferzone import exchange
from xferzone.cards.body import DEBUG
from xferzone.errors import PeerError
from xferzone.exchange import Account, Options, Terms
from xferzone.observer import Session, Traffic
from xferzone.observer.log import Log
from xferzone.observer.progress import Progress
from xferzone.observer.prometheus import Prometheus
from xferzone.store import Store
from xferzone.transport import Body, Canned

log = logging.getLogger("tests.observer")
REFUSAL = (DEBUG, b"error closed\\stoday\n")


def test_the_log_has_one_line_for_each_session(primary: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    options = Options(observer=Log(log))
    exchange.clone(primary.path.with_name("c.xferzone"), way_to(primary), options)
    exchange.sync(primary, Canned([REFUSAL]), options)
    with pytest.raises(PeerError):
        exchange.sync(primary, Canned([], name="nobody there"), options)
    cloned, refused, failed = caplog.records
    assert cloned.levelno == logging.INFO
    assert cloned.getMessage().startswith("clone peer=primary outcome=ok rounds=")
    assert refused.levelno == failed.levelno == logging.WARNING
    assert refused.getMessage().startswith("sync peer=a recording outcome=failed rounds=1 received=0 sent=0 ")
    assert refused.getMessage().endswith(" why='closed today'")
    assert failed.getMessage().endswith(" why='nobody there has no reply to request 1'")


def test_the_log_has_one_line_for_each_request(primary: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    terms = Terms(observer=Log(log), remote="192.0.2.7")
    for text in (b"clone 3 1\n", f"login x\x1b {'0' * 40} {'0' * 40}\n".encode(), b""):
        exchange.answer(primary, Body.of(DEBUG, text), terms).body.octets.close()
    cloned, refused, nothing = caplog.records
    assert cloned.levelno == refused.levelno == logging.INFO
    assert nothing.levelno == logging.DEBUG
    assert cloned.getMessage().startswith("xfer kind=clone outcome=ok user=nobody received=0 sent=")
    assert cloned.getMessage().endswith(" remote=192.0.2.7")
    assert " outcome=error user='x\\x1b' " in refused.getMessage()
    assert refused.getMessage().endswith(" remote=192.0.2.7 why='login failed'")


def test_counters_of_a_client_count_each_session_once(primary: Store) -> None:
    registry = CollectorRegistry()
    options = Options(observer=Prometheus(registry), account=Account("dev", "devpw"))
    done = exchange.clone(primary.path.with_name("c.xferzone"), way_to(primary), options)
    with Store.open(primary.path.with_name("c.xferzone")) as laptop:
        commit(laptop, 2)
        exchange.sync(laptop, way_to(primary), options)
    exchange.sync(primary, Canned([REFUSAL]), options)
    with pytest.raises(PeerError):
        exchange.sync(primary, Canned([]), options)
    sessions = {
        (sample.labels["kind"], sample.labels["outcome"]): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "xferzone_sync_sessions_total"
    }
    assert sessions == {("clone", "ok"): 1, ("sync", "ok"): 1, ("sync", "failed"): 2}
    artifacts = "xferzone_sync_artifacts_total"
    assert registry.get_sample_value(artifacts, {"direction": "in"}) == done.traffic.received
    assert registry.get_sample_value(artifacts, {"direction": "out"}) == 2


def test_counters_of_a_server_agree_with_what_the_client_counts(primary: Store) -> None:
    registry = CollectorRegistry()
    terms = Terms(observer=Prometheus(registry))
    account = Account("dev", "devpw")
    one = exchange.clone(primary.path.with_name("c.xferzone"), way_to(primary, terms)).traffic
    with Store.open(primary.path.with_name("c.xferzone")) as laptop:
        commit(laptop, 2)
        two = exchange.sync(laptop, way_to(primary, terms), Options(account=account)).traffic
    exchange.answer(primary, Body.of(DEBUG, b"nonsense\n"), terms).body.octets.close()

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"xferzone_xfer_{name}", labels)

    assert value("rounds_total", kind="sync", outcome="ok") == two.rounds
    assert value("rounds_total", kind="other", outcome="error") == 1
    assert value("artifacts_total", direction="out") == one.received + two.received
    assert value("artifacts_total", direction="in") == two.sent == 2
    assert value("bytes_total", direction="in") == one.bytes_out + two.bytes_out + len(b"nonsense\n")
    assert value("seconds_count", kind="sync") == two.rounds


def test_a_terminal_shows_a_line_for_each_session_under_way_and_none_afterwards() -> None:
    out = StringIO()
    console = Console(file=out, force_terminal=True, width=100, _environ={"TERM": "xterm"})
    progress = Progress(console)
    one = progress.session_started(Session("clone", "https://one.example/", None))
    two = progress.session_started(Session("sync", "https://[bold]two.example/", "0" * 40))
    assert "asking https://one.example/ ..." in out.getvalue()
    assert "asking https://[bold]two.example/ ..." in out.getvalue()
    for number, session in enumerate((one, two), 1):
        context = progress.round_started(session, Traffic())
        so_far = Traffic(rounds=number, received=1234, bytes_in=56_789, sent=number, bytes_out=100)
        progress.round_ended(context, Traffic(), so_far)
    # It is drawn ten times a second.
    seen = "https://one.example/: round 1, received 1,234 artifacts (57 kB), sent 1 (100 bytes)"
    assert within(10, lambda: seen in out.getvalue())
    assert within(10, lambda: "https://[bold]two.example/: round 2, " in out.getvalue())
    before = len(out.getvalue())
    progress.failed(one, PeerError("the line is dead"))
    progress.session_ended(one, Traffic())
    assert within(10, lambda: "two.example" in out.getvalue()[before:])
    assert "one.example" not in out.getvalue()[before:]
    progress.session_ended(two, Traffic())
    after = len(out.getvalue())
    console.print("the end")
    assert out.getvalue()[after:] == "the end\n"
    third = progress.session_started(Session("pull", "https://three.example/", None))
    progress.session_ended(third, Traffic())
    assert "asking https://three.example/ ..." in out.getvalue()[after:]


def test_progress_watches_a_clone_from_start_to_end(primary: Store) -> None:
    out = StringIO()
    console = Console(file=out, force_terminal=True, width=100, _environ={"TERM": "xterm"})
    options = Options(observer=Progress(console))
    exchange.clone(primary.path.with_name("c.xferzone"), way_to(primary), options)
    assert "asking primary ..." in out.getvalue()
    _, erased, rest = out.getvalue().rpartition("\x1b[2K")
    assert erased
    assert rest.strip() == "\x1b[?25h"  # the cursor is shown again
