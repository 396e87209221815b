# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Name constraints of a CA (RFC 5280 section 4.2.1.10): subtrees of DNS names and networks."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import x509
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.names import Name, canonical_name

NETWORKS = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


class ConstraintError(ValueError):
    """A constraint that cannot be read."""


@dataclass(frozen=True, slots=True)
class Constraints:
    """Subtrees as text: `example.com` (the name and all below it), `10.0.0.0/8`. Empty tuples mean: no constraint."""

    permitted: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.permitted or self.excluded)

    def allows(self, name: Name) -> bool:
        """Tell whether a certificate with that name passes: a kind of name that `permitted` does not have is not permitted at all."""
        if any(_covers(subtree, name) for subtree in self.excluded):
            return False
        return not self.permitted or any(_covers(subtree, name) for subtree in self.permitted)

    def extension(self) -> t.Any:
        """Return the extension's value. What nothing permits is excluded by name, because RFC 5280 leaves an unlisted kind unconstrained."""
        permitted = [_general_name(subtree) for subtree in self.permitted]
        excluded = [_general_name(subtree) for subtree in self.excluded]
        if permitted:
            versions = {_network(subtree).version for subtree in self.permitted if _network(subtree)}
            excluded += [x509.IPAddress(network) for network in NETWORKS if network.version not in versions]
            excluded += [] if any(isinstance(name, x509.DNSName) for name in permitted) else [x509.DNSName("")]
        return x509.NameConstraints(permitted or None, excluded or None)


def _network(subtree: str) -> t.Any:
    return ipaddress.ip_network(subtree) if "/" in subtree else None


def _general_name(subtree: str) -> t.Any:
    return x509.IPAddress(_network(subtree)) if "/" in subtree else x509.DNSName(subtree)


def _covers(subtree: str, name: Name) -> bool:
    network = _network(subtree)
    if (network is not None) != (name.kind == "ip"):
        return False
    if network is not None:
        return ipaddress.ip_address(name.text) in network
    # A wildcard is inside when every name that it stands for is.
    return f".{name.text.removeprefix('*.')}".endswith(f".{subtree}")


def _subtree(value: str, path: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError as exc:
        if "/" in value:
            raise ConstraintError(f"{path} must be a network such as '10.0.0.0/8' without host bits, got {value!r}") from exc
    else:
        return network.compressed
    try:
        return canonical_name(value.removeprefix(".")).text
    except ValueError as exc:
        raise ConstraintError(f"{path} must be a DNS name such as 'example.com' or a network: {exc}") from exc


def parse_constraints(permitted: t.Iterable[str], excluded: t.Iterable[str]) -> Constraints:
    """Return the constraints in canonical form; messages name the option and the index."""
    return Constraints(
        tuple(dict.fromkeys(_subtree(value, f"permitted_names[{index}]") for index, value in enumerate(permitted))),
        tuple(dict.fromkeys(_subtree(value, f"excluded_names[{index}]") for index, value in enumerate(excluded))),
    )


def _text(name: t.Any) -> str:
    return name.value.compressed if isinstance(name, x509.IPAddress) else str(name.value)


def constraints_of(certificate: t.Any) -> Constraints:
    """Return the constraints of a CA certificate, without those that extension() adds for unlisted kinds."""
    try:
        value = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return Constraints()
    permitted = tuple(_text(name) for name in value.permitted_subtrees or ())
    implied = {"", *(network.compressed for network in NETWORKS)} if permitted else set()
    return Constraints(permitted, tuple(text for text in map(_text, value.excluded_subtrees or ()) if text not in implied))
