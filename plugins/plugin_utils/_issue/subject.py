# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Subjects: what a declaration may add, and what a certificate with given names must have."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import MAX_COMMON_NAME, SUBJECT_ATTRIBUTES, Profile
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.settings import checked_text
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import x509
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.names import Name
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.oids import ATTRIBUTES, SHORT

Subject = tuple[tuple[str, str], ...]

_DOTTED = {name: dotted for dotted, name in ATTRIBUTES.items()}
_LONG = {short: ATTRIBUTES[dotted] for dotted, short in SHORT.items()}


class SubjectError(ValueError):
    """A subject that its profile does not have."""


def declared_subject(declared: t.Iterable[tuple[str, str]], profile: Profile) -> Subject:
    """Return the declared attributes (long or short names) in the order in which they are written, checked against the profile."""
    found: dict[str, str] = {}
    for key, value in declared:
        name = _LONG.get(key, key)
        if name == "commonName":
            raise SubjectError("subject: the common name is taken from the certificate's names and is not declared")
        if name not in profile.subject_attributes:
            raise SubjectError(f"subject: profile {profile.name!r} does not allow the attribute {key!r}; allowed are {', '.join(profile.subject_attributes)}")
        if name in found:
            raise SubjectError(f"subject: the attribute {key!r} is given twice")
        found[name] = checked_text(value, f"subject.{key}", SUBJECT_ATTRIBUTES[name])
    country = found.get("countryName", "XX")
    if not (len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()):
        raise SubjectError(f"subject: the country is two capital letters (ISO 3166), got {country!r}")
    return tuple((name, found[name]) for name in SUBJECT_ATTRIBUTES if name in found)


def subject_for(names: t.Iterable[Name], declared: Subject) -> Subject:
    """Return the whole subject: the common name is the first DNS name that fits, or there is none."""
    fitting = (name.text for name in names if name.kind == "dns" and len(name.text) <= MAX_COMMON_NAME)
    common_name = next(fitting, None)
    return declared if common_name is None else (*declared, ("commonName", common_name))


def x509_name(subject: Subject) -> t.Any:
    """Return the name in cryptography's form."""
    return x509.Name([x509.NameAttribute(x509.ObjectIdentifier(_DOTTED[name]), value) for name, value in subject])


def subject_text(subject: Subject) -> str:
    """Return the subject for a message."""
    return ", ".join(f"{name}={value}" for name, value in subject) or "(empty)"
