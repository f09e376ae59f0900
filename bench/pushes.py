"""A stock push of a whole history of 500 zones and 10,000 changes: to us, and to `fossil server`, in turn."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from bench import clones, zones
from bench.measure import row, timed
from tests.live import Person, serving, stock_server, within
from xferzone.repository import make

ROUNDS = 3
SETTLED_S = 120.0
_PASSWORD = "pw-ops"


def pushes(directory: Path) -> None:
    ops = Person(directory / "pushes")
    history = directory / "history.fossil"
    clones.imported(ops, history)
    told = ops.fossil("info", "-R", history).out
    code = re.search(r"project-code: +([0-9a-f]{40})", told)
    assert code is not None, told
    us, them, settled = [], [], []
    for number in range(ROUNDS):
        ours = directory / f"ours-{number}.xferzone"
        password = make.make(ours, admin="ops", project_code=code[1], now_ms=zones.START_MS)
        with serving(ours, "serve") as server:
            us.append(_pushed(ops, history, server.url("ops", password)))
            settled.append(timed(_settled, ours))
        stock = directory / f"stock-{number}.fossil"
        _empty(ops, stock, code[1])
        with stock_server(ops, stock) as url:
            them.append(_pushed(ops, history, url.replace("://", f"://ops:{_PASSWORD}@")))
    row("stock push of the whole history to us", us, "s", bound="<= 1.3 x", ratio=("fossil server", them))
    row("    until all of it is published, its chains turned round", settled, "s")
    sizes = [path.stat().st_size / 1e6 for path in (ours, stock)]
    print(f"{'file after it: ours, stock':56} {sizes[0]:.2f} MB, {sizes[1]:.2f} MB", flush=True)


def _pushed(ops: Person, history: Path, url: str) -> float:
    pusher = history.with_name("pusher.fossil")
    shutil.copy(history, pusher)
    return timed(ops.fossil, "push", "--once", url, "-R", pusher, seconds=300)


def _settled(repository: Path) -> None:
    """Wait until nothing is left to publish or to rechain."""
    left = "SELECT (SELECT count(*) FROM checkin WHERE place = 0) + (SELECT count(*) FROM unchained)"
    with closing(sqlite3.connect(f"file:{repository}?mode=ro", uri=True)) as db:
        assert within(SETTLED_S, lambda: db.execute(left).fetchone() == (0,))


def _empty(ops: Person, path: Path, code: str) -> None:
    """A stock repository of the project without its history, which ops may write to."""
    ops.fossil("init", path, "--admin-user", "ops")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE config SET value = ? WHERE name = 'project-code'", (code,))
    ops.fossil("user", "password", "ops", _PASSWORD, "-R", path)  # stored as a hash with the code in it
