# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own checks of what is staged, before anything is swapped: they stand in for services whose validation proves less."""

import contextlib
import os
import pwd
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.run import run
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import files
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.declared import Declared
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.found import certificates_in, key_in
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.layout import Plan
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.material import certificates
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, names, x509

CLOCK_TOLERANCE = 300  # seconds
_SECONDS = 20


class Refused(HostError):
    """What was to be put in place is not good; the old files stay."""


def check_certificate(declared: Declared, leaf: bytes, chain: t.Sequence[bytes], now: float, folder: bytes) -> None:
    """Raise Refused unless the certificate holds now, for the declared names, and each certificate is signed by the next one."""
    try:
        facts = [x509.facts(one) for one in [leaf, *list(chain)]]
        absent = names.missing(declared.names, leaf)
    except der.DerError as exc:
        raise Refused(f"certificate {declared.name!r}: what was issued is no certificate that this host can read ({exc})") from None
    if absent:
        raise Refused(f"certificate {declared.name!r}: what was issued does not hold for {', '.join(absent)}")
    _check_dates(declared.name, facts, now)
    for index in range(len(facts) - 1):
        if facts[index].issuer != facts[index + 1].subject:
            raise Refused(f"certificate {declared.name!r}: certificate {index + 1} of the chain is not the issuer of the one before it")
        _check_signature(declared.name, ([leaf, *list(chain)])[index : index + 2], index + 1, folder)


def check_staged(declared: Declared, plan: Plan, leaf: bytes, key_path: bytes) -> None:
    """Raise Refused unless the files that are staged, read again from the disk, hold this certificate and its private key.

    The public key is taken out of the private one here, not by openssl: a tool that does not do what it says is found out.
    """
    staged = {role.name: path for role, path in plan.staged}
    key = key_in(files.read(staged.get("key") or staged.get("combined") or key_path))
    spki = x509.facts(leaf).spki
    if key is None or key.spki != spki:
        raise Refused(f"certificate {declared.name!r}: the private key that was to be put in place does not belong to the certificate")
    for name in ("certificate", "combined", "fullchain"):
        if name in staged and certificates_in(files.read(staged[name]))[:1] != (leaf,):
            raise Refused(f"certificate {declared.name!r}: the staged {name} file does not begin with the certificate")


def check_readable(declared: Declared, plan: Plan, users: t.Iterable[str]) -> t.List[str]:
    """Raise Refused when a service's own user cannot read a staged file; return the users that could not be tried."""
    untried = []
    for user in sorted(set(users)):
        if os.geteuid() != 0 and user != _own_name():
            untried.append(user)
            continue
        for role, path in plan.staged:
            if not _can_read(user, path):
                raise Refused(f"certificate {declared.name!r}: {path_text(role.path)!r} could not be read by user {user!r}, as whom the service reads it")
    return untried


def _check_dates(name: str, facts: t.Sequence[x509.CertificateFacts], now: float) -> None:
    for index, one in enumerate(facts):
        what = "it" if index == 0 else f"certificate {index} of its chain"
        if one.not_before is None or one.not_after is None:
            raise Refused(f"certificate {name!r}: the dates of {what} cannot be read")
        if one.not_before > now + CLOCK_TOLERANCE:
            raise Refused(f"certificate {name!r}: by the clock of this host {what} is not valid yet")
        if one.not_after <= now:
            raise Refused(f"certificate {name!r}: by the clock of this host {what} has expired")


def _check_signature(name: str, pair: t.Sequence[bytes], number: int, folder: bytes) -> None:
    """RFC 5280 section 6.1.3 (a)(1), by openssl; the dates were checked by us."""
    paths = [os.path.join(folder, part) for part in (b"check-certificate.pem", b"check-issuer.pem")]
    try:
        for path, one in zip(paths, pair):
            files.replace(path, certificates(one))
        alone = [b"-no_check_time", b"-no-CAfile", b"-no-CApath", b"-partial_chain"]
        finished = run([b"openssl", b"verify", *alone, b"-trusted", paths[1], paths[0]], _SECONDS)
    finally:
        for path in paths:
            files.remove(path)
    if finished.code != 0:
        raise Refused(f"certificate {name!r}: openssl does not accept the signature of certificate {number} of the chain: {finished.reason()}")


def _can_read(user: str, path: bytes) -> bool:
    """Try it as that user, in a child: rights of a folder above, access control lists and groups all count."""
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        return False
    child = os.fork()
    if child == 0:
        _open_as(account, path)
    return os.waitpid(child, 0)[1] == 0


def _open_as(account: pwd.struct_passwd, path: bytes) -> None:
    code = 1
    try:
        with contextlib.suppress(OSError):
            if os.geteuid() == 0:
                os.setgroups(os.getgrouplist(account.pw_name, account.pw_gid))
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            code = 0
    finally:
        os._exit(code)


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return ""
