# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A declared certificate as the host needs to know it."""

import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_bytes

LAYOUTS = ("auto", "in_place", "link", "exchange")
VERIFICATIONS = ("when_seen_before", "required", "none")
ROLLBACKS = ("auto", "always", "never")
_MODE = re.compile("[0-7]{3,4}")


class Role(t.NamedTuple):
    """One file of a certificate: what it holds and where it is."""

    name: str  # certificate, key, chain, fullchain or combined
    path: bytes

    @property
    def secret(self) -> bool:
        """Does the file hold the private key?"""
        return self.name in ("key", "combined")


class Declared(t.NamedTuple):
    """The declaration, checked."""

    name: str
    roles: t.Tuple[Role, ...]
    owner: t.Optional[str]
    group: t.Optional[str]
    mode: t.Optional[str]
    key_mode: t.Optional[str]
    services: t.Optional[t.Tuple[str, ...]]
    verify: str
    layout: str
    rollback: str
    takeover: bool
    check: t.Optional[t.Tuple[str, ...]]
    names: t.Tuple[str, ...]
    listens: bool
    chain_in_certificate: t.Optional[bool]  # None: as the file that is there has it

    def mode_of(self, role: Role) -> t.Optional[str]:
        """Return the mode that is declared for this file; one file of everything may have either."""
        if role.name == "combined":
            return self.key_mode or self.mode
        return self.key_mode if role.name == "key" else self.mode

    def role(self, *names: str) -> t.Optional[Role]:
        """Return the first file of one of these roles."""
        return next((role for role in self.roles if role.name in names), None)


def from_args(args: t.Dict[str, t.Any]) -> Declared:
    """Return the declaration that the controller sent."""
    name = args["name"]
    services, check = args.get("services"), args.get("check")
    in_certificate = args.get("chain_in_certificate", "auto")
    return Declared(
        name=name,
        roles=_roles(name, args),
        owner=args.get("owner"),
        group=args.get("group"),
        mode=_mode(name, "mode", args.get("mode")),
        key_mode=_mode(name, "key_mode", args.get("key_mode")),
        services=None if services is None else tuple(services),
        verify=_choice(name, "verify", args.get("verify"), VERIFICATIONS),
        layout=_choice(name, "layout", args.get("layout"), LAYOUTS),
        rollback=_choice(name, "rollback", args.get("rollback"), ROLLBACKS),
        takeover=bool(args.get("takeover")),
        check=None if not check else tuple(check),
        names=tuple(args.get("names") or ()),
        listens=bool(args.get("listens", True)),
        chain_in_certificate=None if in_certificate in (None, "auto") else bool(in_certificate),
    )


def _roles(name: str, args: t.Dict[str, t.Any]) -> t.Tuple[Role, ...]:
    """Return the files, the key before the certificate: a service that starts between the two finds the old certificate or an error, not a new one alone."""
    certificate, key = _path(name, "certificate_path", args.get("certificate_path")), _path(name, "key_path", args.get("key_path"))
    roles = [Role("combined", certificate)] if certificate == key else [Role("key", key), Role("certificate", certificate)]
    for option in ("chain", "fullchain"):
        if args.get(option + "_path") is not None:
            roles.append(Role(option, _path(name, option + "_path", args[option + "_path"])))
    if len({role.path for role in roles}) < len(roles):
        raise HostError(f"certificate {name!r}: chain_path and fullchain_path must be files of their own")
    return tuple(roles)


def _path(name: str, option: str, value: t.Any) -> bytes:
    path = path_bytes(value) if isinstance(value, str) else b""
    if not path.startswith(b"/") or path.endswith(b"/") or b"\0" in path or {b".", b".."} & set(path.split(b"/")):
        raise HostError(f"certificate {name!r}: {option} must be an absolute path of a file without '.' and '..', got {value!r}")
    return path


def _mode(name: str, option: str, value: t.Any) -> t.Optional[str]:
    if value is not None and not (isinstance(value, str) and _MODE.fullmatch(value)):
        raise HostError(f"certificate {name!r}: {option} must be 3 or 4 octal digits such as '0640', got {value!r}")
    return value


def _choice(name: str, option: str, value: t.Any, choices: t.Sequence[str]) -> str:
    if value is None:
        return choices[0]
    if value not in choices:
        raise HostError(f"certificate {name!r}: {option} must be one of {', '.join(choices)}, got {value!r}")
    return str(value)
