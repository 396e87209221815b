# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a declaration leaves out and the host knows: the file of the key, and that of the chain."""

import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_bytes, path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.found import certificates_in, facts_or_none

_HEAD = 1 << 20
_KEY_MARKER = b"PRIVATE KEY-----"


def _same_file(left: str, right: t.Optional[str]) -> bool:
    return right is not None and os.path.realpath(path_bytes(left)) == os.path.realpath(path_bytes(right))


def _use_of(certificate_path: str, services: t.Sequence[t.Mapping[str, t.Any]]) -> t.Optional[t.Mapping[str, t.Any]]:
    """What a service says of the file, if one names it."""
    uses = [use for service in services for use in service["uses"]]  # type: t.List[t.Mapping[str, t.Any]]
    return next((use for use in uses if _same_file(certificate_path, use.get("certificate"))), None)


def _holds_key(certificate_path: str) -> bool:
    try:
        with open(path_bytes(certificate_path), "rb") as handle:
            return _KEY_MARKER in handle.read(_HEAD)
    except OSError:
        return False


def _key_path(certificate_path: str, use: t.Optional[t.Mapping[str, t.Any]]) -> str:
    """Where the key lies: as the service says, in the certificate's own file when one is there, else beside it."""
    if use is not None:
        return use.get("key") or certificate_path
    if _holds_key(certificate_path):
        return certificate_path
    return path_text(os.path.splitext(path_bytes(certificate_path))[0] + b".key")


def _certificates(path: str) -> t.Tuple[bytes, ...]:
    try:
        with open(path_bytes(path), "rb") as handle:
            return certificates_in(handle.read(_HEAD))
    except OSError:
        return ()


def _own_chain(certificate_path: str, use: t.Mapping[str, t.Any], services: t.Sequence[t.Mapping[str, t.Any]]) -> t.Optional[str]:
    """The file of the chain as the service says, unless it is not this certificate's alone.

    Others may share it, and the system's trust anchors are named there, too. Then the chain goes into the certificate's own file.
    """
    chain = use.get("chain")
    if chain is None or _same_file(certificate_path, chain):
        return None
    uses = [each for service in services for each in service["uses"]]  # type: t.List[t.Mapping[str, t.Any]]
    if any(_same_file(chain, other.get("chain")) and not _same_file(certificate_path, other.get("certificate")) for other in uses):
        return None
    leaf, issuers = _certificates(certificate_path)[:1], _certificates(chain)[:1]
    leads = not leaf or not issuers or facts_or_none(leaf[0], "issuer") == facts_or_none(issuers[0], "subject")
    return chain if leads else None


def resolve(declared: t.Mapping[str, t.Any], services: t.Sequence[t.Mapping[str, t.Any]]) -> t.Dict[str, t.Any]:
    """The declaration with its C(key_path), C(chain_path) and C(format) filled in; what was given stays."""
    use = _use_of(declared["certificate_path"], services)
    resolved = dict(declared)
    if resolved.get("key_path") is None:
        resolved["key_path"] = _key_path(declared["certificate_path"], use)
    combined = _same_file(declared["certificate_path"], resolved["key_path"])
    resolved["format"] = "combined" if combined else "separate"
    if resolved.get("chain_path") is None and use is not None:
        resolved["chain_path"] = _own_chain(declared["certificate_path"], use, services)
    return resolved
