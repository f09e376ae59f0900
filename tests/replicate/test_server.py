"""Routes, statuses and headers, as somebody with curl sees them."""

import json
import sqlite3
from contextlib import closing

import pytest
import zstandard

from tests.replicate.conftest import may
from tests.replicate.peer import HOST, Answer, ask, batch, post, pull, walk
from xferzone.artifacts import Cluster
from xferzone.cards import coding
from xferzone.errors import PeerError
from xferzone.faults import Faults
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.replicate.batch import Arriving, Unsent, Why
from xferzone.replicate.server import MAX_REQUEST, Terms, TooManyWait, current, respond
from xferzone.store import Store
from xferzone.store.incoming import Received
from xferzone.transport.walk import WalkRequest

GONE = artifact_id(b"nowhere")


def refs(store: Store, query: str = "", **headers: str) -> Answer:
    return ask(store, "GET", f"/v0/refs{query}", **headers)


def branch_tips(store: Store) -> list[str]:
    return [each["hash"] for each in json.loads(refs(store).body)["branches"]]


@pytest.mark.parametrize(
    ("method", "target", "status", "allow"),
    [
        ("GET", "/v0/nothing", 404, None),
        ("GET", "/v0/objects", 404, None),
        ("GET", "/v0/refs/", 404, None),
        ("GET", "/v0//refs", 404, None),
        ("GET", "/V0/refs", 404, None),
        ("GET", f"/v0/objects/{GONE}/x", 404, None),
        ("GET", f"/v0/objects/{GONE}", 404, None),
        ("GET", "/v0/objects/abc", 400, None),
        ("GET", f"/v0/objects/{GONE}?x=1", 400, None),
        ("GET", "/v0/refs?other=1", 400, None),
        ("GET", "/v0/refs?since=1", 400, None),
        ("GET", "/v0/refs?since=&since=", 400, None),
        ("GET", "/v0/refs?x", 400, None),
        ("POST", "/v0/refs", 405, "GET"),
        ("PUT", f"/v0/objects/{GONE}", 405, "GET, HEAD"),
        ("GET", "/v0/objects/walk", 405, "POST"),
        ("HEAD", "/v0/objects/pull", 405, "POST"),
        ("DELETE", "/v0/objects/batch", 405, "POST"),
        ("POST", "/v0/auth", 405, "GET"),
        ("GET", f"/v0/{'x' * 3_000}", 404, None),
    ],
)
def test_a_wrong_request_is_refused_with_one_line(
    method: str, target: str, status: int, allow: str | None, zones: Store
) -> None:
    answer = ask(zones, method, target)
    assert answer.status == status
    assert answer.error
    assert answer.body.count(b"\n") == 1
    assert answer.headers.get("allow") == allow
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("route", "body", "status"),
    [
        ("walk", b"", 400),
        ("walk", b"{}", 400),
        ("walk", b"[]", 400),
        ("walk", b'{"roots": null}', 400),
        ("walk", b'{"roots": ["x"]}', 400),
        ("walk", b'{"roots": [], "other": 1}', 400),
        ("walk", b'{"roots": [], "since": "x"}', 400),
        ("walk", b'{"roots": [], "more": "x"}', 400),
        ("walk", b'{"roots": [], "roots": []}', 200),
        ("walk", b'{"roots": ["%s"]}' % GONE.encode(), 404),
        ("walk", b'{"roots": ["%s"]}' % GONE.upper().encode(), 400),
        ("walk", b"\xff\xfe", 400),
        ("pull", b'{"roots": ["%s"]}' % GONE.encode(), 404),
        ("batch", b'{"hashes": ["%s", "%s"]}' % (GONE.encode(), GONE.encode()), 400),
        ("batch", b'{"hashes": [], "older": true}', 400),
        ("batch", b" " * (MAX_REQUEST + 1), 413),
    ],
)
def test_a_wrong_body_is_refused_with_its_place(route: str, body: bytes, status: int, zones: Store) -> None:
    answer = ask(zones, "POST", f"/v0/objects/{route}", body, content_type="application/json")
    assert answer.status == status
    assert status == 200 or answer.error


def test_an_unknown_root_is_named(zones: Store) -> None:
    assert GONE in post(zones, "/v0/objects/walk", roots=[GONE]).error


def test_what_is_over_its_bound_is_refused_with_the_bound(zones: Store) -> None:
    some = [artifact_id(str(number).encode()) for number in range(10_001)]
    for answer in (
        post(zones, "/v0/objects/walk", roots=some[:1], known=some[1:]),
        post(zones, "/v0/objects/batch", hashes=some),
    ):
        assert answer.status == 413
        assert "10000" in answer.error


def test_bodies_are_json_perhaps_in_zstd(zones: Store) -> None:
    def sent(body: bytes, **headers: str) -> Answer:
        return ask(zones, "POST", "/v0/objects/walk", body, **headers)

    body = json.dumps({"roots": branch_tips(zones)}).encode()
    whole = sent(body, content_type="application/json; charset=utf-8")
    packed = zstandard.compress(body)
    assert whole.status == 200
    assert sent(packed, content_type="application/json", content_encoding="zstd").body == whole.body
    assert sent(packed[:-1], content_type="application/json", content_encoding="zstd").status == 400
    assert sent(body, content_type="application/json", content_encoding="zstd").status == 400
    large = zstandard.compress(b" " * (MAX_REQUEST + 1))
    assert sent(large, content_type="application/json", content_encoding="zstd").status == 400
    assert sent(body).status == 415
    assert sent(body, content_type="application/x-www-form-urlencoded").status == 415
    refused = sent(body, content_type="application/json", content_encoding="gzip")
    assert (refused.status, refused.headers["accept-encoding"]) == (415, "zstd")


def test_a_stated_hash_that_is_not_the_body_s_is_refused(zones: Store) -> None:
    answer = ask(
        zones, "POST", "/v0/objects/walk", b'{"roots": []}',
        content_type="application/json", x_content_sha256="0" * 64,
    )  # fmt: skip
    assert answer.status == 400


# -- one artifact


def test_one_artifact_comes_with_what_caches_need(zones: Store) -> None:
    (tip, *_) = branch_tips(zones)
    answer = ask(zones, "GET", f"/v0/objects/{tip}")
    assert artifact_id(answer.body) == tip
    assert answer.headers == {
        "content-type": "application/octet-stream",
        "etag": f'"{tip}"',
        "cache-control": "max-age=31536000, immutable",
        "vary": "Accept-Encoding",
        "x-object-kind": "checkin",
        "content-length": str(len(answer.body)),
    }
    head = ask(zones, "HEAD", f"/v0/objects/{tip}")
    assert (head.status, head.headers, head.body) == (200, answer.headers, b"")
    cached = ask(zones, "GET", f"/v0/objects/{tip}", if_none_match=f'"{tip}"')
    assert (cached.status, cached.body, cached.headers["etag"]) == (304, b"", f'"{tip}"')


def test_each_kind_is_told(zones: Store) -> None:
    with zones.writer() as writer:
        cluster = writer.put(Cluster((GONE, artifact_id(b"2"))).encode())
    names = [*walk(zones, branch_tips(zones)), cluster]
    kinds = {ask(zones, "GET", f"/v0/objects/{name}").headers["x-object-kind"] for name in names}
    assert kinds == {"checkin", "control", "blob", "cluster"}


def test_an_artifact_comes_packed_to_who_reads_zstd(zones: Store) -> None:
    with zones.writer() as writer:
        name = writer.put(b"www 300 A 192.0.2.1\n" * 100)
        tiny = writer.put(b"tiny")
    answer = ask(zones, "GET", f"/v0/objects/{name}", accept_encoding="gzip, zstd")
    assert answer.headers["content-encoding"] == "zstd"
    assert artifact_id(b"".join(coding.expanded([answer.body], 10_000))) == name
    assert "content-encoding" not in ask(zones, "GET", f"/v0/objects/{tiny}", accept_encoding="zstd").headers


def damage(store: Store, name: ArtifactId) -> None:
    with store.writer() as writer:
        rid = writer.rid(name)
        writer.db.execute("UPDATE blob SET content = X'00', source = NULL WHERE rid = ?", (rid,))
        writer.db.execute("DELETE FROM large WHERE rid = ?", (rid,))


def test_what_is_damaged_is_never_sent(zones: Store) -> None:
    tips = branch_tips(zones)
    names = walk(zones, tips)
    with zones.writer() as writer:
        lonely = writer.put(b"an artifact of its own, which will be damaged\n" * 10)
    damage(zones, lonely)
    with Store.open(zones.path) as fresh:  # with an empty cache
        answer = ask(fresh, "GET", f"/v0/objects/{lonely}")
        assert (answer.status, "damaged" in answer.error) == (500, True)
        first, second = batch(fresh, [lonely, names[0]])
        assert first == Unsent(lonely, Why.DAMAGED)
        assert isinstance(second, Received)


def test_a_damaged_check_in_does_not_end_a_walk(zones: Store) -> None:
    tips = branch_tips(zones)
    names = walk(zones, tips)
    damage(zones, ArtifactId(tips[0]))
    with Store.open(zones.path) as fresh:
        assert tips[0] in walk(fresh, tips)
        brought = {each.artifact for each in pull(fresh, tips) if isinstance(each, Received)}
        assert brought < set(names)


# -- many artifacts


def test_what_is_not_here_is_marked(zones: Store) -> None:
    (tip, *_) = branch_tips(zones)
    assert batch(zones, [GONE])[0] == Unsent(GONE, Why.ABSENT)
    with zones.writer() as writer:
        phantom = ArtifactId("ab" * 32)
        writer.expect(phantom)
    assert batch(zones, [phantom, ArtifactId(tip)])[0] == Unsent(phantom, Why.ABSENT)


def test_what_is_asked_for_alone_needs_nothing_else(zones: Store) -> None:
    for name in walk(zones, branch_tips(zones)):
        (found,) = batch(zones, [name])
        assert isinstance(found, Received)
        assert found.source is None
        assert artifact_id(found.payload) == name


def test_bodies_are_packed_for_who_reads_zstd(zones: Store) -> None:
    tips = branch_tips(zones)
    body = json.dumps({"roots": tips}).encode()
    plain = ask(zones, "POST", "/v0/objects/pull", body, content_type="application/json")
    packed = ask(
        zones, "POST", "/v0/objects/pull", body, content_type="application/json", accept_encoding="zstd"
    )
    assert packed.headers["content-encoding"] == "zstd"
    assert packed.headers["content-type"] == plain.headers["content-type"] == "application/x-xferzone-batch"
    assert b"".join(coding.expanded([packed.body], 10_000_000)) == plain.body


def test_no_transaction_is_open_while_a_body_waits_for_the_network(zones: Store) -> None:
    body = json.dumps({"roots": branch_tips(zones)}).encode()
    headers = {"content-type": "application/json"}
    with respond(zones, WalkRequest("POST", "/v0/objects/pull", headers, body), Terms(HOST)) as reply:
        came = [next(reply.body), next(reply.body)]
        with zones.writer() as writer:
            writer.put(b"something new\n")
        with closing(sqlite3.connect(zones.path, isolation_level=None)) as db:
            (is_kept, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert not is_kept
        came += reply.body
    assert list(Arriving(came).pulled())


# -- a server that has not caught up


@pytest.mark.parametrize("target", ["/v0/refs", f"/v0/objects/{GONE}", "/v0/auth"])
def test_a_mirror_before_its_first_pull_answers_nothing(target: str, zones: Store) -> None:
    with zones.writer() as writer:
        writer.set_setting("role", "mirror")
    assert ask(zones, "GET", "/v0/refs").status == 200
    with zones.writer() as writer:
        writer.db.execute("DELETE FROM ref")
    answer = ask(zones, "GET", target)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    with zones.writer() as writer:
        writer.set_setting("role", "primary")
        writer.db.execute("DELETE FROM setting WHERE name = 'project-code'")
    assert ask(zones, "GET", target).status == 503


# -- waiting for news


class Waits:
    """Waits as long as the process that carries the walk decides; what was asked of it."""

    def __init__(self, store: Store, news: str = "") -> None:
        self._store = store
        self._news = news
        self.asked: list[tuple[str, float]] = []

    def __call__(self, etag: str, seconds: float) -> None:
        self.asked.append((etag, seconds))
        if self._news == "too many":
            raise TooManyWait(7)
        if self._news:
            with self._store.writer() as writer:  # no transaction is open that could keep it from this
                writer.db.execute("UPDATE publication SET number = number + 10 WHERE number = 2")


def wait(store: Store, waits: Waits, prefer: str, etag: str) -> Answer:
    terms = Terms(HOST, waiting=waits)
    return ask(store, "GET", "/v0/refs", b"", terms, prefer=prefer, if_none_match=etag)


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=25", 25),
        ("respond-async, wait=3", 3),
        ('wait="9"', 9),
        ("Wait = 9999", 60),
        ("wait=0", None),
        ("await=5", None),
        ("wait=x", None),
        ("", None),
    ],
)
def test_who_prefers_to_wait_waits_a_bounded_time(prefer: str, seconds: int | None, zones: Store) -> None:
    waits = Waits(zones)
    etag = current(zones)
    answer = wait(zones, waits, prefer, f'"{etag}"')
    assert (answer.status, answer.headers["etag"]) == (304, f'"{etag}"')
    assert waits.asked == ([] if seconds is None else [(etag, seconds)])


def test_news_end_a_wait(zones: Store) -> None:
    etag = current(zones)
    answer = wait(zones, Waits(zones, "news"), "wait=25", f'"{etag}"')
    assert answer.status == 200
    assert answer.headers["etag"] == f'"{current(zones)}"' != f'"{etag}"'


def test_who_does_not_know_what_is_here_does_not_wait(zones: Store) -> None:
    waits = Waits(zones)
    assert wait(zones, waits, "wait=25", '"x.1.2"').status == 200
    assert waits.asked == []


def test_one_too_many_who_wait_is_refused(zones: Store) -> None:
    answer = wait(zones, Waits(zones, "too many"), "wait=25", f'"{current(zones)}"')
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert answer.error


def test_who_may_not_read_does_not_wait(zones: Store) -> None:
    may(zones, "nobody", "")
    waits = Waits(zones)
    assert wait(zones, waits, "wait=25", f'"{current(zones)}"').status == 401
    assert waits.asked == []


# -- what tests of others may break


class Breaks:
    """Lets the step at one place fail, each time."""

    def __init__(self, site: str) -> None:
        self._site = site
        self.faults = Faults(dies=lambda _site, _p: None, fails=lambda site, _p: site == self._site)


def broken(store: Store, site: str, route: str, **fields: object) -> Answer:
    return post(store, f"/v0/objects/{route}", Terms(HOST, faults=Breaks(site).faults), **fields)


def test_each_fault_is_one_that_a_client_can_tell(zones: Store) -> None:
    tips = branch_tips(zones)
    every = walk(zones, tips)
    assert broken(zones, "walk.server-busy", "walk", roots=tips).status == 503
    page = json.loads(broken(zones, "walk.server-short-page", "walk", roots=tips).body)
    assert (len(page["missing"]), bool(page["more"])) == (3, True)
    told = json.loads(
        ask(zones, "GET", "/v0/refs", b"", Terms(HOST, faults=Breaks("walk.server-short-list").faults)).body
    )
    assert (len(told["branches"]), told["more"]) == (1, True)
    with pytest.raises(PeerError, match="cut"):
        list(Arriving([broken(zones, "walk.server-cuts-pull", "pull", roots=tips).body]).pulled())
    with pytest.raises(PeerError, match="cut"):
        list(Arriving([broken(zones, "walk.server-cuts-batch", "batch", hashes=every).body]).records(every))
    answer = broken(zones, "walk.server-sends-little", "batch", hashes=every)
    first, *others = Arriving([answer.body]).records(every)
    assert isinstance(first, Received)
    assert others == [Unsent(each, Why.LATER) for each in every[1:]]


def test_a_pull_that_ends_early_goes_on_with_its_cursor(zones: Store) -> None:
    """As after 64 MiB, or 50,000 artifacts."""
    tips = branch_tips(zones)

    class Ends:
        faults = Faults(
            dies=lambda _site, _p: None,
            fails=lambda site, _p: site in ("walk.server-ends-pull", "walk.server-short-page"),
        )

    found: list[ArtifactId] = []
    more, requests = "", 0
    while more or not requests:
        requests += 1
        terms = Terms(HOST, faults=Ends.faults)
        arriving = Arriving([post(zones, "/v0/objects/pull", terms, roots=tips, more=more).body])
        found += [each.artifact for each in arriving.pulled()]
        more = arriving.more
    assert requests > 2
    assert sorted(found) == sorted(walk(zones, tips))
