"""How a verb reaches another repository: over HTTP, or by NATS with the account of the configuration."""

from pathlib import Path
from typing import TYPE_CHECKING

from xferzone.transport.http import HTTP
from xferzone.transport.url import is_nats
from xferzone.transport.ways import way_to

if TYPE_CHECKING:
    from xferzone.transport.nats import NATS


def reached(repository: Path, url: str, *, with_login: bool, is_ours: bool = False) -> "HTTP | NATS":
    """The way from a repository to the one at a URL without login and password.

    Raises:
        UsageError: as way_to, or the configuration has faults.
    """
    if not is_nats(url):
        return HTTP(url, with_login=with_login, is_ours=is_ours)
    from xferzone.cli import nats  # a clone over HTTP does without

    return way_to(url, with_login=with_login, nats=nats.account(repository))
