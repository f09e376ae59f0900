"""What a server refuses, by its words: Fossil gives no codes, and each implementation has texts of its own.

    text of an error card                          says it    of what
    not authorized to write                        stock      a push
    push script failed: ...                        stock      a push, by its administrator's script
    push denied: insufficient capabilities         others     a push
    file HASH rejected: no push card               others     a push
    login failed, authentication failed            both       the login
    not authorized to read, pull denied: ...       both       anything else

Stock refuses a push in a sync by the message "pull only - not authorized to push", and goes on.
Source: Fossil 2.21, src/xfer.c page_xfer(); go-libfossil, internal/sync/handler.go.
"""

import re
from typing import Final
from urllib.parse import unquote_plus

_READ: Final = 300  # characters of a text that are looked at
_PUSH = r"(?:push\w*|writ(?:e|es|ing|able)|uploads?|uploading|commits?|committing|check-?ins?)"
_NO = (
    r"(?:denied|deny|refused?|reject(?:s|ed)?|forbidden|disabled|disallowed|prohibited|unauthori[sz]ed"
    r"|not (?:be |been )?(?:authori[sz]ed|allowed|permitted|accepted|enabled|granted)"
    r"|no (?:permissions?|privileges?|rights?|access)"
    r"|(?:insufficient|lacks?|lacking|missing|without) (?:\w+ )?(?:permissions?|privileges?|rights?|capabilit\w+)"
    r"|(?:do|does) not have|may not|must not|accepts? no|takes? no|read[- ]?only|pull[- ]?only)"
)
_ACCESS = r"(?:access|permissions?|privileges?|rights?|capabilit\w+)"
_PUSH_AND_NO = (
    rf"\b{_PUSH}\b.{{0,60}}?\b{_NO}\b|\b{_NO}\b.{{0,60}}?\b{_PUSH}\b"
    rf"|\b(?:no|needs?|requires?) (?:\w+ )?{_PUSH} {_ACCESS}|\b{_PUSH} {_ACCESS} (?:\w+ )?(?:required|needed|missing)\b"
)
_OF_PUSH = re.compile(rf"{_PUSH_AND_NO}|\b(?:read|pull)[- ]?only\b|^push script failed", re.IGNORECASE)
#: Messages are for people and say many things: only one that begins so ends the push.
_BEGINS = re.compile(
    rf"(?:pull[- ]only\b|(?:(?:the|your|this|you|user|a) )?(?:{_PUSH_AND_NO}))", re.IGNORECASE
)
_OF_LOGIN = re.compile(
    r"\b(?:log-?in|authentication|password|credentials?)\b.{0,30}?\b(?:failed|failure|wrong|invalid|incorrect|bad|unknown)"
    r"|\b(?:wrong|invalid|incorrect|bad|unknown) (?:\w+ )?(?:log-?in|authentication|password|credentials?|user)\b",
    re.IGNORECASE,
)
_OF_RIGHT = re.compile(
    rf"\b{_NO}\b|\b(?:log-?in|authentication|password|credentials?)\b.{{0,30}}?\b(?:required|needed|necessary)"
    r"|\b(?:requires?|needs?)\b.{0,20}?\b(?:log-?in|authentication|password|credentials?)",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """`text` as it was meant: stock encodes some errors as in a URL, with + for blanks."""
    return unquote_plus(text) if " " not in text and ("+" in text or "%20" in text) else text


def is_of_push(text: str) -> bool:
    """Whether the error `text` refuses a push, and nothing besides."""
    return _OF_PUSH.search(plain(text)[:_READ]) is not None


def ends_push(text: str) -> bool:
    """Whether the message `text` says that the server takes no push."""
    return _BEGINS.match(plain(text)[:_READ]) is not None


def is_of_login(text: str) -> bool:
    """Whether the error `text` says that the login does not hold."""
    return _OF_LOGIN.search(plain(text)[:_READ]) is not None


def is_of_right(text: str) -> bool:
    """Whether the error `text` says that the sender has no right to what it asks, or has to log in."""
    return _OF_RIGHT.search(plain(text)[:_READ]) is not None
