"""What verbs say to people about mirrors: words and exit codes."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from xferzone.repository.make import make_mirror
from xferzone.store import Store, schema
from xferzone.store.remotes import ORIGIN, Remote, put_remote, remotes

NOBODY = "http://127.0.0.1:1/"
ANN = NOBODY.replace("127", "ann@127")
NEW = "name a new file with -R, which becomes a mirror"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("pull --watch", 7, f"zones.xferzone is a primary, and does not follow by itself: to follow another, {NEW}"),
        (f"pull --watch {NOBODY}", 7, f"is a primary, and does not follow by itself: to follow another, {NEW}"),
        (f"up --primary {NOBODY}", 7, f"is a primary, and does not follow by itself: to follow another, {NEW}"),
        ("pull --accept-clobber", 7, "this is a primary: only a mirror has to accept that its primary was restored"),
        ("pull --via xfer", 2, "--interval and --via are for mirrors and --watch"),
        (f"pull {NOBODY} {NOBODY}", 2, "several remotes are for mirrors and --watch: give one"),
        ("pull --watch --interval 5", 2, "'5' is not a time: write 500ms, 5s or 1m"),
        ("up --interval 1ms", 2, "1ms is out of range: write a time from 100ms to 1h"),
        ("-R new.xferzone pull --watch", 5, "no repository at new.xferzone: give the URL of a primary"),
        ("-R new.xferzone pull --watch origin", 2, "'origin' is not a URL, and there is no repository at new.xferzone"),
        ("-R new.xferzone pull --watch ftp://a/", 2, "is not an http or https URL"),
        (f"-R new.xferzone pull {ANN}", 5, "no repository at new.xferzone"),
        (f"-R new.xferzone pull --watch {ANN}", 77, "the password of ann at http://127.0.0.1:1/ is not known"),
        (f"-R new.xferzone up --primary {ANN}", 77, "the password of ann at http://127.0.0.1:1/ is not known"),
        (f"-R new.xferzone up --primary {NOBODY} --http 127.0.0.1:9 --dns 127.0.0.1:9", 1, "exclude each other"),
        (f"--format json -R new.xferzone pull --watch {NOBODY}", 2, "--watch prints a line for each event"),
        (f"-R new.xferzone pull --watch --accept-clobber {NOBODY}", 2, "--accept-clobber is for a single pull"),
        ("-R mirror.xferzone pull", 69, f"{NOBODY} cannot be reached: Connection refused"),
        ("-R mirror.xferzone up --http 127.0.0.1:9 --dns 127.0.0.1:9", 1, "follows nobody: give --primary URL, or ["),
        ("-R mirror.xferzone pull nosuch", 5, "there is no remote nosuch"),
        ("-R mirror.xferzone pull http://ann@127.0.0.1:1/", 77, "the password of ann at http://127.0.0.1:1/ is not"),
        (
            "-R mirror.xferzone pull http://ann:x@127.0.0.1:1/ http://bob:x@127.0.0.1:1/",
            2,
            "the primaries have several logins, ann and bob: use one for all",
        ),
        ("-R clone.xferzone pull --watch", 7, "is a clone, and does not follow by itself: `xferzone pull` takes what"),
        ("-R clone.xferzone pull --accept-clobber", 7, "this is a clone: only a mirror has to accept"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_with_the_remedy(
    zone: Run, tmp_path: Path, words: str, code: int, told: str
) -> None:
    make_mirror(tmp_path / "mirror.xferzone")
    with Store.open(tmp_path / "mirror.xferzone") as store, store.writer() as writer:
        put_remote(writer, Remote(ORIGIN, NOBODY))
    with Store.create(tmp_path / "clone.xferzone") as store, store.writer() as writer:
        writer.set_setting("role", schema.CLONE)
        put_remote(writer, Remote(ORIGIN, NOBODY))
    ran = zone(*words.split())
    assert ran.code == code
    assert told in ran.err
    assert not (tmp_path / "new.xferzone").exists()


def test_a_mirror_that_is_told_other_primaries_has_the_first_one_as_its_origin(
    xz: Run, tmp_path: Path
) -> None:
    path = tmp_path / "zones.xferzone"
    make_mirror(path)
    assert xz("pull", NOBODY, "http://127.0.0.1:2/").code == 69
    with Store.open(path) as store, store.reader() as reader:
        assert [each.url for each in remotes(reader)] == [NOBODY]


def test_without_urls_those_that_were_asked_last_are_asked_in_their_order(xz: Run, tmp_path: Path) -> None:
    make_mirror(tmp_path / "zones.xferzone")
    other = "http://127.0.0.1:2/"
    xz("pull", NOBODY, other)
    assert xz("pull").err.startswith(f"xferzone: {other} cannot be reached")
    xz("remote", "add", "--replace", "origin", "http://127.0.0.1:3/")
    assert xz("pull").err.startswith("xferzone: http://127.0.0.1:3/ cannot be reached")


def test_a_password_is_kept_when_a_primary_has_answered_and_not_before(xz: Run, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("pw\n")
    save = ("pull", "--save-password", "--password-file", "secret")
    make_mirror(tmp_path / "zones.xferzone")
    assert xz(*save, ANN).code == 69
    assert not list(tmp_path.glob("*.passwords"))


def test_what_configurations_say_of_primaries_wrongly_starts_nothing(xz: Run, tmp_path: Path) -> None:
    for line, told in (
        (
            'primaries = ["ftp://a/"]',
            "x.toml:2: [replicate] primaries: 'ftp://a/' is not an http or https URL",
        ),
        (
            'primaries = ["http://ann:secret@a/"]',
            "x.toml:2: [replicate] primaries: a URL has a password in it",
        ),
        ('interval = "5"', "x.toml:2: [replicate] interval: '5' is not a time"),
        ('via = "road"', "x.toml:2: [replicate] via: 'road' is not one of walk, xfer"),
        ('password = "secret"', 'x.toml:2: [replicate] password: a secret is written as {file = "..."}'),
    ):
        (tmp_path / "x.toml").write_text(f"[replicate]\n{line}\n")
        ran = xz("config", "check", "-c", "x.toml")
        assert ran.code == 2
        assert told in ran.err
        assert "secret@" not in ran.err
