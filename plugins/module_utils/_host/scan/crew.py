# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that answer questions beside this one, which takes the answers in the order of its questions: the result is that of one process.

Forks and pipes, for they cost nothing to import. A pipe that is full holds its process up until its turn comes, so that memory is bounded. One that dies,
or tells nothing for a minute, loses the question it was at; those behind it are answered here. All of them end with this process.
"""

import contextlib
import json
import os
import select
import signal
import struct
import time
import typing as t

SILENCE = 60.0  # seconds after which a process that was asked something is given up
_FRAME = struct.Struct("=II")  # bytes of a head in JSON and of what follows it
_PIPE = 1 << 20
_AT_ONCE = 1 << 16
WINDOW = 2000  # files that a process may have been asked for before the first of them is taken
_TICK = 1.0
Head = t.Any
Message = t.Tuple[Head, bytes]
# Yields the answer to a question, and before it None for each step, so that a slow one is not taken for a dead one.
Work = t.Callable[[Head, bytes], t.Iterator[t.Optional[Message]]]


class LostError(ValueError):
    """The process that was asked does not answer any more, and why."""


class Question(t.NamedTuple):
    """What is asked, how many files it is about, and what is done with the answer, or where there is none for a reason."""

    head: Head
    content: bytes
    weight: int
    take: t.Callable[[Head, bytes], None]
    lost: t.Callable[[str], None]
    here: t.Callable[[], None]  # where the process is gone by then


def framed(head: Head, content: bytes = b"") -> bytes:
    """Return a message as it goes through a pipe."""
    packed = json.dumps(head, separators=(",", ":")).encode("ascii")
    return _FRAME.pack(len(packed), len(content)) + packed + content


def _serve(work: Work, questions: int, told: int, others: t.Iterable[int]) -> t.NoReturn:
    """Answer until nobody asks any more; nothing of what the other process has begun is ended here."""
    code = 1
    try:
        for descriptor in others:
            os.close(descriptor)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)
        _answers(work, _Buffer(questions), told)
        code = 0
    finally:
        os._exit(code)


def _answers(work: Work, questions: "_Buffer", told: int) -> None:
    parent, ticked = os.getppid(), time.monotonic()
    while True:
        question = questions.message()
        if question is None:
            if not questions.fill():
                return
            continue
        for message in work(*question):
            if os.getppid() != parent:
                return
            if message is not None or time.monotonic() - ticked > _TICK:
                ticked = time.monotonic()
                _write(told, framed(*(message or (None,))))


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _enlarge(descriptor: int) -> None:
    """Let a pipe hold more, where the system knows how."""
    import fcntl  # noqa: PLC0415 - only where there are processes

    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, getattr(fcntl, "F_SETPIPE_SZ", 1031), _PIPE)


class _Buffer:
    """What came through a pipe."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._data = bytearray()

    def fill(self) -> bool:
        """Read some more; False at the end."""
        data = os.read(self.descriptor, _AT_ONCE)
        self._data += data
        return bool(data)

    def message(self) -> t.Optional[Message]:
        """Take a whole message out of it."""
        if len(self._data) < _FRAME.size:
            return None
        first, second = _FRAME.unpack_from(self._data)
        middle, end = _FRAME.size + first, _FRAME.size + first + second
        if len(self._data) < end:
            return None
        head, content = json.loads(self._data[_FRAME.size : middle].decode("ascii")), bytes(self._data[middle:end])
        del self._data[:end]
        return head, content


class _Process:
    """One of them, as this process sees it."""

    def __init__(self, work: Work, others: t.Iterable["_Process"]) -> None:
        questions, self._out = os.pipe()
        answers, told = os.pipe()
        self._unsent = bytearray()
        self.weight = 0  # of what it was asked and did not answer
        self.pid = os.fork()
        if not self.pid:
            _serve(work, questions, told, [self._out, answers, *(each for other in others for each in other.descriptors)])
        os.close(questions)
        os.close(told)
        self.answers = _Buffer(answers)
        os.set_blocking(self._out, False)
        for descriptor in (self._out, answers):
            _enlarge(descriptor)

    @property
    def descriptors(self) -> t.List[int]:
        """This process's ends of the pipes."""
        return [self._out, self.answers.descriptor]

    def ask(self, question: Question) -> None:
        self.weight += question.weight
        self._unsent += framed(question.head, question.content)
        if len(self._unsent) > _AT_ONCE or self.weight == question.weight:
            self.send()

    def send(self) -> None:
        """Send as much as the pipe takes; that nobody is there any more shows where answers are read."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while self._unsent:
                del self._unsent[: os.write(self._out, self._unsent[:_AT_ONCE])]

    def wait(self, seconds: float) -> bool:
        """Wait until it tells something, and send what it was not sent yet; False where the time passes."""
        poll, end = select.poll(), time.monotonic() + seconds
        poll.register(self.answers.descriptor, select.POLLIN)
        while True:
            self.send()
            if self._unsent:
                poll.register(self._out, select.POLLOUT)
            events = dict(poll.poll(max(0, end - time.monotonic()) * 1000))
            if self.answers.descriptor in events or not events:
                return bool(events)
            poll.unregister(self._out)

    def end(self) -> str:
        """End it and say how it ended."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)
        for _try in range(100):  # what waits for a disk that is gone does not even die
            with contextlib.suppress(OSError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    return f"by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"with code {os.WEXITSTATUS(status)}"
            time.sleep(0.01)
        return "in no way"


def _weight(process: _Process) -> int:
    return process.weight


class Crew:
    """Several processes, and what is to be done in order: with their answers, and in between."""

    def __init__(self, number: int, work: Work, left: t.Callable[[], float]) -> None:
        """Start them; OSError where the system does not let us. `left` gives the seconds that are left, and raises an error of its own when none are."""
        self._left = left
        self._processes: t.List[_Process] = []
        self._queue: t.List[t.Union[t.Callable[[], None], t.Tuple[Question, _Process]]] = []
        self._at = 0  # in the queue
        try:
            for _number in range(number):
                self._processes.append(_Process(work, self._processes))
        except OSError:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._processes)

    @property
    def is_idle(self) -> bool:
        """Whether everything is done."""
        return self._at == len(self._queue)

    def then(self, action: t.Callable[[], None]) -> None:
        """Do this when everything before it is done."""
        if self.is_idle:
            action()
        else:
            self._queue.append(action)

    def ask(self, question: Question) -> None:
        """Put a question, to who has the least to do; take answers first where too much is asked."""
        process = min(self._processes, key=_weight)
        while process.weight > WINDOW and process in self._processes and not self.is_idle:
            self._next()
            process = min(self._processes, key=_weight, default=process)
        self._queue.append((question, process))
        if process in self._processes:
            process.ask(question)

    def finish(self) -> None:
        """Do everything."""
        while not self.is_idle:
            self._next()

    def _next(self) -> None:
        todo = self._queue[self._at]
        if not isinstance(todo, tuple):
            self._forget()
            todo()
            return
        question, process = todo
        if process not in self._processes:
            self._forget()
            question.here()
            return
        try:
            head, content = self._answer(process)
        except LostError as exc:
            self._forget()
            question.lost(str(exc))
            return
        self._forget()
        process.weight -= question.weight
        question.take(head, content)

    def _forget(self) -> None:
        self._at += 1
        if self._at > WINDOW:
            del self._queue[: self._at]
            self._at = 0

    def _answer(self, process: _Process) -> Message:
        """Return the next answer of a process, and end one that gives none."""
        while True:
            try:
                message = process.answers.message()
            except ValueError:
                message = self._gone(process, "it told nonsense and was ended")
            if message is not None and message[0] is not None:
                return message
            if message is None and not process.wait(min(SILENCE, self._left())):
                self._left()
                self._gone(process, f"it told nothing for {SILENCE:.0f} seconds and was ended")
            if message is None and not process.answers.fill():
                self._gone(process, "it ended")

    def _gone(self, process: _Process, reason: str) -> t.NoReturn:
        self._processes.remove(process)
        how = process.end()
        raise LostError(f"the process that read it is gone: {reason}" + (f" {how}" if reason == "it ended" else ""))

    def drop(self) -> t.Iterator[Question]:
        """Do what is to be done, but for the questions, and yield those; nobody answers any more."""
        self.close()
        while not self.is_idle:
            todo = self._queue[self._at]
            self._forget()
            if isinstance(todo, tuple):
                yield todo[0]
            else:
                todo()

    def close(self) -> None:
        """End all processes."""
        for process in self._processes:
            process.end()
        self._processes.clear()
