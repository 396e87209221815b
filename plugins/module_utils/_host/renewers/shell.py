# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""acme.sh and dehydrated, whose files are read by a shell: only plain assignments are understood, nothing is run."""

import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.renewers.reading import Kept, content, listed, server, word

_ASSIGNED = re.compile(rb"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(?:'([^'\n]*)'|\"([^\"\n]*)\"|([^\s'\"#;]*))", re.MULTILINE)
_VARIABLE = re.compile(rb"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")
_REAL = (b"Le_RealCertPath", b"Le_RealKeyPath", b"Le_RealFullChainPath", b"Le_RealCACertPath")
_PEM = (b"cert.pem", b"privkey.pem", b"chain.pem", b"fullchain.pem")
_NONE = b"no"


def _assigned(text: bytes) -> t.Dict[bytes, bytes]:
    return {name: single or double or bare for name, single, double, bare in _ASSIGNED.findall(text)}


def acme_sh(folder: bytes) -> t.Iterator[Kept]:
    """Yield the certificates of `<folder>/<domain>[_ecc]/<domain>.conf`; tokens and reload commands, which stand there, too, are not taken."""
    for name in listed(folder):
        domain = name[:-4] if name.endswith(b"_ecc") else name
        own = os.path.join(folder, name)
        path = os.path.join(own, domain + b".conf")
        fields = _assigned(content(path))
        if not fields.get(b"Le_Domain"):
            continue
        paths = [os.path.join(own, file) for file in (domain + b".cer", domain + b".key", b"fullchain.cer", b"ca.cer")]
        paths += [fields[field] for field in _REAL if fields.get(field) not in (None, b"", _NONE)]
        facts = {
            "server": server(fields.get(b"Le_API")),
            "authenticator": word(fields.get(b"Le_Webroot")),
            "hooks": ["reload"] if fields.get(b"Le_ReloadCmd") else [],
        }
        yield Kept("acme.sh", name, paths, path, facts)


def dehydrated(folder: bytes) -> t.Iterator[Kept]:
    """Yield the certificates below CERTDIR of `<folder>/config` and `conf.d`."""
    config = os.path.join(folder, b"config")
    extra = [os.path.join(folder, b"conf.d", name) for name in listed(os.path.join(folder, b"conf.d")) if name.endswith(b".sh")]
    fields = {}  # type: t.Dict[bytes, bytes]
    for path in [config, *extra]:
        fields.update(_assigned(content(path)))
    base = fields.get(b"BASEDIR") or folder
    known = {b"BASEDIR": base, b"SCRIPTDIR": folder}
    certificates = _VARIABLE.sub(lambda found: known.get(found.group(1), b""), fields.get(b"CERTDIR") or base + b"/certs")
    facts = {
        "server": server(fields.get(b"CA")),
        "authenticator": word(fields.get(b"CHALLENGETYPE") or b"http-01"),
        "hooks": ["hook"] if fields.get(b"HOOK") else [],
    }
    for name in listed(certificates):
        paths = [path for path in (os.path.join(certificates, name, file) for file in _PEM) if os.path.lexists(path)]
        if paths:
            yield Kept("dehydrated", name, paths, config, facts)


KINDS = {"acme.sh": acme_sh, "dehydrated": dehydrated}  # type: t.Dict[str, t.Callable[[bytes], t.Iterator[Kept]]]
