# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a command on the host: bounded in time and output, with nothing that a daemon it starts could keep or miss."""

import contextlib
import errno
import fcntl
import os
import select
import signal
import subprocess
import time
import typing as t

_LOOK_AGAIN = 0.05  # seconds between two looks at how much a command has written
_PIECE = select.PIPE_BUF  # bytes that a pipe that can be written to takes at once (POSIX write)
_SBIN = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_REASON_LENGTH = 600
_F_ADD_SEALS, _SEALED = 1033, 0x4 | 0x8  # linux/fcntl.h: F_SEAL_GROW and F_SEAL_WRITE


class Finished(t.NamedTuple):
    """What a command did. A command that could not be started has code 127 (absent) or 126; one that was killed has minus the signal."""

    code: int
    output: bytes
    error: bytes
    timed_out: bool

    def reason(self) -> str:
        """One printable line that says why the command failed."""
        if self.timed_out:
            return "it did not finish in time"
        lines = [line.strip() for line in (self.error.strip() or self.output.strip()).decode("utf-8", "backslashreplace").splitlines()]
        said = "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in "; ".join(line for line in lines if line))
        return said[:_REASON_LENGTH] or f"it ended with code {self.code} and said nothing"


def command_environment() -> t.Dict[str, str]:
    """The environment of every command: messages in English, and the sbin folders found, also for a user whose PATH lacks them."""
    environment = dict(os.environ)
    environment.pop("LANGUAGE", None)
    environment["LC_ALL"] = "C"
    given = [folder for folder in environment.get("PATH", "").split(":") if folder.startswith("/")]
    environment["PATH"] = ":".join(given + [folder for folder in _SBIN if folder not in given])
    return environment


def run(argv: t.Sequence[t.Union[str, bytes]], seconds: float, input: bytes = b"", limit: int = 65536) -> Finished:  # noqa: A002 (as subprocess has it)
    """Run argv (no shell) for at most `seconds` and keep the first `limit` bytes of its output and of its errors.

    Output goes to files, not to pipes: a daemon that the command leaves behind can neither keep us waiting nor be killed by a closed pipe.
    """
    output, error = memory_file(), memory_file()
    try:
        # The pylint of ansible-core 2.21 wants AnsibleModule.run_command here; the host program has no AnsibleModule.
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            list(argv),
            stdin=subprocess.PIPE if input else subprocess.DEVNULL,
            stdout=output,
            stderr=error,
            cwd="/",
            env=command_environment(),
            start_new_session=True,
            preexec_fn=_default_signals,  # noqa: PLW1509 (this program has no threads)
        )
    except OSError as exc:
        os.close(output)
        os.close(error)
        return Finished(127 if exc.errno == errno.ENOENT else 126, b"", f"cannot be run: {os.strerror(exc.errno or errno.EIO)}".encode(), False)
    timed_out = _wait(process, input, seconds, (output, error), limit)
    if process.stdin is not None:
        process.stdin.close()
    return Finished(-signal.SIGKILL if process.returncode is None else process.returncode, _take(output, limit), _take(error, limit), timed_out)


def memory_file() -> int:
    """Return a descriptor of a file without a name: in memory where the system has that (sealed against a daemon that goes on writing), else on disk."""
    try:
        descriptor = os.memfd_create("certops", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except (AttributeError, OSError):
        import tempfile  # noqa: PLC0415 (8 ms that only old systems need)

        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_APPEND)
    return descriptor


def _default_signals() -> None:
    """An ignored signal stays ignored through exec, and a daemon started by us must be able to end."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)


def _wait(process: "subprocess.Popen[bytes]", given: bytes, seconds: float, files: t.Sequence[int], limit: int) -> bool:
    """Wait for the command; True when its time ran out and its whole group was killed."""
    end = time.monotonic() + seconds
    while True:
        pause = max(0.0, min(_LOOK_AGAIN, end - time.monotonic()))
        if process.stdin is not None and not process.stdin.closed:
            given = _feed(process.stdin.fileno(), given, pause)
            if not given:
                process.stdin.close()
        else:
            _wait_for_end(process, pause)
        for descriptor in files:
            _shorten(descriptor, limit)
        if process.poll() is not None:  # a child of it may still hold our end of the standard input
            return False
        if time.monotonic() >= end:
            _kill(process)
            return True


def _wait_for_end(process: "subprocess.Popen[bytes]", pause: float) -> None:
    """Wait until it ends or the pause is over; Popen.wait looks again and again, and most commands are over before its second look."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # before Python 3.9 and Linux 5.3
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(pause)
        return
    try:
        select.select([descriptor], [], [], pause)
    finally:
        os.close(descriptor)


def _feed(descriptor: int, given: bytes, pause: float) -> bytes:
    """Write what the command takes within the pause; the rest, nothing when it takes no more.

    Popen.communicate would lose it: called again after its time ran out, as on a busy host, it sends no more and closes nothing.
    """
    if not select.select([], [descriptor], [], pause)[1]:
        return given
    try:
        return given[os.write(descriptor, given[:_PIECE]) :]
    except BrokenPipeError:
        return b""


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):  # it hangs in the kernel; nobody can wait for that
        process.wait(5)


def _shorten(descriptor: int, limit: int) -> None:
    if os.fstat(descriptor).st_size > limit:
        os.ftruncate(descriptor, limit)


def _take(descriptor: int, limit: int) -> bytes:
    """The first bytes of a file of ours; from now on nobody can write to it (a disk file is only given up)."""
    try:
        with contextlib.suppress(OSError):  # before it is emptied: what a daemon writes in between would stay
            fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEALED)
        content = os.pread(descriptor, limit, 0)
        os.ftruncate(descriptor, 0)
        return content
    finally:
        os.close(descriptor)
