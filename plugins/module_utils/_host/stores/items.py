# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be found in a file, and what opening a store needs."""

import contextlib
import os
import time
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.run import memory_file
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import keys

MOST_STORE_BYTES = 32 << 20  # a store is read at once, also where max_file_size allows more
_SECONDS = 10  # for one run of openssl
_SECONDS_OF_ALL = 300.0  # for all stores of a scan together
_LONGEST_ALIAS = 200


class Certificate(t.NamedTuple):
    """A certificate in DER as it stands in a file."""

    format: str
    content: bytes
    alias: t.Optional[str] = None


class Key(t.NamedTuple):
    """What may be told of a private key in a store."""

    facts: keys.KeyFacts
    alias: t.Optional[str] = None


class Record(t.NamedTuple):
    """A revocation list or a request: its facts as they are told."""

    kind: str  # 'crl' or 'request'
    format: str
    facts: t.Dict[str, t.Any]


class SshCertificate(t.NamedTuple):
    """A certificate of an SSH host key: only counted."""


class Locked(t.NamedTuple):
    """A store that cannot be opened here, and why; `lasting` where only another password, or another store, changes that."""

    format: str
    reason: str
    lasting: bool = False


class Trouble(t.NamedTuple):
    """What was not read: a decision, or a failure."""

    reason: str
    failure: bool


Item = t.Union[Certificate, Key, Record, SshCertificate, Locked, Trouble]


class Tools:
    """The passwords to try and the way to openssl; the time that opening stores takes in a whole scan is bounded."""

    def __init__(self, run: t.Optional[keys.Run], passwords: t.Sequence[str], seconds: t.Optional[float] = None) -> None:
        self.passwords = ("", *passwords)
        self._run = run
        self._left = _SECONDS_OF_ALL if seconds is None else min(_SECONDS_OF_ALL, seconds)

    def is_over(self) -> bool:
        """Whether the time is over."""
        return self._left <= 0

    @contextlib.contextmanager
    def timed(self) -> t.Iterator[None]:
        """Count the time that is spent."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._left -= time.monotonic() - started

    def openssl(self, *argv: str, given: bytes, limit: int = 1 << 16) -> t.Any:
        """Return what openssl did with `given` on its standard input, None when it may not be started any more."""
        if self._run is None or self.is_over():
            return None
        with self.timed():
            return self._run(["openssl", *argv], min(_SECONDS, self._left), input=given, limit=limit)


def alias_text(alias: bytes) -> t.Optional[str]:
    """Return an alias as text of one line, shortened; None for an empty one."""
    return path_text(alias[:_LONGEST_ALIAS]) or None


@contextlib.contextmanager
def shown(content: bytes) -> t.Iterator[str]:
    """Keep `content` in memory under a path that a command of this user can read while it is needed."""
    descriptor = memory_file()
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)
