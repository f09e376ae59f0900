"""The faults, each a patch of one place. A patch whose place has changed no longer applies, and then its test fails.

A fault that something else makes good is none, and has no row:

    a clone passes over a position of the server's    the sync that follows is told of what is missing, and asks for it
    a page of a walk is taken for the last            refs stay where something is missing, and the next pull goes on
"""

from typing import Final

from tests.mutants.groups import GROUP_MUTANTS
from tests.mutants.mutant import Mutant

_PRIMARY_MUTANTS: Final = (
    Mutant(
        "drop-a-phantom",
        6,
        "xferzone/store/link.py",
        'db.executemany("INSERT OR IGNORE INTO awaited VALUES (?, ?)", missing)',
        'db.executemany("INSERT OR IGNORE INTO awaited VALUES (?, ?)", missing[1:])',
    ),
    Mutant(
        "skip-a-verify",
        6,
        "xferzone/store/incoming.py",
        "        if not is_named(artifact, content):\n",
        "        if False:\n",
    ),
    Mutant(
        "lose-a-gimme",
        1,
        "xferzone/sync/client/asking.py",
        "        return list(wanted)\n",
        "        return list(wanted)[1:]\n",
    ),
    Mutant(
        "misorder-a-budget",
        39,
        "xferzone/replicate/told.py",
        "    reached = stands[-1].number if is_cut else newest\n",
        "    reached = newest\n",
    ),
    Mutant(
        "forget-a-cluster-member",
        2,
        "xferzone/store/link.py",
        '"DELETE FROM unclustered WHERE rid = ?", [(rids[each],) for each in members]',
        '"DELETE FROM unclustered WHERE rid = ?", [(rids[each],) for each in members[1:]]',
    ),
    Mutant(
        "publish-what-is-not-complete",
        48,
        "xferzone/store/link.py",
        "    behind.hold(db, changed)\n",
        "    behind.hold(db, ())\n",
    ),
    Mutant(
        "move-a-ref-before-its-artifacts",
        7,
        "xferzone/publish/follow.py",
        "        broken = ancestry.broken(self.writer, tips.values())\n",
        "        broken = set[ArtifactId]()\n",
    ),
    Mutant(
        "forget-the-deletion",
        5,
        "xferzone/publish/follow.py",
        "            return State.REMOVED\n",
        "            return State.SERVED\n",
    ),
    Mutant(
        "forget-the-controls-of-the-cursor",
        3,
        "xferzone/replicate/told.py",
        "        controls=marks.controls,\n",
        "        controls=[],\n",
    ),
    Mutant(
        "move-a-mirror-back",
        13,
        "xferzone/publish/follow.py",
        "        if self.writer.role == schema.MIRROR and not self.accepts_clobber:\n",
        "        if False:\n",
    ),
    Mutant(
        "remember-before-the-refs-followed",
        14,
        "xferzone/exchange/mirror/walked.py",
        "            self.done.is_new = True\n",
        "            self.done.is_new = True\n"
        "            self.done.cursor = Cursor(told.epoch, told.number, told.position, told.checkin)\n",
    ),
    Mutant(
        "drop-the-source-of-a-delta",
        1,
        "xferzone/store/writer.py",
        "sources[each.source] if each.source else None, heights[rid]",
        "None, heights[rid]",
    ),
    Mutant(
        "take-a-refusal-for-a-push",
        4,
        "xferzone/sync/client/session.py",
        "is_taken=not (self.errors or self.is_denied)",
        "is_taken=True",
    ),
    Mutant(
        "lose-the-loser-of-a-race",
        1,
        "xferzone/publish/settle.py",
        "        _fork(pending, some)\n",
        "        _fork(pending, some[1:])\n",
    ),
)

MUTANTS: Final = (*_PRIMARY_MUTANTS, *GROUP_MUTANTS)
BY_NAME: Final = {mutant.name: mutant for mutant in MUTANTS}
