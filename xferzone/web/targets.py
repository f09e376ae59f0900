"""The target of a request as its client sent it, from the mount point of the app on.

    GET /dns/v0//refs?since=1 HTTP/1.1, mounted at /dns     /v0//refs?since=1

The path that WSGI has is decoded: "%2F" is a slash there, and some servers make one slash of two.
"""

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import falcon

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

#: Names under which servers keep it: gunicorn the first one, most others the second.
_AS_SENT: Final = ("RAW_URI", "REQUEST_URI")
_BELOW: Final = re.compile(r"/v0(?:/|$)")
_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def is_walk(path: str) -> bool:
    """Whether a path is the walk's."""
    return _BELOW.match(path) is not None


def target_of(req: falcon.Request) -> str:
    """Path and query as sent; where the server does not tell, the decoded path is encoded again.

    Empty: it is not below the mount point.
    """
    return target_in(req.env)


def target_in(environ: "WSGIEnvironment") -> str:
    """The same, of a request that falcon has not seen yet."""
    mounted = quote(environ.get("SCRIPT_NAME", "").encode("latin-1"))
    sent = next((environ[name] for name in _AS_SENT if environ.get(name)), None)
    if sent is None:
        path, query = quote(environ["PATH_INFO"].encode("latin-1")), environ.get("QUERY_STRING", "")
        return f"{path}?{query}" if query else path
    whole = _AUTHORITY.sub("", sent, count=1) if not sent.startswith("/") else sent
    return str(whole.removeprefix(mounted)) if whole.startswith(mounted) else ""
