# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a declaration leaves out and the host knows: the file of the key, and that of the chain."""

import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_bytes, path_text

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


def resolve(declared: t.Mapping[str, t.Any], services: t.Sequence[t.Mapping[str, t.Any]]) -> t.Dict[str, t.Any]:
    """The declaration with its C(key_path), C(chain_path) and C(format) filled in; what was given stays."""
    use = _use_of(declared["certificate_path"], services)
    resolved = dict(declared)
    if resolved.get("key_path") is None:
        resolved["key_path"] = _key_path(declared["certificate_path"], use)
    combined = _same_file(declared["certificate_path"], resolved["key_path"])
    resolved["format"] = "combined" if combined else "separate"
    if resolved.get("chain_path") is None and use is not None and not _same_file(declared["certificate_path"], use.get("chain")):
        resolved["chain_path"] = use.get("chain")
    return resolved
