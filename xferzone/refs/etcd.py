"""The keys of a group in etcd, by its JSON gateway.

    transact    kv/txn            compare each value, or version 0 for absent; then put, else read the compared keys
    list        kv/range          by pages, all at the revision of the first
    watch       watch             {"result": {...}} a line: created, then events; or canceled, with compact_revision
    grant       lease/grant
    keep        lease/keepalive   one line; without TTL if the lease has ended
    revoke      lease/revoke

Numbers of 64 bits come as strings, bytes in base64, and what is false, zero or empty is left out. So an answer is only
what has a header with a revision: `{}` would mean that nothing succeeded, and nothing is there.

Source: etcd 3.4, etcdserver/etcdserverpb/rpc.proto, and what its gateway was seen to answer.
"""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final

import msgspec

from xferzone.errors import Away
from xferzone.refs.endpoint import Lines, TooLong
from xferzone.refs.gateway import NONE, PATIENCE, Gateway, Login, Patience, Remedies
from xferzone.refs.keys import (
    Changes,
    Compacted,
    Lapsed,
    Listed,
    Stand,
    Transacted,
    Watch,
    check,
)
from xferzone.refs.reply import OK, Failed, Reply, shown

PAGE: Final = 10_000  # keys; etcd counts all of the list for each page, so small ones of long lists are dear
MAX_KEYS: Final = 1_000_000  # of a list
MAX_LISTED: Final = 1 << 30  # bytes of their names and values together
_LAPSED: Final = 5  # gRPC's NOT_FOUND; to a transaction or a revocation: no such lease
_COMPACTED: Final = 11  # OUT_OF_RANGE; to a range at a revision: it is no longer kept

_Number = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,20}$")]


class _Header(msgspec.Struct):
    cluster_id: _Number
    revision: Annotated[str, msgspec.Meta(pattern="^[1-9][0-9]{0,18}$")]

    @property
    def stand(self) -> Stand:
        return Stand(self.cluster_id, int(self.revision))


class _Key(msgspec.Struct):
    key: bytes
    mod_revision: _Number = "0"
    value: bytes = b""


class _Range(msgspec.Struct):
    kvs: list[_Key] = []
    more: bool = False


class _Page(_Range, kw_only=True):
    header: _Header


class _Answer(msgspec.Struct):
    response_range: _Range | None = None


class _Transaction(msgspec.Struct, kw_only=True):
    header: _Header
    succeeded: bool = False
    responses: list[_Answer] = []


class _Lease(msgspec.Struct, kw_only=True):
    header: _Header
    ID: Annotated[str, msgspec.Meta(pattern="^[1-9][0-9]{0,18}$")]  # 0 would mean none
    TTL: _Number = "0"


class _Kept(msgspec.Struct):
    result: _Lease


class _Plain(msgspec.Struct):
    header: _Header


class _Event(msgspec.Struct):
    kv: _Key
    type: str = "PUT"


class _LooseHeader(msgspec.Struct):
    """Of a watch that is canceled: without a revision."""

    cluster_id: _Number = "0"
    revision: _Number = "0"


class _Told(msgspec.Struct, kw_only=True):
    header: _LooseHeader
    created: bool = False
    canceled: bool = False
    compact_revision: _Number = "0"
    cancel_reason: str = ""
    fragment: bool = False
    events: list[_Event] = []


class _Line(msgspec.Struct):
    result: _Told


class Etcd:
    """Keys in etcd. Threads may share it, processes may not: make one after a fork.

    Fields:
        name: for messages, its endpoints.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        login: Login | None = None,
        trusted: ssl.SSLContext | None = None,
        patience: Patience = PATIENCE,
        remedies: Remedies = NONE,
    ) -> None:
        """
        Args:
            urls: of its endpoints, http or https, without an account; the preferred one first.
            trusted: for https, by trust.trust; None: the system's authorities, and no certificate of ours.
            remedies: told where there is no answer.

        Raises:
            UsageError: one of them is not a URL, or there are none or too many.
        """
        self._gateway = Gateway(urls, login=login, trusted=trusted, patience=patience, remedies=remedies)
        self.name = self._gateway.name

    @property
    def connections(self) -> int:
        """As Keys has it."""
        return self._gateway.connections

    def close(self) -> None:
        """Close the connections that are idle."""
        self._gateway.close()

    def transact(
        self,
        expected: Mapping[str, bytes | None],
        puts: Mapping[str, bytes | None],
        lease: int | None = None,
    ) -> Transacted:
        check(expected, puts)

        def parse(reply: Reply) -> Transacted:
            if lease is not None and reply.code == _LAPSED:
                raise Lapsed(f"lease {lease} has ended")
            answer = reply.parse(_Transaction)
            return Transacted(answer.header.stand, answer.succeeded, _found(answer, expected))

        message = {
            "compare": [_compare(key, value) for key, value in expected.items()],
            "success": [_put(key, value, lease) for key, value in puts.items()],
            "failure": [{"request_range": {"key": key.encode()}} for key in expected],
        }
        return self._gateway.ask("kv/txn", message, parse, is_repeatable=not puts)

    def list(self, prefix: str) -> Listed:
        for _ in range(2):
            listed = self._listed(prefix)
            if listed is not None:
                return listed
        raise Away(f"{self.name} compacts its keys faster than they can be listed")

    def watch(self, prefix: str, revision: int, seconds: float) -> Watch:
        return _Watch(self._gateway, prefix, revision, seconds)

    def grant(self, seconds: int) -> int:
        return self._gateway.ask(
            "lease/grant", {"TTL": str(seconds)}, lambda reply: int(reply.parse(_Lease).ID)
        )

    def keep(self, lease: int) -> bool:
        return self._gateway.ask(
            "lease/keepalive",
            {"ID": str(lease)},
            lambda reply: int(reply.parse(_Kept).result.TTL) > 0,
        )

    def revoke(self, lease: int) -> None:
        def parse(reply: Reply) -> None:
            if reply.code != _LAPSED:
                reply.parse(_Plain)

        self._gateway.ask("lease/revoke", {"ID": str(lease)}, parse)

    def _listed(self, prefix: str) -> Listed | None:
        """All keys, as they stood when the first page came; None: that is no longer kept."""
        begin, end = _range(prefix)
        found: dict[str, bytes] = {}
        stand: Stand | None = None
        limit, size, more = PAGE, 0, True
        while more:
            try:
                page = self._page(begin, end, limit, stand)
            except TooLong:
                if limit == 1:
                    raise
                limit = max(1, limit // 10)
                continue
            if page is None:
                return None
            stand = stand or page.header.stand
            for each in page.kvs:
                begin = each.key + b"\0"
                size += len(each.key) + len(each.value)
                found |= _named(each.key, each.value)
            if len(found) > MAX_KEYS or size > MAX_LISTED:
                raise Away(
                    f"{self.name} has over {MAX_KEYS} keys below {prefix}, or over {MAX_LISTED} bytes of them"
                )
            more = page.more
        assert stand is not None
        return Listed(stand, found)

    def _page(self, begin: bytes, end: bytes, limit: int, stand: Stand | None) -> _Page | None:
        """Keys from `begin` on, as they stood then; None: that is no longer kept."""

        def parse(reply: Reply) -> _Page | None:
            if stand is not None and reply.code == _COMPACTED:
                return None
            page = reply.parse(_Page)
            keys = [each.key for each in page.kvs]
            is_asked_for = not keys or (begin <= keys[0] and keys[-1] < end and keys == sorted(set(keys)))
            if not is_asked_for or (page.more and not keys):
                raise Failed("it lists keys that it was not asked for, or not those that it has")
            if stand is not None and page.header.cluster_id != stand.cluster:
                raise Failed("it is of another cluster than the endpoint before it")
            return page

        message: dict[str, object] = {"key": begin, "range_end": end, "limit": str(limit)}
        if stand is not None:
            message["revision"] = str(stand.revision)
        return self._gateway.ask("kv/range", message, parse)


class _Watch:
    """A watch. It is begun when it is first asked for something."""

    def __init__(self, gateway: Gateway, prefix: str, revision: int, seconds: float) -> None:
        if revision < 1:
            raise ValueError(f"a watch begins at revision 1 or later, not at {revision}")
        self._gateway = gateway
        self._range = _range(prefix)
        self._told = revision - 1
        self._seconds = seconds
        self._lines: Lines | None = None
        self._is_closed = False

    def __iter__(self) -> Iterator[Changes]:
        return self

    def __next__(self) -> Changes:
        changes = None
        try:
            changes = self._next()
        except Failed as exc:
            if not self._is_closed:
                raise Away(f"{self._gateway.name}: a watch broke off: {exc}") from exc
        finally:
            if changes is None:
                self.close()
        if changes is None:
            raise StopIteration
        return changes

    def close(self) -> None:
        self._is_closed = True
        if self._lines is not None:
            self._lines.close()

    def _next(self) -> Changes | None:
        """None: it is over."""
        line = self._first() if self._lines is None else self._lines.next(self._seconds)
        while line is not None and not self._is_closed and self._lines is not None:
            told = Reply(OK, line).parse(_Line).result
            if told.compact_revision != "0":
                raise Compacted(
                    f"{self._gateway.name} has no changes before {told.compact_revision} any more"
                )
            if told.canceled:
                raise Failed(shown(told.cancel_reason) or "etcd ended it")
            if told.created or told.events:
                return self._changes(told)
            line = self._lines.next(self._seconds)
        return None

    def _first(self) -> bytes:
        begin, end = self._range
        # In fragments: else a line has all of up to 1,000 revisions.
        asked = {"key": begin, "range_end": end, "start_revision": str(self._told + 1), "fragment": True}
        self._lines, line = self._gateway.open("watch", {"create_request": asked}, _why_not)
        return line

    def _changes(self, told: _Told) -> Changes:
        begin, end = self._range
        values: dict[str, bytes | None] = {}
        for event in told.events:
            key = event.kv.key
            if not begin <= key < end:
                raise Failed("it tells of keys that it was not asked for")
            for name, value in _named(key, event.kv.value).items():
                values.pop(name, None)  # so that it comes last
                values[name] = None if event.type == "DELETE" else value
            # A fragment may end within a revision.
            self._told = max(self._told, int(event.kv.mod_revision) - told.fragment)
        if told.header.revision == "0":
            raise Failed("it tells of changes without a revision")
        return Changes(Stand(told.header.cluster_id, int(told.header.revision)), values, self._told)


def _why_not(line: bytes) -> str:
    """Why etcd does not take a watch, by the first line about it; empty: it does. Raises Failed."""
    return Reply(OK, line).parse(_Line).result.cancel_reason


def _compare(key: str, value: bytes | None) -> dict[str, object]:
    asked: dict[str, object] = {"key": key.encode(), "result": "EQUAL"}
    if value is None:
        return asked | {"target": "VERSION", "version": "0"}
    return asked | {"target": "VALUE", "value": value}


def _put(key: str, value: bytes | None, lease: int | None) -> dict[str, object]:
    if value is None:
        return {"request_delete_range": {"key": key.encode()}}
    put: dict[str, object] = {"key": key.encode(), "value": value}
    return {"request_put": put if lease is None else put | {"lease": str(lease)}}


def _found(answer: _Transaction, expected: Mapping[str, bytes | None]) -> dict[str, bytes]:
    """The values of the compared keys, if it did not succeed."""
    found: dict[str, bytes] = {}
    if answer.succeeded:
        return found
    ranges = [each.response_range for each in answer.responses]
    if len(ranges) != len(expected) or not expected:
        raise Failed("it answers a transaction without saying what became of it")
    for key, there in zip(expected, ranges, strict=True):
        if there is None or [each.key for each in there.kvs] not in ([], [key.encode()]):
            raise Failed("it answers a transaction with keys that it was not asked for")
        for each in there.kvs:
            found[key] = each.value
    return found


def _range(prefix: str) -> tuple[bytes, bytes]:
    """The first key that begins with it, and the first one after those that do."""
    begin = prefix.encode()
    if not begin:
        raise ValueError("an empty prefix: all keys of an etcd are not ours")
    return begin, begin[:-1] + bytes([begin[-1] + 1])  # UTF-8 has no byte 255


def _named(key: bytes, value: bytes) -> dict[str, bytes]:
    """The key by its name; none of ours has a name that is not UTF-8."""
    try:
        return {key.decode(): value}
    except UnicodeDecodeError:
        return {}
