"""URLs of repositories: http or https, perhaps with a login and password before the host.

    https://LOGIN:PASSWORD@HOST:PORT/PATH     in LOGIN and PASSWORD, / ? # @ are written %2F %3F %23 %40

No message shows a password: a text that is not a URL after all may hold one.
"""

from urllib.parse import SplitResult, unquote, urlsplit

from xferzone.errors import UsageError


def parse_url(url: str) -> SplitResult:
    """The parts of an http or https URL.

    Raises:
        UsageError: it is not such a URL.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as exc:
        # The error itself is not quoted: it may hold a part of the password.
        raise UsageError(
            f"{shown_url(url)!r} is not a URL: write / ? # and @ in a login or password as %2F %3F %23 and %40"
        ) from exc
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(
            f"{shown_url(url)!r} is not an http or https URL: give one, such as https://dns.example.net/"
        )
    return parts


def shown_url(text: str) -> str:
    """`text`, which may be a URL, without what may be a login and password in it."""
    scheme, colons, rest = text.partition("://")
    if not colons:
        scheme, rest = "", text
    return f"{scheme}{colons}{rest.rpartition('@')[2]}"


def credentials(url: str) -> tuple[str, str | None, str | None]:
    """The URL without login and password, the login, and the password; None: the URL has none.

    Raises:
        UsageError: it is not a URL.
    """
    parts = parse_url(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    return (
        bare.geturl(),
        None if parts.username is None else unquote(parts.username, errors="surrogateescape"),
        None if parts.password is None else unquote(parts.password, errors="surrogateescape"),
    )


def without_password(url: str) -> str:
    """The URL as it may be shown and remembered: with its login.

    Raises:
        UsageError: it is not a URL.
    """
    bare, login, _ = credentials(url)
    return bare if login is None else with_login(bare, url)


def with_login(bare: str, url: str) -> str:
    """`bare`, which has no login, with the login of `url` as it is written there."""
    written = parse_url(url).netloc.rpartition("@")[0].partition(":")[0]
    return bare.replace("://", f"://{written}@", 1) if written else bare
