# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The issuers of a fleet: read from `certops_issuers`, in the order in which they are tried."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._issue.embedded import EmbeddedIssuer
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import PROFILES
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.provider import Issuer, IssuerSettings

ISSUERS: dict[str, type[EmbeddedIssuer]] = {"embedded": EmbeddedIssuer}

DEFAULT_NAME = "internal"
KEYS = ("name", "type", "directory", "passphrase", "profiles")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)


class IssuerSettingsError(ValueError):
    """An item of `certops_issuers` that cannot be used."""


def default_directory(environ: t.Mapping[str, str]) -> str:
    """Return the folder of the internal CA below the user's data folder (XDG Base Directory Specification)."""
    home = environ.get("XDG_DATA_HOME") or ""
    if not os.path.isabs(home):
        home = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".local", "share")
    return os.path.join(home, "certops", "ca")


def _text(item: t.Mapping[str, t.Any], key: str, path: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise IssuerSettingsError(f"{path}.{key} must be a text that is not empty, got {value!r}")
    return value


def _name(item: t.Mapping[str, t.Any], path: str) -> str:
    name = _text(item, "name", path)
    if not _NAME.fullmatch(name):
        raise IssuerSettingsError(f"{path}.name must be letters, digits, '.', '_' and '-', at most 63, got {name!r}")
    return name


def _type(item: t.Mapping[str, t.Any], path: str) -> str:
    kind = item.get("type")
    if not isinstance(kind, str) or kind not in ISSUERS:
        raise IssuerSettingsError(f"{path}.type must be one of {', '.join(sorted(ISSUERS))}, got {kind!r}")
    return str(kind)


def _directory(item: t.Mapping[str, t.Any], path: str, environ: t.Mapping[str, str]) -> str:
    if item.get("directory") is None:
        return default_directory(environ)
    directory = os.path.expanduser(_text(item, "directory", path))
    if not os.path.isabs(directory) or "\0" in directory:
        raise IssuerSettingsError(f"{path}.directory must be an absolute path, got {directory!r}")
    return os.path.normpath(directory)


def _passphrase(item: t.Mapping[str, t.Any], path: str) -> bytes | None:
    value = item.get("passphrase")
    if value is not None and not isinstance(value, str):
        raise IssuerSettingsError(f"{path}.passphrase must be a text, got a value of the type {type(value).__name__}")
    return value.encode("utf-8", "surrogateescape") if value else None


def _profiles(item: t.Mapping[str, t.Any], path: str) -> tuple[str, ...] | None:
    value = item.get("profiles")
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        raise IssuerSettingsError(f"{path}.profiles must be a list of profiles, or be left out to allow all, got {value!r}")
    for index, name in enumerate(value):
        if not isinstance(name, str) or name not in PROFILES:
            raise IssuerSettingsError(f"{path}.profiles[{index}] must be one of {', '.join(sorted(PROFILES))}, got {name!r}")
    return tuple(value)


def _settings(item: t.Any, path: str, environ: t.Mapping[str, str]) -> IssuerSettings:
    if not isinstance(item, dict):
        raise IssuerSettingsError(f"{path} must be a dictionary with the keys {', '.join(KEYS)}, got a value of the type {type(item).__name__}")
    unknown = sorted(str(key) for key in item if key not in KEYS)
    if unknown:
        raise IssuerSettingsError(f"{path}.{unknown[0]} is not known, the keys are {', '.join(KEYS)}")
    return IssuerSettings(
        name=_name(item, path),
        type=_type(item, path),
        directory=_directory(item, path, environ),
        passphrase=_passphrase(item, path),
        profiles=_profiles(item, path),
    )


def parse_issuers(value: t.Any, *, environ: t.Mapping[str, str], where: str = "certops_issuers") -> tuple[IssuerSettings, ...]:
    """Return the settings in their order; without any there is one embedded issuer. Everything that is wrong is told at once."""
    if value is None or value == []:
        return (IssuerSettings(DEFAULT_NAME, "embedded", default_directory(environ)),)
    if not isinstance(value, list):
        raise IssuerSettingsError(f"{where} must be a list, got a value of the type {type(value).__name__}")
    found, problems = [], []
    for index, item in enumerate(value):
        try:
            found.append(_settings(item, f"{where}[{index}]", environ))
        except IssuerSettingsError as exc:
            problems.append(str(exc))
    names = [settings.name for settings in found]
    problems += [f"{where}: the name {name!r} is given twice" for name in sorted(set(names)) if names.count(name) > 1]
    if problems:
        raise IssuerSettingsError("; ".join(problems))
    return tuple(found)


def make_issuers(settings: t.Iterable[IssuerSettings]) -> tuple[Issuer, ...]:
    """Return the issuers; none is contacted or read before it is used."""
    return tuple(ISSUERS[each.type](each) for each in settings)


def embedded_settings(declared: t.Iterable[IssuerSettings], *, name: str | None, environ: t.Mapping[str, str]) -> IssuerSettings:
    """Return the embedded issuer of that name, or the first one; what is not declared has the default folder and no passphrase."""
    embedded = [settings for settings in declared if settings.type == "embedded" and name in (None, settings.name)]
    if embedded:
        return embedded[0]
    return IssuerSettings(_name({"name": name or DEFAULT_NAME}, "options"), "embedded", default_directory(environ))
