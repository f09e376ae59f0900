"""A real etcd of three members: some of them die, sleep or are alone, and what was won stays won."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from tests.etcds import Running, cluster, heard
from tests.live import BOUND_S, PATIENCE_S, within
from xferzone.errors import Away
from xferzone.refs.etcd import Etcd
from xferzone.refs.gateway import Patience

pytestmark = pytest.mark.interop

SHORT = Patience(connect=1.0, reply=2.0, total=5.0)


@pytest.fixture
def members(tmp_path: Path) -> Iterator[list[Running]]:
    with cluster(tmp_path) as members:
        yield members


def reaching(*members: Running, patience: Patience = SHORT) -> Etcd:
    return Etcd([each.url for each in members], patience=patience)


def test_what_was_won_stays_won_while_leaders_die(members: list[Running]) -> None:
    """Eight threads append their names to one key; the leader is killed in between. Unknown is never taken for lost."""
    won: list[bytes] = []
    unknown: list[bytes] = []
    leader, *others = members

    def append(name: str, keys: Etcd) -> None:
        for number in range(25):
            word = f"{name}{number} ".encode()
            while True:
                with suppress(Away):
                    at = keys.transact({"z/a": None}, {}).found["z/a"]
                    break
            try:
                if keys.transact({"z/a": at}, {"z/a": at + word}).succeeded:
                    won.append(word)
            except Away:
                unknown.append(word)
            if len(won) == 20 and leader.process.poll() is None:
                leader.process.kill()

    with ExitStack() as closed:
        all_keys = [closed.enter_context(closing(reaching(*members))) for _ in range(8)]
        all_keys[0].transact({}, {"z/a": b""})
        threads = [
            threading.Thread(target=append, args=(chr(ord("a") + number), keys))
            for number, keys in enumerate(all_keys)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(BOUND_S)
        assert leader.process.wait(PATIENCE_S)
        there = closed.enter_context(closing(reaching(*others))).list("z/").values["z/a"].split(b" ")
    assert {word.strip() for word in won} <= set(there)
    assert set(there) - {word.strip() for word in won + unknown} <= {b""}
    assert len(there) == len(set(there))


def test_a_member_alone_says_so_and_the_others_are_asked(members: list[Running]) -> None:
    lonely, *others = members[::-1]
    with closing(reaching(lonely, patience=Patience())) as keys, ExitStack() as asleep:
        begin = keys.transact({}, {"z/a": b"1"}).stand.revision
        watch = keys.watch("z/", begin, 600)
        assert [next(watch).values, next(watch).values] == [{}, {"z/a": b"1"}]
        for each in others:
            asleep.enter_context(each.asleep())
        with pytest.raises(Away, match="a watch broke off"):
            next(watch)
        assert within(PATIENCE_S, lambda: "no leader" in _why(lambda: keys.transact({}, {"z/a": b"2"})))
        assert "no leader" in _why(lambda: keys.list("z/"))
        assert "no leader" in _why(lambda: next(keys.watch("z/", begin, 600)))
        assert "no leader" in _why(lambda: keys.grant(5))
        assert "no leader" in _why(lambda: keys.keep(1))
        asleep.close()
        assert within(PATIENCE_S, lambda: _why(lambda: keys.transact({}, {"z/a": b"3"})) == "")


def _why(operation: Callable[[], object]) -> str:
    """Why it is away; empty: it is not."""
    try:
        operation()
    except Away as exc:
        return str(exc)
    return ""


def test_a_sleeping_member_is_passed_over(members: list[Running]) -> None:
    with members[2].asleep(), closing(reaching(members[2], members[1], members[0])) as keys:
        assert keys.list("z/").values == {}
        begin = keys.transact({}, {"z/a": b"1"}).stand.revision
        assert heard(keys, "z/", begin, begin)[-1].values == {"z/a": b"1"}


def test_a_member_that_was_asleep_lists_what_was_put_meanwhile(members: list[Running]) -> None:
    leader, *others = members
    with closing(reaching(leader)) as keys, closing(reaching(others[0])) as behind:
        first = keys.transact({}, {"z/a": b"1"}).stand
        assert behind.list("z/").stand == first
        with others[0].asleep():
            last = keys.transact({}, {"z/a": b"2"}).stand
        assert behind.list("z/").stand == last
        assert heard(behind, "z/", last.revision, last.revision)[-1].values == {"z/a": b"2"}
