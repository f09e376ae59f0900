"""One whole exchange with a peer, from start to end: web, the command line, tests and embedders call these.

answer(store, body, terms) -> Reply            the server's half: one request, one reply
sync(store, transport, options) -> Outcome     rounds with a peer until nothing is left to say; then refs follow
clone(path, transport, options) -> Outcome     the same, into a new file
sync_unversioned(store, transport, options) -> Outcome   rounds for unversioned files alone
sync_configuration(store, transport, areas, options) -> Outcome   one for the project's configuration alone
repair(store, transport, options) -> Repaired  fetches artifacts that are damaged here
Follower(store, primaries, ...).pull, .run     a mirror: one pull from the first primary that answers, or for ever

make_mirror(path)                              a new mirror, for a Follower
standings(path)                                how a mirror stands to its primaries

`known_remote` finds a remote that a repository knows. The types of what Options and Terms hold are here, too.
docs/embedding.md has examples.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from xferzone.env import Env
    from xferzone.exchange.answer import Reply, Terms, answer
    from xferzone.exchange.clone import clone
    from xferzone.exchange.configuration import sync_configuration
    from xferzone.exchange.known import known_remote
    from xferzone.exchange.mirror.follower import Follower
    from xferzone.exchange.mirror.following import Following, Pulled, Ways
    from xferzone.exchange.mirror.standing import standings
    from xferzone.exchange.options import Options, Outcome
    from xferzone.exchange.repair import Repaired, repair
    from xferzone.exchange.room import Room
    from xferzone.exchange.sync import sync
    from xferzone.exchange.unversioned import sync_unversioned
    from xferzone.repository.make import make_mirror
    from xferzone.store.remotes import Remote
    from xferzone.sync.client.options import Account
    from xferzone.sync.server.budget import Budget

#: Where each name comes from. It is imported when it is asked for: a clone needs no server, which takes 0.1 s.
_HOMES: Final = {
    "Account": "xferzone.sync.client.options",
    "Budget": "xferzone.sync.server.budget",
    "Env": "xferzone.env",
    "Follower": "xferzone.exchange.mirror.follower",
    "Following": "xferzone.exchange.mirror.following",
    "Options": "xferzone.exchange.options",
    "Outcome": "xferzone.exchange.options",
    "Pulled": "xferzone.exchange.mirror.following",
    "Remote": "xferzone.store.remotes",
    "Repaired": "xferzone.exchange.repair",
    "Reply": "xferzone.exchange.answer",
    "Room": "xferzone.exchange.room",
    "Terms": "xferzone.exchange.answer",
    "Ways": "xferzone.exchange.mirror.following",
    "answer": "xferzone.exchange.answer",
    "clone": "xferzone.exchange.clone",
    "known_remote": "xferzone.exchange.known",
    "make_mirror": "xferzone.repository.make",
    "repair": "xferzone.exchange.repair",
    "standings": "xferzone.exchange.mirror.standing",
    "sync": "xferzone.exchange.sync",
    "sync_configuration": "xferzone.exchange.configuration",
    "sync_unversioned": "xferzone.exchange.unversioned",
}

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
    "sync_configuration",
    "sync_unversioned",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


class _Package(ModuleType):
    """Some functions have the names of their modules, which must not take their places here when they are imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
