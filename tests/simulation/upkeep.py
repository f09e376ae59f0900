"""What happens to the primary besides edits: rights are taken and given, and its disk damages what it keeps."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.simulation.node import EDITORS, READER, RIGHTS, Node
from xferzone.exchange.repair import find_damaged, repair_from
from xferzone.hashing import short
from xferzone.store import Store
from xferzone.store.accounts import set_caps, user
from xferzone.store.chains import id_of

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Of files, the older versions that came last; artifacts that are read to publish are newer, or check-ins.
_OLDER: Final = """SELECT rid, hash, content FROM blob WHERE source IS NOT NULL AND length(content) > 0
                   AND rid NOT IN (SELECT rid FROM checkin) ORDER BY rid DESC LIMIT 3"""


def change_rights(world: "World", node: Node) -> str:
    """Whoever may push may do so no longer, or again."""
    login = world.luck.one_of(EDITORS)
    with node.process("user caps") as process, process.store.writer() as writer:
        account = user(writer, login)
        assert account is not None
        caps = RIGHTS[login] if account.caps == READER else READER
        set_caps(writer, account, caps)
    return f"{login} has the rights {caps} now"


def restore_rights(_world: "World", node: Node) -> str:
    """All have the rights that they began with."""
    with node.process("user caps") as process, process.store.writer() as writer:
        for login, caps in RIGHTS.items():
            account = user(writer, login)
            assert account is not None
            set_caps(writer, account, caps)
    return "all may do what they could at the beginning"


def rot(world: "World", node: Node) -> str:
    """A bit flips on the disk, in a file's older version. There is a backup."""
    if node.is_rotten or not world.luck.strikes("disk.rot", 2.5):
        return "looks at the disk"
    with closing(sqlite3.connect(node.path)) as db, db:
        rows = db.execute(_OLDER).fetchall()
        if not rows:
            return "the disk is well"
        _backup(node).unlink(missing_ok=True)
        with Store.open(node.path) as store:
            store.back_up(_backup(node))
        rid, name, frame = world.luck.one_of(rows)
        db.execute("UPDATE blob SET content = ? WHERE rid = ?", (world.network.flipped(frame), rid))
    node.is_rotten = True
    return f"ROT: {short(id_of(name))} is damaged on the disk"


def mend(_world: "World", node: Node) -> str:
    """What is damaged on the disk is replaced by what the backup has."""
    if not node.is_rotten:
        return "nothing to mend"
    with node.process("repair") as process, Store.open(_backup(node)) as backup:
        node.is_rotten = bool(repair_from(process.store, backup, find_damaged(process.store)).damaged)
    return "is damaged still" if node.is_rotten else "is mended"


def _backup(node: Node) -> Path:
    return node.path.with_suffix(".backup")
