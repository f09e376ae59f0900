"""A process that is killed while it turns chains of deltas round: all can be read, and the next process goes on."""

import random
import signal
import subprocess
import sys
from pathlib import Path

from tests.live import PROJECT as HERE
from tests.robust.kinds import Made, zone_text
from tests.sync.rounds import PROJECT
from xferzone.artifacts import FileCard
from xferzone.hashing import ArtifactId
from xferzone.store import Store, rechaining
from xferzone.store.check import faults
from xferzone.store.incoming import Received

VERSIONS = 40
#: Turns chains round, a step in each transaction, and dies in the middle of the one named.
DIES = """
import os, signal, sys
from pathlib import Path
from xferzone.store import Store, rechaining
from xferzone.store.turning import Turning

steps, write = [0], Turning.write

def dies(turning):
    steps[0] += 1
    if steps[0] == int(sys.argv[2]):
        write(turning)
        os.kill(os.getpid(), signal.SIGKILL)
    write(turning)

Turning.write = dies
with Store.open(Path(sys.argv[1])) as store:
    is_done = False
    while not is_done:
        with store.writer() as writer:
            is_done = rechaining.rechain_noted(writer, lambda: True)
"""


def pushed(path: Path) -> list[ArtifactId]:
    """A line of versions that came as stock sends them, each a delta of the one before; its files."""
    noise = random.Random(1).randbytes(2_000).hex().encode()
    made, texts = Made(), [zone_text(number) + b"; %s\n" % noise for number in range(VERSIONS)]
    files, at = [made.put(texts[0])], None
    for number, text in enumerate(texts):
        if number:
            files.append(made.put_delta(text, texts[number - 1]))
        card = FileCard("example.com.zone", files[-1])
        at = made.checkin(*([at] if at else []), branch="" if at else "example.com/main", files=[card])
    with Store.create(path, PROJECT) as store, store.writer() as writer:
        writer.rechains_later = True
        writer.put_all([Received(card.artifact, card.source, card.payload) for card in made.taken()])
        assert rechaining.noted(writer, VERSIONS) == VERSIONS
    return files


def test_whoever_comes_next_turns_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "z.xferzone"
    files = pushed(path)
    for step in (1, 3, 7):
        died = subprocess.run(
            [sys.executable, "-c", DIES, str(path), str(step)], cwd=HERE, timeout=120, check=False
        )
        assert died.returncode == -signal.SIGKILL
        with Store.open(path) as store, store.reader() as reader:
            assert list(faults.faults(reader)) == []
            assert rechaining.noted(reader, 1) == 1
    with Store.open(path) as store:
        with store.writer() as writer:
            assert rechaining.rechain_noted(writer)
        with store.reader() as reader:
            assert list(faults.faults(reader)) == []
            whole = {raw.hex() for (raw,) in reader.db.execute("SELECT hash FROM blob WHERE source IS NULL")}
            assert whole.isdisjoint(files[:-1])
            assert files[-1] in whole
