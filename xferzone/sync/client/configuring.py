"""The client's half of configuration cards (sync/configuration.py), in the first request that is not a clone's.

    reqconfig /AREA    what is wanted
    config ...         what is given; it goes along unasked
        <~ config ...  kept, if it is newer and of an area that was asked for

Source: Fossil 2.21, src/xfer.c client_sync().
"""

from typing import Final

from xferzone.cards import Card, Config, ReqConfig
from xferzone.errors import PeerError
from xferzone.store import Reader, Writer, schema
from xferzone.store.shunned import Shunned
from xferzone.sync import configuration
from xferzone.sync.client.options import Options
from xferzone.sync.configuration import AREAS, Taking

MAX_CARDS: Final = 20_000  # of one session, as of a request that brings them


class Configuring:
    """The configuration of one session.

    Fields:
        received, sent: rows; of those that came, only newer ones count.
        left_out: why some that came were not taken.
        shun: artifacts of a list that came, to be shunned once the session is over.
    """

    def __init__(self, options: Options) -> None:
        self.received = self.sent = 0
        self.left_out: tuple[str, ...] = ()
        self.shun: tuple[Shunned, ...] = ()
        self._wishes = options.configuration
        self._env = options.env
        self._is_asked = False
        self._came: list[Config] = []

    @property
    def has_news(self) -> bool:
        """Whether the last reply brought anything for `keep`."""
        return bool(self._came)

    def cards(self, reader: Reader) -> list[Card]:
        """What this request carries of it."""
        wanted, given, _ = self._wishes
        if self._is_asked:
            return []
        self._is_asked = True
        areas = frozenset(area for name in given for area in AREAS[name])
        rows = list(configuration.cards(reader, areas, with_accounts=True))
        self.sent = len(rows)
        return [*(ReqConfig(f"/{name}") for name in wanted), *rows]

    def take(self, card: Config) -> None:
        """Note a card. One that was not asked for means nothing. Raises PeerError: they are too many."""
        if self._wishes.wanted:
            self._came.append(card)
        if len(self._came) > MAX_CARDS:
            raise PeerError(f"the server sends over {MAX_CARDS} rows of configuration")

    def keep(self, writer: Writer) -> None:
        """Keep what came."""
        came, self._came = self._came, []
        if not came:
            return
        areas = frozenset(area for name in self._wishes.wanted for area in AREAS[name])
        with_accounts = self._wishes.with_accounts and writer.role != schema.MEMBER
        taking = Taking(writer, areas, with_accounts=with_accounts, now_ms=self._env.clock_ms())
        for card in came:
            taking.take(card)
        self.received += taking.count
        self.left_out = (*self.left_out, *taking.notices)
        self.shun = (*self.shun, *taking.shun.values())[:MAX_CARDS]
