"""Faults of groups, which the histories of groups must find (table.py has the others).

One of the first design is not here, since no history of the model can tell it: a move that compares a key's revision
instead of its value needs an etcd whose revisions come again; tests/refs/test_keys.py asks for that by name.
"""

from typing import Final

from tests.mutants.mutant import Mutant

_KIND: Final = "group"
_JOINT: Final = "joint"

GROUP_MUTANTS: Final = (
    Mutant(
        "fork-by-its-own-clock",
        33,
        "xferzone/publish/pending.py",
        "        found = self._dated_before(checkin)\n",
        "        found = self.unfit(checkin)\n",
        _KIND,
    ),
    Mutant(
        "count-itself-twice",
        2,
        "xferzone/exchange/group/http.py",
        "        return 1 + len(self._members)\n",
        "        return 2 + len(self._members)\n",
        _KIND,
    ),
    Mutant(
        "count-a-member-by-its-names",
        18,
        "xferzone/exchange/group/http.py",
        "                self._members.add(who)\n",
        "                self._members.add((name, who[1]))\n",
        _KIND,
    ),
    Mutant(
        "propose-without-copies",
        1,
        "xferzone/exchange/group/deciding.py",
        "        if moves and copies > 1:\n",
        "        if False:\n",
        _KIND,
    ),
    Mutant(
        "take-an-acknowledgement-before-the-closure",
        7,
        "xferzone/exchange/group/copying.py",
        "            left, known = self._left(held)\n",
        "            left, known = [], []\n",
        _KIND,
    ),
    Mutant(
        "settle-without-a-look-forward",
        71,
        "xferzone/publish/led.py",
        "    if tip is None or (ref is not None and not ancestry.leads_to(writer, tip.checkin, ref.checkin)):\n",
        "    if tip is None:\n",
        _KIND,
    ),
    Mutant(
        "settle-what-is-not-here",
        11,
        "xferzone/publish/led.py",
        "    if tip is not None and ancestry.broken(writer, [tip.checkin]):\n        _lack(agreed, branch, tip)\n",
        "    if tip is not None and not writer.is_checkin(tip.checkin):\n        _lack(agreed, branch, tip)\n",
        _KIND,
    ),
    Mutant(
        "settle-aside",
        13,
        "xferzone/replicate/copies.py",
        '                writer.fault("copies.stored", 0.1)\n',
        '                writer.db.execute("UPDATE checkin SET place = 3 WHERE place = 0")\n',
        _KIND,
    ),
    Mutant(
        "settle-by-one-read",
        1,
        "xferzone/refs/consensus.py",
        "            except Away as exc:\n"
        "                reason = str(exc)\n"
        "                continue\n"
        "            stand = {",
        "            except Away:\n"
        "                tips = self.read(each.branch for each in wishes)\n"
        "                is_there = all(tips[each.branch] == each.to for each in wishes)\n"
        "                return Won() if is_there else Lost(tips)\n"
        "            stand = {",
        "clobber",
    ),
    Mutant(
        "take-what-is-unknown-for-won",
        4,
        "xferzone/refs/consensus.py",
        "                reason = str(exc)\n                continue\n            stand = {",
        "                return Won()\n            stand = {",
        _KIND,
    ),
    Mutant(
        "no-guard-after-a-set-back",
        1,
        "xferzone/refs/consensus.py",
        "        if since is not None and stand.cluster != since.cluster:\n",
        "        since = None\n        if since is not None and stand.cluster != since.cluster:\n",
        "set-back",
    ),
    Mutant(
        "fork-in-plan",
        1,
        "xferzone/publish/publish.py",
        "        agreed.wish(wish)\n        return False\n",
        "        agreed.wish(wish)\n"
        "        pending.ref = wish.moves[0].to\n"
        "        conclude(pending)\n"
        "        return False\n",
        _KIND,
    ),
    Mutant(
        "ask-in-a-transaction",
        1,
        "xferzone/exchange/publishing.py",
        '            writer.fault("publish.part", 0.1)\n        yield from notices\n        run.between()\n',
        '            writer.fault("publish.part", 0.1)\n'
        "            run.between()\n"
        "        yield from notices\n",
        _KIND,
    ),
    Mutant(
        "publish-nothing-that-is-pending",
        1,
        "xferzone/exchange/group/following.py",
        "        self._tell(publish_in_parts(self._store, self._occasion(), self._env, self._group))\n",
        "        return\n",
        _KIND,
    ),
    Mutant(
        "say-that-nothing-was-kept",
        7,
        "xferzone/publish/agreed.py",
        'KEPT: Final = "kept, not accepted yet; it may be published later, or be found on a fork branch"',
        'KEPT: Final = "nothing was kept"',
        _KIND,
    ),
    Mutant(
        "tell-the-loser-nothing",
        1,
        "xferzone/exchange/pushed.py",
        "            lines += [*waits, *(each.line for each in news if each.mark not in text)]\n",
        "            lines += waits\n",
        "meanwhile",
    ),
    Mutant(
        "propose-a-part-by-itself",
        1,
        "xferzone/publish/jointly.py",
        "    return Together(moves, [found.control])\n",
        "    return Together(moves[:1], [found.control])\n",
        _JOINT,
    ),
    Mutant(
        "serve-a-part-before-the-others",
        8,
        "xferzone/publish/led.py",
        "        if found is not None and not leading.is_led(found, tip.checkin):\n            return False\n",
        "",
        _JOINT,
    ),
    Mutant(
        "lose-a-part-by-itself",
        5,
        "xferzone/publish/pending.py",
        "        return joint.lost(self.writer, checkin.id) if found is None and self.is_part(checkin) else found\n",
        "        return found\n",
        _JOINT,
    ),
    Mutant(
        "take-a-refusal-for-a-push-to-a-member",
        2,
        "xferzone/sync/client/session.py",
        "is_taken=not (self.errors or self.is_denied)",
        "is_taken=True",
        _KIND,
    ),
)
