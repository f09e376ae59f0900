"""Two pages for people about accounts of their own, at any path whose last word is theirs.

    POST .../login     u LOGIN, p PASSWORD, n1 and n2 the new one         the names of stock's page
    POST .../invite    t TOKEN, u LOGIN, n1 and n2 the password           makes the account
    GET                the form

The reply is a line of text and a status: 200 done, 400 the form is not right, 403 refused, 409 the login is taken, 429
too many passwords were wrong (sync/server/guessing.py), 503 not now. What is typed there is a password in clear: over
HTTP without TLS it is taken from this machine alone. Whoever asks is a stranger with a place as any other
(web/limits.py). Nothing is remembered of him, no cookie: a page elsewhere cannot make a browser do any of it without
the password or the token.
Source: Fossil 2.21, src/login.c login_page(); HTML standard, "URL-encoded form data".
"""

import ipaddress
import logging
import re
from collections.abc import Mapping
from html import escape
from typing import Final
from urllib.parse import parse_qsl

import falcon

from xferzone.errors import Away, Busy, Denied, Exists, Guessing, NotReady, UsageError, XferzoneError
from xferzone.exchange import Terms
from xferzone.exchange.owners import Owners
from xferzone.logline import REPOSITORY
from xferzone.web.limits import Places
from xferzone.web.repository import Repository
from xferzone.web.xfer import connection_of, pieces

MAX_FORM: Final = 16_384  # bytes; login and passwords, each three bytes a letter or more when escaped
MAX_FIELDS: Final = 16  # of a form
RETRY_S: Final = 5  # seconds after which one that was told to come again may
#: What falcon looks for.
PATH: Final = re.compile(r"(?:/.*)?/(?P<page>login|invite)$")
FORM: Final = "application/x-www-form-urlencoded"

_STATUS: Final[Mapping[type[XferzoneError], int]] = {
    Denied: 403,
    UsageError: 400,
    Exists: 409,
    NotReady: 503,
    Away: 503,
    Guessing: 429,
    Busy: 503,
}
_LABELS: Final = {
    "login": {"u": "Login", "p": "Old password", "n1": "New password", "n2": "New password again"},
    "invite": {"t": "Invitation", "u": "Login that you choose", "n1": "Password", "n2": "Password again"},
}
_TITLES: Final = {"login": "Change your password", "invite": "Accept an invitation"}
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body {{ max-width: 24rem; margin: 3rem auto; padding: 0 1rem; font: 1rem/1.5 sans-serif }}
input {{ display: block; width: 100%; margin-bottom: 1rem; box-sizing: border-box; font: inherit }}</style>
<h1>{title}</h1>
<form method="post">
{fields}
<button>{title}</button>
</form>
</html>
"""
#: No page elsewhere may show this one as a part of its own, and nothing in it runs.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
_FIELD: Final = '<label>{label} <input name="{name}" type="{kind}" autocomplete="{fill}" required></label>'
_FILLS: Final = {"u": "username", "p": "current-password", "n1": "new-password", "n2": "new-password"}

log = logging.getLogger(__name__)


class OwnersPages:
    """Falcon's sink for PATH."""

    def __init__(self, repository: Repository, terms: Terms, places: Places) -> None:
        self._repository = repository
        self._terms = terms
        self._places = places

    def __call__(self, req: falcon.Request, resp: falcon.Response, **fields: str) -> None:
        """Answer. Raises falcon.HTTPError: the method, or the body, is not one that is taken."""
        page = fields["page"]
        resp.set_header("Cache-Control", "no-store")
        resp.set_header("Content-Security-Policy", _POLICY)
        resp.set_header("X-Content-Type-Options", "nosniff")
        if req.method in ("GET", "HEAD"):
            resp.content_type = falcon.MEDIA_HTML
            resp.data = _form(page).encode()
            return
        if req.method != "POST":
            raise falcon.HTTPMethodNotAllowed(["GET", "HEAD", "POST"])
        resp.content_type = falcon.MEDIA_TEXT
        try:
            said = self._done(req, page)
        except XferzoneError as exc:
            resp.status = falcon.code_to_http_status(_status(exc))
            if resp.status == falcon.HTTP_503:
                resp.set_header("Retry-After", str(RETRY_S))
            elif isinstance(exc, Guessing):
                resp.set_header("Retry-After", str(exc.wait_s))
            said = (
                str(exc) if _status(exc) != 500 else "the account was not changed: the server's log says why"
            )
            told = log.error if _status(exc) == 500 else log.info
            told("account page=%s outcome=refused remote=%s why=%r", page, req.remote_addr, str(exc))
        resp.data = f"{said}\n".encode("utf-8", "backslashreplace")

    def _done(self, req: falcon.Request, page: str) -> str:
        """What was done, as a line."""
        with self._places.place(req.remote_addr or "", connection_of(req), REPOSITORY.get()) as visitor:
            if not (req.content_type or "").strip().lower().startswith(FORM):
                raise falcon.HTTPUnsupportedMediaType(description=f"only {FORM} is taken here")
            if (req.content_length or 0) > MAX_FORM:
                raise falcon.HTTPContentTooLarge(description=f"at most {MAX_FORM} bytes are taken here")
            body = b"".join(pieces(req, visitor))
            visitor.received()
            if not _is_protected(req):
                raise Denied("a password is taken over TLS only: use the https URL of this server")
            fields = _fields(body, page)
            store = self._repository.store()
            group = None if self._terms.groups is None else self._terms.groups.of(store)
            guesser = self._places.brake.guesser(req.remote_addr or "", REPOSITORY.get())
            owners = Owners(store, None if group is None else group.refs.keys, self._terms.env, guesser)
            if page == "login":
                login = owners.change_password(fields["u"], fields["p"], fields["n1"]).login
                outcome, said = "password-changed", f"the password of {login} was changed"
            else:
                login = owners.accept(fields["t"], fields["u"], fields["n1"]).login
                outcome, said = "invited", f"the account {login} was made"
        log.info("account login=%s outcome=%s remote=%s", login, outcome, req.remote_addr)
        return said


def _status(exc: XferzoneError) -> int:
    return next((status for kind, status in _STATUS.items() if isinstance(exc, kind)), 500)


def _form(page: str) -> str:
    fields = "\n".join(
        _FIELD.format(
            label=escape(label),
            name=name,
            kind="text" if name in ("u", "t") else "password",
            fill=_FILLS.get(name, "off"),
        )
        for name, label in _LABELS[page].items()
    )
    return _PAGE.format(title=_TITLES[page], fields=fields)


def _fields(body: bytes, page: str) -> Mapping[str, str]:
    """The fields of a form, all of them. Raises UsageError: one is missing, or the new passwords differ."""
    try:
        text = body.decode("ascii")
        fields = dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS))
    except ValueError as exc:
        raise UsageError("this is not a form with text in UTF-8") from exc
    fields = {name: value.strip() if name in ("t", "u") else value for name, value in fields.items()}
    if missing := [name for name in _LABELS[page] if not fields.get(name)]:
        raise UsageError(
            f"fields are missing or empty: {' '.join(missing)}; this page wants {' '.join(_LABELS[page])}"
        )
    if fields["n1"] != fields["n2"]:
        raise UsageError("the two copies of the new password differ: nothing was changed")
    return fields


def _is_protected(req: falcon.Request) -> bool:
    """Whether nobody on the way has read it: it came over TLS, or from this machine."""
    if req.scheme == "https" or not req.remote_addr:  # a UNIX socket's peer has no address
        return True
    try:
        host = ipaddress.ip_address(req.remote_addr)
    except ValueError:
        return False
    return ((host.version == 6 and host.ipv4_mapped) or host).is_loopback
