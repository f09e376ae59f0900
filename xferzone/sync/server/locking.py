"""Check-in locks, as a server answers who asks for one: cards/lock.py has the cards, store/locks.py the locks."""

from xferzone.cards import Pragma, lock
from xferzone.store import locks
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer
from xferzone.sync.server.login import bar_to_push
from xferzone.sync.server.reply import Draft
from xferzone.sync.server.terms import Terms


def answer_lock(reader: Reader, draft: Draft, card: Pragma, terms: Terms) -> None:
    """Lock the leaf that the sender is about to commit on, or free what it has locked; other cards mean nothing.

    `reader` is a Writer where `may_write` asks for one.
    """
    if not terms.rights.lock or bar_to_push(reader):
        return
    assert isinstance(reader, Writer), "may_write was not asked"
    match lock.parse(card):
        case lock.LockWanted(checkin, client):
            draft.add(Pragma("avoid-delta-manifests"))
            holder = locks.lock(reader, checkin, client, terms.rights.login, terms.now_ms)
            if holder is not None:
                draft.add(lock.Locked(holder.login, holder.since_ms // 1000).pragma())
        case lock.LockFreed(client):
            locks.unlock(reader, client, terms.rights.login)
