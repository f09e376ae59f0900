"""The model of etcd, which tells whoever looks on of each move of a branch."""

from collections.abc import Callable, Mapping

from tests.refs.model import Cluster, Puts
from xferzone.refs import BranchName
from xferzone.refs.consensus import Tip
from xferzone.refs.keys import Transacted

#: Told of a branch, where it stood and where it stands; None: it had no key, or has none.
Told = Callable[[BranchName, Tip | None, Tip | None], None]


class WatchedCluster(Cluster):
    """The keys of one group. `moved` is told of each move of a branch, when it has happened."""

    def __init__(self, clock: Callable[[], float], space: str, moved: Told) -> None:
        super().__init__(clock)
        self._refs = f"{space}ref/"
        self._moved = moved

    def transact(self, expected: Puts, puts: Puts, lease: int | None) -> Transacted:
        """As Cluster has it."""
        before = self._tips(puts)
        done = super().transact(expected, puts, lease)
        if done.succeeded:
            for branch, tip in self._tips(puts).items():
                if tip != before[branch]:
                    self._moved(branch, before[branch], tip)
        return done

    def tips(self) -> Mapping[BranchName, Tip | None]:
        """Where all branches stand."""
        return self._tips(self._values)

    def _tips(self, names: Mapping[str, object]) -> dict[BranchName, Tip | None]:
        found = {}
        for key in names:
            branch = BranchName.parse(key.removeprefix(self._refs)) if key.startswith(self._refs) else None
            if branch is not None:
                value = self._values.get(key)
                found[branch] = None if value is None else Tip.parse(value[0], key)
        return found
