"""Servers that break the protocol, lie or promise in vain, against `clone`, `pull`, `sync` and `push`.

After each attack: the exit code and what was said; no traceback; the repository clean by `check`, with nothing in it
that was not there before or came under its right name; and the next sync with the same server, honest again, works.
"""

import functools
import hashlib
import itertools
import json
import random
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Ran, Run, xz
from tests.publish.project import MAIN, Project, zone_text
from tests.sync.client.attacker import Attack, Attacker, changed, large, octets, text
from tests.web.conftest import Served
from xferzone import delta
from xferzone.artifacts import CheckIn, Cluster, Control, Tag
from xferzone.cards import CFile, CloneSeqno, Error, File, Gimme, IGot, Message, Push, parse_cards
from xferzone.cards.base import line
from xferzone.cards.body import UNCOMPRESSED, pack
from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.observer import Silent
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Store, accounts
from xferzone.sync.arriving import MAX_EXPANDED
from xferzone.sync.client import driver
from xferzone.sync.client import session as client
from xferzone.sync.client.asking import MAX_ASKED, MAX_VAIN
from xferzone.sync.client.options import Options, Purpose
from xferzone.sync.client.refs import MAX_REFS
from xferzone.sync.client.sending import MAX_SENT
from xferzone.transport import Body

__all__ = ["xz"]

DATE = 1_790_000_000_000  # milliseconds since 1970; before these lines were written
ABSENT = ArtifactId("ab" * 32)
OTHER_CODE = "c0" * 20
ROUNDS = 60  # driver.MAX_ROUNDS, while these tests run
ONE = b"one\n"
CHAIN = 2_000  # deltas, each of the one before; 10,000 by hand
FLOOD = 100_000  # names; 1,000,000 by hand
LONG = b"".join(b"line %d of a text that is long enough\n" % number for number in range(40))
LONGER = LONG.replace(b"line 20 ", b"LINE TWENTY ")
STEERING = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"


@dataclass(frozen=True)
class Site:
    """A server, the clone that syncs with it, and the command line beside that."""

    attacker: Attacker
    url: str
    here: Path
    there: Path
    xz: Run
    project_code: str

    def run(self, attack: Attack, *words: str) -> Ran:
        """The command line while the server answers by `attack`."""
        self.attacker.begin(attack)
        done = self.xz("-R", str(self.here), *words)
        assert "\x1b" not in done.out + done.err
        return done

    def pull(self, attack: Attack, *options: str) -> Ran:
        return self.run(attack, *options, "pull", self.url)

    def artifacts(self, path: Path | None = None) -> set[ArtifactId]:
        with Store.open(path or self.here) as store, store.reader() as reader:
            return set(reader.artifacts())

    def ref(self, path: Path | None = None, branch: str = MAIN) -> ArtifactId | None:
        with Store.open(path or self.here) as store, store.reader() as reader:
            found = LocalRefs(reader).get(BranchName.parse(branch))
            return None if found is None else found.checkin

    def assert_sound(self) -> None:
        """`check` is clean, and an honest sync brings both sides to the same."""
        self.attacker.begin(None)
        assert self.xz("-R", str(self.here), "check").code == 0
        done = self.xz("-R", str(self.here), "sync", self.url)
        assert done.code in (0, 1), done.err  # 1: artifacts that were named are still missing
        assert self.artifacts(self.there) <= self.artifacts()
        assert self.ref() == self.ref(self.there)
        assert self.xz("-R", str(self.here), "check").code == 0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A repository that everybody may clone and write to, with two check-ins of example.com and one of example.org."""
    made = Project(tmp_path_factory.mktemp("there"))
    with made.store.writer() as writer:
        for login in ("nobody", "anonymous"):
            accounts.put_user(writer, login, None, "gio")
    first = made.manifest(zone_text("www 300 A 192.0.2.1"), date_ms=DATE)
    second = made.manifest(zone_text("www 300 A 192.0.2.2"), artifact_id(first), date_ms=DATE + 1)
    files = {"example.org.zone": zone_text("mail 300 A 192.0.2.3")}
    other = made.manifest(None, branch="example.org/main", files=files, date_ms=DATE + 2)
    made.push(first, second, other)
    return made


@pytest.fixture
def site(project: Project, tmp_path: Path, xz: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(driver, "MAX_ROUNDS", ROUNDS)
    there, here = tmp_path / "there.xferzone", tmp_path / "here.xferzone"
    project.store.close()  # all is in the file then
    shutil.copy(project.path, there)
    attacker = Attacker(there)
    with Served(attacker).running() as server:
        assert xz("clone", server.url(), str(here)).code == 0
        with Store.open(there) as store, store.reader() as reader:
            code = reader.project_code
        yield Site(attacker, server.url(), here, there, xz, code)


@functools.cache
def bomb() -> bytes:
    """1,000:1."""
    return pack(bytes(200 * 1024 * 1024), level=9)


def file(content: bytes, name: ArtifactId | None = None) -> bytes:
    return File(name or artifact_id(content), content).encode()


def cfile(content: bytes, name: ArtifactId | None = None, payload: bytes | None = None) -> bytes:
    return CFile(name or artifact_id(content), len(content), payload or pack(content)).encode()


def derived(source: bytes, content: bytes, made: bytes | None = None) -> bytes:
    """A file card with a delta, the right one if none is given."""
    right = delta.create(source, content) if made is None else made
    assert right is not None
    return File(artifact_id(content), right, artifact_id(source)).encode()


def igot(*artifacts: ArtifactId) -> bytes:
    return b"".join(IGot(artifact).encode() for artifact in artifacts)


def ref(branch: str, stands: str, number: str = "99") -> bytes:
    return line(b"pragma", "xferzone-ref", branch, stands, number) + b"pragma xferzone 1 told 99\n"


PUSH = Push("x", OTHER_CODE).encode()
END = CloneSeqno(0).encode() + PUSH
MORE = CloneSeqno(5).encode() + PUSH


CLONES: dict[str, tuple[Attack, int, str]] = {
    "a position without an artifact": (text(MORE), 69, "sends nothing for position 1"),
    "a project code that is none": (text(b"push x nonsense\n"), 69, r"means nothing here: b'push x nonsense"),
    "no project code": (text(file(ONE)), 69, "does not say which project it is"),
    "an empty reply": (text(b""), 69, "does not say which project it is"),
    "another project later": (text(file(ONE) + MORE, Push("x", "d0" * 20).encode()), 69, "is project d0d0d0"),
    "a wrong hash": (text(file(ONE, ABSENT) + END), 69, f"not what its name says: artifact {ABSENT}"),
    "a wrong hash in a cfile": (text(cfile(ONE, ABSENT) + END), 69, f"says: artifact {ABSENT}"),
    "zstd in a cfile": (
        text(cfile(ONE, payload=b"\x28\xb5\x2f\xfd\x04\x00") + END),
        69,
        f"artifact {artifact_id(ONE)} damaged",
    ),
    "a bad delta": (text(file(LONG) + derived(LONG, LONGER, b"nonsense") + END), 69, artifact_id(LONGER)),
    "positions in a circle": (text(file(ONE) + MORE), 69, "the same artifacts again"),
    "a negative position": (text(file(ONE) + b"clone_seqno -1\n" + PUSH), 69, "clone_seqno -1"),
    "a huge position": (text(file(ONE) + b"clone_seqno 99999999999\n" + PUSH), 69, "clone_seqno 9999"),
    "an error at once": (text(Error("we are closed").encode()), 69, "says: we are closed"),
    "an error later": (text(file(ONE) + MORE, Error("we are closed").encode()), 69, "says: we are closed"),
    "no right": (text(PUSH + Error("not authorized to clone").encode()), 77, "not authorized to clone"),
    "an error in the last round": (text(file(ONE) + END, Error("enough").encode()), 69, "says: enough"),
    "a bomb": (large(lambda: octets(bomb())), 69, "too large"),
    "a cfile bomb": (
        large(lambda: text(cfile(ONE, payload=bomb()) + END)),
        69,
        f"{artifact_id(ONE)}, which is too large",
    ),
    "half a payload": (text(file(LONG)[:-10]), 69, "malformed file card"),
    "a web page": (octets(b"<html>no</html>\n"), 69, "<html>"),
}


@pytest.mark.parametrize("case", CLONES)
def test_a_clone_that_fails_leaves_nothing_and_may_be_tried_again(
    site: Site, tmp_path: Path, case: str
) -> None:
    attack, code, said = CLONES[case]
    site.attacker.begin(attack)
    done = site.xz("clone", site.url, "c.xferzone")
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert not [path for path in tmp_path.iterdir() if "c.xferzone" in path.name]
    site.attacker.begin(None)
    assert site.xz("clone", site.url, "c.xferzone").code == 0
    assert site.artifacts(tmp_path / "c.xferzone") == site.artifacts(site.there)


@pytest.mark.parametrize(
    ("case", "attack", "missing"),
    [
        ("a delta whose source never comes", text(derived(LONG, LONGER) + END, b""), artifact_id(LONG)),
        ("what is announced never comes", text(file(ONE) + igot(ABSENT) + END, b""), ABSENT),
    ],
)
def test_a_clone_that_lacks_something_says_what(
    site: Site, tmp_path: Path, case: str, attack: Attack, missing: ArtifactId
) -> None:
    site.attacker.begin(attack)
    done = site.xz("clone", site.url, "c.xferzone")
    assert done.code == 1
    assert missing in done.err
    asked = sum(Gimme(missing) in parse_cards(request) for request in site.attacker.requests)
    assert asked == MAX_ASKED
    assert site.xz("-R", "c.xferzone", "check").code == 0


def test_a_clone_goes_on_where_stock_would_stop(site: Site, tmp_path: Path) -> None:
    """`push` before the position, and no `push` in later replies."""
    site.attacker.begin(
        text(
            PUSH + file(ONE) + CloneSeqno(9).encode(), file(LONG) + CloneSeqno(2).encode(), file(LONGER), b""
        )
    )
    assert site.xz("clone", site.url, "c.xferzone").code == 0
    asked = [card for request in site.attacker.requests for card in parse_cards(request)]
    assert [card.encode() for card in asked if card.operator == b"clone"] == [
        b"clone 3 1\n",
        b"clone 3 9\n",
        b"clone 3 2\n",
    ]
    assert site.artifacts(tmp_path / "c.xferzone") == {artifact_id(each) for each in (ONE, LONG, LONGER)}


def _flipped(body: bytes) -> bytes:
    return body[:-3] + bytes([body[-3] ^ 1]) + body[-2:]


def _manifest(**changes: Any) -> bytes:
    return replace(CheckIn(comment="x", date_ms=1_700_000_000_000, user="eve"), **changes).encode()


def _clusters(count: int, size: int) -> bytes:
    """File cards of clusters whose members nobody has."""
    cards = []
    for number in range(count):
        members = tuple(ArtifactId(f"{number:02x}{member:062x}") for member in range(size))
        cards.append(file(Cluster(members).encode()))
    return b"".join(cards)


_TAGS = (Tag("*", "branch", None, "far.test/main"), Tag("*", "sym-far.test/main", None, None))

#: What may not be kept, and how it is refused.
REFUSED: dict[str, tuple[Attack, str]] = {
    **{
        f"a {card.split()[0].decode()} card": (text(card), "a card that means nothing here")
        for card in (
            b"push x c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0\n",
            b"clone_seqno 4\n",
            b"login eve 0000 0000\n",
            b"pull x c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0\n",
            b"clone 3 1\n",
            b"reqconfig /all\n",
            b"uvgimme x\n",
            b"frobnicate\n",
            b"igot nonsense\n",
        )
    },
    "a web page": (octets(b"<html>no</html>\n"), "<html>"),
    "two words of a message": (text(b"message two words\n"), "message two words"),
    "a line of 1 MB": (text(b"message " + b"x" * 1_000_000 + b"\n"), "a line of over 65536 bytes"),
    "a NUL": (text(b"\0\n"), "means nothing here"),
    "half a payload": (text(file(LONG)[:-10]), "malformed file card"),
    "a size that is none": (text(b"file %s -5\n" % ABSENT.encode()), "malformed file card"),
    "half a packed body": (octets(pack(file(LONG))[:-9]), "means nothing here"),
    "a damaged packed body": (octets(_flipped(pack(file(LONG)))), "means nothing here"),
    "noise": (octets(b"x" + random.Random(1).randbytes(100_000)), "means nothing here"),
    "a bomb": (large(lambda: octets(bomb())), "sends a reply that is too large"),
    "a cfile bomb": (
        large(lambda: text(cfile(ONE, payload=bomb()))),
        f"{artifact_id(ONE)}, which is too large",
    ),
    "bombs": (
        large(lambda: text(b"".join(cfile(bytes(60 * 2**20) + bytes([n])) for n in range(2)) * 9)),
        f"over {MAX_EXPANDED} bytes of artifacts in one reply",
    ),
    "too many artifacts": (
        large(lambda: text(b"".join(file(b"%d" % number) for number in range(client.MAX_ARTIFACTS + 1)))),
        f"over {client.MAX_ARTIFACTS} artifacts in one reply",
    ),
    "an artifact over 64 MiB": (
        large(lambda: octets(pack(file(bytes(64 * 2**20 + 1)), level=1))),
        "bytes",
    ),
    "a wrong hash": (text(file(ONE) + file(LONG, ABSENT)), f"artifact {ABSENT}"),
    "a wrong hash in a cfile": (text(cfile(LONG, ABSENT)), f"artifact {ABSENT}"),
    "a wrong hash by a delta": (
        text(file(LONG) + derived(LONG, LONGER).replace(artifact_id(LONGER).encode(), ABSENT.encode())),
        f"artifact {ABSENT}",
    ),
    **{
        f"the bad delta {made!r}": (text(file(LONG) + derived(LONG, LONGER, made)), artifact_id(LONGER))
        for made in (
            b"nonsense",
            b"",
            b"5\n",
            b"5\n9999@0,0;",
            b"5\n5@zzzz,0;",
            b"~~~~~~~\n5:hello0;",
            b"5\n5:hel",
        )
    },
    "a delta of a bomb": (
        text(file(LONG) + derived(LONG, LONGER, b"3~~~~~\n")),
        artifact_id(LONGER),
    ),
    "a cluster of 120,000 names": (
        large(lambda: octets(pack(_clusters(2, 60_000), level=1))),
        "artifacts are named that are not here",
    ),
    "a ref of no artifact": (text(ref(MAIN, "nonsense")), "b'nonsense' is not an artifact id"),
    "a ref's number that is negative": (text(ref(MAIN, ABSENT, "-1")), "'-1' is not the number of a move"),
    "a ref's number of 20 digits": (text(ref(MAIN, ABSENT, "9" * 20)), "is not the number of a move"),
    "a ref whose name is not UTF-8": (text(b"pragma xferzone-ref ex\xff/main - 1\n"), "is not UTF-8"),
    "a ref whose name is long": (text(ref("x" * 2_000, ABSENT)), "a branch name of 2000 bytes, over 300"),
    "a bad epoch": (text(b"pragma xferzone 1 epoch \xff\xfe\n"), "is not an epoch"),
    "too many refs": (
        large(
            lambda: text(
                b"".join(b"pragma xferzone-ref z%d.test/main - 1\n" % n for n in range(MAX_REFS + 1))
            )
        ),
        f"over {MAX_REFS} refs",
    ),
    "too many lines": (text(b"#\n" * 1_000_001), "over 1000000 lines"),
    "an error": (text(Error("no\x1b[2J").encode()), "says: no"),
    "rounds without end": (
        lambda round_, _: (UNCOMPRESSED, file(b"%d" % round_) + igot(artifact_id(b"%d" % (round_ + 1)))),
        f"not come to an end after {ROUNDS} rounds",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_breaks_the_protocol_is_named_and_not_kept(site: Site, case: str) -> None:
    attack, said = REFUSED[case]
    before = site.artifacts()
    done = site.pull(attack, "--format", "json")
    assert done.code == 69, done.err
    assert json.loads(done.out).keys() == {"version", "error"}
    assert said in done.err
    if case != "rounds without end":
        assert site.artifacts() == before
    site.assert_sound()


#: What is passed over, or taken.
TAKEN: dict[str, Attack] = {
    "nothing": text(b""),
    "blank lines and comments": text(b"\n\n# x\n   \n#\n"),
    "an empty packed body": octets(pack(b"")),
    "unversioned files and settings": text(
        b"uvigot x 1 %s 5\n" % ABSENT.encode()
        + b"uvfile y 1 %s 3 0\nabc" % hashlib.sha1(b"abc").hexdigest().encode()
        + b"config /config 3\nabc\n"
    ),
    "private ones": text(b"private\n" + file(b"secret") + igot(ABSENT)[:-1] + b" 1\nprivate\n"),
    "pragmas that nobody knows": text(
        b"pragma frobnicate \xff \xfe\npragma xferzone\npragma xferzone 2 epoch x\n"
    ),
    "a message that steers": text(Message(STEERING).encode()),
    "many messages": text(Message("x").encode() * 100_000),
    "a ref of a name that is no zone's": text(
        ref("..%%/%%", "-") + ref("trunk", "-") + ref("\\s\\n\\0", "-")
    ),
    "a ref that was removed and never was": text(ref("nosuch.test/main", "-")),
    "a ref as it stands": lambda _, honest: (UNCOMPRESSED, honest()),
    "what we have": changed(lambda honest: honest + file(ONE) + file(ONE) + cfile(ONE)),
    "a text that is a cluster": text(file(_manifest()), b""),
    "the year 9999": text(file(_manifest(date_ms=253_402_300_799_000, tags=_TAGS)), b""),
    "the year 1": text(file(_manifest(date_ms=-62_135_596_800_000, tags=_TAGS)), b""),
    "a tag on what is served": changed(
        lambda honest: (
            honest
            + file(
                Control(
                    date_ms=1_790_000_000_000,
                    user="eve",
                    tags=(
                        Tag("+", "closed", artifact_id(ONE), None),
                        Tag("*", "date", artifact_id(ONE), "9999-01-01"),
                    ),
                ).encode()
            )
            + file(ONE)
        )
    ),
}


@pytest.mark.parametrize("case", TAKEN)
def test_what_means_nothing_does_no_harm(site: Site, case: str) -> None:
    before = site.ref()
    done = site.pull(TAKEN[case], "--format", "json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert len(told["messages"]) <= client.MAX_MESSAGES
    assert artifact_id(b"secret") not in site.artifacts()
    assert site.ref() == before
    assert site.xz("-R", str(site.here), "log", "example.com").code == 0
    site.assert_sound()


def test_what_a_server_says_cannot_steer_the_terminal(site: Site) -> None:
    done = site.pull(text(Message(STEERING).encode()))
    assert "says: " in done.err
    assert "owned" in done.err
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.err + done.out)
    done = site.pull(text(Message(STEERING).encode()), "--format", "json")
    assert json.loads(done.out)["messages"] == [STEERING]
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.err + done.out)
    done = site.pull(text(Error(STEERING).encode()))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.err + done.out)


def test_what_is_only_named_by_what_comes_is_told_and_no_error(site: Site) -> None:
    naming = Cluster((artifact_id(ONE), ABSENT)).encode()
    for times, told in ((MAX_ASKED, [ABSENT]), (1, [])):
        done = site.pull(text(igot(artifact_id(naming)) + file(naming) + file(ONE)), "--format", "json")
        assert done.code == 0, done.err
        assert sum(Gimme(ABSENT).encode() in request for request in site.attacker.requests) == times
        found = json.loads(done.out)
        assert (found["absent"], found["withheld"]) == (told, [])
        assert (f"names 1 artifact that did not come and was not announced: {ABSENT}" in done.err) == bool(
            told
        )
    site.assert_sound()


@pytest.mark.parametrize("reply", [igot(ABSENT), b"igot %s 1\n" % ABSENT.encode() + igot(ABSENT) + file(ONE)])
def test_what_is_announced_and_withheld_is_asked_for_three_times_and_then_once_a_sync(
    site: Site, reply: bytes
) -> None:
    for times, code in ((MAX_ASKED, 1), (1, 0)):
        done = site.pull(text(reply), "--format", "json")
        assert done.code == code
        assert sum(Gimme(ABSENT).encode() in request for request in site.attacker.requests) == times
        told = json.loads(done.out)
        assert told["absent"] == told["withheld"] == ([ABSENT] if code else [])
        assert (ABSENT in done.err) == bool(code)
    site.assert_sound()


def test_floods_of_names_end(site: Site) -> None:
    flood = b"".join(b"igot %064x\n" % number for number in range(FLOOD))
    done = site.pull(text(flood))
    assert done.code == 1
    assert "has named" in done.err
    assert len(site.attacker.requests) <= 1 + MAX_VAIN
    site.assert_sound()


@pytest.mark.parametrize("verb", ["pull", "sync", "push"])
def test_only_artifacts_leave_and_those_at_most_twice(site: Site, verb: str) -> None:
    assert (
        site.xz("-R", str(site.here), "user", "add", "ann", "gio", "--password-stdin", stdin="s3cret\n").code
        == 0
    )
    here = sorted(site.artifacts())
    wanted = b"".join(Gimme(each).encode() for each in (*here, ABSENT, ArtifactId("00" * 20)))
    flood = b"".join(b"gimme %064x\n" % number for number in range(10_000))
    done = site.run(text(wanted + flood + wanted), "--format", "json", verb, site.url)
    assert done.code == 0, done.err
    sent = [
        card for request in site.attacker.requests for card in parse_cards(request) if isinstance(card, File)
    ]
    assert {card.artifact for card in sent} == (set() if verb == "pull" else set(here))
    assert len(sent) <= MAX_SENT * len(here)
    assert not any(b"s3cret" in request for request in site.attacker.requests)
    site.assert_sound()


def test_deltas_in_a_circle_end_and_are_reported(site: Site) -> None:
    circle = derived(LONG, LONGER) + derived(LONGER, LONG)
    done = site.pull(text(circle + igot(artifact_id(LONG), artifact_id(LONGER))))
    assert done.code == 1, done.err
    assert artifact_id(LONG) in done.err
    assert not {artifact_id(LONG), artifact_id(LONGER)} & site.artifacts()
    site.assert_sound()


@pytest.mark.parametrize("order", ["source first", "source last"])
def test_a_long_chain_of_deltas_is_taken(site: Site, order: str) -> None:
    texts = [LONG + b"%d\n" % number for number in range(CHAIN)]
    chain = [file(texts[0]), *(derived(old, new) for old, new in itertools.pairwise(texts))]
    done = site.pull(text(b"".join(chain if order == "source first" else chain[::-1]), b""))
    assert done.code == 0, done.err
    assert artifact_id(texts[-1]) in site.artifacts()
    site.assert_sound()


@pytest.mark.parametrize(
    ("stands", "code", "said"),
    [
        (ABSENT, 1, "not completely here"),
        (artifact_id(zone_text("www 300 A 192.0.2.1")), 1, "not completely here"),  # no check-in
        ("another zone's", 0, "no file example.com.zone"),
    ],
)
def test_a_ref_that_leads_astray_is_not_followed(site: Site, stands: str, code: int, said: str) -> None:
    before = site.ref()
    if stands == "another zone's":
        stands = site.ref(branch="example.org/main") or ""
    done = site.pull(text(ref(MAIN, stands)))
    assert done.code == code, done.out + done.err
    assert f"{MAIN} stays where it was" in done.err
    assert said in done.err
    assert site.ref() == before
    site.assert_sound()


def test_a_cookie_comes_back_as_it_was(site: Site) -> None:
    with_origin = site.xz("-R", str(site.here), "remote", "list").out
    assert with_origin.startswith("origin ")
    odd = b"\xff\xfe\\s\x01\xc3\xa9"
    assert site.pull(text(b"cookie %s\n" % odd)).code == 0
    assert site.pull(text(b"")).code == 0
    assert b"cookie %s\n" % odd in site.attacker.requests[0]
    site.assert_sound()


class Endless:
    """A way to a server that is never done with its reply's head."""

    name = "http://dns.example.net/"

    def __init__(self) -> None:
        self.is_over = threading.Event()

    def exchange(self, body: Body) -> Body:
        self.is_over.wait()
        return body


def test_a_server_that_never_comes_to_the_end_of_a_reply_is_given_up(site: Site) -> None:
    session = client.ClientSession(OTHER_CODE, Options(Purpose(pull=True, push=False)))
    way = Endless()
    bounds = driver.Bounds(rounds=10, patience=0.2, cancelled=lambda: False)
    with (
        Store.open(site.here) as store,
        pytest.raises(PeerError, match="not come to the end of a reply within 0 s"),
    ):
        driver.run(store, way, session, bounds, driver.Watch(Silent(), None))
    way.is_over.set()


def test_damage_of_each_kind_to_an_honest_reply_is_seen(site: Site, tmp_path: Path) -> None:
    """A clone of replies with a byte changed or an end cut off is refused, or has nothing wrong in it."""
    rng = random.Random(5)

    def damaged(body: bytes) -> bytes:
        if rng.random() < 0.5:
            return body[: rng.randrange(len(body))]
        at = rng.randrange(len(body))
        return body[:at] + bytes([body[at] ^ (1 << rng.randrange(8))]) + body[at + 1 :]

    there = site.artifacts(site.there)
    for number in range(40):
        name = f"d{number}.xferzone"
        site.attacker.begin(
            changed(damaged) if number % 2 else lambda _, honest: (UNCOMPRESSED, damaged(honest()))
        )
        done = site.xz("clone", site.url, name)
        assert done.code in (0, 1, 69, 77), done.err
        assert (tmp_path / name).exists() == (done.code in (0, 1))
        if done.code in (0, 1):
            assert site.artifacts(tmp_path / name) <= there
            assert site.xz("-R", name, "check").code == 0


def test_a_push_to_a_server_that_refuses_everything_keeps_it_for_the_next(site: Site) -> None:
    assert site.xz("-R", str(site.here), "set", "www.example.com", "A", "192.0.2.9").code == 0
    done = site.run(text(Error("the disk is full").encode()), "push", site.url)
    assert done.code == 77
    assert "the disk is full" in done.err
    site.attacker.begin(None)
    assert json.loads(site.xz("-R", str(site.here), "--format", "json", "push", site.url).out)["sent"] == 2
    site.assert_sound()
