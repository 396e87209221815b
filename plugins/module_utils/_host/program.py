# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host program: one request in, one answer out, the same functions whichever way it was started."""

import binascii
import contextlib
import errno
import gc
import importlib
import json
import os
import re
import signal
import time
import typing as t
import zlib

from ansible_collections.certops.fleet.plugins.module_utils._host.base import Context, HostError, state_folder
from ansible_collections.certops.fleet.plugins.module_utils._host.evidence import host_evidence

LOOKING = ("scan", "inspect", "outcome", "endpoints")
CHANGING = ("request", "install", "discard")
PACKED_LIMIT = 16 * 1024 * 1024  # bytes of an answer on its way
UNPACKED_LIMIT = 200 * 1024 * 1024
_PIECE = 1000  # items of a list
_OBJECTS = 200000

_PACKAGE = __name__.rpartition(".")[0]
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def main(request: t.Dict[str, t.Any]) -> None:
    """Answer on standard output between two lines with the request's nonce; other output around them does no harm."""
    nonce = request["nonce"].encode("ascii")
    gc.set_threshold(_OBJECTS)  # looking for cycles after every 700 objects takes a tenth of a scan, which makes very many and hardly a cycle
    _print(b"\nCERTOPS-START " + nonce + b"\n")
    packed = packed_answer(request)
    _print(b"\nCERTOPS-END " + nonce + b" " + binascii.b2a_base64(packed, newline=False) + b"\n")


def packed_answer(request: t.Dict[str, t.Any]) -> bytes:
    """Return the answer as compressed JSON; one that is too big is replaced by an error that says so."""
    reply = answer(request)
    size, packed = _compressed(_pieces(reply))
    if len(packed) <= PACKED_LIMIT and size <= UNPACKED_LIMIT:
        return packed
    text = "the answer to {!r} has {} bytes, {} compressed; at most {} and {} are accepted".format(
        request["verb"], size, len(packed), UNPACKED_LIMIT, PACKED_LIMIT
    )
    return zlib.compress(_json({"ok": False, "kind": "host_error", "error": text, "host": reply["host"]}), 3)


def _compressed(pieces: t.Iterable[bytes]) -> t.Tuple[int, bytes]:
    """Return how many bytes the pieces have and all of them compressed."""
    size, packed, packer = 0, [], zlib.compressobj(3)
    for piece in pieces:
        size += len(piece)
        packed.append(packer.compress(piece))
    packed.append(packer.flush())
    return size, b"".join(packed)


def _pieces(value: t.Any) -> t.Iterator[bytes]:
    """Yield a value as JSON; a long list in pieces, also one in dictionaries: the text of a great answer is greater than the answer."""
    if isinstance(value, dict) and value:
        before = b"{"
        for key, inner in value.items():
            yield before + _json(str(key)) + b":"
            yield from _pieces(inner) if isinstance(inner, (dict, list)) else (_json(inner),)
            before = b","
        yield b"}"
    elif isinstance(value, list) and len(value) > _PIECE:
        for at in range(0, len(value), _PIECE):
            yield (b"," if at else b"[") + _json(value[at : at + _PIECE])[1:-1]
        yield b"]"
    else:
        yield _json(value)


def answer(request: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    """Run the verb that is asked for; an error of our own becomes a sentence, any other its type and place, without values."""
    reply = {}  # type: t.Dict[str, t.Any]
    try:
        reply.update(ok=True, result=_run(request))
    except HostError as error:
        reply.update(ok=False, kind="host_error", error=str(error))
    except Exception as error:  # noqa: BLE001 - the edge: whatever happens, the controller gets an answer
        reply.update(ok=False, kind="internal", error=_place(error))
    reply["host"] = host_evidence(time.time())
    return reply


@contextlib.contextmanager
def uninterrupted() -> t.Iterator[None]:
    """Let SIGHUP, SIGINT and SIGTERM pass without effect, as a connection that breaks sends them."""
    # A handler, not SIG_IGN: commands started meanwhile would inherit that, services among them.
    before = [(number, signal.signal(number, _pass)) for number in _SIGNALS]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _pass(_number: int, _frame: t.Any) -> None:
    pass


def _run(request: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    verb = request["verb"]
    if verb not in LOOKING + CHANGING:
        raise HostError("verb {!r} is not known, it must be one of {}".format(verb, ", ".join(LOOKING + CHANGING)))
    transaction = request["transaction"]
    if verb in CHANGING:
        _check_transaction(verb, transaction)
        _log(request)
    context = Context(now=time.time, transaction=transaction, actor=request["actor"], state=state_folder(), program=request.get("program") or "")
    run = importlib.import_module(_PACKAGE + ".verb_" + verb).run  # type: t.Callable[[t.Any, Context], t.Dict[str, t.Any]]
    return run(request["args"], context)


def _check_transaction(verb: str, transaction: t.Any) -> None:
    if not isinstance(transaction, str) or not re.fullmatch("[0-9a-f]{32}", transaction):
        raise HostError(f"{verb!r} changes the host and needs a transaction of 32 lower-case hexadecimal digits, got {transaction!r}")


def _log(request: t.Dict[str, t.Any]) -> None:
    # The actor is text of the controller's; ascii() keeps it on its line.
    line = "verb={} program={} transaction={} actor={!a}".format(request["verb"], request.get("program"), request["transaction"], request["actor"])
    try:
        import syslog  # noqa: PLC0415 - only some verbs need it
    except ImportError:  # an interpreter built without it
        return
    syslog.openlog("certops", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    syslog.syslog(syslog.LOG_NOTICE, line)
    syslog.closelog()


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = type(error).__name__
    if isinstance(error, OSError) and error.errno is not None:
        name += " " + errno.errorcode.get(error.errno, str(error.errno))
    if trace is None:
        return f"internal error {name}"
    code = trace.tb_frame.f_code
    line = f" line {trace.tb_lineno}" if trace.tb_lineno and trace.tb_lineno > 0 else ""  # what came compiled has no lines
    return f"internal error {name} in {os.path.basename(code.co_filename)}{line} ({code.co_name})"


def _json(value: t.Any) -> bytes:
    # A lone surrogate (a name that the locale could not decode) has no UTF-8 form.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _print(data: bytes) -> None:
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:  # nobody listens any more; what was done is in the journal
        pass
