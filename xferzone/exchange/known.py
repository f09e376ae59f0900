"""The remotes that a repository knows, by name or by URL."""

from xferzone.errors import NotFound
from xferzone.store import Reader
from xferzone.store.remotes import ORIGIN, Remote, remotes
from xferzone.transport.url import credentials, shown_url, without_password


def known_remote(
    reader: Reader, named: str | None, instead: str = "`xferzone remote add origin URL`"
) -> Remote:
    """The remote of that name or URL; None: origin. One of an unknown URL has no name.

    `instead`: what else may be done where there is no origin, for the message.

    Raises:
        NotFound: no remote has that name.
    """
    known = {each.name: each for each in remotes(reader)}
    if named is not None and "://" in named:
        address, _, _ = credentials(named)
        same = [each for each in known.values() if credentials(each.url)[0] == address]
        return same[0] if same else Remote("", without_password(named))
    if (found := known.get(named or ORIGIN)) is not None:
        return found
    if named is None:
        raise NotFound(f"no remote given and no origin configured: give a URL or a name, or {instead}")
    raise NotFound(
        f"there is no remote {shown_url(named)}: `xferzone remote` lists them, `remote add` makes one"
    )
