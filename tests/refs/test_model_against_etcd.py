"""Histories that chance makes, told to the model and to a real etcd at once: every answer is the same."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

import pytest

from tests.etcds import Running, running
from tests.live import PATIENCE_S
from tests.refs.model import Cluster, Door
from xferzone.refs.etcd import Etcd
from xferzone.refs.keys import Changes, Compacted, Keys, Lapsed, Stand, Watch

pytestmark = pytest.mark.interop

SEEDS = range(12)
STEPS = 60
NAMES = ["a", "b", "ab", "c"]
VALUES = [None, b"", b"1", b"2"]
QUIET_S = 0.1  # of a watch that has nothing to tell


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("etcd")) as etcd:
        yield etcd


class Both:
    """The same history in both.

    Fields:
        done: what was asked, and the answer of both; for messages.
    """

    def __init__(self, keys: Keys, etcd: Running, seed: int) -> None:
        self.cluster = Cluster(lambda: 0.0)
        self.done: list[object] = []
        self._model = Door(self.cluster)
        self._keys = keys
        self._etcd = etcd
        self._chance = random.Random(seed)
        self._prefix = f"{seed}/"
        self._compacted = 1
        self._leases: list[tuple[int, int]] = []  # of the model, and of etcd
        self._ahead = keys.list(self._prefix).stand.revision - self.cluster.stand.revision

    def step(self) -> None:
        """One operation. AssertionError: the answers differ."""
        kinds = [self._transact] * 12 + [self._list] * 3 + [self._grant, self._revoke, self._keep]
        self._chance.choice([*kinds, self._watch, self._compact])()

    def _transact(self) -> None:
        expected, puts = self._some(), self._some()
        ours, theirs = self._chance.choice([*[(None, None)] * 3, *self._leases[-2:]])
        answers = []
        for keys, lease in ((self._model, ours), (self._keys, theirs)):
            try:
                answer = keys.transact(expected, puts, lease)
                answers.append((self._revision(keys, answer.stand), answer.succeeded, answer.found))
            except Lapsed:
                answers.append((0, False, {}))
        self._same(("transact", expected, puts, ours), answers)

    def _list(self) -> None:
        prefix = self._prefix + self._chance.choice(["", "a", "ab", "x"])
        answers = []
        for keys in (self._model, self._keys):
            listed = keys.list(prefix)
            answers.append((self._revision(keys, listed.stand), list(listed.values.items())))
        self._same(("list", prefix), answers)

    def _watch(self) -> None:
        prefix = self._prefix + self._chance.choice(["", "a"])
        begin = max(1, self.cluster.stand.revision - self._chance.randrange(-2, 30))
        ours = self._told(self._model.watch(prefix, begin, QUIET_S), 0)
        last = ours[2]
        quiet = QUIET_S if last < begin else PATIENCE_S
        theirs = self._told(self._keys.watch(prefix, begin + self._ahead, quiet), self._ahead, last)
        self._same(("watch", prefix, begin), [ours, theirs])

    def _told(
        self, watch: Watch, ahead: int, last: int = 0
    ) -> tuple[int, int, int, Mapping[str, bytes | None], bool]:
        """Where it begins, what is told, up to where, and whether that was all before it was compacted.

        Args:
            last: the revision up to which it is to be heard, if it has anything to tell.
        """
        told: list[Changes] = []
        values: dict[str, bytes | None] = {}
        is_compacted = False
        with closing(watch):
            try:
                for each in watch:
                    told.append(each)
                    values |= each.values
                    if last and each.values and each.told - ahead >= last:
                        break
            except Compacted:
                is_compacted = True
        return (
            told[0].stand.revision - ahead,
            told[0].told - ahead,
            told[-1].told - ahead,
            values,
            is_compacted,
        )

    def _grant(self) -> None:
        self._leases.append((self._model.grant(600), self._keys.grant(600)))
        self.done.append(("grant", self._leases[-1]))

    def _revoke(self) -> None:
        if self._leases:
            ours, theirs = self._chance.choice(self._leases)
            self._model.revoke(ours)
            self._keys.revoke(theirs)
            self.done.append(("revoke", ours))

    def _keep(self) -> None:
        if self._leases:
            ours, theirs = self._chance.choice(self._leases)
            self._same(("keep", ours), [self._model.keep(ours), self._keys.keep(theirs)])

    def _compact(self) -> None:
        revision = self.cluster.stand.revision
        if revision > self._compacted:
            self._compacted = revision
            self.cluster.compact(revision)
            self._etcd.ctl("compact", str(revision + self._ahead))
            self.done.append(("compact", revision))

    def _some(self) -> Mapping[str, bytes | None]:
        names = self._chance.sample(NAMES, self._chance.choice([0, 1, 1, 2, 3]))
        return {self._prefix + name: self._chance.choice(VALUES) for name in names}

    def _revision(self, keys: Keys, stand: Stand) -> int:
        return stand.revision - (0 if keys is self._model else self._ahead)

    def _same(self, asked: object, answers: Sequence[object]) -> None:
        self.done.append((asked, *answers))
        assert answers[0] == answers[1], self.done


@pytest.mark.parametrize("seed", SEEDS)
def test_the_model_answers_as_etcd_does(etcd: Running, seed: int) -> None:
    with closing(Etcd([etcd.url])) as keys:
        both = Both(keys, etcd, seed)
        for _ in range(STEPS):
            both.step()
