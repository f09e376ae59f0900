"""One whole exchange with a peer, from start to end: web, the command line, tests and embedders call these.

answer(store, body, terms) -> Reply            the server's half: one request, one reply
sync(store, transport, options) -> Outcome     rounds with a peer until nothing is left to say; then refs follow
clone(path, transport, options) -> Outcome     the same, into a new file
repair(store, transport, options) -> Repaired  fetches artifacts that are damaged here
Follower(store, primaries, ...).pull, .run     a mirror: one pull from the first primary that answers, or for ever

make_mirror(path)                              a new mirror, for a Follower
standings(path)                                how a mirror stands to its primaries

`known_remote` finds a remote that a repository knows. The types of what Options and Terms hold are here, too.
docs/embedding.md has examples.
"""

from xferzone.env import Env
from xferzone.exchange.answer import Reply, Terms, answer
from xferzone.exchange.clone import clone
from xferzone.exchange.follower import Follower
from xferzone.exchange.following import Following, Pulled, Ways
from xferzone.exchange.known import known_remote
from xferzone.exchange.options import Options, Outcome
from xferzone.exchange.repair import Repaired, repair
from xferzone.exchange.room import Room
from xferzone.exchange.standing import standings
from xferzone.exchange.sync import sync
from xferzone.repository.make import make_mirror
from xferzone.store.remotes import Remote
from xferzone.sync.client.options import Account
from xferzone.sync.server.budget import Budget

__all__ = [
    "Account",
    "Budget",
    "Env",
    "Follower",
    "Following",
    "Options",
    "Outcome",
    "Pulled",
    "Remote",
    "Repaired",
    "Reply",
    "Room",
    "Terms",
    "Ways",
    "answer",
    "clone",
    "known_remote",
    "make_mirror",
    "repair",
    "standings",
    "sync",
]
