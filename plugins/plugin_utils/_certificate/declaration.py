# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared certificates: the desired state of one host, as C(certops_certificates) gives it."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.declared import LAYOUTS, ROLLBACKS, VERIFICATIONS
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.lifetime import Window, parse_window
from ansible_collections.certops.fleet.plugins.plugin_utils._files.text import octal_mode
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import PROFILES, Profile
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.request import wanted
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.names import Name, canonical_name

PATHS = ("certificate_path", "key_path", "chain_path", "fullchain_path")
KEY_TYPES = ("auto", "ec", "rsa", "ed25519")

# The sub-options of one declared certificate, in the form of ansible-core's argument specs.
OPTIONS: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "required": True},
    "certificate_path": {"type": "str", "required": True},
    "key_path": {"type": "str", "no_log": False},
    "chain_path": {"type": "str"},
    "fullchain_path": {"type": "str"},
    "profile": {"type": "str", "default": "tls_server"},
    "subject": {"type": "dict", "default": {}},
    "key_type": {"type": "str", "default": "auto", "choices": list(KEY_TYPES), "no_log": False},
    "key_size": {"type": "int", "no_log": False},
    "reuse_key": {"type": "bool", "default": False, "no_log": False},
    "renew_before": {"type": "raw"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "raw"},
    "key_mode": {"type": "raw", "no_log": False},
    "services": {"type": "list", "elements": "str"},
    "check": {"type": "list", "elements": "str"},
    "verify": {"type": "str", "default": "when_seen_before", "choices": list(VERIFICATIONS)},
    "layout": {"type": "str", "default": "auto", "choices": list(LAYOUTS)},
    "rollback": {"type": "str", "default": "auto", "choices": list(ROLLBACKS)},
    "takeover": {"type": "bool", "default": False},
    "managed": {"type": "bool", "default": True},
}


class DeclarationError(ValueError):
    """A declaration that cannot be kept, with the path to what is wrong in it."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One declared certificate. Paths are paths of the host; names are canonical; C(mode) is four octal digits or None for C(keep)."""

    name: str
    names: tuple[Name, ...]
    certificate_path: str
    key_path: str | None
    chain_path: str | None
    fullchain_path: str | None
    profile: Profile
    subject: tuple[tuple[str, str], ...]
    key_type: str
    key_size: int | None
    reuse_key: bool
    renew_before: Window
    owner: str | None
    group: str | None
    mode: str | None
    key_mode: str | None
    services: tuple[str, ...] | None
    check: tuple[str, ...] | None
    verify: str
    layout: str
    rollback: str
    takeover: bool
    managed: bool

    def mode_of(self, role: str) -> str | None:
        """The mode that is declared for the file of this role; one file of everything may have either."""
        if role == "combined":
            return self.key_mode or self.mode
        return self.key_mode if role == "key" else self.mode

    def for_host(self) -> dict[str, t.Any]:
        """What the host is told of it: section C(declared) of the exchange."""
        kept = (
            "name",
            "certificate_path",
            "key_path",
            "chain_path",
            "fullchain_path",
            "owner",
            "group",
            "mode",
            "key_mode",
            "verify",
            "layout",
            "rollback",
            "takeover",
        )
        told: dict[str, t.Any] = {field: getattr(self, field) for field in kept}
        told["format"] = "combined" if self.key_path == self.certificate_path else "separate"
        told["services"] = None if self.services is None else list(self.services)
        told["check"] = None if self.check is None else list(self.check)
        told["names"] = [name.text for name in self.names]
        told["listens"] = self.profile.listens
        return told


def _absolute(value: t.Any, path: str) -> str | None:
    if value is None:
        return None
    text = str(value)
    if not text.startswith("/") or "\0" in text or "\n" in text or not {"", ".", ".."}.isdisjoint(text.split("/")[1:]):
        raise DeclarationError(f"{path} must be an absolute path of a file, without '.', '..', '//' and line breaks, got {value!r}")
    return text


def _mode(value: t.Any, path: str) -> str | None:
    """An octal text, or the number that YAML makes of an unquoted 0640."""
    if value is None:
        return None
    mode = octal_mode(value)
    if mode is None:
        raise DeclarationError(f"{path} must be an octal mode such as '0640', got {value!r}")
    return f"{mode:04o}"


def _profile(value: str, path: str) -> Profile:
    if value not in PROFILES:
        raise DeclarationError(f"{path} must be one of {', '.join(sorted(PROFILES))}, got {value!r}")
    return PROFILES[value]


def _names(values: t.Sequence[str], profile: Profile, path: str) -> tuple[Name, ...]:
    names: dict[Name, None] = {}
    for position, value in enumerate(values):
        if value.startswith("*.") and not profile.wildcards:
            raise DeclarationError(f"{path}[{position}] must not be a wildcard: profile {profile.name!r} allows none, got {value!r}")
        try:
            names[canonical_name(value, wildcard=profile.wildcards)] = None
        except ValueError as exc:
            raise DeclarationError(f"{path}[{position}]: {exc}") from exc
    if not names:
        raise DeclarationError(f"{path} must hold at least one DNS name or IP address")
    return tuple(names)


def _key_size(item: t.Mapping[str, t.Any], profile: Profile, path: str) -> int | None:
    size, kind = item.get("key_size"), item["key_type"]
    if size is None:
        return None
    if kind == "auto":
        raise DeclarationError(f"{path}.key_size needs a key_type, got {size!r} alone")
    if kind == "ed25519":
        raise DeclarationError(f"{path}.key_size must be left out for a key 'ed25519', which has one size only, got {size!r}")
    if not profile.allows_key(kind, size):
        raise DeclarationError(f"{path}.key_size: profile {profile.name!r} does not allow a key {kind!r} of {size!r} bits; allowed: {profile.keys_text()}")
    return int(size)


def _subject(values: t.Mapping[str, t.Any], names: t.Sequence[Name], profile: Profile, path: str) -> tuple[tuple[str, str], ...]:
    for key, value in values.items():
        if not isinstance(value, str):
            raise DeclarationError(f"{path}.subject.{key} must be a text, got {value!r}")
    subject = tuple(sorted((str(key), value) for key, value in values.items()))
    try:
        wanted(names, subject, profile)
    except ValueError as exc:
        raise DeclarationError(f"{path}: {exc}") from exc
    return subject


def _window(value: t.Any, profile: Profile, path: str) -> Window:
    return Window(percent=profile.renew_percent) if value is None else parse_window(value, path)


def declared_certificate(item: t.Mapping[str, t.Any], path: str) -> Declared:
    """One item of C(certops_certificates) after its argument check; C(path) such as C(certops_certificates[2]) is used in messages."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", item["name"]):
        raise DeclarationError(f"{path}.name must be letters, digits, '.', '_' and '-', at most 100 and not beginning with a sign, got {item['name']!r}")
    profile = _profile(item["profile"], f"{path}.profile")
    files = {field: _absolute(item.get(field), f"{path}.{field}") for field in PATHS}
    names = _names(item["names"], profile, f"{path}.names")
    plain = {field: item.get(field) for field in ("key_type", "reuse_key", "owner", "group", "verify", "layout", "rollback", "takeover", "managed")}
    return Declared(
        name=item["name"],
        names=names,
        profile=profile,
        subject=_subject(item.get("subject") or {}, names, profile, path),
        key_size=_key_size(item, profile, path),
        renew_before=_window(item.get("renew_before"), profile, f"{path}.renew_before"),
        mode=_mode(item.get("mode"), f"{path}.mode"),
        key_mode=_mode(item.get("key_mode"), f"{path}.key_mode"),
        services=None if item.get("services") is None else tuple(item["services"]),
        check=None if item.get("check") is None else tuple(item["check"]),
        **files,  # type: ignore[arg-type]
        **plain,  # type: ignore[arg-type]
    )


def _distinct(certificates: t.Sequence[Declared], where: str) -> None:
    """Two declarations must not share a name or a file of which each is the only one."""
    seen: dict[tuple[str, str], int] = {}
    for position, declared in enumerate(certificates):
        used = [("name", declared.name)]
        used += [("file", path) for path in dict.fromkeys((declared.certificate_path, declared.key_path, declared.chain_path, declared.fullchain_path)) if path]
        for key in used:
            if key in seen:
                raise DeclarationError(
                    f"certificate {declared.name!r}: {where}[{position}] declares the {key[0]} {key[1]!r}, as {where}[{seen[key]}] does already; "
                    "each certificate needs its own"
                )
            seen[key] = position


def declared_certificates(items: t.Sequence[t.Mapping[str, t.Any]], where: str = "certops_certificates") -> tuple[Declared, ...]:
    """All declared certificates of one host; what is wrong is collected and told at once."""
    certificates, problems = [], []
    for position, item in enumerate(items):
        try:
            certificates.append(declared_certificate(item, f"{where}[{position}]"))
        except ValueError as exc:
            problems.append(f"certificate {item['name']!r}: {exc}")
    if problems:
        raise DeclarationError("; ".join(problems))
    _distinct(certificates, where)
    return tuple(certificates)
