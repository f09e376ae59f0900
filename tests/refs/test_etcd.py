"""What only a real etcd shows: its accounts, certificates, restarts, backups, and replies that are lost on the way."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.certificates import authority, certified, openssl
from tests.etcds import TLS, Running, heard, restored, running
from tests.live import BOUND_S, PATIENCE_S, PROJECT, free_port, within
from tests.refs.relay import Relay
from xferzone.errors import Away, UsageError
from xferzone.refs import endpoint
from xferzone.refs.etcd import Etcd
from xferzone.refs.gateway import Login, Patience
from xferzone.refs.keys import Changes, Lapsed, Watch
from xferzone.transport.trust import trust

pytestmark = pytest.mark.interop

SHORT = Patience(connect=1.0, reply=1.0, total=3.0)


def port_of(etcd: Running) -> int:
    return int(etcd.url.rpartition(":")[2])


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("etcd")) as etcd:
        yield etcd


@pytest.fixture
def keys(etcd: Running) -> Iterator[Etcd]:
    with closing(Etcd([etcd.url])) as keys:
        etcd.ctl("del", "--prefix", "z/")
        yield keys


@pytest.fixture
def relay(etcd: Running) -> Iterator[Relay]:
    with Relay(port_of(etcd)) as relay:
        yield relay


def test_a_transaction_whose_reply_is_cut_anywhere_is_away_and_has_happened(
    etcd: Running, keys: Etcd, relay: Relay
) -> None:
    with closing(Etcd([relay.url], patience=SHORT)) as cut:
        cut.transact({}, {"z/a": b"0"})
        cut.close()
        outcomes = []
        for number in range(0, 600, 7):
            relay.cut = number
            try:
                outcomes.append(cut.transact({}, {"z/a": b"%d" % number}).succeeded)
            except Away:
                outcomes.append(False)
            cut.close()
            assert keys.list("z/").values == {"z/a": b"%d" % number}
    whole = outcomes.index(True)
    assert whole > 40  # the head alone has more
    assert outcomes == [False] * whole + [True] * (len(outcomes) - whole)


def test_a_connection_that_has_ended_is_followed_by_another_which_is_counted(relay: Relay) -> None:
    with closing(Etcd([relay.url])) as way:
        for ended in range(3):
            for _ in range(3):
                way.list("z/")
            assert way.connections == relay.connections == ended + 1
            relay.hang_up()


def test_a_list_that_is_cut_anywhere_is_away(keys: Etcd, relay: Relay) -> None:
    values = {f"z/{number}": b"x" * 50 for number in range(5)}
    keys.transact({}, values)
    with closing(Etcd([relay.url], patience=SHORT)) as cut:
        was_away = 0
        for number in range(0, 1500, 11):
            relay.cut = number
            try:
                assert cut.list("z/").values == values
            except Away:
                was_away += 1
            cut.close()
        assert was_away > 60


def test_a_transaction_whose_reply_does_not_come_is_away_and_sent_once(keys: Etcd, relay: Relay) -> None:
    relay.is_mute = True
    with closing(Etcd([relay.url], patience=SHORT)) as mute:
        before = keys.transact({}, {"z/a": b"0"}).stand.revision
        with pytest.raises(Away, match="no answer in time"):
            mute.transact({"z/a": b"0"}, {"z/a": b"1"})
        done = keys.transact({"z/a": b"0"}, {"z/a": b"2"})
        assert (done.succeeded, done.found, done.stand.revision) == (False, {"z/a": b"1"}, before + 1)


def test_a_transaction_may_happen_after_its_caller_has_given_up_and_looked(keys: Etcd, relay: Relay) -> None:
    """So a read that finds the key as it was settles nothing."""
    released = threading.Event()
    relay.lingers = True
    relay.before = lambda _octets: released.wait(PATIENCE_S)
    keys.transact({}, {"z/a": b"0"})
    with closing(Etcd([relay.url], patience=SHORT)) as late:
        with pytest.raises(Away, match="no answer in time"):
            late.transact({"z/a": b"0"}, {"z/a": b"1"})
        assert keys.list("z/").values == {"z/a": b"0"}
        released.set()
        assert within(PATIENCE_S, lambda: keys.list("z/").values == {"z/a": b"1"})


@pytest.mark.parametrize("step", [1, 3, 100])
def test_a_watch_may_come_in_any_pieces(keys: Etcd, relay: Relay, step: int) -> None:
    begin = keys.transact({}, {"z/a": b"0"}).stand.revision
    for number in range(20):
        keys.transact({}, {"z/a": b"%d" % number, f"z/{number}": b"x"})
    relay.step = step
    with closing(Etcd([relay.url])) as split:
        told = heard(split, "z/", begin, begin + 20)
    assert told[-1].told == begin + 20
    assert merged(told) == {"z/a": b"19"} | {f"z/{number}": b"x" for number in range(20)}


def merged(told: list[Changes]) -> dict[str, bytes | None]:
    values: dict[str, bytes | None] = {}
    for each in told:
        values |= each.values
    return values


def test_a_watch_that_goes_on_from_any_part_of_the_past_misses_nothing(keys: Etcd) -> None:
    """etcd tells the past in parts of a thousand revisions, each at the revision where the keys stand now."""
    begin = keys.transact({}, {"z/a": b"0"}).stand.revision
    for number in range(1_250):
        last = keys.transact({}, {f"z/{number % 100:02}": b"%d" % number}).stand.revision
    told = begin
    came: dict[str, bytes | None] = {}
    for _ in range(10):
        if told == last:
            break
        with closing(keys.watch("z/", told + 1, PATIENCE_S)) as watch:
            next(watch)
            part = next(watch)
        assert part.stand.revision == last
        assert told < part.told <= last
        told = part.told
        came |= part.values
    assert told == last
    assert came == {f"z/{number % 100:02}": b"%d" % number for number in range(1_150, 1_250)}


def test_a_watch_hears_of_a_change_while_it_waits(keys: Etcd) -> None:
    begin = keys.list("z/").stand.revision
    with closing(keys.watch("z/", begin + 1, PATIENCE_S)) as watch:
        next(watch)
        other = threading.Thread(target=lambda: keys.transact({}, {"z/a": b"1"}))
        other.start()
        assert next(watch).values == {"z/a": b"1"}
        other.join(PATIENCE_S)


def ended_by(end: Callable[[], object], watch: Watch) -> list[object]:
    """What a thread that waits in `watch` gets when `end` is called: changes, or the name of an error."""
    came: list[object] = [next(watch).values]
    waits = threading.Event()

    def wait() -> None:
        waits.set()
        try:
            came.extend(watch)
        except Away:
            came.append("Away")

    thread = threading.Thread(target=wait)
    thread.start()
    assert waits.wait(PATIENCE_S)
    time.sleep(0.05)  # so that it waits for octets, as a rule
    end()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    return came


def test_a_watch_is_closed_while_another_thread_waits_for_it(keys: Etcd) -> None:
    begin = keys.list("z/").stand.revision + 1
    for _ in range(20):
        watch = keys.watch("z/", begin, 600)
        assert ended_by(watch.close, watch) == [{}]


def test_a_watch_whose_connection_ends_is_away(keys: Etcd, relay: Relay) -> None:
    with closing(Etcd([relay.url])) as other:
        watch = other.watch("z/", keys.list("z/").stand.revision + 1, 600)
        assert ended_by(relay.hang_up, watch) == [{}, "Away"]


def test_sixteen_threads_count_together(etcd: Running, keys: Etcd) -> None:
    keys.transact({}, {"z/count": b"0"})
    won: list[bytes] = []

    def count() -> None:
        while len(won) < 200:
            at = keys.transact({"z/count": None}, {}).found["z/count"]
            if keys.transact({"z/count": at}, {"z/count": b"%d" % (int(at) + 1)}).succeeded:
                won.append(at)

    threads = [threading.Thread(target=count) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND_S)
    assert keys.list("z/").values == {"z/count": b"%d" % len(won)}
    assert len(set(won)) == len(won)


def test_a_long_list_comes_by_pages_of_one_revision(
    keys: Etcd, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xferzone.refs.etcd.PAGE", 10)
    values = {f"z/{number:03}": b"%d" % number for number in range(95)}
    stand = keys.transact({}, values).stand
    asked: list[bytes] = []

    def change(octets: bytes) -> None:
        if b'"range_end"' in octets:
            asked.append(octets)
            if len(asked) > 1:
                keys.transact({}, {"z/094": b"new", "z/0941": b"new", f"z/{len(asked):03}": None})

    relay.before = change
    with closing(Etcd([relay.url])) as other:
        listed = other.list("z/")
    assert len(asked) == 10
    assert (listed.stand, listed.values) == (stand, values)


def test_a_list_that_is_compacted_meanwhile_begins_again(
    etcd: Running, keys: Etcd, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xferzone.refs.etcd.PAGE", 10)
    keys.transact({}, {f"z/{number:03}": b"1" for number in range(25)})
    asked: list[bytes] = []
    always = False

    def compact(octets: bytes) -> None:
        if b'"range_end"' in octets:
            asked.append(octets)
            if len(asked) == 2 or always:
                last = keys.transact({}, {"z/000": b"2"}).stand.revision
                etcd.ctl("compact", str(last))

    relay.before = compact
    with closing(Etcd([relay.url])) as other:
        listed = other.list("z/")
        assert listed.values == {f"z/{number:03}": b"1" for number in range(25)} | {"z/000": b"2"}
        always = True
        with pytest.raises(Away, match="compacts its keys faster"):
            other.list("z/")


def test_a_list_of_long_values_comes_by_shorter_pages(keys: Etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "MAX_BODY", 20_000)
    values = {f"z/{number:02}": b"x" * 5_000 for number in range(15)}
    keys.transact({}, values)
    assert keys.list("z/").values == values
    keys.transact({}, {"z/15": b"x" * 20_000})
    with pytest.raises(Away, match="over 20000 bytes in one reply"):
        keys.list("z/")


def test_a_key_that_nobody_here_wrote_is_passed_over(etcd: Running, keys: Etcd) -> None:
    begin = keys.transact({}, {"z/a": b"1"}).stand.revision
    etcd.ctl("put", b"z/\xff".decode(errors="surrogateescape"), "foreign")
    assert keys.list("z/").values == {"z/a": b"1"}
    assert merged(heard(keys, "z/", begin, begin + 1)) == {"z/a": b"1"}


def test_a_lease_ends_that_is_not_kept(keys: Etcd) -> None:
    lease = keys.grant(1)
    keys.transact({}, {"z/alive": b"1"}, lease)
    assert within(PATIENCE_S, lambda: keys.list("z/").values == {}, every=0.1)
    assert not keys.keep(lease)
    with pytest.raises(Lapsed):
        keys.transact({}, {"z/alive": b"1"}, lease)


def test_a_dead_endpoint_and_a_silent_one_are_passed_over(etcd: Running, keys: Etcd, relay: Relay) -> None:
    relay.is_mute = True
    with closing(Etcd([f"http://127.0.0.1:{free_port()}", relay.url, etcd.url], patience=SHORT)) as several:
        with pytest.raises(Away, match=f"{relay.url}: no answer in time$"):
            several.transact({}, {"z/a": b"1"})
        assert several.transact({}, {"z/b": b"1"}).succeeded
        assert several.list("z/").values == {"z/a": b"1", "z/b": b"1"}
        assert relay.connections == 1


def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path / "etcd", port=port) as etcd, closing(Etcd([etcd.url], patience=SHORT)) as keys:
        lease = keys.grant(60)
        keys.transact({}, {"z/a": b"1"}, lease)
        before = keys.transact({}, {"z/b": b"1"}).stand
        watch = keys.watch("z/", before.revision + 1, 600)
        next(watch)
        etcd.process.terminate()
        etcd.process.wait(PATIENCE_S)
        with pytest.raises(Away, match="a watch broke off"):
            next(watch)
        with pytest.raises(Away, match="Connection refused"):
            keys.transact({}, {"z/c": b"1"})
        with running(tmp_path / "etcd", port=port):
            # The connection that was kept open is seen to be dead: a transaction goes by a new one.
            assert keys.transact({"z/c": None}, {}).stand == before
            assert keys.list("z/").values == {"z/a": b"1", "z/b": b"1"}
            assert keys.keep(lease)


def test_a_backup_that_is_restored_is_another_cluster_whose_revisions_come_again(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path / "first", port=port) as etcd, closing(Etcd([etcd.url])) as keys:
        keys.transact({}, {"z/a": b"1"})
        backed_up = keys.list("z/").stand
        etcd.ctl("snapshot", "save", tmp_path / "backup")
        keys.transact({}, {"z/a": b"2"})
        last = keys.transact({}, {"z/a": b"3"}).stand
    restored(tmp_path / "backup", tmp_path / "second")
    with running(tmp_path / "second", port=port) as etcd, closing(Etcd([etcd.url])) as keys:
        listed = keys.list("z/")
        assert listed.values == {"z/a": b"1"}
        assert listed.stand.cluster != backed_up.cluster
        assert listed.stand.revision == backed_up.revision < last.revision
        (first,) = keys.watch("z/", last.revision + 1, 0.3)
        assert first.stand.revision < last.revision
        keys.transact({"z/a": b"1"}, {"z/a": b"other"})
        assert keys.transact({"z/a": b"other"}, {"z/a": b"4"}).stand.revision == last.revision


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An etcd with accounts: root, and joe for what begins with z/."""
    with running(tmp_path_factory.mktemp("guarded")) as etcd:
        for words in (
            ("user", "add", "root:the-root"),
            ("user", "grant-role", "root", "root"),
            ("user", "add", "joe:his-password"),
            ("role", "add", "zones"),
            ("role", "grant-permission", "zones", "--prefix=true", "readwrite", "z/"),
            ("user", "grant-role", "joe", "zones"),
        ):
            etcd.ctl(*words)
        etcd.ctl("auth", "enable")
        yield etcd


def login(password: str = "his-password", user: str = "joe") -> Login:
    return Login(user, lambda: password)


def test_an_account_is_logged_in(guarded: Running) -> None:
    with closing(Etcd([guarded.url], login=login())) as keys:
        begin = keys.transact({}, {"z/a": b"1"}).stand.revision
        assert keys.list("z/").values == {"z/a": b"1"}
        assert merged(heard(keys, "z/", begin, begin)) == {"z/a": b"1"}
        lease = keys.grant(60)
        assert keys.keep(lease)
        keys.revoke(lease)


@pytest.mark.parametrize(
    ("account", "prefix", "words"),
    [
        (
            login("another"),
            "z/",
            "no login as 'joe': it says: authentication failed, invalid user ID or password",
        ),
        (login(user="nobody"), "z/", "no login as 'nobody': it says: authentication failed"),
        (None, "z/", "it says: user name is empty"),
        (login(), "y/", "it says: permission denied"),
    ],
    ids=["wrong password", "no such user", "no login", "no right"],
)
def test_who_is_not_let_in_is_told_why(
    guarded: Running, account: Login | None, prefix: str, words: str
) -> None:
    with closing(Etcd([guarded.url], login=account)) as keys:
        for operation in (
            lambda: keys.transact({}, {f"{prefix}a": b"1"}),
            lambda: keys.list(prefix),
            lambda: list(keys.watch(prefix, 1, 0.3)),
        ):
            with pytest.raises(Away) as caught:
                operation()
            assert words in str(caught.value)
            assert guarded.url in str(caught.value)
            assert "another" not in str(caught.value)


def test_a_login_goes_on_when_tokens_lapse_and_accounts_change(tmp_path: Path) -> None:
    port = free_port()
    root = "--user=root:the-root"
    with running(tmp_path, port=port) as etcd:
        keys = Etcd([etcd.url], login=Login("root", lambda: "the-root"))
        with closing(keys):
            # Accounts are not enabled yet.
            assert keys.transact({}, {"z/a": b"1"}).succeeded
            etcd.ctl("user", "add", "root:the-root")
            etcd.ctl("user", "grant-role", "root", "root")
            etcd.ctl("auth", "enable")
            begin = keys.transact({"z/a": b"1"}, {"z/a": b"2"})
            assert begin.succeeded
            etcd.ctl(root, "user", "add", "ann:x")
            assert keys.transact({"z/a": b"2"}, {"z/a": b"3"}).succeeded
            etcd.process.terminate()
            etcd.process.wait(PATIENCE_S)
            with running(tmp_path, port=port) as again:  # which has forgotten all tokens
                last = begin.stand.revision + 1
                assert [each.values for each in heard(keys, "z/", last, last)] == [
                    {},
                    {"z/a": b"3"},
                ]
                again.ctl(root, "auth", "disable")
                assert keys.transact({"z/a": b"3"}, {"z/a": b"4"}).succeeded


def test_the_account_of_the_page_may_do_what_a_group_needs_and_no_more(tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "group.md").read_text()
    recipe = re.findall(
        r"^    \$ etcdctl (.*)$", page.partition("## What etcd needs")[2].partition("\n## ")[0], re.M
    )
    assert len(recipe) == 7
    with running(tmp_path) as etcd:
        for words in recipe:
            etcd.ctl(*words.split())
        with closing(Etcd([etcd.url], login=login("PASSWORD", "xferzone"))) as keys:
            lease = keys.grant(60)
            begin = keys.transact({"xferzone/p/a": None}, {"xferzone/p/a": b"1"}, lease).stand.revision
            assert keys.list("xferzone/").values == {"xferzone/p/a": b"1"}
            assert keys.keep(lease)
            keys.revoke(lease)
            assert merged(heard(keys, "xferzone/p/", begin, begin + 1)) == {"xferzone/p/a": None}
            for operation in (lambda: keys.list("x"), lambda: keys.transact({}, {"xferzone": b"1"})):
                with pytest.raises(Away, match="permission denied"):
                    operation()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TLS:
    """An authority of our own, and a certificate of it for 127.0.0.1."""
    return authority(tmp_path_factory.mktemp("tls"), "etcd")


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, files: TLS) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("secure"), tls=files) as etcd:
        yield etcd


def test_certificates_of_our_own_authority_are_taken_both_ways(secure: Running, files: TLS) -> None:
    trusted = trust(str(files.authority), str(files.certificate), str(files.key))
    with closing(Etcd([secure.url], trusted=trusted)) as keys:
        begin = keys.transact({}, {"z/a": b"1"}).stand.revision
        assert keys.list("z/").values == {"z/a": b"1"}
        assert merged(heard(keys, "z/", begin, begin)) == {"z/a": b"1"}
        for _ in range(10):
            watch = keys.watch("z/", begin + 1, 600)
            assert ended_by(watch.close, watch) == [{}]


def test_a_certificate_that_is_not_trusted_is_refused(
    secure: Running, files: TLS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with (
        closing(Etcd([secure.url])) as keys,
        pytest.raises(Away, match=r"its certificate is refused: .*SSL_CERT_FILE"),
    ):
        keys.transact({}, {"z/b": b"1"})
    other = trust(str(files.certificate))
    with (
        closing(Etcd([secure.url], trusted=other)) as keys,
        pytest.raises(Away, match="authorities that were given"),
    ):
        keys.transact({}, {"z/b": b"1"})


def test_who_has_no_certificate_is_not_let_in(secure: Running, files: TLS) -> None:
    with (
        closing(Etcd([secure.url], trusted=trust(str(files.authority)))) as keys,
        pytest.raises(Away) as caught,
    ):
        keys.list("z/")
    assert "does it want a certificate of ours" in str(caught.value)


def test_accounts_and_certificates_go_together_without_common_names(tmp_path: Path, files: TLS) -> None:
    unnamed = certified(files.authority.parent, "unnamed", "/O=a group")
    with running(tmp_path, tls=files) as etcd, ExitStack() as closed:
        for words in (
            ("user", "add", "root:the-root"),
            ("user", "grant-role", "root", "root"),
            ("auth", "enable"),
        ):
            etcd.ctl(*words)
        one, other = (
            closed.enter_context(
                closing(
                    Etcd(
                        [etcd.url],
                        login=login("the-root", "root"),
                        trusted=trust(str(each.authority), str(each.certificate), str(each.key)),
                    )
                )
            )
            for each in (files, unnamed)
        )
        with pytest.raises(Away, match=r"no certificate with a common name \(CN\): use one without"):
            one.transact({}, {"z/a": b"1"})
        assert other.transact({}, {"z/a": b"1"}).succeeded


def test_the_wrong_scheme_is_told(secure: Running, etcd: Running) -> None:
    with (
        closing(Etcd([etcd.url.replace("http:", "https:")])) as keys,
        pytest.raises(Away, match="speak plain http"),
    ):
        keys.list("z/")
    with closing(Etcd([secure.url.replace("https:", "http:")])) as keys, pytest.raises(Away):
        keys.list("z/")


def test_files_that_cannot_be_used_are_named(files: TLS, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere.pem")
    locked = str(tmp_path / "locked.pem")
    openssl("ec", "-in", str(files.key), "-aes256", "-passout", "pass:secret", "-out", locked, at=tmp_path)
    for trusted, certificate, key in (
        (nowhere, None, None),
        (str(files.key), None, None),
        (None, nowhere, None),
        (None, str(files.authority), str(files.key)),
        (None, str(files.certificate), locked),
    ):
        with pytest.raises(UsageError) as caught:
            trust(trusted, certificate, key)
        assert str(key or certificate or trusted) in str(caught.value)
