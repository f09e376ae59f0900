"""The configuration of servers: a struct for each table of its file, and the values that its settings have.

    [http]   [hosting]   [dns]   [dns.rate]   [replicate]   [group]   [nats]   [log]      settings, each with a default
    [[zone]]   [[acl]]                                     lists of tables; of the zones the first that matches counts
    [keys]   [keys.NAME]                                   files of keys, and keys by name

`xferzone.loading` reads it. A secret is never written in the file, only where it is (secret.py).
"""

import ipaddress
import re
import socket
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from xferzone.secret import Secret

MAX_WORKERS: Final = 256  # processes; more than any machine this was tried on has cores
MAX_THREADS: Final = 900  # of a worker; gunicorn takes 1,000 connections a worker, and some of them only wait
MAX_CACHE_MIB: Final = 65_536
MAX_OPEN: Final = 10_000  # repositories of a worker
SHORTEST_S: Final = 0.1  # seconds of a setting; a mirror that polls more often loads its primary for nothing
LONGEST_S: Final = 3600.0
MAX_RATE: Final = 1_000_000  # answers a second; more than a process gives
MAX_ENDPOINTS: Final = 16  # of etcd, as refs/gateway.py has it
MAX_TEXT: Final = 255  # octets of a character string, RFC 1035 3.3
DNS_PORT: Final = 53
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Address(tuple[str, int]):
    """A numeric host, with a %scope if it is link-local, and a port from 1 to 65535.

    A tuple and not a dataclass: msgspec would decode a dataclass by itself, from a table.
    """

    __slots__ = ()

    def __new__(cls, host: str, port: int) -> "Address":
        return super().__new__(cls, (host, port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def host(self) -> str:
        return self[0]

    @property
    def port(self) -> int:
        return self[1]

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def is_wildcard(self) -> bool:
        return ipaddress.ip_address(self.host).is_unspecified


def parse_address(text: str) -> Address:
    """The address that `text` writes: 127.0.0.1:5300, [::1]:5300 or localhost:5300.

    Raises:
        ValueError: it is not an address; says what one looks like.
    """
    host, colon, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        if not (colon and port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
            raise ValueError("no port")
        parsed = ipaddress.ip_address(host[1:-1] if bracketed else host)
        if bracketed != (parsed.version == 6):
            raise ValueError("brackets are for IPv6")
        mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    except ValueError as exc:
        raise ValueError(
            f"{text!r} is not an address to listen on: write 127.0.0.1:5300 or [::1]:5300"
        ) from exc
    if mapped is not None:  # a socket that takes IPv6 only cannot be bound to it
        raise ValueError(f"{text!r} is an IPv4 address in IPv6 form: write {mapped}:{port}")
    return Address(str(parsed), int(port))


class Server(Address):
    """The address of a DNS server; written without a port it is DNS_PORT."""

    __slots__ = ()


def parse_server(text: str) -> Server:
    """The server that `text` writes: 192.0.2.1, 192.0.2.1:5300, 2001:db8::1 or [2001:db8::1]:5300.

    Raises:
        ValueError: it is none of these.
    """
    try:
        host = str(ipaddress.ip_address(text))
    except ValueError:
        try:
            return Server(*parse_address(text))
        except ValueError as exc:
            raise ValueError(
                f"{text!r} is not the address of a server: write 192.0.2.1, 192.0.2.1:5300 or [2001:db8::1]:5300"
            ) from exc
    return Server(*parse_address(f"[{host}]:{DNS_PORT}" if ":" in host else f"{host}:{DNS_PORT}"))


class Network:
    """A block of addresses, such as 127.0.0.0/8, or a single one."""

    __slots__ = ("_block",)

    def __init__(self, text: str) -> None:
        """Raises ValueError where `text` is neither."""
        try:
            self._block = ipaddress.ip_network(text)
        except ValueError as exc:
            raise ValueError(f"{text!r} is not a network: write 10.0.0.0/8, fd00::/8 or an address") from exc

    def __contains__(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return address in self._block

    def __str__(self) -> str:
        return str(self._block)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self._block == other._block

    def __hash__(self) -> int:
        return hash(self._block)


class Duration:
    """A time: 500ms, 5s, 1m; between SHORTEST_S and LONGEST_S."""

    __slots__ = ("_text", "seconds")

    def __init__(self, text: str) -> None:
        """Raises ValueError where `text` is not one."""
        found = re.fullmatch(r"(\d{1,9})(ms|s|m|h)", text, re.ASCII)
        if found is None:
            raise ValueError(f"{text!r} is not a time: write 500ms, 5s or 1m")
        self._text = text
        self.seconds = int(found[1]) * _UNITS[found[2]]
        if not SHORTEST_S <= self.seconds <= LONGEST_S:
            raise ValueError(f"{text} is out of range: write a time from 100ms to 1h")

    def __str__(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Duration) and self.seconds == other.seconds

    def __hash__(self) -> int:
        return hash(self.seconds)


class Grant:
    """Who may: 192.0.2.0/24 is a network, key:NAME a TSIG key, acl:NAME what [[acl]] calls so."""

    __slots__ = ("acl", "key", "network")

    def __init__(self, text: str) -> None:
        """Raises ValueError where `text` is none of these."""
        kind, _, name = text.partition(":")
        self.key = name if kind == "key" and name else None
        self.acl = name if kind == "acl" and name else None
        try:
            self.network = None if self.key or self.acl else Network(text)
        except ValueError as exc:
            raise ValueError(f"{text!r} is not a network, key:NAME or acl:NAME") from exc

    def __str__(self) -> str:
        return f"key:{self.key}" if self.key else f"acl:{self.acl}" if self.acl else str(self.network)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grant) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


class KeyFile(Secret):
    """A file of keys, or of certificates: its path, relative to the configuration file, or where a secret is."""

    __slots__ = ()


class Directory(str):
    """The path of a directory, relative to the configuration file where it stands in that."""

    __slots__ = ()


Workers = Annotated[int, Meta(ge=1, le=MAX_WORKERS)]
Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Listen = Annotated[tuple[Address, ...], Meta(min_length=1)]


class Http(Struct, frozen=True):
    """[http]: `trusted` proxies are believed when they name the client they forward."""

    listen: Listen = (Address("127.0.0.1", 8080),)
    workers: Workers = 1
    threads: Annotated[int, Meta(ge=1, le=MAX_THREADS)] = 64  # of a worker
    trusted: tuple[Network, ...] = (Network("127.0.0.0/8"), Network("::1"))
    cache_mib: Annotated[int, Meta(ge=1, le=MAX_CACHE_MIB)] = (
        32  # MiB of expanded contents that a worker keeps
    )


class Hosting(Struct, frozen=True):
    """[hosting]: `repository_root` None: one repository is served, else all in that directory. `listen`: the only
    addresses that tell how such a server stands; none: nothing does. `open`: repositories that a worker keeps open."""

    repository_root: Directory | None = None
    listen: tuple[Address, ...] = ()
    open: Annotated[int, Meta(ge=1, le=MAX_OPEN)] = 64


class Rate(Struct, frozen=True):
    """[dns.rate]: `enabled` None: where an address of [dns] is not loopback."""

    enabled: bool | None = None
    per_second: Annotated[int, Meta(ge=1, le=MAX_RATE)] = 200
    slip: Annotated[int, Meta(ge=0, le=10)] = 2  # BIND's bounds
    exempt: tuple[Network, ...] = (Network("127.0.0.0/8"), Network("::1"))


class Dns(Struct, frozen=True):
    """[dns]: `workers` None: one a core; `zones` None: all that are published. What answers say of this server, `nsid`,
    `version` and `identity`: None: nothing. `cookies` None: secrets by chance, at each start."""

    listen: Listen = (Address("127.0.0.1", 5300),)
    workers: Workers | None = None
    zones: tuple[str, ...] | None = None
    nsid: Text | None = None
    version: Text | None = None
    identity: Text | None = None
    cookies: Secret | None = None
    log_each: Annotated[int, Meta(ge=0)] = 0  # one of so many questions is logged; 0: none
    rate: Rate = Rate()


class Replicate(Struct, frozen=True):
    """[replicate]: `listen`: the only addresses that answer the walk; none: those of [http] do. `primaries`: URLs that
    a mirror follows, in the order in which they are asked; none: nobody. `login` None: that of the URL, else none."""

    listen: tuple[Address, ...] = ()
    primaries: tuple[str, ...] = ()
    interval: Duration = Duration("5s")
    via: Literal["walk", "xfer"] = "walk"
    through_cache: bool = False  # artifacts are asked for one by one
    login: str | None = None
    password: Secret | None = None


class Group(Struct, frozen=True):
    """[group]: a member's share in its group; what is given wins over what `group join` has kept. `etcd`: URLs of its
    endpoints; `copies` is the group's, and taken by `group join` alone."""

    etcd: Annotated[tuple[str, ...], Meta(max_length=MAX_ENDPOINTS)] = ()
    prefix: str | None = None
    name: str | None = None
    url: str | None = None
    copies: Annotated[int, Meta(ge=1, le=16)] | None = None
    user: str | None = None
    password: Secret | None = None
    ca: KeyFile | None = None
    certificate: KeyFile | None = None
    key: KeyFile | None = None


class Nats(Struct, frozen=True):
    """[nats]: `url` None: no requests are taken by NATS. The account there, or `token`, and files for TLS are for
    clients, too."""

    url: str | None = None
    user: str | None = None
    password: Secret | None = None
    token: Secret | None = None
    ca: KeyFile | None = None
    certificate: KeyFile | None = None
    key: KeyFile | None = None


class Log(Struct, frozen=True):
    """[log]: what servers write to stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Canary(Struct, frozen=True):
    """`canary` of a [[zone]]: `percent` of the clients get another branch."""

    branch: str
    percent: Annotated[float, Meta(ge=0, le=100)]
    salt: str = ""
    ecs_from: tuple[Network, ...] = ()

    def __post_init__(self) -> None:
        if self.hundredths / 100 != self.percent:
            raise ValueError(f"percent: {self.percent} has more than two decimals")

    @property
    def hundredths(self) -> int:
        """Of a percent, 0 to 10,000."""
        return round(self.percent * 100)


class Notified(Struct, frozen=True):
    """One of `also_notify`: a server, and the key that signs what it is told; None: unsigned."""

    address: Server
    key: str | None = None

    def __str__(self) -> str:
        return str(self.address) if self.key is None else f"{self.address} key:{self.key}"


class Zone(Struct, frozen=True):
    """[[zone]]: what holds for the zones of that name; `name`: a zone, `*.` and one for all below it, `*`, or several.

    `at` None: the tip of `branch`.
    """

    name: str | tuple[str, ...]
    branch: str = "main"
    canary: Canary | None = None
    at: str | None = None
    transfer: tuple[Grant, ...] = ()
    notify: Literal["off", "ns"] = "off"  # ns: the addresses of the zone's NS records
    also_notify: tuple[Notified, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,) if isinstance(self.name, str) else self.name


class Acl(Struct, frozen=True):
    """[[acl]]: from one of `networks`, and signed by one of `keys`; what is empty asks for nothing."""

    name: str
    networks: tuple[Network, ...] = ()
    keys: tuple[str, ...] = ()


class Key(Struct, frozen=True):
    """[keys.NAME]: of TSIG."""

    secret: Secret
    algorithm: str = "hmac-sha256"


class Keys(Struct, frozen=True):
    """[keys]: `files` with keys in BIND's form, and those that stand here, by name."""

    files: tuple[KeyFile, ...] = ()
    named: dict[str, Key] = {}


class Config(Struct, frozen=True):
    """All of it."""

    http: Http = Http()
    hosting: Hosting = Hosting()
    dns: Dns = Dns()
    replicate: Replicate = Replicate()
    group: Group = Group()
    nats: Nats = Nats()
    log: Log = Log()
    zone: tuple[Zone, ...] = ()
    acl: tuple[Acl, ...] = ()
    keys: Keys = Keys()
