# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line of a terminal that is written again and again, and gives way to everything else that is printed."""

from __future__ import annotations

import os
import threading
import typing as t
from collections.abc import Mapping

ERASE = "\r\x1b[K"


def is_terminal(stream: t.Any, environment: Mapping[str, str]) -> bool:
    """Whether a line can be rewritten there. What ansible-runner (and so AWX) reads looks like a terminal and is none."""
    return stream.isatty() and environment.get("TERM", "dumb") not in ("", "dumb") and "AWX_ISOLATED_DATA_DIR" not in environment


def columns_of(stream: t.Any) -> int:
    """One less than there are, as many terminals wrap at the last one."""
    try:
        return (os.get_terminal_size(stream.fileno()).columns or 80) - 1
    except (OSError, ValueError):
        return 79


class Screen:
    """The line at the bottom of a terminal.

    Everything that Ansible prints goes through the method C(display) of one object. While the line is there, that method erases it first: in this
    process only, because workers are forks that send what they print to this one.
    """

    def __init__(self, display: t.Any, stream: t.Any) -> None:
        self._display = display
        self._stream = stream
        self._print = display.display
        self._process = os.getpid()
        self._lock = threading.RLock()
        self.shown = False
        display.display = self._display_below

    def _display_below(self, *args: t.Any, **kwargs: t.Any) -> None:
        if os.getpid() != self._process:
            self._print(*args, **kwargs)
            return
        with self._lock:
            self.clear()
            self._print(*args, **kwargs)

    def show(self, line: str) -> None:
        with self._lock:
            self._print(ERASE + line, screen_only=True, newline=False)
            self._stream.flush()
            self.shown = True

    def clear(self) -> None:
        with self._lock:
            if self.shown:
                self.shown = False
                self._print(ERASE, screen_only=True, newline=False)
                self._stream.flush()  # what follows may go to the other stream

    def close(self) -> None:
        """Give the method back."""
        self.clear()
        vars(self._display).pop("display", None)
