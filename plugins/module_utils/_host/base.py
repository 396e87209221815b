# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every verb of the host program is given and may raise."""

import os
import pwd
import typing as t


class HostError(ValueError):
    """The host cannot do what was asked; the text is one sentence for the user and holds no secret."""


class Context(t.NamedTuple):
    """What a verb may know besides its arguments."""

    now: t.Callable[[], float]  # epoch seconds, the host's own clock
    transaction: t.Optional[str]  # 32 lower-case hexadecimal digits, for verbs that change something
    actor: str  # who asked, as the controller knows it
    state: bytes  # folder of the journals and staged files; it may not exist yet
    program: str = ""  # SHA-256 of the code that runs, where the controller told it


def state_folder() -> bytes:
    """Return the folder for what the host program keeps; it is not made here, because looking writes nothing.

    CERTOPS_STATE, in the task's environment, names another one for everybody.
    """
    given = os.environb.get(b"CERTOPS_STATE", b"")
    if given.startswith(b"/"):
        return given
    if os.geteuid() == 0:
        return b"/var/lib/certops"
    # A relative value is invalid and to be ignored (XDG Base Directory Specification 0.8).
    configured = os.environb.get(b"XDG_STATE_HOME", b"")
    if configured.startswith(b"/"):
        return os.path.join(configured, b"certops")
    return os.path.join(_home(), b".local", b"state", b"certops")


def _home() -> bytes:
    # The account's own home: su and sudo may leave HOME pointing at somebody else's.
    try:
        home = os.fsencode(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:
        home = os.environb.get(b"HOME", b"")
    if not home.startswith(b"/"):
        raise HostError(f"the user with uid {os.geteuid()!r} has no home folder to keep the state in, and XDG_STATE_HOME is not an absolute path")
    return home
