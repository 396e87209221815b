# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stores of fixtures/stores.zip, which fixtures/make_stores.py made, and what is in them."""

import functools
import hashlib
import os
import zipfile

from ansible_collections.certops.fleet.plugins.module_utils._host.run import run
from ansible_collections.certops.fleet.plugins.module_utils._host.stores import items
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import pem
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made

PASSWORD = "changeit"
_ZIP = os.path.join(os.path.dirname(__file__), "fixtures", "stores.zip")


@functools.lru_cache(maxsize=None)  # noqa: UP033 (functools.cache needs Python 3.9)
def content(name):
    """What the tool wrote."""
    with zipfile.ZipFile(_ZIP) as archive:
        return archive.read(name)


def names():
    """All stores."""
    with zipfile.ZipFile(_ZIP) as archive:
        return archive.namelist()


def certificate(name):
    """The certificate 'ca', 'leaf' or 'second' in DER."""
    return pem.first(content(name + ".pem")).content


def spki(name):
    """The SHA-256 of the public key of a certificate, by openssl."""
    public = made.openssl("x509", "-noout", "-pubkey", given=content(name + ".pem"))
    return hashlib.sha256(made.openssl("pkey", "-pubin", "-outform", "DER", given=public)).hexdigest()


def tools(*passwords, counted=None):
    """What opens stores; each command that is run is added to `counted`."""

    def counting(argv, *rest, **given):
        if counted is not None:
            counted.append((argv, given.get("input")))
        return run(argv, *rest, **given)

    return items.Tools(counting, passwords)


def certificates(found):
    """(alias, certificate) of what was found."""
    return [(item.alias, item.content) for item in found if isinstance(item, items.Certificate)]


def keys(found):
    """The facts of the keys that were found."""
    return [item.facts for item in found if isinstance(item, items.Key)]
