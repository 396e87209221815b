# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a certificate's own stands in its declaration: so that its successor is the same for those who use it."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.found import leaf_from_der
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import PROFILES, SUBJECT_ATTRIBUTES
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import certificate_info
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.names import canonical_name

Item = dict[str, t.Any]
_BY_USAGE = {frozenset(profile.extended_key_usage_texts): profile.name for profile in PROFILES.values()}


class AdoptionError(ValueError):
    """A certificate that is not adopted, with the reason."""


def leaf_fields(der: bytes, *, listens: bool) -> Item:
    """C(names), C(profile), C(key_type), C(key_size) and C(subject) of a declaration that asks for the same. Raises ValueError."""
    info = certificate_info(der)
    if info["problem"]:
        raise AdoptionError(f"the certificate cannot be read whole: {info['problem']}")
    item: Item = {"names": _names(info), "profile": _profile(info, listens=listens), **_key(der, info)}
    subject = _subject(info)
    return {**item, "subject": subject} if subject else item


def _names(info: t.Mapping[str, t.Any]) -> list[str]:
    """The names of hosts, that of the subject first; a certificate with any other name would lose it."""
    names = []
    for value in info["subject_alt_name"] or ():
        kind, _colon, text = value.partition(":")
        if kind not in ("DNS", "IP"):
            raise AdoptionError(f"it holds the name {value[:200]!r}, and only DNS names and addresses are issued")
        names.append(canonical_name(text, wildcard=True).text)
    if not names:
        raise AdoptionError("it holds no DNS name or address as subject alternative name")
    common = str((info["subject"] or {}).get("commonName", "")).lower().rstrip(".")
    return sorted(dict.fromkeys(names), key=lambda name: name != common)


def _profile(info: t.Mapping[str, t.Any], *, listens: bool) -> str:
    """The profile with just these usages. Without any the certificate may be used for all."""
    usages = frozenset(info["extended_key_usage"] or ())
    if not usages:
        return "tls_peer" if not listens else "tls_server"
    if usages not in _BY_USAGE:
        raise AdoptionError(f"no profile issues its extended key usage {', '.join(sorted(usages))}")
    return _BY_USAGE[usages]


def _key(der: bytes, info: t.Mapping[str, t.Any]) -> Item:
    """Kind and size of the key, as far as a profile allows them."""
    leaf = leaf_from_der(der)
    profile = PROFILES["tls_server"]
    if leaf.key_kind not in profile.kinds:
        return {}
    if leaf.key_kind == "ed25519" or not profile.allows_key(leaf.key_kind, leaf.key_size):
        return {"key_type": leaf.key_kind}
    return {"key_type": leaf.key_kind, "key_size": leaf.key_size}


def _subject(info: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The attributes that a declaration may have; one that stands there twice cannot be declared."""
    ordered = [(name, value) for name, value in info["subject_ordered"] or () if name in SUBJECT_ATTRIBUTES]
    twice = {name for name, _value in ordered if sum(name == other for other, _other in ordered) > 1}
    return {name: value for name, value in ordered if name not in twice}
