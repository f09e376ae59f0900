"""Logins and passwords in URLs, and where no password may turn up."""

import pytest

from xferzone.errors import UsageError
from xferzone.transport.url import credentials, parse_subject, parse_url, shown_url, without_password


@pytest.mark.parametrize(
    ("url", "bare", "login", "password"),
    [
        ("http://h/", "http://h/", None, None),
        ("https://h:81/a%20b?q#f", "https://h:81/a%20b", None, None),
        ("http://ann@h/", "http://h/", "ann", None),
        ("http://ann:@h/", "http://h/", "ann", ""),
        ("http://ann:p:w@h/x@y", "http://h/x@y", "ann", "p:w"),
        ("http://a%40b:p%2Fw%20%C3%A9@h/", "http://h/", "a@b", "p/w é"),
        ("http://a@b:p@w@[::1]:8/", "http://[::1]:8/", "a@b", "p@w"),
        ("http://ann:%ff@h/", "http://h/", "ann", "\udcff"),
        ("http://ann:a+b@h/", "http://h/", "ann", "a+b"),
        ("nats://ann:pw@h:4222/dns.zones.a", "nats://h:4222/dns.zones.a", "ann", "pw"),
    ],
)
def test_logins_and_passwords_in_urls(url: str, bare: str, login: str | None, password: str | None) -> None:
    assert credentials(url) == (bare, login, password)


@pytest.mark.parametrize(
    "url",
    [
        "ann:s3cret@h/",
        "ftp://ann:s3cret@h/",
        "http://ann:s3cret/x@h/",
        "http://ann:s3cret@/",
        "http://ann:s3cret@h:99999/",
        "http://ann:s3cret@[::1/",
        "http:/ann:s3cret@h/",
        "http://ann:s3c?s3cret@h/",
        "http://ann:s3c#s3cret@h/",
    ],
)
def test_no_error_shows_a_password(url: str) -> None:
    assert "s3c" not in shown_url(url)
    with pytest.raises(UsageError) as caught:
        parse_url(url)
    assert "s3c" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "remembered"),
    [
        ("http://h/", "http://h/"),
        ("https://ann:pw@h:81/a?q#f", "https://ann@h:81/a"),
        ("http://a%40b:p%2Fw@h/", "http://a%40b@h/"),
        ("http://:pw@h/", "http://h/"),
    ],
)
def test_what_is_remembered_of_a_url(url: str, remembered: str) -> None:
    assert without_password(url) == remembered


@pytest.mark.parametrize(
    ("url", "server", "requests", "news"),
    [
        ("nats://h/dns.a", "nats://h:4222", "dns.a", "dns.news"),
        ("nats://ann:pw@h:81/dns.zones.a-1", "nats://h:81", "dns.zones.a-1", "dns.zones.news"),
        ("nats://[::1]:81/dns.a", "nats://[::1]:81", "dns.a", "dns.news"),
    ],
)
def test_what_a_nats_url_names(url: str, server: str, requests: str, news: str) -> None:
    assert parse_subject(url) == (server, requests, news)


@pytest.mark.parametrize(
    "subject",
    ["", "a", "a.", ".a", "a..b", "a.*", "a.>", "a b.c", "a.news", "$SYS.a", "a.b/c", "a." + "b" * 200],
)
def test_what_is_no_subject(subject: str) -> None:
    with pytest.raises(UsageError, match="is not a nats URL with a subject") as caught:
        parse_subject(f"nats://ann:s3cret@h/{subject}")
    assert "s3c" not in str(caught.value)
