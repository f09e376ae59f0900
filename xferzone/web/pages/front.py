"""What a browser, or a person with curl, is told. Plain HTML; nothing of what the repository holds."""

from html import escape
from typing import Final

import falcon

from xferzone.cards.body import COMPRESSED

_FRONT: Final = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>xferzone</title>
<style>body {{ max-width: 44rem; margin: 3rem auto; padding: 0 1rem; font: 1rem/1.5 sans-serif }}
pre {{ padding: .8rem; background: #eee; overflow-x: auto }}</style>
<h1>xferzone</h1>
<p>DNS zones, kept in version control. This address speaks
<a href="https://fossil-scm.org">Fossil</a>'s sync protocol: with a login of this server,</p>
<pre>fossil clone --save-http-password {scheme}://LOGIN@{host}{mounted}/ zones.fossil
mkdir zones; cd zones
fossil open ../zones.fossil</pre>
<p>brings the zones and their history; <code>fossil branch ls</code> lists the zones' branches,
<code>fossil update ZONE/main</code> goes to one, and what you commit there is served by DNS at once.</p>
</html>
"""
_NOT_HERE: Final = (
    "There is no page here.\n\n"
    "This server speaks Fossil's sync protocol at this and every other path:\n"
    "    fossil clone --save-http-password {scheme}://LOGIN@{host}{path} zones.fossil\n"
)


class Front:
    """GET /"""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = falcon.MEDIA_HTML
        resp.data = _FRONT.format(
            scheme=escape(req.scheme), host=escape(req.netloc), mounted=escape(req.root_path)
        ).encode()

    on_head = on_get


def elsewhere(req: falcon.Request, resp: falcon.Response, **_fields: object) -> None:
    """Any path without a route of its own.

    Raises:
        falcon.HTTPUnsupportedMediaType: a POST; xfer's were answered before.
        falcon.HTTPMethodNotAllowed: any method but GET, HEAD and POST.
    """
    if req.method == "POST":
        raise falcon.HTTPUnsupportedMediaType(description=f"only {COMPRESSED} is taken here")
    if req.method not in ("GET", "HEAD"):
        raise falcon.HTTPMethodNotAllowed(["GET", "HEAD", "POST"])
    resp.status = falcon.HTTP_404
    resp.content_type = falcon.MEDIA_TEXT
    resp.data = _NOT_HERE.format(scheme=req.scheme, host=req.netloc, path=req.root_path + req.path).encode()
