"""One whole exchange with a peer, from start to end: web, the command line, tests and embedders call these.

answer(store, body, terms) -> Reply           the server's half: one request, one reply
sync(store, transport, options) -> Outcome    rounds with a peer until nothing is left to say; refs follow
clone(path, transport, options) -> Outcome    the same into a new file
repair(store, transport, options) -> Repaired artifacts that are damaged here, fetched anew
"""

from xferzone.exchange.answer import Reply, Terms, answer
from xferzone.exchange.clone import clone
from xferzone.exchange.options import Options, Outcome
from xferzone.exchange.repair import Repaired, repair
from xferzone.exchange.sync import sync

__all__ = ["Options", "Outcome", "Repaired", "Reply", "Terms", "answer", "clone", "repair", "sync"]
