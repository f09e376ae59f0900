"""What clients ask for and this repository does not keep: answered so that a stock client ends well and keeps its own.

    private artifacts          refused as by stock, or left out with a message
    unversioned files          a message; stock's uv-pull-only would let `fossil uv revert` delete the client's
    check-in locks             none is given; the pragma that goes with one is
    configuration brought      refused as by stock, or passed over with a message
    reqconfig /all, /project   hash-policy, the one setting of the project that a stock client has to share
    reqconfig /AREA            a message

Every stock clone asks for /all, in words of which `fossil config pull all` has the same: no message answers that.
Source: Fossil 2.21, src/xfer.c page_xfer(), src/configure.c configure_name_to_mask(), configure_send_group().
"""

from typing import Final

from xferzone.cards import Config, Error, Pragma
from xferzone.sync.server.login import Rights
from xferzone.sync.server.reply import Draft

_NO_FILES: Final = "da39a3ee5e6b4b0d3255bfef95601890afd80709"  # uv-hash of a client without unversioned files
_NOT_PRIVATE: Final = "not authorized to sync private content"
_AREAS: Final = (
    "all",
    "project",
    "skin",
    "css",
    "shun",
    "ticket",
    "user",
    "email",
    "xfer",
    "alias",
    "subscriber",
    "interwiki",
)
_WITH_POLICY: Final = ("all", "project")
#: Artifacts are named by SHA3 here, whatever a project began with. As old as can be: a client's own choice is newer.
_HASH_POLICY: Final = Config("/config", b"1 'hash-policy' value '2'")


class NotKept:
    """Answers to such wishes of one request."""

    def __init__(self, draft: Draft, rights: Rights) -> None:
        self._draft = draft
        self._rights = rights
        self._asked: set[str] = set()  # areas that were answered

    def private(self) -> None:
        """Refuse a private artifact."""
        if self._rights.private:
            self._draft.notice("private artifacts are not kept here, yours were left out")
        else:
            self._draft.complain(_NOT_PRIVATE)

    def config(self) -> None:
        """Pass configuration over that came."""
        if self._rights.admin:
            self._draft.notice("configuration is not taken from clients, nothing was changed")
        else:
            self._draft.fail(Error("not authorized to push configuration"))

    def reqconfig(self, name: str) -> None:
        """Answer a wish for `name`, an area behind a slash, which may be cut short; as stock's, only for readers."""
        area = name.removeprefix("/")
        fitting = [each for each in _AREAS if each.startswith(area)]
        if not self._rights.read or area == name or area in self._asked or len(fitting) != 1:
            return
        self._asked.add(area)
        if fitting[0] in _WITH_POLICY:
            self._draft.add(_HASH_POLICY)
        else:
            self._draft.notice(f"no {fitting[0]} configuration is kept here, yours stays as it is")

    def pragma(self, card: Pragma) -> None:
        """Answer a pragma about any of these; others are passed over."""
        match card.name, card.args:
            case "send-private", _ if not self._rights.private:
                self._draft.complain(_NOT_PRIVATE)
            case "uv-hash", [catalogue] if self._rights.read and catalogue != _NO_FILES:
                self._draft.notice("unversioned files are not kept here, yours stay as they are")
            case "ci-lock", [_, _] if self._rights.write:
                self._draft.add(Pragma("avoid-delta-manifests"))
