"""Questions to the server's half of the walk, in this process."""

import json
from collections.abc import Sequence

from xferzone.hashing import ArtifactId
from xferzone.replicate.batch import Arriving, Unsent
from xferzone.replicate.server import Terms, respond
from xferzone.store import Store
from xferzone.store.incoming import Received
from xferzone.transport.walk import WalkReply, WalkRequest

JSON = {"content-type": "application/json"}
HOST = "dns.example.net"


class Answer:
    """A reply, read to its end."""

    def __init__(self, reply: WalkReply) -> None:
        with reply:
            self.body = b"".join(reply.body)
        self.status = reply.status
        self.headers = reply.headers

    @property
    def error(self) -> str:
        """Why it says no."""
        assert self.body.endswith(b"\n"), self.body
        (reason,) = json.loads(self.body).values()
        assert isinstance(reason, str)
        return reason


def ask(
    store: Store, method: str, target: str, body: bytes = b"", terms: Terms | None = None, /, **headers: str
) -> Answer:
    """The answer to a request; names of headers with _ for -."""
    own = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(respond(store, WalkRequest(method, target, own, body), terms or Terms(HOST)))


def post(store: Store, target: str, terms: Terms | None = None, /, **fields: object) -> Answer:
    return ask(
        store, "POST", target, json.dumps(fields).encode(), terms, **{"content_type": JSON["content-type"]}
    )


def walk(store: Store, roots: Sequence[str], known: Sequence[str] = (), **fields: object) -> list[ArtifactId]:
    """All pages of a walk."""
    found: list[ArtifactId] = []
    more = ""
    while True:
        answer = post(store, "/v0/objects/walk", roots=roots, known=known, more=more, **fields)
        assert answer.status == 200, answer.body
        page = json.loads(answer.body)
        found += page["missing"]
        more = page["more"]
        if not more:
            return found
        assert page["missing"]


def batch(store: Store, names: Sequence[ArtifactId]) -> list[Received | Unsent]:
    answer = post(store, "/v0/objects/batch", hashes=names)
    assert answer.status == 200, answer.body
    return list(Arriving([answer.body]).records(names))


def pull(store: Store, roots: Sequence[str], known: Sequence[str] = ()) -> list[Received | Unsent]:
    answer = post(store, "/v0/objects/pull", roots=roots, known=known)
    assert answer.status == 200, answer.body
    arriving = Arriving([answer.body])
    found = list(arriving.pulled())
    assert not arriving.more
    return found
