"""URLs of repositories: http, https or nats, perhaps with a login and password before the host; and those of etcd.

    https://LOGIN:PASSWORD@HOST:PORT/PATH     in LOGIN and PASSWORD, / ? # @ are written %2F %3F %23 %40
    nats://LOGIN:PASSWORD@HOST:PORT/SUBJECT   a NATS server, and the subject on which the repository answers

LOGIN is an account of the repository, also in a nats URL: the one at the NATS server is in the configuration.

No message shows a password: a text that is not a URL after all may hold one.
"""

import ipaddress
import re
from typing import Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from xferzone.errors import UsageError

NATS: Final = "nats"
_NATS_PORT: Final = 4222
_PORTS: Final = {"http": 80, "https": 443}
_MAX_SUBJECT: Final = 200  # letters; ours, a NATS server takes some thousands
_SUBJECT: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
_NEWS: Final = "news"
_PORT: Final = re.compile(r"://[^/?#@]*:[^/?#@:\]]+(?:[/?#]|$)")  # a host and what stands for its port


class Subject(NamedTuple):
    """What a nats URL names: the NATS server, where the repository takes requests, and where it announces news."""

    server: str
    requests: str
    news: str


def parse_url(url: str) -> SplitResult:
    """The parts of an http or https URL.

    Raises:
        UsageError: it is not such a URL.
    """
    parts = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"{shown_url(url)!r} is not an http or https URL: give one, such as https://dns.example.net/"
        )
    return parts


def parse_endpoint(url: str) -> SplitResult:
    """The parts of the URL of an endpoint of etcd.

    Raises:
        UsageError: it is not such a URL, or has a login.
    """
    parts = _split(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise UsageError(
            f"{shown_url(url)!r} is not the URL of an etcd endpoint: give one, such as http://HOST:2379"
        )
    if "@" in parts.netloc:
        raise UsageError(
            f"{shown_url(url)} has a login in its URL, which others may see: give it apart, with --etcd-user and "
            "--etcd-password-file, or as user and password of [group]"
        )
    return parts


def port_of(parts: SplitResult) -> int:
    """The port of an http or https URL, also where it names none."""
    return parts.port or _PORTS[parts.scheme]


def parse_member(url: str) -> str:
    """The URL at which the other members of a group reach one, without a login.

    Raises:
        UsageError: it is not an http or https URL, or no other machine can reach it.
    """
    bare = credentials(parse_url(url).geturl())[0]
    try:
        is_wildcard = ipaddress.ip_address(parse_url(bare).hostname or "").is_unspecified
    except ValueError:  # a name
        is_wildcard = False
    if is_wildcard:
        raise UsageError(f"{bare} has the address of no machine: give a name or an address of this one")
    return bare


def is_same_place(one: str, other: str) -> bool:
    """Whether two URLs are the same in all but spelling."""
    return _place(one) == _place(other)


def _place(url: str) -> tuple[str, str, int, str]:
    try:
        parts = parse_url(url)
    except UsageError:  # somebody else has written it
        return "", url, 0, ""
    return parts.scheme, parts.hostname or "", port_of(parts), parts.path.rstrip("/")


def is_nats(url: str) -> bool:
    """Whether it is, or begins like, a nats URL."""
    return url.partition("://")[0].lower() == NATS


def parse_subject(url: str) -> Subject:
    """What a nats URL names.

    Raises:
        UsageError: it is not such a URL.
    """
    parts = _split(url)
    subject = parts.path.removeprefix("/")
    before, _, last = subject.rpartition(".")
    is_one = len(subject) <= _MAX_SUBJECT and _SUBJECT.fullmatch(subject) is not None and last != _NEWS
    if parts.scheme != NATS or not parts.hostname or not is_one:
        raise UsageError(
            f"{shown_url(url)!r} is not a nats URL with a subject: give one, "
            f"such as nats://HOST:{_NATS_PORT}/xferzone.PROJECT.MEMBER, "
            f"of letters, digits, - and _ between the points, and another last word than {_NEWS}"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Subject(f"{NATS}://{host}:{parts.port or _NATS_PORT}", subject, f"{before}.{_NEWS}")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError as exc:
        if "@" not in url and _PORT.search(url):
            raise UsageError(f"{url!r} is not a URL: its port is not a number up to 65535") from exc
        # The error itself is not quoted: it may hold a part of the password.
        raise UsageError(
            f"{shown_url(url)!r} is not a URL: write / ? # and @ in a login or password as %2F %3F %23 and %40"
        ) from exc
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
    parts = _of_repository(url)
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
    written = _of_repository(url).netloc.rpartition("@")[0].partition(":")[0]
    return bare.replace("://", f"://{written}@", 1) if written else bare


def _of_repository(url: str) -> SplitResult:
    if is_nats(url):
        parse_subject(url)
        return _split(url)
    return parse_url(url)
