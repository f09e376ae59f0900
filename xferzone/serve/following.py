"""The process that follows the primaries of a mirror, beside those that answer: run by `up`, restarted by it.

    until TERM, INT or WINCH (another one takes its place)     pull, wait, pull (exchange/mirror/follower.py)
    the repository is no mirror any more (`promote`)           says so, follows nobody, waits for the end
    the repository cannot be read                              says so, and tries again after AGAIN_S

It writes in transactions of its own and at a lower priority, so that answers go on meanwhile. What it does not reach
never ends it.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xferzone import ready
from xferzone.errors import Refused, XferzoneError
from xferzone.exchange.mirror.follower import Follower
from xferzone.exchange.mirror.following import Following, Pulled, Via, Ways
from xferzone.exchange.mirror.lag import Lag
from xferzone.replicate.client import NoWalk
from xferzone.serve.helpers import compile_in_parallel, compiling, verifying
from xferzone.serve.news import News
from xferzone.store import Store
from xferzone.sync.client.options import Account
from xferzone.transport.url import credentials, is_nats
from xferzone.transport.walk import WalkReply, WalkRequest

if TYPE_CHECKING:  # of an extra
    from xferzone.transport.nats import Login

AGAIN_S: Final = 5.0  # seconds until a repository that cannot be read is tried again
NICE: Final = 5  # of the process: answers come first

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Primaries:
    """Whom a mirror follows.

    Fields:
        urls: in the order in which they are asked, with their logins and without passwords.
        interval_s: between two polls.
        via: the road.
        account: the login at all of them; None: requests carry none.
        through_cache: artifacts are asked for one by one, so that a cache in between may answer.
        nats: the account at NATS servers, for nats URLs; None: none.
    """

    urls: Sequence[str]
    interval_s: float
    via: Via
    account: Account | None
    through_cache: bool = False
    nats: "Login | None" = None

    def ways(self) -> Ways:
        """How they are reached, over HTTP or by NATS."""
        # Imported here: a server that follows nobody starts without urllib3, 35 modules.
        from xferzone.transport.walk_http import WalkHTTP
        from xferzone.transport.ways import way_to

        has_login = self.account is not None
        return Ways(
            lambda url: _NoWalk(url) if is_nats(url) else WalkHTTP(credentials(url)[0]),
            lambda url: way_to(credentials(url)[0], with_login=has_login, nats=self.nats),
        )

    def news(self) -> News:
        """What they announce; a context."""
        return News(self.urls, self.nats)


class _NoWalk:
    """The walk of a repository behind NATS, which takes xfer alone."""

    def __init__(self, url: str) -> None:
        self.name = self.host = credentials(url)[0]

    def ask(self, request: WalkRequest) -> WalkReply:
        raise NoWalk(f"{self.name} knows no walk")


def follow(repository: Path, primaries: Primaries) -> None:
    """Follow until a signal says stop."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGWINCH):
        signal.signal(number, lambda *_: stopped.set())
    os.nice(NICE)
    ready.report()
    options = Following(
        via=primaries.via,
        account=primaries.account,
        through_cache=primaries.through_cache,
        heard=_Log().hear,
        cancelled=stopped.is_set,
        compiler=compile_in_parallel,
        helping=verifying,
        beginning=compiling,
    )
    while not stopped.is_set():
        try:
            _follow(repository, primaries, options)
        except Refused as exc:
            _log.warning("follow outcome=ended why=%r", str(exc))
            stopped.wait()
        except XferzoneError as exc:
            _log.error("follow outcome=failed why=%r", str(exc))
            stopped.wait(AGAIN_S)


def _follow(repository: Path, primaries: Primaries, options: Following) -> None:
    with Store.open(repository) as store, primaries.news() as news:
        options = replace(options, woken=news.take)
        follower = Follower(store, primaries.urls, primaries.interval_s, primaries.ways(), options)
        with closing(follower):
            follower.run()


class _Log:
    """Tells the log of each pull that brought something, and when the mirror is behind."""

    def __init__(self) -> None:
        self._lag = Lag(time.monotonic)

    def hear(self, news: Pulled | XferzoneError) -> None:
        turn = self._lag.hear(news)
        if turn is not None and turn.outcome != "ends":
            _log.warning("lag outcome=%s why=%r", turn.outcome, turn.why)
        if isinstance(news, Pulled):
            for note in news.notes:
                _log.warning("follow primary=%s note=%r", _shown(news.primary), note)
            if news.received or news.rows or news.followed.moved:
                _log.info(
                    "follow outcome=ok primary=%s via=%s moved=%d received=%d rows=%d requests=%d bytes_in=%d ms=%.1f",
                    _shown(news.primary),
                    news.via,
                    len(news.followed.moved),
                    news.received,
                    news.rows,
                    news.requests,
                    news.bytes_in,
                    1000 * news.seconds,
                )
        if turn is not None and turn.outcome == "ends":
            _log.info("lag outcome=%s seconds=%.1f", turn.outcome, turn.seconds)


def _shown(url: str) -> str:
    with suppress(XferzoneError):
        return credentials(url)[0]
    return url
