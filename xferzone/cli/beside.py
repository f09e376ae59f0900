"""What runs beside the servers of a verb: the follower of a mirror, and what answers by NATS."""

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

from xferzone.cli import mirrors, nats
from xferzone.config import Config
from xferzone.counters import Counters
from xferzone.loading import Loaded
from xferzone.serve import following
from xferzone.serve.children import Program
from xferzone.serve.following import Primaries
from xferzone.serve.listening import Listening
from xferzone.store import schema
from xferzone.transport.url import is_nats

if TYPE_CHECKING:  # of an extra
    from xferzone.serve.responding import Asked


@dataclasses.dataclass(frozen=True, slots=True)
class Beside:
    """`primaries` None: nobody is followed; `follows`: the verb does so where any is named. `asked` None: no requests
    are taken by NATS."""

    primaries: Primaries | None = None
    asked: "Asked | None" = None
    follows: bool = False

    def doubts(self, role: str) -> list[str]:
        """The warnings at the start of a repository of that role."""
        if role != schema.MIRROR or not self.follows or self.primaries is not None:
            return []
        # Started again without its options, it answers on with what it had, and nobody would see that.
        return [
            "this is a mirror, and follows nobody: give --primary URL, or [replicate] primaries, unless "
            "`xferzone pull --watch` follows for it"
        ]

    def programs(self, repository: Path, listening: Listening, counters: Counters) -> list[Program]:
        """Those that do it."""
        primaries, asked = self.primaries, self.asked
        programs = []
        if primaries is not None:

            def follow() -> None:
                listening.take()
                following.follow(repository, primaries)

            programs.append(Program("follower", follow))
        if asked is not None:
            from xferzone.serve import responding  # whoever uses no NATS never imports it

            def respond() -> None:
                listening.take()
                responding.respond(repository, asked, counters)

            programs.append(Program("nats", respond))
        return programs


def beside(loaded: Loaded[Config], repository: Path, *, follows: bool, answers: bool) -> Beside:
    """What is to run, where the verb follows primaries and answers requests. Nothing is made or changed.

    Raises:
        Refused: the repository is not a mirror.
        UsageError, Denied: the login or its password; the subject of NATS.
    """
    found, primaries = loaded.config.replicate, None
    if follows and found.primaries:
        secret = None if found.password is None else found.password.reveal(os.environ)
        primaries = mirrors.primaries(repository, found, secret)
        if any(map(is_nats, primaries.urls)):
            primaries = dataclasses.replace(primaries, nats=nats.account_of(loaded.config.nats))
    return Beside(primaries, nats.asked(loaded) if answers else None, follows)
