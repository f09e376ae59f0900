"""What several processes verify and compile is what one makes of it, in the same order; none outlives its use."""

import itertools
import os
import signal
from pathlib import Path

import pytest

from xferzone import delta
from xferzone.hashing import artifact_id
from xferzone.publish.noted import Noted
from xferzone.publish.served import compile_all
from xferzone.serve.helpers import compile_in_parallel, compiling, verifying
from xferzone.store.incoming import Received, verify_alone
from xferzone.zone.compile import Task


def tasks(count: int) -> list[Task]:
    made = []
    for number in range(count):
        zone = f"zone{number}.example"
        text = b"@ 300 SOA a. b. %d 1 1 1 1\n@ 300 NS a.\n" % number if number % 7 else b"@ 300 A 192.0.2.1\n"
        made.append(Task(zone, {f"{zone}.zone": (artifact_id(text), text)}))
    return made


def test_many_zones_are_compiled_as_one_after_the_other() -> None:
    wanted = tasks(1_000)
    made = list(compile_in_parallel(iter(wanted)))
    assert made == list(compile_all(wanted))
    assert {bool(one.faults) for one in made} == {True, False}


def test_few_zones_need_no_process() -> None:
    wanted = tasks(8)
    assert list(compile_in_parallel(wanted)) == list(compile_all(wanted))


def test_who_stops_early_leaves_no_process_behind() -> None:
    made = compile_in_parallel(iter(tasks(1_000)))
    assert len(list(itertools.islice(made, 3))) == 3
    del made  # as an exception would, on its way out
    assert children() == []


def blobs(count: int) -> list[Received]:
    """A zone's versions: the last one whole, each other a delta of the next."""
    texts = [b"@ 300 SOA a. b. %d 1 1 1 1\n%s" % (n, b"www 300 A 192.0.2.1\n" * 40) for n in range(count)]
    made = [Received(artifact_id(texts[-1]), None, texts[-1])]
    for old, new in itertools.pairwise(texts):
        way_back = delta.create(new, old)
        assert way_back is not None
        made.append(Received(artifact_id(old), artifact_id(new), way_back))
    return made


def children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


@pytest.fixture(autouse=True)
def _two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xferzone.serve.helpers._processors", lambda: 2)


def test_artifacts_are_verified_as_here_again_and_again() -> None:
    sent = blobs(50)
    expected = verify_alone(sent, Noted.note)
    assert len(expected.verified) == len(expected.notes) == 50
    with verifying() as helper:
        assert helper is not None
        for _ in range(2):
            assert helper(sent, Noted.note)() == expected
        assert (
            helper([*sent, Received(artifact_id(b"x"), None, b"y")], None)() is None
        )  # told by whoever asked
        assert helper(sent, Noted.note)() == expected
    assert children() == []


def test_an_answer_that_nobody_took_is_taken_for_no_other() -> None:
    with verifying() as helper:
        assert helper is not None
        helper(blobs(3), None)
        assert helper(blobs(5), None)() is None


def test_a_process_that_was_killed_is_done_without() -> None:
    with verifying() as helper:
        assert helper is not None
        finished = helper(blobs(5), None)
        (pid,) = children()
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        finished()  # may have come before
        assert helper(blobs(5), None)() is None
    assert children() == []


def test_zones_are_compiled_as_here_while_this_process_does_other_things() -> None:
    wanted = tasks(50)
    with compiling() as begin:
        assert begin is not None
        for _ in range(2):
            assert begin(wanted)(60.0) == list(compile_all(wanted))
    assert children() == []


def test_what_is_not_compiled_yet_keeps_nobody_waiting() -> None:
    with compiling() as begin:
        assert begin is not None
        answer = begin(tasks(1_000))
        assert answer(0) is None
        assert begin(tasks(1))(0.1) is None  # it is busy
        made = answer(60.0)
        assert made is not None
        assert len(made) == 1_000


def test_with_one_processor_there_is_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xferzone.serve.helpers._processors", lambda: 1)
    with verifying() as helper, compiling() as begin:
        assert (helper, begin) == (None, None)
