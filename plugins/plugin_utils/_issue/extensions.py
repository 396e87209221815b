# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extensions that certificates of CAs and of hosts have in common (RFC 5280 section 4.2.1)."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import x509
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import KEY_USAGES


def usages(*names: str) -> t.Any:
    """Return a key usage with just these names of KEY_USAGES."""
    return x509.KeyUsage(**{name: name in names for name in KEY_USAGES}, encipher_only=False, decipher_only=False)


def authority_key_identifier(issuer: t.Any) -> t.Any:
    """Return the extension that points to the issuer by its own subject key identifier."""
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
