"""The project's configuration as both ends of a sync see it: areas, who may have which, and what becomes of a row.

    area                       rows                                       a server gives it to    takes it from
    project, skin, css,        config: settings by name                   readers                 admin
    ticket, xfer
    ticket                     reportfmt, too                             readers                 admin
    alias, interwiki           config: walias:/PATH, interwiki:CODE       readers                 admin
    email                      concealed                                  readers with e          admin
    subscriber                 subscriber                                 admin                   admin
    shun                       the artifacts shunned here                 readers                 setup
    user                       accounts, never a password; those that     setup                   setup
                               stand for all people are not taken

    older than what is here, or as old       nothing
    newer                                    in its place; columns that it does not name stay
    of another name, or not of the areas     nothing
    dated over a day ahead of the clock      nothing, and people are told its name: it could never be replaced. What an
                                             earlier release has kept of that kind is replaced by any other

Stock gives accounts, with what their passwords hash to, to admin, and takes all from admin.
Source: Fossil 2.21, src/configure.c, aGroupName, aConfig, configure_send_group(), configure_receive(); the order of
settings as `fossil config export` writes them.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from enum import Enum, auto
from typing import Final

from xferzone.cards import Config
from xferzone.cards.rows import NULL, Row, parse, quoted, text
from xferzone.hashing import ArtifactId, parse_artifact_id
from xferzone.store import Reader, Writer, accounts, configuration, shunned
from xferzone.store.accounts import User
from xferzone.store.shunned import Shunned

MAX_ROWS: Final = 10_000  # kept; ours, addresses of tickets are the most
MAX_ALL: Final = 8 * 2**20  # bytes of their fields; ours, a reply carries all of them
MAX_SHUNNED: Final = 10_000  # artifacts that one request shuns; ours
MAX_AHEAD_S: Final = 86_400  # ahead of the clock here, that a row may be dated; a day, as of synced tables
MAX_TOLD: Final = 20  # reasons why something was left out that people are told; ours


class Area(Enum):
    """What is asked for together."""

    CSS = auto()
    SKIN = auto()
    TICKET = auto()
    PROJECT = auto()
    SHUN = auto()
    USER = auto()
    EMAIL = auto()
    XFER = auto()
    ALIAS = auto()
    SUBSCRIBER = auto()
    INTERWIKI = auto()


ALL: Final = frozenset(Area)
#: By the name that people and cards give, in stock's order: the first that begins so is meant.
AREAS: Final[Mapping[str, frozenset[Area]]] = {
    "email": frozenset({Area.EMAIL}),
    "project": frozenset({Area.PROJECT}),
    "skin": frozenset({Area.SKIN, Area.CSS}),
    "css": frozenset({Area.CSS}),
    "shun": frozenset({Area.SHUN}),
    "ticket": frozenset({Area.TICKET}),
    "user": frozenset({Area.USER}),
    "xfer": frozenset({Area.XFER}),
    "alias": frozenset({Area.ALIAS}),
    "subscriber": frozenset({Area.SUBSCRIBER}),
    "interwiki": frozenset({Area.INTERWIKI}),
    "all": ALL,
}
_TABLES: Final = {"user": Area.USER, "shun": Area.SHUN, "reportfmt": Area.TICKET, "concealed": Area.EMAIL,
                  "subscriber": Area.SUBSCRIBER}  # fmt: skip
_PREFIXES: Final = {"walias:/": Area.ALIAS, "interwiki:": Area.INTERWIKI}
_SKIN: Final = """header mainmenu footer details js default-skin logo-mimetype logo-image background-mimetype
    background-image icon-mimetype icon-image timeline-block-markup timeline-date-format timeline-default-style
    timeline-dwelltime timeline-closetime timeline-hard-newlines timeline-max-comment timeline-plaintext
    timeline-truncate-at-blank timeline-tslink-info timeline-utc adunit adunit-omit-if-admin adunit-omit-if-user
    default-csp sitemap-extra safe-html"""
_PROJECT: Final = """project-name short-project-name project-description index-page manifest binary-glob clean-glob
    ignore-glob keep-glob crlf-glob crnl-glob encoding-glob empty-dirs dotfiles parent-project-code parent-project-name
    hash-policy comment-format mimetypes forbid-delta-manifests mv-rm-files"""
_TICKET: Final = """ticket-table ticket-common ticket-change ticket-newpage ticket-viewpage ticket-editpage
    ticket-reportlist ticket-report-template ticket-key-template ticket-title-expr ticket-closed-expr"""
_XFER: Final = "xfer-common-script xfer-push-script xfer-commit-script xfer-ticket-script"
#: Settings and the areas that they belong to, in the order in which they are sent. tcl, tcl-setup, th1-setup and
#: th1-docs are left out, as by stock from 2.26 on: they run programs wherever they arrive.
SETTINGS: Final[Mapping[str, frozenset[Area]]] = {
    "css": frozenset({Area.CSS}),
    **dict.fromkeys(_SKIN.split(), frozenset({Area.SKIN})),
    **dict.fromkeys(("th1-hooks", "th1-uri-regexp"), frozenset({Area.SKIN, Area.TICKET, Area.XFER})),
    **dict.fromkeys(_PROJECT.split(), frozenset({Area.PROJECT})),
    **dict.fromkeys(_TICKET.split(), frozenset({Area.TICKET})),
    "user-color-map": frozenset({Area.USER}),
    **dict.fromkeys(_XFER.split(), frozenset({Area.XFER})),
}
POLICY: Final = "hash-policy"
#: Artifacts are named by SHA3 here, whatever a project began with. As old as can be: a client's own choice is newer.
_OUR_POLICY: Final = Row("config", POLICY, 1, {"value": quoted("2")})
_OTHER: Final = re.compile("[^a-zA-Z0-9]")
#: What these may do is decided where they are: each clone of stock's has them with rights of its own, dated when it was
#: made, so that one `fossil config push all` would open the project to everybody.
_OF_ALL: Final = frozenset({"nobody", "anonymous", "reader", "developer"})
_NO_LOGIN: Final = re.compile(r"[\s\x00-\x1f\x7f]")
MAX_LOGIN: Final = 100  # letters, as of accounts that are made here


def areas_of(row: Row) -> frozenset[Area]:
    """The areas that a row belongs to; none: it is not carried."""
    if row.table != "config":
        return frozenset({_TABLES[row.table]})
    for prefix, area in _PREFIXES.items():
        if row.key.startswith(prefix):
            return frozenset({area})
    return SETTINGS.get(row.key, frozenset())


def fitting(name: str) -> str | None:
    """The area that a name means, which may be cut short. None: there is none such."""
    return next((each for each in AREAS if each.startswith(name)), None)


# -- what is sent


def cards(reader: Reader, areas: Collection[Area], *, with_accounts: bool) -> Iterator[Config]:
    """The cards of these areas, as stock orders them. `with_accounts`: where they are of the areas."""
    for row in rows_of(reader, areas, with_accounts=with_accounts):
        yield row.card()


def rows_of(reader: Reader, areas: Collection[Area], *, with_accounts: bool) -> Iterator[Row]:
    """The rows of those cards."""
    if Area.SHUN in areas:
        for each in shunned.listed(reader):
            comment = quoted(each.comment) if each.comment else NULL
            yield Row("shun", each.id, each.time_ms // 1000, {"scom": comment})
    if Area.USER in areas and with_accounts:
        yield from _accounts(reader)
    for table in ("reportfmt", "concealed"):
        if _TABLES[table] in areas:
            yield from configuration.rows(reader, table)
    settings = {row.key: row for row in configuration.rows(reader, "config")} | {POLICY: _OUR_POLICY}
    for prefix, area in _PREFIXES.items():
        if area in areas:
            yield from (settings[key] for key in sorted(settings) if key.startswith(prefix))
    if Area.SUBSCRIBER in areas:
        yield from configuration.rows(reader, "subscriber")
    for name, belongs in SETTINGS.items():
        if name in settings and not belongs.isdisjoint(areas):
            yield settings[name]


def _accounts(reader: Reader) -> Iterator[Row]:
    """The accounts, without what their passwords hash to."""
    beside = {row.key: row.fields for row in configuration.rows(reader, "user")}
    for user in accounts.users(reader):
        fields = {"jx": quoted("{}"), **beside.get(user.login, {}), "cap": quoted(user.caps), "pw": NULL}
        yield Row("user", user.login, accounts.changed_at(reader, user.login), fields)


# -- what comes


class Taking:
    """Takes rows in, one by one.

    Fields:
        count: how many were newer.
        notices: what people should be told, MAX_TOLD at most.
        shun: artifacts to be shunned, which is left to the caller.
    """

    def __init__(self, writer: Writer, areas: Collection[Area], *, with_accounts: bool, now_ms: int) -> None:
        """
        Args:
            areas: of these rows are taken.
            with_accounts: where they are of the areas.
            now_ms: milliseconds since 1970, by the clock here.
        """
        self.count = 0
        self.notices: dict[str, None] = {}
        self.shun: dict[ArtifactId, Shunned] = {}
        self._writer = writer
        self._areas = areas
        self._takes_accounts = with_accounts
        self._newest = now_ms // 1000 + MAX_AHEAD_S  # seconds since 1970
        self._size = configuration.size(writer)
        self._is_full = False

    def take(self, card: Config) -> None:
        """Take what a card brings, if it is newer."""
        row = parse(card)
        if row is None or areas_of(row).isdisjoint(self._areas):
            return
        if row.mtime > self._newest:
            self._tell(
                f"/{row.table} {row.key[:100]!r} is left out: it is dated over a day ahead of the clock here; set the "
                "clocks right, and change it again"
            )
        elif row.table == "shun":
            self._take_shunned(row)
        elif row.table == "user":
            if self._takes_accounts:
                self._take_account(row)
        elif (row.table, row.key) != ("config", POLICY):
            self._keep(row)

    def _keep(self, row: Row) -> bool:
        """Whether it was newer and is kept now."""
        before = configuration.row(self._writer, row.table, row.key)
        if before is not None and self._stands(before.mtime, row):
            return False
        after = row.after(before)
        was = 0 if before is None else len(before.written())
        size = configuration.Size(
            self._size.rows + (before is None), self._size.bytes + len(after.written()) - was
        )
        if size.rows > MAX_ROWS or size.bytes > MAX_ALL:
            self._leave_out(row)
            return False
        self._size = size
        configuration.put(self._writer, after)
        self.count += 1
        return True

    def _stands(self, mtime: int, row: Row) -> bool:
        """Whether what is here, of that time, is kept though `row` comes."""
        return row.mtime <= mtime <= self._newest

    def _leave_out(self, row: Row) -> None:
        if not self._is_full:
            self._is_full = True
            bounds = f"all of it may have {MAX_ROWS} rows and {MAX_ALL} bytes"
            self._tell(f"configuration is left out, {row.key[:100]} first: {bounds}")

    def _tell(self, text: str) -> None:
        if len(self.notices) < MAX_TOLD:
            self.notices[text] = None

    def _take_shunned(self, row: Row) -> None:
        try:
            artifact = parse_artifact_id(row.key.encode())
        except ValueError:
            return
        if len(self.shun) < MAX_SHUNNED:
            self.shun[artifact] = Shunned(
                artifact, row.mtime * 1000, text(row.fields.get("scom", NULL)) or ""
            )

    def _take_account(self, row: Row) -> None:
        """Have an account as the row says; its password stays, and a new one has none."""
        writer, login = self._writer, row.key
        if login in _OF_ALL:
            if "cap" in row.fields:
                self._tell("what nobody, anonymous, reader and developer may is left as it is")
            return
        if len(login) > MAX_LOGIN or _NO_LOGIN.search(login) or login.startswith(accounts.INVITE):
            self._tell(f"account {login[:MAX_LOGIN]!r} is left out: its name cannot be one here")
            return
        known = accounts.user(writer, login) or User(login, "", "")
        if self._stands(accounts.changed_at(writer, login), row):
            return
        beside = {each: row.fields[each] for each in row.fields.keys() - {"pw", "cap"}}
        if self._keep(Row("user", login, row.mtime, beside)):
            caps = text(row.fields.get("cap", NULL))
            caps = known.caps if caps is None else _OTHER.sub("", caps)
            accounts.put_stored(writer, replace(known, caps=caps), row.mtime)
