"""A push until it is acknowledged: to a lone primary, and to a member of a group of three, in turn.

One client of ours pushes one check-in after the other; only the exchange with the server is measured. Members reach
etcd and each other directly: relays would take their time from the client, in whose process they are.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from bench.measure import row
from tests.interop.grouped import PASSWORD, TEXT, ZONE, grouped
from tests.live import Person, serving
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.exchange import Options, clone, sync
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Store
from xferzone.store.remotes import origin
from xferzone.sync.client.options import Account
from xferzone.transport.http import HTTP
from xferzone.zone import changes

PUSHES = 200


def groups(directory: Path) -> None:
    with ExitStack() as held:
        alone = held.enter_context(
            _pusher(directory / "alone", held.enter_context(_alone(directory / "one")))
        )
        taken: dict[str, list[float]] = {"alone": []}
        pushers = {"alone": alone}
        for copies in (1, 2):
            group = held.enter_context(grouped(directory / f"group{copies}", copies=copies, is_relayed=False))
            name = f"a group of three, {copies} of them to hold it"
            pushers[name] = held.enter_context(
                _pusher(directory / f"pusher{copies}", f"http://127.0.0.1:{group.sites[0].port}/")
            )
            taken[name] = []
        for number in range(PUSHES):
            for name, pusher in pushers.items():
                taken[name].append(pusher(number))
    row("push acknowledged, a lone primary", taken["alone"], "ms", 1_000)
    for name, seconds in taken.items():
        if name != "alone":
            row(f"the same, {name}", seconds, "ms", 1_000, ratio=("alone", taken["alone"]))
            print(f"    p99 {_p99(seconds) / _p99(taken['alone']):.2f} x", flush=True)


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)]


@contextmanager
def _alone(directory: Path) -> Iterator[str]:
    ops, repository = Person(directory), directory / "zones.xferzone"
    file = directory / f"{ZONE}.zone"
    file.write_text(TEXT)
    ops.xferzone("-R", repository, "init")
    ops.xferzone("-R", repository, "zone", "add", ZONE, "--from", file)
    ops.xferzone("-R", repository, "user", "add", "ann", "--write", "--password-stdin", stdin=f"{PASSWORD}\n")
    with serving(repository) as server:
        yield f"http://127.0.0.1:{server.http}/"


class _Pusher:
    def __init__(self, store: Store, url: str) -> None:
        self._store = store
        self._transport = HTTP(url)

    def __call__(self, number: int) -> float:
        with self._store.writer() as writer:
            refs = LocalRefs(writer)
            edit = Edit(writer, refs, BranchName(ZONE, "main"), Author("ann", time.time_ns() // 1_000_000))
            change = changes.parse_change(
                "set", [f"h.{ZONE}", "300", "A", f"198.51.{number >> 8}.{number & 255}"]
            )
            done = edit.change([change], "set")
        with self._store.reader() as reader:
            remote = origin(reader)
        options = Options(pull=False, account=Account("ann", PASSWORD), remote=remote)
        begun = time.perf_counter()
        came = sync(self._store, self._transport, options)
        took = time.perf_counter() - begun
        assert not came.errors, came.errors
        assert came.unsent == 0, (done, came.messages)
        return took

    def close(self) -> None:
        self._transport.close()


@contextmanager
def _pusher(directory: Path, url: str) -> Iterator[_Pusher]:
    directory.mkdir(parents=True)
    file = directory / "clone.xferzone"
    with closing(HTTP(url)) as transport:
        clone(file, transport, Options(account=Account("ann", PASSWORD)))
    with Store.open(file) as store, closing(_Pusher(store, url)) as pusher:
        yield pusher
