"""What observers are told of sessions and requests: order, counts, contexts; also where they fail."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import falcon.testing
import pytest

from tests.observer.conftest import Context, Written, commit, way_to
from xferzone import exchange
from xferzone.cards.body import COMPRESSED, DEBUG
from xferzone.env import Env
from xferzone.errors import Cancelled, PeerError
from xferzone.exchange import Account, Budget, Options, Outcome, Terms
from xferzone.observer import Answered, Asked, Session, Several, Silent, Traffic
from xferzone.store import Store
from xferzone.sync.server.strays import MAX_UNKNOWN
from xferzone.transport import Body, Canned, InProcess
from xferzone.web.app import create_app

DEV = Account("dev", "devpw")
ROUND = ["round_started", "round_ended"]


def clone(primary: Store, file: str, options: Options | None = None, terms: Terms | None = None) -> Outcome:
    return exchange.clone(primary.path.with_name(file), way_to(primary, terms), options)


def total(rounds: list[Traffic]) -> Traffic:
    return Traffic(*(sum(getattr(each, name.name) for each in rounds) for name in fields(Traffic)))


def check_balance(seen: Written) -> None:
    """Whatever has started ends once, inside what it belongs to; nothing is told of a context that has ended."""
    under_way: set[Context] = set()
    for call in seen.calls:
        if call.name.endswith("_started"):
            assert call.context.parent is None or call.context.parent in under_way
            under_way.add(call.context)
        else:
            assert call.context in under_way, call
            assert call.context.kind == call.name.partition("_")[0] or call.name in ("said", "failed")
        if call.name.endswith("_ended"):
            under_way.remove(call.context)
            assert not any(each.parent is call.context for each in under_way)
    assert not under_way


def test_a_clone_is_told_from_its_start_to_its_end_with_all_counts(primary: Store) -> None:
    seen = Written()
    done = clone(primary, "c.xferzone", Options(observer=seen))
    check_balance(seen)
    assert seen.names == ["session_started", *ROUND * done.traffic.rounds, "session_ended"]
    assert seen.told("session_started", Session) == [Session("clone", "primary", None)]
    assert seen.told("session_ended", Traffic) == [done.traffic]
    assert total(seen.told("round_ended", Traffic)) == done.traffic
    assert done.traffic.received == done.traffic.linked > 0
    assert done.traffic.bytes_in > 0 < done.traffic.bytes_out


def test_in_a_clone_of_many_parts_the_next_round_starts_before_the_last_one_ends(primary: Store) -> None:
    for number in range(2, 30):
        commit(primary, number)
    seen = Written()
    done = clone(primary, "c.xferzone", Options(observer=seen), Terms(budget=Budget(bytes=1500)))
    check_balance(seen)
    assert done.traffic.rounds > 5
    assert seen.names[:5] == [
        "session_started",
        "round_started",
        "round_started",
        "round_ended",
        "round_started",
    ]
    started = [call.context for call in seen.calls if call.name == "round_started"]
    assert [call.context for call in seen.calls if call.name == "round_ended"] == started
    assert total(seen.told("round_ended", Traffic)) == done.traffic
    assert seen.told("round_ended", Traffic, at=1)[-1] == done.traffic


def test_a_sync_that_pushes_is_told_at_both_ends_with_the_same_counts(primary: Store) -> None:
    clone(primary, "c.xferzone")
    client, server = Written(), Written()
    with Store.open(primary.path.with_name("c.xferzone")) as laptop:
        commit(laptop, 2)
        with laptop.reader() as reader:
            code = reader.project_code
            origin = exchange.known_remote(reader, None)
        way = way_to(primary, Terms(observer=server, remote="192.0.2.7"))
        done = exchange.sync(laptop, way, Options(account=DEV, remote=origin, observer=client))
    check_balance(client)
    check_balance(server)
    rounds = done.traffic.rounds
    assert client.names == ["session_started", *ROUND * rounds, "session_ended"]
    assert server.names == ["request_started", "request_ended"] * rounds
    assert client.told("session_started", Session) == [Session("sync", "primary", code)]
    assert client.told("session_ended", Traffic) == [done.traffic]
    asked = server.told("request_started", Asked)
    answered = server.told("request_ended", Answered)
    assert {(each.operation, each.project_code, each.remote) for each in asked} == {
        ("sync", code, "192.0.2.7")
    }
    assert {(each.operation, each.outcome, each.login, each.why) for each in answered} == {
        ("sync", "ok", "dev", "")
    }
    out = client.told("round_started", Traffic)
    assert [each.bytes_out for each in out] == [each.size for each in asked]
    assert sum(each.size for each in answered) == done.traffic.bytes_in
    assert sum(each.sent for each in out) == sum(each.received for each in answered) == done.traffic.sent == 2
    assert all(each.cards >= 3 and each.seconds > 0 for each in answered)


def test_a_request_tells_what_it_took_and_what_it_gave(primary: Store) -> None:
    with primary.reader() as reader:
        code = reader.project_code
    seen = Written()
    body = Body.of(DEBUG, b"clone 3 1\n")
    reply = exchange.answer(primary, body, Terms(observer=seen, remote="192.0.2.9"))
    assert seen.told("request_started", Asked) == [Asked("clone", "", "192.0.2.9", 10)]
    (answered,) = seen.told("request_ended", Answered)
    assert (answered.operation, answered.outcome, answered.login) == ("clone", "ok", "nobody")
    assert (answered.cards, answered.received, answered.size) == (1, 0, reply.size)
    with reply.body:
        assert answered.sent == reply.octets().count(b"cfile ") > 0
    pull = f"pull {'0' * 40} {code}\n".encode()
    exchange.answer(primary, Body.of(DEBUG, pull), Terms(observer=seen)).body.octets.close()
    assert seen.told("request_started", Asked)[1] == Asked("pull", code, "", len(pull))


@pytest.mark.parametrize(
    ("text", "outcome", "why"),
    [
        (f"login dev {'0' * 40} {'0' * 40}\n".encode(), "error", "login failed"),
        (b"nonsense\n", "error", ""),
        (b"x\n" * (MAX_UNKNOWN + 1), "refused", "over"),
    ],
)
def test_what_a_sender_does_wrong_is_an_outcome_and_no_failure(
    primary: Store, text: bytes, outcome: str, why: str
) -> None:
    seen = Written()
    exchange.answer(primary, Body.of(DEBUG, text), Terms(observer=seen)).body.octets.close()
    assert seen.names == ["request_started", "request_ended"]
    (answered,) = seen.told("request_ended", Answered)
    assert answered.outcome == outcome
    assert answered.why.startswith(why)
    assert bool(answered.why) == bool(why)


def test_a_server_that_cannot_answer_tells_the_failure_before_the_end(tmp_path: Path) -> None:
    seen = Written()
    app = create_app(tmp_path / "gone.xferzone", Terms(observer=seen))
    result = falcon.testing.TestClient(app).simulate_post("/", body=b"x", content_type=COMPRESSED)
    assert result.status_code == 200
    assert seen.names == ["request_started", "failed", "request_ended"]
    check_balance(seen)
    (asked,) = seen.told("request_started", Asked)
    assert asked == Asked("other", "", "127.0.0.1", 1)
    (answered,) = seen.told("request_ended", Answered)
    assert answered.outcome == "failed"


def test_a_bug_while_a_request_is_answered_ends_it_too(primary: Store) -> None:
    def broken() -> int:
        raise ValueError("a bug")

    clone(primary, "c.xferzone")
    seen = Written()
    terms = Terms(observer=seen, env=Env(clock_ms=broken))  # is asked when a push is published
    with Store.open(primary.path.with_name("c.xferzone")) as laptop:
        commit(laptop, 2)
        with pytest.raises(ValueError, match="a bug"):
            exchange.sync(laptop, way_to(primary, terms), Options(account=DEV))
    check_balance(seen)
    assert seen.names[-3:] == ["request_started", "failed", "request_ended"]
    assert seen.told("failed", ValueError)


def test_a_sync_whose_peer_fails_ends_the_round_then_fails_then_ends(primary: Store) -> None:
    clone(primary, "c.xferzone")
    commit(primary, 2)
    answered: list[exchange.Reply] = []

    def once(body: Body) -> Body:
        if answered:
            raise PeerError("the line is dead")
        answered.append(exchange.answer(primary, body))
        return answered[0].body

    seen = Written()
    with Store.open(primary.path.with_name("c.xferzone")) as laptop, pytest.raises(PeerError):
        exchange.sync(laptop, InProcess(once), Options(observer=seen))
    check_balance(seen)
    assert seen.names == ["session_started", *ROUND, *ROUND, "failed", "session_ended"]
    assert [str(error) for error in seen.told("failed", PeerError)] == ["the line is dead"]
    (so_far,) = seen.told("session_ended", Traffic)
    assert so_far.rounds == 1
    _, lost = seen.told("round_ended", Traffic)
    assert (lost.rounds, lost.received, lost.bytes_in) == (0, 0, 0)
    assert lost.bytes_out > 0
    assert seen.told("round_ended", Traffic, at=1)[-1] == so_far


def test_a_peer_that_refuses_is_a_failure_and_what_it_says_is_told(primary: Store) -> None:
    seen = Written()
    recorded = Canned([(DEBUG, b"message mind\\sthe\\sgap\nerror closed\\stoday\n")])
    done = exchange.sync(primary, recorded, Options(observer=seen))
    check_balance(seen)
    assert done.errors == ("closed today",)
    assert seen.names == [
        "session_started",
        "round_started",
        "said",
        "round_ended",
        "failed",
        "session_ended",
    ]
    assert seen.told("said", str) == ["mind the gap"]
    assert seen.calls[2].context is seen.calls[0].context
    assert [str(error) for error in seen.told("failed", PeerError)] == ["closed today"]


@pytest.mark.parametrize("ending", [KeyboardInterrupt, Cancelled])
def test_a_clone_that_is_ended_from_outside_fails_and_leaves_no_file(
    primary: Store, ending: type[BaseException]
) -> None:
    enough = threading.Event()

    class Ending(Written):
        def round_ended(self, context: object, round_: Traffic, so_far: Traffic) -> None:
            super().round_ended(context, round_, so_far)
            enough.set()

    def cancelled() -> bool:
        if enough.is_set() and ending is KeyboardInterrupt:
            raise KeyboardInterrupt
        return enough.is_set()

    seen = Ending()
    with pytest.raises(ending):
        clone(primary, "c.xferzone", Options(observer=seen, cancelled=cancelled))
    check_balance(seen)
    assert seen.names == ["session_started", *ROUND, *ROUND, "failed", "session_ended"]
    assert len(seen.told("failed", ending)) == 1
    assert not list(primary.path.parent.glob("c.xferzone*"))


@pytest.mark.parametrize("name", ["round_started", "round_ended"])
def test_what_an_observer_raises_ends_the_session_and_all_that_has_started(primary: Store, name: str) -> None:
    class Broken(Written):
        def _write(self, called: str, context: object, *told: object) -> None:
            super()._write(called, context, *told)
            if called == name:
                raise RuntimeError(f"{name} is broken")

    seen = Broken()
    with pytest.raises(RuntimeError, match=f"{name} is broken"):
        clone(primary, "c.xferzone", Options(observer=seen))
    assert seen.names[-2:] == ["failed", "session_ended"]
    assert not list(primary.path.parent.glob("c.xferzone*"))


def test_one_observer_watches_many_sessions_and_requests_in_threads(primary: Store) -> None:
    seen = Written()
    names = [f"peer {number}" for number in range(8)]
    begun = threading.Barrier(len(names), timeout=60)

    def run(name: str) -> Outcome:
        begun.wait()
        way = way_to(primary, Terms(observer=seen, remote=name), name)
        return exchange.clone(primary.path.with_name(f"{name}.xferzone"), way, Options(observer=seen))

    with ThreadPoolExecutor(len(names)) as pool:
        outcomes = dict(zip(names, pool.map(run, names), strict=True))
    check_balance(seen)
    sessions = {call.context: call for call in seen.calls if call.name == "session_started"}
    assert len(sessions) == len(names)
    for context, start in sessions.items():
        own = [call for call in seen.calls if context in (call.context, call.context.parent)]
        (told,) = start.told
        assert isinstance(told, Session)
        done = outcomes[told.peer]
        assert {call.thread for call in own} == {start.thread}
        assert own[-1].told == (done.traffic,)
        assert [call.name for call in own].count("round_ended") == done.traffic.rounds
    remotes = [asked.remote for asked in seen.told("request_started", Asked)]
    assert Counter(remotes) == {name: done.traffic.rounds for name, done in outcomes.items()}


def test_several_observers_are_told_the_same_each_with_contexts_of_its_own(primary: Store) -> None:
    one, two = Written(), Written()
    both = Several(one, Silent(), two)
    clone(primary, "c.xferzone", Options(observer=both), Terms(observer=both))
    recorded = Canned([(DEBUG, b"message hello\nerror no\n")])
    exchange.sync(primary, recorded, Options(observer=both))
    for seen in (one, two):
        check_balance(seen)
    assert set(one.names) == {
        "session_started",
        "round_started",
        "round_ended",
        "said",
        "failed",
        "session_ended",
        "request_started",
        "request_ended",
    }
    assert [(each.name, each.told) for each in one.calls] == [(each.name, each.told) for each in two.calls]
    assert not {id(each.context) for each in one.calls} & {id(each.context) for each in two.calls}
