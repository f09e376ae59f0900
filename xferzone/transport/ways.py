"""The way to a repository, by the scheme of its URL.

    http, https    HTTP   (http.py)
    nats           NATS   (nats.py), of the extra `nats`

Neither is imported before it is asked for.
"""

from typing import TYPE_CHECKING

from xferzone.errors import UsageError
from xferzone.transport.url import is_nats

if TYPE_CHECKING:
    from xferzone.transport.http import HTTP
    from xferzone.transport.nats import NATS, Login


def way_to(
    url: str, *, with_login: bool, is_ours: bool = False, nats: "Login | None" = None
) -> "HTTP | NATS":
    """The way to the repository at a URL without login and password. Whoever asks closes it.

    Args:
        with_login, is_ours: as HTTP has them.
        nats: the account at the NATS server; None: none.

    Raises:
        UsageError: it is not a URL, or what speaks NATS is not installed.
    """
    if not is_nats(url):
        from xferzone.transport.http import HTTP

        return HTTP(url, with_login=with_login, is_ours=is_ours)
    check_nats()
    from xferzone.transport.nats import NATS

    return NATS(url, nats)


def check_nats() -> None:
    """Raise UsageError unless the extra is installed."""
    try:
        import nats  # noqa: F401
    except ModuleNotFoundError as exc:
        if exc.name != "nats":
            raise
        raise UsageError("nats URLs need the extra `nats`: pip install xferzone[nats]") from exc
