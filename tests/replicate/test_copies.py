"""Copies as a member takes them: who may send them, and that what comes is stored whole or not at all."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.exchange.group.members import HOST, LIFE, SECRET, Group, Member
from tests.publish.project import MAIN
from tests.replicate.peer import Answer, ask, post
from xferzone.cards import coding
from xferzone.cards.session import shared_secret
from xferzone.delta import create
from xferzone.env import Env
from xferzone.faults import Faults
from xferzone.hashing import artifact_id
from xferzone.refs import Door, Move
from xferzone.refs.roster import Member as Registered
from xferzone.refs.roster import note_fellows
from xferzone.replicate import batch, copies
from xferzone.replicate.copies import At, By, Head, body
from xferzone.replicate.server import MAX_REQUEST, Terms, respond
from xferzone.replicate.signing import Signed, Signer, body_hash
from xferzone.store import Store, accounts, brought, schema
from xferzone.transport.walk import WalkRequest

NOW = 1_800_000_000  # seconds since 1970
TERMS = Terms(HOST, env=Env(clock_ms=lambda: NOW * 1000))
COPIES = "/v0/copies"
FELLOW = Signer("a", SECRET, is_member=True)
EMPTY = body(Head(group=LIFE), ())
NOTHING = artifact_id(b"nothing that is here")


def token(
    group: Group,
    octets: bytes,
    signer: Signer = FELLOW,
    *,
    host: str = HOST,
    target: str = COPIES,
    method: str = "POST",
    expires: int = NOW + 60,
    code: str = "",
) -> str:
    return signer.authorization(Signed(code or group.code, host, method, target, body_hash(octets)), expires)


def send(
    group: Group, member: Member, octets: bytes, authorization: str | None = None, **headers: str
) -> Answer:
    own = {
        "content_type": copies.CONTENT_TYPE,
        "content_encoding": "zstd",
        "x_content_sha256": body_hash(octets),
        "authorization": token(group, octets) if authorization is None else authorization,
    }
    return ask(member.store, "POST", COPIES, octets, TERMS, **{**own, **headers})


def records(contents: Sequence[bytes]) -> list[bytes]:
    return [batch.whole(each, batch.named(artifact_id(each))) for each in contents]


def told(answer: Answer) -> copies.Held:
    assert answer.status == 200, answer.body
    assert answer.headers["x-content-sha256"] == body_hash(answer.body)
    return msgspec.json.decode(answer.body, type=copies.Held)


def of_move(group: Group, move: Move) -> list[bytes]:
    """The file and the check-in of a move of the project."""
    with group.project.store.reader() as reader:
        (file,) = reader.files(move.to.checkin).values()
        return [reader.content(file), reader.content(move.to.checkin)]


# -- what comes, and what is told


def test_what_comes_is_held_and_told(group: Group, member: Member) -> None:
    before, _ = group.project.served()
    move = group.made(group.member("a"), "192.0.2.2")
    head = Head(
        group=LIFE,
        branches=[At(MAIN, move.to.checkin)],
        artifacts=[NOTHING],
        brought=[By("ann", Door.PUSH, [move.to.checkin])],
    )
    held = told(send(group, member, body(head, records(of_move(group, move)))))
    assert (held.member, held.life) == ("b", member.share.life)
    assert (held.lacking, held.more) == ([NOTHING], False)
    assert held.branches == [At(MAIN, before)]
    with member.store.reader() as reader:
        assert reader.has(move.to.checkin)
        assert brought.by(reader, move.to.checkin) == ("ann", "push")


def test_of_whom_a_member_knows_is_told_where_nothing_is_asked_for(group: Group, member: Member) -> None:
    known = {"c": Registered("c" * 32, "http://c.example/")}
    with member.store.writer() as writer:
        note_fellows(writer, known)
    assert told(send(group, member, body(Head(group=LIFE), []))).members == known
    some = Head(group=LIFE, artifacts=[NOTHING])
    assert told(send(group, member, body(some, []))).members == {}


def test_missing_parents_and_files_are_told(group: Group, member: Member) -> None:
    a = group.member("a")
    moves = [group.made(a, f"192.0.2.{number}") for number in (2, 3, 4)]
    head = Head(group=LIFE, branches=[At(MAIN, moves[2].to.checkin)])
    (file, checkin) = of_move(group, moves[2])
    assert told(send(group, member, body(head, ()))).lacking == [moves[2].to.checkin]
    assert set(told(send(group, member, body(head, records([checkin])))).lacking) == {
        moves[1].to.checkin,
        artifact_id(file),
    }
    rest = [content for move in moves for content in of_move(group, move)]
    assert told(send(group, member, body(head, records(rest)))).lacking == []


def test_an_orphan_delta_is_lacking_until_its_source_comes(group: Group, member: Member) -> None:
    old, new = b"line\n" * 500 + b"old\n", b"line\n" * 500 + b"new\n"
    change = create(old, new)
    assert change is not None
    head = Head(group=LIFE, artifacts=[artifact_id(new)])
    orphan = batch.far(artifact_id(old), change, batch.named(artifact_id(new)))
    assert told(send(group, member, body(head, [orphan]))).lacking == [artifact_id(new)]
    assert told(send(group, member, body(head, records([old])))).lacking == []
    with member.store.reader() as reader:
        assert reader.content(artifact_id(new)) == new


def test_of_much_that_is_lacking_a_part_is_told(
    group: Group, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "MAX_NAMED", 3)
    asked = [artifact_id(b"%d" % number) for number in range(5)]
    held = told(send(group, member, body(Head(group=LIFE, artifacts=[*asked]), ())))
    assert (held.lacking, held.more) == (asked[:3], True)


def test_a_branch_that_is_not_a_zone_s_has_no_ref(group: Group, member: Member) -> None:
    head = Head(group=LIFE, branches=[At("trunk", NOTHING), At("x.example/main", NOTHING)])
    held = told(send(group, member, body(head, ())))
    assert (held.lacking, held.branches) == ([NOTHING], [])


# -- whole or not at all


def test_one_artifact_that_is_not_what_its_name_says_keeps_all_out(group: Group, member: Member) -> None:
    had = member.artifacts()
    wrong = batch.whole(b"another content", batch.named(NOTHING))
    answer = send(group, member, body(Head(group=LIFE), [*records([b"sound"]), wrong]))
    assert (answer.status, answer.error) == (
        400,
        f"artifact {NOTHING} is not what its name says: the content that came does not hash to its name",
    )
    assert member.artifacts() == had


def test_one_delta_that_is_malformed_keeps_all_out(group: Group, member: Member) -> None:
    had = member.artifacts()
    sound = records([b"sound"])
    wrong = batch.far(artifact_id(b"sound"), b"no delta", batch.named(NOTHING))
    answer = send(group, member, body(Head(group=LIFE), [*sound, wrong]))
    assert answer.status == 400
    assert NOTHING in answer.error
    assert member.artifacts() == had


def test_what_makes_too_much_is_not_taken(
    group: Group, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "MAX_EXPANDED", 1_000)
    had = member.artifacts()
    bomb = create(b"x" * 100, b"x" * 10_000)
    assert bomb is not None
    many = batch.far(artifact_id(b"x" * 100), bomb, batch.named(artifact_id(b"x" * 10_000)))
    answer = send(group, member, body(Head(group=LIFE), [*records([b"x" * 100]), many]))
    assert (answer.status, answer.error) == (400, "copies that make over 1000 bytes: send fewer at a time")
    assert member.artifacts() == had


def test_what_names_too_much_is_not_taken(
    group: Group, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "MAX_CARDS", 1)
    move = group.made(group.member("a"), "192.0.2.2")
    had = member.artifacts()
    answer = send(group, member, body(Head(group=LIFE), records(of_move(group, move))))
    assert answer.status == 400
    assert "over 1 cards" in answer.error
    assert member.artifacts() == had


def test_a_body_that_was_cut_leaves_nothing(group: Group, member: Member) -> None:
    had = member.artifacts()
    text = b"".join(coding.expanded((body(Head(group=LIFE), records([b"a", b"b"])),), 10_000))
    for end in range(len(text)):
        octets = coding.packed_whole(text[:end])
        assert send(group, member, octets).status == 400
    assert member.artifacts() == had


def test_a_bit_that_flipped_leaves_nothing(group: Group, member: Member) -> None:
    had = member.artifacts()
    sound = body(Head(group=LIFE), records([b"a" * 300]))
    for at in range(len(sound)):
        octets = sound[:at] + bytes((sound[at] ^ 4,)) + sound[at + 1 :]
        assert (
            send(group, member, octets, token(group, sound), x_content_sha256=body_hash(sound)).status == 401
        )
        assert send(group, member, octets).status == 400
    assert member.artifacts() == had


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\n",
        b"[]\n",
        b"{}\n",
        b'{"group":1}\n',
        b'{"group":"' + LIFE.encode() + b'","more":1}\n',
        b'{"group":"' + LIFE.encode() + b'","artifacts":["x"]}\n',
        b'{"group":"' + LIFE.encode() + b'","brought":[{"login":"a","door":"nowhere","artifacts":[]}]}\n',
        b"\xff\n",
        b"[" * 100_000 + b"\n",
    ],
    ids=range(10),
)
def test_a_malformed_head_is_told(head: bytes, group: Group, member: Member) -> None:
    answer = send(group, member, coding.packed_whole(head + batch.MAGIC + batch.end()))
    assert answer.status == 400
    assert "head" in answer.error


def test_a_head_without_end_is_not_read_to_it(
    group: Group, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "_MAX_HEAD", 1_000)
    answer = send(group, member, coding.packed_whole(b"{" * 1_000_000))
    assert (answer.status, answer.error) == (400, "copies without a head of at most 1000 bytes")


def test_a_full_disk_is_told_as_that(group: Group, member: Member) -> None:
    had = member.artifacts()
    full = Faults(dies=lambda _site, _p: None, fails=lambda site, _p: site == "store.disk-full")
    answer = send(
        group,
        Member(member.store.with_faults(full), member.share),
        body(Head(group=LIFE), records([b"x"])),
    )
    assert answer.status == 503
    assert "disk is full" in answer.error
    assert member.artifacts() == had


class _Killed(BaseException):
    """The process has died."""


@pytest.mark.parametrize("site", ["store.verified", "store.linked", "copies.stored", "store.before-commit"])
def test_a_member_that_dies_before_its_commit_has_nothing_of_it(
    site: str, group: Group, member: Member
) -> None:
    def dies(at: str, _p: float) -> None:
        if at == site:
            raise _Killed

    had = member.artifacts()
    doomed = Member(member.store.with_faults(Faults(dies, lambda *_: False)), member.share)
    with pytest.raises(_Killed):
        send(group, doomed, body(Head(group=LIFE), records([b"x", b"y"])))
    assert member.artifacts() == had
    assert send(group, member, body(Head(group=LIFE), records([b"x", b"y"]))).status == 200


# -- who may


def test_another_life_of_the_group_is_told(group: Group, member: Member) -> None:
    answer = send(group, member, body(Head(group="9" * 32), records([b"x"])))
    assert answer.status == 409
    assert "in life 111" in answer.error
    assert not member.has(artifact_id(b"x"))


@pytest.mark.parametrize("role", [schema.PRIMARY, schema.CLONE])
def test_a_repository_that_is_not_a_member_says_so(role: str, group: Group, member: Member) -> None:
    with member.store.writer() as writer:
        writer.set_setting("role", role)
    answer = send(group, member, EMPTY)
    assert (answer.status, answer.error) == (
        409,
        "this repository is not a member of a group: see `xferzone group status`",
    )
    refs = token(group, b"", target="/v0/refs", method="GET")
    assert ask(member.store, "GET", "/v0/refs", b"", TERMS, authorization=refs).status == 401


def test_an_empty_repository_says_to_come_again(tmp_path: Path, group: Group) -> None:
    with Store.making(tmp_path / "empty.xferzone") as empty:
        asked = Member(empty, group.member("x").share)
        assert send(group, asked, EMPTY).status == 503


def test_a_repository_of_another_project_says_which_it_is_of(
    tmp_path: Path, group: Group, member: Member
) -> None:
    answer = send(group, member, EMPTY, token(group, EMPTY, code="0" * 40))
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == f"XFERZONE-HMAC project={group.code}"


@pytest.mark.parametrize(
    "change",
    [
        {"host": "other.example"},
        {"target": "/v0/refs"},
        {"method": "GET"},
        {"expires": NOW - 1},
        {"expires": NOW + 301},
        {"signer": replace(FELLOW, secret="6" * 64)},
        {"signer": replace(FELLOW, secret="")},
        {"signer": replace(FELLOW, is_member=False)},
    ],
    ids=str,
)
def test_what_is_not_signed_so_is_refused(change: dict[str, object], group: Group, member: Member) -> None:
    octets = body(Head(group=LIFE), records([b"x"]))
    made = token(group, octets, **change)  # type: ignore[arg-type]  # one row, one argument
    assert send(group, member, octets, made).status == 401
    assert not member.has(artifact_id(b"x"))


def test_a_signature_holds_for_its_body_alone(group: Group, member: Member) -> None:
    other = body(Head(group=LIFE), records([b"x"]))
    assert send(group, member, other, token(group, EMPTY)).status == 401
    answer = send(group, member, other, token(group, EMPTY), x_content_sha256=body_hash(EMPTY))
    assert answer.status == 401


def test_the_same_request_again_changes_nothing(group: Group, member: Member) -> None:
    octets = body(Head(group=LIFE), records([b"x"]))
    first = send(group, member, octets)
    had = member.artifacts()
    assert send(group, member, octets).body == first.body
    assert member.artifacts() == had


def test_accounts_cannot_send_copies(group: Group, member: Member) -> None:
    octets = body(Head(group=LIFE), records([b"x"]))
    for login, caps in (("ann", "s"), ("a", "as"), ("b", "oi")):
        with member.store.writer() as writer:
            accounts.put_user(writer, login, "secret", caps)
        account = Signer(login, shared_secret(group.code, login, "secret"))
        answer = send(group, member, octets, token(group, octets, account))
        assert (answer.status, answer.error) == (
            403,
            "copies are taken from members of the group alone: push by xfer",
        )
        as_member = send(group, member, octets, token(group, octets, replace(account, is_member=True)))
        assert as_member.status == 401
    with member.store.writer() as writer:
        accounts.put_user(writer, "nobody", None, "as")
    assert send(group, member, octets, "").status == 401
    assert not member.has(artifact_id(b"x"))


def test_an_account_with_the_group_s_secret_in_its_row_is_none_of_its_members(
    group: Group, member: Member
) -> None:
    with member.store.writer() as writer:
        accounts.put_user(writer, "a", "secret", "s")
        writer.db.execute("UPDATE user SET secret = ?", (SECRET,))
    assert send(group, member, EMPTY, token(group, EMPTY, replace(FELLOW, is_member=False))).status == 403


def test_a_member_may_read(group: Group, member: Member) -> None:
    tip, _ = group.project.served()

    def get(target: str) -> int:
        made = token(group, b"", target=target, method="GET")
        return ask(member.store, "GET", target, b"", TERMS, authorization=made).status

    def asked(target: str, **fields: object) -> int:
        octets = json.dumps(fields).encode()
        own = {"authorization": token(group, octets, target=target), "x_content_sha256": body_hash(octets)}
        return ask(member.store, "POST", target, octets, TERMS, content_type="application/json", **own).status

    with member.store.writer() as writer:
        accounts.put_user(writer, "nobody", None, "")
    assert post(member.store, "/v0/objects/walk", TERMS, roots=[tip]).status == 401
    assert get("/v0/refs") == 200
    assert get(f"/v0/objects/{tip}") == 200
    assert asked("/v0/objects/walk", roots=[tip]) == 200
    assert asked("/v0/objects/pull", roots=[tip]) == 200
    assert asked("/v0/objects/batch", hashes=[tip]) == 200


# -- how it is asked


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "application/json"}, 415),
        ({"content_encoding": ""}, 415),
        ({"content_encoding": "gzip"}, 415),
        ({"x_content_sha256": "0" * 64}, 400),
    ],
    ids=str,
)
def test_another_type_or_coding_is_refused(
    headers: dict[str, str], status: int, group: Group, member: Member
) -> None:
    assert send(group, member, EMPTY, **headers).status == status


def test_other_methods_and_queries_are_refused(group: Group, member: Member) -> None:
    assert ask(member.store, "GET", COPIES, b"", TERMS).status == 405
    made = token(group, EMPTY, target=f"{COPIES}?x=1")
    own = {"authorization": made, "content_type": copies.CONTENT_TYPE, "content_encoding": "zstd"}
    answer = ask(member.store, "POST", f"{COPIES}?x=1", EMPTY, TERMS, **own)
    assert (answer.status, answer.error) == (400, "the query has 'x', which /v0/copies does not know")


def test_copies_may_be_larger_than_other_requests(group: Group, member: Member) -> None:
    assert copies.MAX_WIRE > 3_000_000 > MAX_REQUEST
    large = random.Random(1).randbytes(3_000_000)
    octets = body(Head(group=LIFE), records([large]))
    assert len(octets) > len(large)
    assert send(group, member, octets).status == 200
    assert member.has(artifact_id(large))
    walk = WalkRequest("POST", "/v0/objects/walk", {}, octets)
    with respond(member.store, walk, TERMS) as reply:
        assert reply.status == 413
