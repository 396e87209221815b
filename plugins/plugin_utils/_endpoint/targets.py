# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user names as endpoints, as single questions."""

from __future__ import annotations

import itertools
import re
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.starttls import PROTOCOLS
from ansible_collections.certops.fleet.plugins.module_utils._host.tls import STARTTLS_PORTS
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.networks import netaddr
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import endpoint_place
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.names import InvalidNameError, canonical_name

ACCEPTED = "a name or an address with or without ports, a URL, a network such as 192.0.2.0/24 or a range such as 192.0.2.10-192.0.2.20"
# Port, and the conversation before TLS: none with the schemes that begin in TLS.
SCHEMES = {
    "https": (443, ""),
    "wss": (443, ""),
    "ldaps": (636, ""),
    "smtps": (465, ""),
    "imaps": (993, ""),
    "pop3s": (995, ""),
    "ftps": (990, ""),
    "nntps": (563, ""),
    "ircs": (6697, ""),
    "amqps": (5671, ""),
    "mqtts": (8883, ""),
    "rediss": (6379, ""),
    "tls": (443, ""),
    "ftp": (21, "ftp"),
    "imap": (143, "imap"),
    "irc": (6667, "irc"),
    "ldap": (389, "ldap"),
    "mysql": (3306, "mysql"),
    "nntp": (119, "nntp"),
    "pop3": (110, "pop3"),
    "postgres": (5432, "postgres"),
    "postgresql": (5432, "postgres"),
    "sieve": (4190, "sieve"),
    "smtp": (25, "smtp"),
    "xmpp": (5222, "xmpp"),
}
STARTTLS = ("auto", "none", *sorted(PROTOCOLS))
_RANGE = re.compile(r"([0-9A-Fa-f.:]+)-([0-9A-Fa-f.:]+)")
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


class TargetError(ValueError):
    """What was named cannot be looked at; the text says what is accepted."""


@dataclass(frozen=True, slots=True)
class Target:
    """One question: who answers there, asked for this name. Equal questions are one, wherever they come from."""

    host: str
    port: int
    name: str
    starttls: str

    @property
    def place(self) -> str:
        """As a reader knows it."""
        return endpoint_place(self.host, self.port, self.name)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a question comes from: the host of Ansible's inventory it was asked for, and whether it was named by itself, so that silence is worth a line."""

    inventory_host: str | None = None
    named: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """What holds for all that is named: ports where none is given, names to ask for instead of the target's own, the conversation before TLS."""

    ports: tuple[int, ...]
    names: tuple[str, ...]
    starttls: str
    limit: int

    @classmethod
    def from_args(cls, args: t.Mapping[str, t.Any]) -> Wanted:
        return cls(
            ports=tuple(dict.fromkeys(itertools.chain.from_iterable(parse_ports(text, "ports") for text in args["ports"]))),
            names=tuple(_name(text, "names") for text in args["names"]),
            starttls=args["starttls"],
            limit=args["max_endpoints"],
        )


def expand(targets: t.Iterable[str], hosts: t.Iterable[tuple[str, str]], wanted: Wanted) -> dict[Target, Origin]:
    """Every question once, in the order given. ``hosts`` are those of Ansible's inventory, by name and by the address that Ansible connects to."""
    found: dict[Target, Origin] = {}
    every = itertools.chain.from_iterable(_of_text(text, wanted) for text in targets)
    for target, origin in itertools.chain(every, itertools.chain.from_iterable(_of_host(name, address, wanted) for name, address in hosts)):
        found.setdefault(target, origin)
        if len(found) > wanted.limit:
            raise _too_many(wanted.limit)
    return found


def parse_ports(text: str, of: str) -> tuple[int, ...]:
    """The ports of a text such as C(443), C(443,8443) or C(8000-8010)."""
    ports: list[int] = []
    for part in text.split(","):
        match = _PORTS.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= 65535:
            raise TargetError(f"{of}: {text!r} must be ports from 1 to 65535 such as '443', '443,8443' or '8000-8010'")
        ports.extend(range(first, last + 1))
    return tuple(ports)


def _of_text(text: str, wanted: Wanted) -> t.Iterator[tuple[Target, Origin]]:
    if "://" in text:
        host, ports, starttls = _of_url(text)
    else:
        bare, named_ports = _divided(text)
        host, starttls = bare, None
        ports = parse_ports(named_ports, f"target {_shown(text)}") if named_ports else wanted.ports
    for address, named in _addresses(host, text, wanted.limit):
        origin = Origin(named=named)
        own = "" if _is_address(address.partition("%")[0]) else address
        yield from ((target, origin) for target in _questions(address, ports, wanted, own=own, starttls=starttls))


def _of_host(name: str, address: str, wanted: Wanted) -> t.Iterator[tuple[Target, Origin]]:
    """A host of Ansible's inventory: connected to where Ansible does, asked for its name where that is one of the DNS."""
    host = list(_addresses(address, address, wanted.limit))[0][0]  # noqa: RUF015 (pylint sees a StopIteration of this generator in next())
    own = host if not _is_address(host) else ""
    if not own and "." in name:
        try:
            own = canonical_name(name).text
        except InvalidNameError:
            own = ""
        own = "" if _is_address(own) else own
    yield from ((target, Origin(inventory_host=name)) for target in _questions(host, wanted.ports, wanted, own=own, starttls=None))


def _questions(host: str, ports: t.Iterable[int], wanted: Wanted, *, own: str, starttls: str | None) -> t.Iterator[Target]:
    for port in ports:
        spoken = _conversation(wanted.starttls, port) if starttls is None else starttls
        for name in wanted.names or (own,):
            yield Target(host, port, name, spoken)


def _conversation(asked: str, port: int) -> str:
    if asked == "auto":
        return STARTTLS_PORTS.get(port, "")
    return "" if asked == "none" else asked


def _of_url(text: str) -> tuple[str, tuple[int, ...], str]:
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise _refused(text) from None
    if parts.scheme not in SCHEMES:
        raise TargetError(f"target {_shown(text)} has the scheme {parts.scheme!r}, accepted are {', '.join(sorted(SCHEMES))}")
    if not host or parts.username is not None or parts.password is not None or port == 0:
        raise TargetError(f"target {_shown(text)} must have a host, and no user or password")
    usual, starttls = SCHEMES[parts.scheme]
    return host, (port or usual,), starttls


def _divided(text: str) -> tuple[str, str]:
    """Host, network or range, and the ports behind it; a bare IPv6 address has none."""
    match = re.fullmatch(r"\[([^\[\]]*)\](?::(.*))?", text)
    if match:
        return match[1], match[2] or ""
    if text.count(":") > 1:
        return text, ""
    host, colon, ports = text.partition(":")
    if colon and not ports:
        raise _refused(text)
    return host, ports


def _addresses(host: str, text: str, limit: int) -> t.Iterator[tuple[str, bool]]:
    """Each address or name, and whether it was named by itself."""
    match = _RANGE.fullmatch(host)
    if "/" in host:
        yield from ((str(address), False) for address in _network(host, text, limit))
    elif match and _is_address(match[1]):
        yield from ((str(address), False) for address in _range((match[1], match[2]), text, limit))
    elif "%" in host and _is_address(host.partition("%")[0]):
        yield host, True  # an address with the interface it is on
    else:
        yield _host(host, text), True


def _network(host: str, text: str, limit: int) -> t.Iterator[t.Any]:
    _require()
    try:
        network = netaddr.IPNetwork(host)
    except (netaddr.AddrFormatError, ValueError, TypeError):
        raise _refused(text) from None
    if network.size > limit + 2:  # those of network and broadcast are none
        raise _too_many(limit)
    return t.cast("t.Iterator[t.Any]", network.iter_hosts())


def _range(ends: tuple[str, str], text: str, limit: int) -> t.Iterator[t.Any]:
    """From one address to another, of which the second may be the last number alone."""
    _require()
    first, last = ends
    if last.isdigit() and "." in first:
        last = f"{first.rpartition('.')[0]}.{last}"
    try:
        addresses = netaddr.IPRange(first, last)
    except (netaddr.AddrFormatError, ValueError, TypeError):
        raise _refused(text) from None
    if addresses.size > limit:
        raise _too_many(limit)
    return iter(addresses)


def _host(host: str, text: str) -> str:
    try:
        if "_" in host:  # no host name, and yet there are such
            canonical_name(host.replace("_", "x"))
            return host.lower()
        return canonical_name(host).text
    except InvalidNameError as exc:
        raise TargetError(f"target {_shown(text)} must be {ACCEPTED}" + (f": {exc}" if len(host) <= 200 and "@" not in host else "")) from None


def _name(text: str, of: str) -> str:
    """A name to ask for (RFC 6066 section 3: no address)."""
    name = canonical_name(text)
    if name.kind != "dns":
        raise TargetError(f"{of}: {text!r} must be a DNS name: a server is not asked for an address")
    return name.text


def _is_address(text: str) -> bool:
    try:
        return canonical_name(text).kind == "ip"
    except InvalidNameError:
        return False


def _shown(text: str) -> str:
    """The text for a sentence: not endless, and without what may be a password."""
    bare = re.sub(r"//[^/]*@", "//…@", text)
    return repr(bare if len(bare) <= 200 else f"{bare[:200]}…")


def _refused(text: str) -> TargetError:
    return TargetError(f"target {_shown(text)} must be {ACCEPTED}")


def _too_many(limit: int) -> TargetError:
    counted = "counted as addresses times ports times names"
    return TargetError(f"targets and groups are more than {limit} endpoints, {counted}: name fewer, or raise max_endpoints")


def _require() -> None:
    if netaddr is None:
        raise TargetError("the Python that runs Ansible needs the package 'netaddr' for networks and ranges")
