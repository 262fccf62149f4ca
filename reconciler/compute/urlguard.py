"""Which URLs and addresses the controller may be sent to by the objects it reads.

Not a client and not a resolver: it judges text and addresses, callers connect only to what it passed. Used for
artifacts (exact allow-list entries open loopback and link-local) and for actions (globs may also narrow the hosts).
Invariant: multicast, unspecified, broadcast and reserved addresses are never opened, however they are spelled.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,252}[a-z0-9_])?")
_PART = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_FORBIDDEN_CHARACTERS = re.compile(r"[\x00-\x20\x7f\\]")
#: The well-known prefix of NAT64 (RFC 6052): its last 32 bits are an IPv4 address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Target(NamedTuple):
    """Where a URL leads: `host` in lower case without trailing dot and brackets, `port` always set."""

    scheme: str
    host: str
    port: int


class Refusal(ValueError):
    """The URL or address may not be used; the text is a sentence that names the host and what to do.

    `resolved` is the host, the port and the address that it is about, where an address was judged.
    """

    def __init__(self, text: str, *, resolved: tuple[str, int, str] | tuple[()] = ()) -> None:
        super().__init__(text)
        self.resolved = resolved


def parse_address(host: str) -> IPAddress | None:
    """The address that a host is a spelling of, or None for a name.

    Knows dotted quads, IPv6 (with or without brackets and zone) and every spelling of `inet_aton(3)`: one to four
    parts, each decimal, octal (`0177`) or hexadecimal (`0x7f`), the last one filling the remaining bytes.
    """
    bare = host.strip("[]")
    try:
        return ipaddress.ip_address(bare.split("%", 1)[0])
    except ValueError:
        return _inet_aton(bare)


def _inet_aton(host: str) -> ipaddress.IPv4Address | None:
    parts = host.split(".")
    if len(parts) > 4 or not all(_PART.fullmatch(part) and len(part) <= 64 for part in parts):
        return None
    try:
        numbers = [_c_integer(part) for part in parts]
    except ValueError:
        return None
    *leading, last = numbers
    if any(number > 255 for number in leading) or last >= 256 ** (4 - len(leading)):
        return None
    value = last
    for index, number in enumerate(leading):
        value += number << (24 - 8 * index)
    return ipaddress.IPv4Address(value)


def _c_integer(part: str) -> int:
    if part[:2].lower() == "0x":
        return int(part[2:] or "0", 16)
    return int(part, 8) if part[0] == "0" else int(part)


def _embedded(address: IPAddress) -> IPAddress:
    """The IPv4 address inside an IPv6 one (mapped, 6to4, NAT64, compatible form), else the address itself."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address.sixtofour:
        return address.sixtofour
    if address in _NAT64 or 1 < int(address) < 2**32:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def address_class(address: IPAddress) -> str:
    """`loopback`, `link-local`, `multicast`, `unspecified`, `reserved`, or empty for an address that may be used.

    Private ranges may be used: sources usually live in the cluster.
    """
    inner = _embedded(address)
    if inner.is_loopback or address.is_loopback:
        return "loopback"
    if inner.is_link_local or address.is_link_local:
        return "link-local"
    if inner.is_multicast:
        return "multicast"
    if inner.is_unspecified or (inner.version == 4 and int(inner) < 2**24):
        return "unspecified"
    return "reserved" if inner.version == 4 and inner.is_reserved else ""


def split_url(url: str) -> SplitResult:
    """The parts of an absolute http(s) URL. Raises `Refusal` when it is anything else, or could be read in two ways."""
    if _FORBIDDEN_CHARACTERS.search(url):
        raise Refusal("the URL holds a space, a control character or a backslash: write it percent-encoded")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise Refusal(f"{display(url)} is not a URL: write http(s)://host[:port]/path") from None
    if parts.scheme not in _PORTS:
        raise Refusal(f"the scheme of {display(url)} is {parts.scheme or 'missing'}: only http and https are fetched")
    if not parts.hostname:
        raise Refusal(f"{display(url)} names no host: write {parts.scheme}://host[:port]/path")
    return parts


def display(url: str) -> str:
    """The URL for a message: without credentials, query and fragment, and at most 300 characters long."""
    shown = bare(url)
    return shown if len(shown) <= 300 else shown[:299] + "…"


def bare(url: str) -> str:
    """The URL for a record: without credentials, query (which may hold some) and fragment."""
    path = re.split(r"[?#]", _FORBIDDEN_CHARACTERS.sub("", url), maxsplit=1)[0]
    return re.sub(r"^([a-zA-Z][a-zA-Z0-9+.-]*:)?//[^/]*@", r"\1//", path)


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """The rules of one kind of request.

    `flag` is the option that a refusal points at. `allowed` are exact entries, `host` or `host:port` (`[v6]:port`):
    they open loopback and link-local for that host. `globs`, when not empty, narrow the hosts to those that match
    one: `*`, `?` and `[a-z]` as in `fnmatch`, on the host name without port and trailing dot.
    """

    flag: str
    allowed: frozenset[str] = frozenset()
    globs: tuple[str, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str], *, flag: str, narrow: bool = False) -> Guard:
        """A guard from the values of a repeated flag; `narrow` makes entries also patterns that hosts must match."""
        cleaned = [entry.strip() for entry in entries if entry.strip()]
        allowed = frozenset(_entry(entry) for entry in cleaned if not re.search(r"[*?]", entry))
        return cls(flag=flag, allowed=allowed, globs=tuple(cleaned) if narrow else ())

    def check_url(self, url: str) -> Target:
        """Where the URL leads, or `Refusal`. A host that is a literal address is judged here, a name once it is
        resolved.
        """
        parts = split_url(url)
        host = (parts.hostname or "").rstrip(".").lower()
        target = Target(parts.scheme, host, parts.port or _PORTS[parts.scheme])
        self._check_listed(target)
        address = parse_address(host)
        if address is not None:
            self.check_address(target.host, target.port, address)
            return target
        if not _HOST.fullmatch(host):
            raise Refusal(
                f"the host of {display(url)} is not a DNS name or an IP address: write it in ASCII (xn--…), "
                "without escapes"
            )
        if (host == "localhost" or host.endswith(".localhost")) and not self.opens(host, target.port):
            raise Refusal(self._sentence(host, target.port, "is this machine (loopback)"))
        return target

    def _check_listed(self, target: Target) -> None:
        listed = not self.globs or self.opens(target.host, target.port)
        if not listed and not any(fnmatchcase(target.host, glob) for glob in self.globs):
            raise Refusal(
                f"the host {target.host} matches no entry of {self.flag}: use a listed host, or start the controller "
                f"with {self.flag}={target.host}"
            )

    def check_address(self, host: str, port: int, address: IPAddress) -> None:
        """Raises `Refusal` unless the address, to which `host` resolved (or which it spells), may be connected to."""
        kind = address_class(address)
        if not kind:
            return
        what = f"is {kind}" if host == str(address) else f"leads to {address}, which is {kind}"
        if kind not in ("loopback", "link-local"):
            raise Refusal(
                f"the host {host} {what}: such addresses are never connected to; use the address of the server",
                resolved=(host, port, str(address)),
            )
        if not self.opens(host, port) and not self.opens(str(address), port):
            raise Refusal(self._sentence(host, port, what), resolved=(host, port, str(address)))

    def opens(self, host: str, port: int) -> bool:
        """Whether an exact entry names this host, alone or with this port."""
        name = _canonical(host)
        return name in self.allowed or f"{name}:{port}" in self.allowed

    def _sentence(self, host: str, port: int, what: str) -> str:
        name = _canonical(host)
        return (
            f"the host {host} {what}, and refused by default: use another address, or start the controller with "
            f"{self.flag}={name}:{port} (or {self.flag}={name})"
        )


def _canonical(host: str) -> str:
    address = parse_address(host)
    if address is None:
        return host.rstrip(".").lower()
    return f"[{address}]" if address.version == 6 else str(address)


def _entry(entry: str) -> str:
    """An allow-list entry in the form that `opens` compares: bracketed IPv6, canonical IPv4, names in lower case."""
    if entry.startswith("[") or entry.count(":") > 1:
        host, _, port = entry.rpartition("]:") if "]:" in entry else (entry, "", "")
        return _canonical(host.strip("[]")) + (f":{port}" if port else "")
    host, _, port = entry.partition(":")
    return _canonical(host) + (f":{port}" if port else "")
