"""Who may exchange with whom, by the roles that both tell: a server's replies, and what a client makes of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync.rounds import PROJECT, PULL, PUSH, VERSION, ask, by, cards
from xferzone.cards import Error, File, Gimme, Pragma, UVFile
from xferzone.cards.extension import ROLES, RoleNamed
from xferzone.errors import Refused
from xferzone.hashing import artifact_id
from xferzone.refs import membership
from xferzone.refs.membership import Membership
from xferzone.store import Store, accounts, schema
from xferzone.sync.client.options import Known, Options, Purpose
from xferzone.sync.client.session import ClientSession
from xferzone.sync.client.states import State
from xferzone.sync.meeting import quarrel

ONE, NEW = b"one\n", b"new\n"
HERE, THERE = "a" * 32, "b" * 32  # lives of groups
PRIMARY, CLONE, MIRROR, MEMBER = (RoleNamed(role, HERE if role == "member" else "") for role in ROLES)
OTHER = RoleNamed("member", THERE)

#: Who asks, who answers, how the error begins and which verb it names; every other pair may exchange.
MAY_NOT = {
    (PRIMARY, PRIMARY): ("two primaries of one project met", "xferzone demote URL"),
    (PRIMARY, MEMBER): ("a primary met a member of a group", "xferzone group join"),
    (MEMBER, PRIMARY): ("a primary met a member of a group", "xferzone group join"),
    (OTHER, PRIMARY): ("a primary met a member of a group", "xferzone group join"),
    (OTHER, MEMBER): ("members of two groups of one project met", "xferzone group leave"),
}
CLIENTS = [PRIMARY, CLONE, MIRROR, MEMBER, OTHER, None]
SERVERS = [PRIMARY, CLONE, MIRROR, MEMBER]
PAIRS = [(client, server) for client in CLIENTS for server in SERVERS]
WAYS = {"pull": PULL, "push": PUSH, "sync": PULL + PUSH}


def named(pair: object) -> str:
    if isinstance(pair, RoleNamed):
        return "other" if pair == OTHER else pair.role
    return "none" if pair is None else str(pair)


def stands(store: Store, role: RoleNamed) -> None:
    """Make `store` a repository of that role."""
    with store.writer() as writer:
        writer.set_setting("role", role.role)
        if role.role == schema.MEMBER:
            share = Membership(("http://e",), "x", "a", "1" * 32, role.group, "http://a/", "5" * 64)
            membership.put(writer, share)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "z.xferzone", PROJECT) as store:
        with store.writer() as writer:
            accounts.put_user(writer, "ann", "pw", "s")
            accounts.put_user(writer, "rose", "pw", "o")
            accounts.put_user(writer, "carl", "pw", "g")
            writer.put(ONE)
        yield store


def here(store: Store) -> set[bytes]:
    with store.reader() as reader:
        return {reader.content(artifact) for artifact in reader.artifacts()}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("client", "server"), PAIRS, ids=lambda one: named(one))
def test_a_server_refuses_whoever_may_not_meet_it_and_keeps_and_gives_nothing(
    store: Store, client: RoleNamed | None, server: RoleNamed, way: str
) -> None:
    stands(store, server)
    said = [] if client is None else [client.pragma()]
    takes = way != "pull" and server != MIRROR
    brought = [File(artifact_id(NEW), NEW)] if takes else []
    reply = ask(store, by("ann", VERSION, *said, WAYS[way], *brought, Gimme(artifact_id(ONE))))
    if client is not None and (told := MAY_NOT.get((client, server))) is not None:
        beginning, verb = told
        answer, error = reply.text.decode().splitlines()
        assert answer == server.pragma().encode().decode().rstrip("\n")
        assert error.startswith(f"error {beginning.replace(' ', chr(92) + 's')}")
        assert verb in reply.why
        assert (reply.outcome, reply.received, reply.sent) == ("error", 0, 0)
        assert here(store) == {ONE}
    else:
        is_told = client is not None and not (server == MIRROR and way == "push")
        assert (server.pragma() in cards(reply)) == is_told
        assert not reply.why
        assert (NEW in here(store)) == takes
        assert (File(artifact_id(ONE), ONE) in cards(reply)) == (way != "push")


def test_who_asks_for_no_role_is_told_none(store: Store) -> None:
    """So neither stock nor an older release sees a pragma that it does not know."""
    for way in WAYS.values():
        for asked in (b"", b"pragma xferzone 1\n", b"pragma xferzone 1 role queen\n"):
            assert b"role" not in ask(store, by("ann", VERSION, asked, way)).text


@pytest.mark.parametrize("login", ["carl", "nobody"])
def test_who_may_not_read_learns_no_role(store: Store, login: str) -> None:
    for way in WAYS.values():
        request = by(login, PRIMARY.pragma(), way) if login != "nobody" else PRIMARY.pragma().encode() + way
        reply = ask(store, request)
        assert b"role" not in reply.text
        assert b"not\\sauthorized\\sto" in reply.text


def test_who_may_only_read_is_refused_all_the_same(store: Store) -> None:
    reply = ask(store, by("rose", PRIMARY.pragma(), PULL))
    assert reply.text.startswith(b"pragma xferzone 1 role primary\nerror two\\sprimaries")


def test_unversioned_files_alone_do_not_go_either(store: Store) -> None:
    asked = Pragma("uv-hash", ("0" * 40,))
    reply = ask(store, by("ann", PRIMARY.pragma(), asked, UVFile("a", 1, None, 0, 1)))
    assert [type(card) for card in cards(reply)] == [Pragma, Error]
    freely = cards(ask(store, by("ann", CLONE.pragma(), asked)))
    assert Error not in map(type, freely)


def test_another_project_is_told_first(store: Store) -> None:
    other = PULL.replace(PROJECT.encode(), b"9" * 40)
    assert ask(store, by("ann", PRIMARY.pragma(), other)).text == b"error wrong\\sproject\n"


@pytest.mark.parametrize(("client", "server"), PAIRS, ids=lambda one: named(one))
def test_a_client_refuses_by_itself_before_anything_of_the_reply_is_kept(
    store: Store, client: RoleNamed | None, server: RoleNamed
) -> None:
    """Also where the server does not, as when its role changes under way."""
    session = ClientSession(PROJECT, Options(Purpose(pull=True, push=True)), Known(role=client))
    with store.reader() as reader:
        request = session.request(reader)
    assert request is not None
    if client is not None:
        said, opened = client.pragma().encode(), PULL.split()[0]
        assert request.index(said) < request.index(opened)
        assert b"file " not in request
    else:
        assert b"role" not in request
    reply = server.pragma().encode() + File(artifact_id(NEW), NEW).encode()
    if client is not None and (client, server) in MAY_NOT:
        with pytest.raises(Refused) as caught:
            session.receive(reply)
        assert str(caught.value).startswith(MAY_NOT[client, server][0])
        assert not session.has_news
    else:
        session.receive(reply)
        assert (session.state, session.has_news) == (State.ASKING, True)


@pytest.mark.parametrize(("client", "server"), PAIRS, ids=lambda one: named(one))
def test_both_ends_find_alike(client: RoleNamed | None, server: RoleNamed) -> None:
    if client is not None:
        assert quarrel(client, server) == quarrel(server, client)
        assert bool(quarrel(client, server)) == ((client, server) in MAY_NOT)
