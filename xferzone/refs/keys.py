"""The keys that the members of a group share: what is asked of etcd, and no more.

    transact    compare values, then put: all of it or nothing
    list        all keys below a prefix, as they stand at one revision
    watch       what changes below a prefix, from a revision on
    grant, keep, revoke     leases: keys that go when nobody keeps them

Each answer says at which revision of which cluster it was given. All are linearizable but those of a watch: the server
that it is connected to may be behind the others. An answer that did not come, or cannot be read, is `Away`: a
transaction may have happened all the same, or happen yet. Two outcomes are known and not `Away`: `Lapsed`, nothing was
put since the lease has ended, and `Compacted`.

Two implementations: xferzone/refs/etcd.py, and the model of the tests.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

MAX_COMPARES: Final = 128  # of one transaction, and as many puts; etcd's default, max-txn-ops
MAX_SIZE: Final = 1_000_000  # bytes of the keys and values of one transaction; etcd's default is 1.5 MiB


@dataclass(frozen=True, slots=True)
class Stand:
    """Where an answer was given: the revision of the keys, which only goes up, and the cluster's id."""

    cluster: str
    revision: int


@dataclass(frozen=True, slots=True)
class Listed:
    """Keys below a prefix, by name."""

    stand: Stand
    values: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Transacted:
    """What came of a transaction.

    Fields:
        found: if it did not succeed, the values of the compared keys as they stood then; absent ones are not in it.
    """

    stand: Stand
    succeeded: bool
    found: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Changes:
    """Keys that changed, with their new values in the order of the changes; None: the key is gone.

    Fields:
        stand: may be ahead of what was told so far: a watch that begins in the past is told the changes since in parts.
        told: the revision up to which every change has been told; a watch that goes on begins at the next one.
    """

    stand: Stand
    values: Mapping[str, bytes | None]
    told: int


class Compacted(Exception):
    """The changes from that revision on are no longer kept: list, and watch from the list's revision on."""


class Lapsed(Exception):
    """The lease has ended, and its keys are gone with it. Nothing was put: grant another lease, and put again."""


def check(expected: Mapping[str, bytes | None], puts: Mapping[str, bytes | None]) -> None:
    """Raise ValueError unless these are within the bounds of a transaction."""
    if max(len(expected), len(puts)) > MAX_COMPARES:
        raise ValueError(f"over {MAX_COMPARES} keys to compare or to put in one transaction")
    if "" in expected or "" in puts:
        raise ValueError("a key without a name")
    # The compared ones are asked for, too.
    pairs = [*expected.items(), *dict.fromkeys(expected).items(), *puts.items()]
    size = sum(len(key.encode()) + len(value or b"") for key, value in pairs)
    if size > MAX_SIZE:
        raise ValueError(f"a transaction has {size} bytes of keys and values, over {MAX_SIZE}")


class Watch(Iterator[Changes], Protocol):
    """Changes as they come. It ends when nothing has been heard for the time that was given, and when it is closed."""

    def close(self) -> None:
        """End it, also while another thread waits in `next`. A second time does nothing."""
        ...


class Keys(Protocol):
    """A store of keys; several threads may use it."""

    @property
    def name(self) -> str:
        """For messages: where it is."""
        ...

    @property
    def connections(self) -> int:
        """How many connections were made to ask something: as long as it is the same, nobody has set the keys back.

        Whoever does has to end the server first, and with it what leads there. Watches do not count.
        """
        ...

    def transact(
        self,
        expected: Mapping[str, bytes | None],
        puts: Mapping[str, bytes | None],
        lease: int | None = None,
    ) -> Transacted:
        """Put `puts` (None: delete) if every key in `expected` has that value (None: is absent).

        Args:
            lease: of the keys that are put.

        Raises:
            Away: whether it happened is not known; it may happen yet. It was sent once at most, if it puts anything.
            Lapsed: the lease has ended. Nothing was put.
            ValueError: more than MAX_COMPARES of either, or over MAX_SIZE bytes.
        """
        ...

    def list(self, prefix: str) -> Listed:
        """All keys that begin with `prefix`, which is not empty. Raises Away."""
        ...

    def watch(self, prefix: str, revision: int, seconds: float) -> Watch:
        """What changes below `prefix` from `revision` on, until nothing has been heard for `seconds`.

        The first one tells where the watch began, and may hold no changes. If its stand is below `revision` - 1, that
        server is behind, which a list tells, or the keys were set back: it says nothing until they have come that far.

        `next` of it raises:
            Away: the watch broke off.
            Compacted: the changes from there on are not kept.
        """
        ...

    def grant(self, seconds: int) -> int:
        """A new lease, which ends when it was not kept for so long, or somewhat longer. Raises Away."""
        ...

    def keep(self, lease: int) -> bool:
        """Keep a lease for its time from now on. False: it has ended. Raises Away."""
        ...

    def revoke(self, lease: int) -> None:
        """End a lease, and its keys; one that has ended is no error. Raises Away."""
        ...
