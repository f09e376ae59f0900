r"""What is not zone text in zone text, by its name: letters, other systems' records, comments of other languages.

    “hello”                 curly quotes, which word processors put in place of "
    bücher                  an international name; DNS has it as xn--bcher-kva
    [AGE:3600000]           a time stamp of Windows DNS
    LUA ALIAS WINS AWS      records of PowerDNS, of several providers, of Windows DNS, of Route 53 tools
    # ...    // ...         comments elsewhere; here they begin with ";"
    \052.example.com.       "*" of Route 53, in octal
    ff fe 00 ...            UTF-16, as Notepad and PowerShell save it; UTF-32
    ef bb bf ...            a byte order mark

Source: RFC 3492 and RFC 5891 5 (xn--); the manuals of those systems.
"""

import codecs
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

_UTF_16: Final = "it is UTF-16, as Notepad and PowerShell save it: save it as UTF-8 without a byte order mark"
_UTF_32: Final = "it is UTF-32: save it as UTF-8 without a byte order mark"
_MARKED: Final = "it begins with a byte order mark: save it as plain ASCII or UTF-8"

#: Letters that nobody means to write -> what they are, and what to write.
_LETTERS: Final[Mapping[str, tuple[str, str]]] = {
    "\u201c": ("a curly quote", 'write "'),
    "\u201d": ("a curly quote", 'write "'),
    "\u201e": ("a curly quote", 'write "'),
    "\u2018": ("a curly quote", "write '"),
    "\u2019": ("a curly quote", "write '"),
    "\u00a0": ("a no-break blank", "write a blank"),
    "\u202f": ("a no-break blank", "write a blank"),
    "\u2007": ("a no-break blank", "write a blank"),
    "\u200b": ("a blank of no width", "delete it"),
    "\u200c": ("a letter of no width", "delete it"),
    "\u200d": ("a letter of no width", "delete it"),
    "\u2060": ("a letter of no width", "delete it"),
    "\ufeff": ("a byte order mark", "delete it"),
    "\u2010": ("a hyphen that is not ASCII", "write -"),
    "\u2011": ("a hyphen that is not ASCII", "write -"),
    "\u2013": ("a dash", "write -"),
    "\u2014": ("a dash", "write -"),
    "\u2212": ("a minus sign", "write -"),
    "\u2026": ("an ellipsis", "write ..."),
}
_ODD: Final = re.compile(f"[{''.join(_LETTERS)}]")
_CURLY: Final = re.compile("[\u2018\u2019\u201c\u201d\u201e\u00a0\u202f\u2007\u200b-\u200d\u2060\ufeff]")

#: What stands where a type is expected -> whose it is, and what to do.
_RECORDS: Final[Mapping[bytes, str]] = {
    **dict.fromkeys(
        (b"ALIAS", b"ANAME"),
        "it is a provider's or PowerDNS's own, resolved there: use A/AAAA, or HTTPS 0 TARGET",
    ),
    b"LUA": "it is PowerDNS's own, a program: write the records that it answers",
    b"AWS": "it is an alias of Route 53 tools: use A/AAAA, or HTTPS 0 TARGET",
    **dict.fromkeys(
        (b"WINS", b"WINSR", b"WINS-R", b"NBSTAT"),
        "it is Windows DNS's own, a lookup in WINS: leave the line out",
    ),
    **dict.fromkeys(
        (b"URL", b"URL301", b"REDIRECT", b"FRAME"),
        "it is a provider's redirection by HTTP: use A/AAAA of a web server",
    ),
}
_OCTAL_STAR: Final = re.compile(rb"^\\052(?=[.\s])", re.MULTILINE)
_AGE: Final = re.compile(rb"\[AGE:[0-9]+\]?", re.IGNORECASE)


def record(mnemonic: bytes) -> str:
    """What else a word is that is not the mnemonic of a type, and what to do about it; empty: unknown."""
    if _AGE.fullmatch(mnemonic):
        return "it is a time stamp of Windows DNS: delete it in every line"
    return _RECORDS.get(mnemonic.upper(), "")


def comment(words: Sequence[bytes]) -> str:
    """What to do about a line of these words if it is or ends in a comment of another language; empty: it does not."""
    signs = (sign for word in words for sign in (b"#", b"//", b"/*") if word.startswith(sign))
    sign = b"--" if words and words[0].startswith(b"--") else next(signs, b"")
    return f"a comment begins with ; and not with {sign.decode('ascii')}" if sign else ""


def encoding(content: bytes) -> str:
    """What to say of content in UTF-16 or UTF-32, or behind a byte order mark; empty: it is none of these.

    The first two are known without a mark, too, by the zeros of their first letters.
    """
    head = content[:200]
    if len(head) > 3 and head.count(0) > len(head) * 2 // 3:
        return _UTF_32
    zeros = max(head[0::2].count(0), head[1::2].count(0))
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or (
        len(head) > 3 and zeros > len(head) // 3
    ):
        return _UTF_16
    return _MARKED if content.startswith(codecs.BOM_UTF8) else ""


def octal_owners(content: bytes) -> Iterator[tuple[int, str]]:
    """Line, and what to write, of each owner that begins with `\\052`: Route 53's "*", and "4" in zone text."""
    if b"\\052" not in content:
        return
    for match in _OCTAL_STAR.finditer(content):
        reason = "\\052 is the digit 4 in zone text: write *, if Route 53 wrote it for that"
        yield content.count(b"\n", 0, match.start()) + 1, reason


def letters(word: bytes) -> str:
    """What is not ASCII in a word, and what to write in its place; empty: unknown."""
    text = _decoded(word)
    if odd := _ODD.search(text):
        what, remedy = _LETTERS[odd[0]]
        return f"{what} (U+{ord(odd[0]):04X}): {remedy}"
    if not text.isascii() and text.isprintable():
        return (
            f"an international name has its xn-- form here, and other text stands in quotes: write {xn(text)}"
        )
    return ""


def curly(octets: bytes) -> str:
    """The letters in a text that look like plain quotes and blanks and are not, and what to write; empty: none."""
    odd = _CURLY.search(_decoded(octets))
    if odd is None:
        return ""
    what, remedy = _LETTERS[odd[0]]
    return f"{what} (U+{ord(odd[0]):04X}): {remedy}, if that was meant"


def xn(name: str) -> str:
    """A name with each international label in its xn-- form, in lower case and composed (NFC)."""
    return ".".join(map(_xn_label, name.split(".")))


def _xn_label(label: str) -> str:
    if label.isascii():
        return label
    return "xn--" + unicodedata.normalize("NFC", label.lower()).encode("punycode").decode("ascii")


def _decoded(octets: bytes) -> str:
    """Octets as UTF-8, else as Windows has them in Western Europe."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")
