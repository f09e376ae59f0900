"""A mirror is killed amid a pull, right at each of its fault points; nothing is lost, and the next pull goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.exchange.mirror.test_follower import commit, many, sound, standing_whole, tips
from tests.live import PROJECT
from tests.publish.project import Project, zone_text
from xferzone.repository import make
from xferzone.store import Store
from xferzone.store.accounts import put_user

POINTS = [1, 2, 3, 4, 5, 6, 7, *(2 * [1, 2, 3, 4, 5, 6]), 5]  # twenty kills; a change is pulled by six points

#: A pull between two files, which kills itself at fault point NUMBER; 0: at none. It says how many there were.
SUICIDE = """
import os, signal, sys
from pathlib import Path
from xferzone.exchange import Follower, Following, Ways
from xferzone.exchange.mirror import taking
from xferzone.faults import Faults
from xferzone.replicate.server import Terms, respond
from xferzone.store import Store
from xferzone.transport import WalkInProcess
primary, mirror, number = Store.open(Path(sys.argv[1])), Store.open(Path(sys.argv[2])), int(sys.argv[3])
taking.FEWEST, taking.AT_ONCE = 3, 2_000
met = []
def die(site, p):
    met.append(site)
    if len(met) == number:
        os.kill(os.getpid(), signal.SIGKILL)
ways = Ways(lambda url: WalkInProcess(lambda asked: respond(primary, asked, Terms("localhost")), name=url), None)
Follower(mirror, ["http://one.example/"], 5.0, ways, Following(faults=Faults(die, lambda site, p: False))).pull()
print(len(met))
"""


def pulled(primary: Path, mirror: Path, number: int) -> int | None:
    """How many fault points a pull met; None: it was killed."""
    done = subprocess.run(
        [sys.executable, "-c", SUICIDE, str(primary), str(mirror), str(number)],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == -signal.SIGKILL:
        return None
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_pull_that_is_killed_at_any_point_loses_nothing_and_is_gone_on_with(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert project.push(project.manifest(zone_text("www 300 A 192.0.2.1"))) == []
    with project.store.writer() as writer:
        put_user(writer, "nobody", None, "o")
    many(project.store, 15)
    path = tmp_path / "mirror.xferzone"
    make.make_mirror(path)
    for kills, number in enumerate(POINTS):
        assert pulled(project.path, path, number) is None, number
        with Store.open(path) as store:
            standing_whole(store)
            at = tips(store)
        commit(project.store, f"192.0.2.{100 + kills}")
        with Store.open(path) as store:
            assert tips(store) == at
    assert pulled(project.path, path, 0) is not None
    with Store.open(path) as store:
        assert tips(store) == tips(project.store)
        sound(store)
    project.store.close()
