"""Members that agree by a real etcd, while replies on the way to each of them are cut and lost."""

import json
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from hashlib import sha3_256

import pytest

from tests.etcds import Running, running
from tests.live import BOUND_S
from tests.refs.relay import Relay
from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName
from xferzone.refs.consensus import Lost, Rules, SharedRefs, Tip, Unknown, Wish, Won
from xferzone.refs.etcd import Etcd

pytestmark = pytest.mark.interop

MEMBERS = 3
MOVES = 40  # of each
SPACE = "x/p/"
BRANCH = BranchName("example.com", "main")


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("etcd")) as etcd:
        yield etcd


class Member:
    """One that moves the branch again and again.

    Fields:
        before: where it stood when each move was wished; None: nowhere.
        told: what came of each.
    """

    def __init__(self, name: str, keys: Etcd, relay: Relay, seed: int) -> None:
        self.before: dict[Tip, Tip | None] = {}
        self.told: dict[Tip, Won | Lost | Unknown] = {}
        self._name = name
        self._keys = keys
        self._relay = relay
        self._refs = SharedRefs(keys, SPACE, "life")
        self._chance = random.Random(seed)

    def move(self) -> None:
        for number in range(MOVES):
            self._relay.before, self._relay.cut = _nothing, None
            before = self._refs.read([BRANCH])[BRANCH]
            self._keys.close()  # a new connection suffers something of its own
            self._relay.before = self._harm
            name = f"{self._name} {number}".encode()
            tip = Tip(ArtifactId(sha3_256(name).hexdigest()), number, self._name)
            self.before[tip] = before
            self.told[tip] = self._refs.propose([Wish(BRANCH, before, tip)])

    def _harm(self, _request: bytes) -> None:
        self._relay.cut = self._chance.choice([None, None, None, 0, 0, 250])


def _nothing(_request: bytes) -> None:
    pass


def test_what_a_member_was_told_is_so(etcd: Running) -> None:
    """What was won is on the branch's line. Each move is on it once at most, and follows where it was wished from."""
    with ExitStack() as opened:
        keys = opened.enter_context(closing(Etcd([etcd.url])))
        refs = SharedRefs(keys, SPACE, "life")
        keys.transact({}, {f"{SPACE}group": Rules("life").encode()})
        members = []
        for number in range(MEMBERS):
            relay = opened.enter_context(Relay(int(etcd.url.rpartition(":")[2])))
            way = opened.enter_context(closing(Etcd([relay.url])))
            members.append(Member(f"m{number}", way, relay, number))
        threads = [threading.Thread(target=member.move) for member in members]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(BOUND_S)
        before = {tip: each for member in members for tip, each in member.before.items()}
        told = {tip: each for member in members for tip, each in member.told.items()}
        line: list[Tip] = []
        at = refs.read([BRANCH])[BRANCH]
        while at is not None:
            line.append(at)
            at = before[at]
        (key,) = json.loads(etcd.ctl("get", refs.key(BRANCH), "--write-out=json"))["kvs"]
        assert key["version"] == len(line)
        won = {tip for tip, outcome in told.items() if isinstance(outcome, Won)}
        assert won <= set(line)
        assert len(won) > MOVES / 2
        assert {type(outcome) for outcome in told.values()} == {Won, Lost, Unknown}
        # A move that is on the line and was not told as won was in doubt, or moved past before it was known.
        for tip in set(line) - won:
            outcome = told[tip]
            assert isinstance(outcome, Unknown) or (
                isinstance(outcome, Lost) and outcome.found[BRANCH] in line
            )
