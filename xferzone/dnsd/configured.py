"""The terms of DNS as the configuration says them: names looked up, patterns ordered, secrets revealed.

    [keys.NAME], [keys] files ──> keys ──┐
    [[acl]] ─────────────────────────────┼──> [[zone]] ──> ZoneTerms, one for each name ──> Terms
    [dns], [dns.rate] ───────────────────┘                                                  options

A rule of `transfer` is met by whoever comes from its network, or signs with its key; one of [[acl]] asks for both where
it has both.
"""

import base64
import binascii
import dataclasses
import ipaddress
from collections.abc import Iterator, Mapping
from typing import Final

import dns.exception
import dns.name

from xferzone import config
from xferzone.config import Config
from xferzone.dnsd import keyfile
from xferzone.dnsd.terms import Allowed, Canary, Key, Options, Rate, Target, Terms, ZoneTerms
from xferzone.errors import UsageError
from xferzone.loading import Loaded
from xferzone.nameserver.tsig import WIRE_NAMES
from xferzone.tomltext import Path as At
from xferzone.zonefile.names import parse_zone

COOKIE_SECRET: Final = 16  # octets; RFC 9018 4
MAX_COOKIES: Final = 2  # secrets; the one in use, and the one before or after it


def terms(loaded: Loaded[Config], environ: Mapping[str, str]) -> tuple[Terms, list[str]]:
    """The terms that a configuration gives, and a line for each name in it that no zone can match.

    Raises:
        UsageError: a line for each fault, with where it is.
    """
    return _Making(loaded, environ).made()


class _Making:
    def __init__(self, loaded: Loaded[Config], environ: Mapping[str, str]) -> None:
        self._loaded = loaded
        self._config = loaded.config
        self._environ = environ
        self._faults: list[str] = []
        self._keys: dict[bytes, Key] = {}
        self._acls: dict[str, Allowed] = {}

    def made(self) -> tuple[Terms, list[str]]:
        self._read_keys()
        for number, acl in enumerate(self._config.acl):
            self._read_acl(number, acl)
        zones: list[tuple[str, ZoneTerms]] = []
        places: list[At] = []  # of each of them
        for number, zone in enumerate(self._config.zone):
            of_zone = self._zone(number, zone)
            is_list = not isinstance(zone.name, str)
            for index, name in enumerate(zone.names):
                places.append(("zone", number, "name", *([index] if is_list else [])))
                if pattern := self._pattern(name, places[-1]):
                    zones.append((pattern, of_zone))
        found = Terms(self._only(), tuple(zones), self._keys, self._options())
        if self._faults:
            raise UsageError("\n".join(dict.fromkeys(self._faults)))  # an option is the same in each zone
        return found, list(self._never(found, places))

    def _never(self, found: Terms, places: list[At]) -> Iterator[str]:
        """The complaints about patterns that an earlier one leaves nothing."""
        for at, (pattern, _) in enumerate(found.zones):
            first = found.place(pattern)
            if first is not None and first < at:
                where = self._loaded.origin(*places[first])
                why = f"{pattern} is never used: {found.zones[first][0]} at {where} comes first"
                yield self._loaded.told(*places[at], why=why)

    def _fault(self, at: At, why: object) -> None:
        self._faults.append(self._loaded.told(*at, why=why))

    def _only(self) -> frozenset[str] | None:
        names = self._config.dns.zones
        found = set()
        for name in names or ():
            try:
                found.add(parse_zone(name))
            except UsageError as exc:
                self._fault(("dns", "zones"), exc)
        return None if names is None else frozenset(found)

    def _pattern(self, name: str, at: At) -> str:
        """The pattern of zone ids that a name stands for. Empty: it is not one."""
        if name == "*":
            return name
        try:
            if not name.startswith("*."):
                return parse_zone(name)
            # What begins a zone id may be escaped there, and is not where another label comes first.
            return f"*{parse_zone(f'x{name[1:]}')[1:]}"
        except UsageError as exc:
            self._fault(at, exc)
            return ""

    def _read_keys(self) -> None:
        for name, key in self._config.keys.named.items():
            algorithm = self._algorithm(("keys", name, "algorithm"), name, key.algorithm)
            at: At = ("keys", name, "secret")
            try:
                self._add_key(at, name, algorithm, key.secret.reveal(self._environ))
            except UsageError as exc:
                self._fault(at, exc)
        for number, file in enumerate(self._config.keys.files):
            at = ("keys", "files", number)
            try:
                for found in keyfile.keys(file.reveal(self._environ)):
                    algorithm = self._algorithm(at, found.name, found.algorithm)
                    self._add_key(at, found.name, algorithm, found.secret)
            except (UsageError, ValueError) as exc:
                self._fault(at, f"{file.at.name}: {exc}" if isinstance(exc, ValueError) else exc)

    def _algorithm(self, at: At, name: str, algorithm: str) -> bytes:
        """The algorithm of a key as it is on the wire; empty: it is not known, which is a fault."""
        wire = WIRE_NAMES.get(algorithm.lower().removesuffix("."), b"")
        if not wire:
            self._fault(at, f"key {name}: algorithm {algorithm!r} is not one of {', '.join(WIRE_NAMES)}")
        return wire

    def _add_key(self, at: At, name: str, algorithm: bytes, secret: str) -> None:
        try:
            wire = _wire(name)
            octets = base64.b64decode("".join(secret.split()), validate=True)
        except binascii.Error:
            self._fault(at, f"the secret of key {name} is not base64")  # and is not shown
        except ValueError as exc:
            self._fault(at, exc)
        else:
            if not octets:
                self._fault(at, f"the secret of key {name} is empty")
            elif wire in self._keys:
                self._fault(at, f"key {name} is there twice")
            self._keys[wire] = Key(wire, algorithm, octets)

    def _key(self, at: At, name: str) -> Key | None:
        """The key of that name. None: there is none, which is a fault."""
        try:
            found = self._keys.get(_wire(name))
        except ValueError as exc:
            self._fault(at, exc)
            return None
        if found is None:
            self._fault(at, f"no key {name}: write [keys.{_quoted(name)}], or name its file in [keys] files")
        return found

    def _read_acl(self, number: int, acl: config.Acl) -> None:
        at = ("acl", number)
        keys = [self._key((*at, "keys", index), name) for index, name in enumerate(acl.keys)]
        if acl.name in self._acls:
            self._fault((*at, "name"), f"{acl.name} is there twice")
        if not (acl.networks or acl.keys):
            self._fault(at, f"{acl.name} has neither networks nor keys: everybody would match")
        self._acls[acl.name] = Allowed(
            acl.networks, frozenset(key.name for key in keys if key), f"acl {acl.name}"
        )

    def _zone(self, number: int, zone: config.Zone) -> ZoneTerms:
        at = ("zone", number)
        transfer = [
            self._allowed((*at, "transfer", index), grant) for index, grant in enumerate(zone.transfer)
        ]
        canary = zone.canary
        return ZoneTerms(
            zone.branch,
            None
            if canary is None
            else Canary(canary.branch, canary.hundredths, canary.salt.encode(), canary.ecs_from),
            zone.at,
            tuple(each for each in transfer if each is not None),
            zone.notify == "ns",
            tuple(
                Target(each.address, self._key((*at, "also_notify", index), each.key) if each.key else None)
                for index, each in enumerate(zone.also_notify)
            ),
        )

    def _allowed(self, at: At, grant: config.Grant) -> Allowed | None:
        """The rule that a word of `transfer` makes; None: it has a fault."""
        rule = f"{grant} ({self._loaded.origin(*at)})"
        if grant.acl is not None:
            if grant.acl not in self._acls:
                self._fault(at, f"no [[acl]] has the name {grant.acl}")
                return None
            return dataclasses.replace(self._acls[grant.acl], rule=rule)
        if grant.key is not None:
            key = self._key(at, grant.key)
            return None if key is None else Allowed((), frozenset((key.name,)), rule)
        assert grant.network is not None
        return Allowed((grant.network,), frozenset(), rule)

    def _options(self) -> Options:
        found = self._config.dns
        rate, is_limited = found.rate, found.rate.enabled
        if is_limited is None:
            is_limited = not all(ipaddress.ip_address(each.host).is_loopback for each in found.listen)
        return Options(
            (found.nsid or "").encode(),
            found.version or "",
            found.identity or "",
            self._cookies(),
            Rate(rate.per_second, rate.slip, rate.exempt) if is_limited else None,
            found.log_each,
        )

    def _cookies(self) -> tuple[bytes, ...]:
        secret = self._config.dns.cookies
        if secret is None:
            return ()
        try:
            words = secret.reveal(self._environ).split()
            found = tuple(map(bytes.fromhex, words))
        except UsageError as exc:
            self._fault(("dns", "cookies"), exc)
            return ()
        except ValueError:
            found = ()
        if not 1 <= len(found) <= MAX_COOKIES or {*map(len, found)} != {COOKIE_SECRET}:
            self._fault(
                ("dns", "cookies"), f"{secret} does not hold one or two secrets of 32 hex digits, a line each"
            )
        return found


def _wire(name: str) -> bytes:
    """The wire form of a key's name, in lower case. Raises ValueError: it is not a name."""
    try:
        found = dns.name.from_text(name.lower()).to_wire()
    except (dns.exception.DNSException, UnicodeError) as exc:
        raise ValueError(f"{name!r} is not the name of a key: {exc}") from exc
    assert found is not None
    return found


def _quoted(name: str) -> str:
    return f'"{name}"' if "." in name else name
