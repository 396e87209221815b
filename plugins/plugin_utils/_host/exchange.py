# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request to a host and its answer: the only file that knows the insides of ansible-core."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
import secrets
import typing as t
import zlib

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError

from ansible_collections.certops.fleet.plugins.module_utils._host.program import CHANGING, PACKED_LIMIT, UNPACKED_LIMIT
from ansible_collections.certops.fleet.plugins.plugin_utils._host.bundle import SOURCES, Form, form_for, packed_request, program_digest, program_text
from ansible_collections.certops.fleet.plugins.plugin_utils._host.variables import host_variables

try:
    from ansible.executor.interpreter_discovery import InterpreterDiscoveryRequiredError, discover_interpreter
    from ansible.executor.module_common import _get_shebang
except ImportError:
    HAS_SHEBANG = False
else:
    HAS_SHEBANG = True

ERROR_KINDS = ("host", "died", "unknown", "answer", "request")

_TERMINAL = 97
_NO_TERMINAL = "must have a tty"
# A pair of escapes for one character is rejected with the lone ones: the host program writes UTF-8.
_SURROGATE = re.compile(r"(?<!\\)(?:\\\\)*\\u[dD][89a-fA-F]")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")

Answer = dict[str, t.Any]


class ExchangeError(ValueError):
    """An exchange without a result; `kind` is one of ERROR_KINDS.

    host: the host, or what stands before its interpreter, said no. died: the program ended without an answer. answer: what came is no
    answer. unknown: a changing verb gave no answer and the journal knows no outcome yet. request: it cannot be asked at all.
    """

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.kind = kind


def exchange(
    action: t.Any, task_vars: dict[str, t.Any], verb: str, args: dict[str, t.Any], *, actor: str, transaction: str | None = None, python: str | None = None
) -> Answer:
    """Ask the host of a task (the delegate, where it is delegated) and return the result of the verb.

    `python` is the version that the host is known to have: where it is the controller's own, the program goes compiled; where it is None, in both ways. What
    the host is known by is added as `_host`, an interpreter that was discovered as `ansible_facts`. Errors of the connection and of become are Ansible's own.
    """
    request = _request(action, verb, args, actor, transaction)
    try:
        answer = _asked(action, task_vars, request, form=form_for(verb, python))
    except ExchangeError as error:
        if verb not in CHANGING or error.kind not in ("died", "answer"):
            raise
        answer = _recorded(action, task_vars, request, error)
    return _result(action, answer)


def silence(error: BaseException) -> str | None:
    """Why a host gave nothing: the connection, become, the interpreter, the host program or the task's timeout. None for what is no matter of the host."""
    if type(error).__name__ == "TaskTimeoutError":  # its module is ansible-core's own affair
        return "it did not answer within the timeout of the task"
    return str(error) if isinstance(error, (AnsibleError, ExchangeError)) else None


def _request(action: t.Any, verb: str, args: dict[str, t.Any], actor: str, transaction: str | None) -> Answer:
    if verb not in SOURCES:
        raise ExchangeError(f"verb {verb!r} must be one of {', '.join(SOURCES)}", "request")
    if action._task.async_val:
        raise ExchangeError(f"{action._task.action} cannot be run with async, got {action._task.async_val!r}", "request")
    return {"verb": verb, "nonce": "", "transaction": transaction, "actor": actor, "args": args, "program": program_digest(verb)}


def _asked(action: t.Any, task_vars: dict[str, t.Any], request: Answer, *, form: Form = "sources") -> Answer:
    request = {**request, "nonce": secrets.token_hex(16)}
    if _takes_program(action):
        try:
            answer = _by_program(action, task_vars, request, form=form)
        except _SourcesWanted:
            answer = _by_program(action, task_vars, request, form="sources")
        if answer is not None:
            return answer
    return _by_module(action, task_vars, request)


def _recorded(action: t.Any, task_vars: dict[str, t.Any], request: Answer, error: ExchangeError) -> Answer:
    # The program may still be at work, or have finished what it could not tell: only its journal knows.
    question = _request(action, "outcome", {"transaction": request["transaction"]}, request["actor"], request["transaction"])
    unknown = f"{error}; the outcome of transaction {request['transaction']} is unknown"
    try:
        answer = _asked(action, task_vars, question)
    except (AnsibleError, ExchangeError) as exc:
        raise ExchangeError(f"{unknown}, the journal could not be asked: {exc}", "unknown") from exc
    outcome = answer.get("result", {})
    if isinstance(outcome.get("result"), dict):
        return {**answer, "result": outcome["result"]}
    raise ExchangeError(f"{unknown}, the journal's state is {_printable(str(outcome.get('state')))!r}", "unknown") from error


def _result(action: t.Any, answer: Answer) -> Answer:
    if not answer["ok"]:
        raise ExchangeError(_printable(answer["error"]), "host")
    result = {key: value for key, value in answer["result"].items() if key != "ansible_facts"}
    result["_host"] = answer["host"]
    key = getattr(action, "_discovered_interpreter_key", None)
    if key:
        result["ansible_facts"] = {key: action._discovered_interpreter}
    return result


# The program.


def _takes_program(action: t.Any) -> bool:
    connection = action._connection
    needed = HAS_SHEBANG and hasattr(action, "_low_level_execute_command") and hasattr(action, "_compute_environment_string")
    own_host = getattr(connection, "has_pipelining", False) and not getattr(connection, "_remote_is_local", False)
    return bool(needed and own_host and getattr(connection._shell, "SHELL_FAMILY", None) == "sh")


class _SourcesWanted(Exception):
    """The host has another version of Python by now; nothing was started."""


def _by_program(action: t.Any, task_vars: dict[str, t.Any], request: Answer, *, form: Form) -> Answer | None:
    python = _interpreter(action, task_vars)
    # A Python that reads its program from a terminal waits for ever.
    command = f"test -t 0 && exit {_TERMINAL}; {action._compute_environment_string()} {python} -I -S -"
    program = program_text(request["verb"], request, form=form).encode()
    try:
        with _without_terminal(action._connection):
            finished = action._low_level_execute_command(command, in_data=program)
    except AnsibleConnectionFailure:
        raise
    except AnsibleError as exc:  # become failed, before anything was started
        if _NO_TERMINAL in str(exc):
            return None
        raise
    return _framed(finished, request["nonce"], python)


@contextlib.contextmanager
def _without_terminal(connection: t.Any) -> t.Iterator[None]:
    # A terminal (-tt, RequestTTY in a configuration of ssh's own) would echo the request into the output.
    if connection.transport != "ssh":
        yield
        return
    before = connection.get_option("ssh_extra_args")
    connection.set_option("ssh_extra_args", f"{before or ''} -T")
    try:
        yield
    finally:
        connection.set_option("ssh_extra_args", before)


def _interpreter(action: t.Any, task_vars: dict[str, t.Any]) -> str:
    """Return what a module would be run with, and remember what was discovered as for a module."""
    variables = host_variables(action, task_vars)
    try:
        return _shebang_interpreter(action, variables)
    except InterpreterDiscoveryRequiredError as exc:
        found = discover_interpreter(action=action, interpreter_name=exc.interpreter_name, discovery_mode=exc.discovery_mode, task_vars=variables)
        key = f"discovered_interpreter_{exc.interpreter_name}"
        variables.setdefault("ansible_facts", {})[key] = found
        if not action._task.delegate_to or action._task.delegate_facts:
            task_vars.setdefault("ansible_facts", {})[key] = found
            action._discovered_interpreter_key, action._discovered_interpreter = key, found
        return _shebang_interpreter(action, variables)


def _shebang_interpreter(action: t.Any, variables: dict[str, t.Any]) -> str:
    return str(_get_shebang("/usr/bin/python", variables, action._templar)[1])


def _framed(finished: t.Mapping[str, t.Any], nonce: str, python: str) -> Answer | None:
    """Return the answer between the frames; None when the program did not start because a terminal is there or is missing."""
    output = finished["stdout"]
    start = output.find(f"CERTOPS-START {nonce}")
    if start < 0:
        if f"CERTOPS-SOURCES {nonce}" in output:
            raise _SourcesWanted
        _not_started(finished, python)
        return None
    match = re.compile(rf"CERTOPS-END {nonce} ([A-Za-z0-9+/=]*)\r?\n").search(output, start)
    if match is None:
        raise ExchangeError(f"the host program ended without an answer (code {finished['rc']}): {_last_line(finished)}", "died")
    return _unpacked(match[1], binascii.a2b_base64)


def _not_started(finished: t.Mapping[str, t.Any], python: str) -> None:
    code = finished["rc"]
    if code == _TERMINAL or _NO_TERMINAL in finished["stderr"] or _NO_TERMINAL in finished["stdout"]:
        return
    # The shell's message names what it could not start; become, or an environment, stands before the interpreter.
    if code in (126, 127) and python.strip("'\"").split()[0] in finished["stderr"]:
        advice = "Consider overriding the configured interpreter path for this host."
        raise AnsibleActionFail(f"The module interpreter {python!r} was not found. {advice} {_printable(finished['stderr'])}")
    reason = _last_line(finished)
    if code == 0:
        raise ExchangeError(f"nothing came back from the host program: {reason}", "died")
    raise ExchangeError(f"the host program did not start (code {code}): {reason}", "host")


def _last_line(finished: t.Mapping[str, t.Any]) -> str:
    lines = finished["stderr"].split("\n") + finished["stdout"].split("\n")
    return next((_printable(line) for line in reversed(lines) if line.strip()), "no output")


# The module.


class _Unprinted(str):
    """Text that ansible-core does not show where it prints the arguments of a module for debugging."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'not printed'"


def _by_module(action: t.Any, task_vars: dict[str, t.Any], request: Answer) -> Answer:
    module_args = {"verb": request["verb"], "request": _Unprinted(packed_request(request))}
    result = action._execute_module(module_name="certops.fleet.host_program", module_args=module_args, task_vars=task_vars)
    packed = result.get("answer")
    if isinstance(packed, str):
        return _unpacked(str(packed), base64.b32decode)
    text = _printable(str(result.get("msg")))
    if result.get("rc") in (126, 127):
        raise AnsibleActionFail(text)
    output = _printable(" ".join(str(result.get(key, "")) for key in ("module_stderr", "module_stdout")))
    # What the module says in good order, it says before it runs the verb: that it cannot read the request, that Python is too old for ansible-core.
    if not {"module_stdout", "exception"} & set(result) or _NO_TERMINAL in output:
        raise ExchangeError(f"the module host_program did not start: {text} ({output})", "host")
    raise ExchangeError(f"the module host_program gave no answer: {text} ({output})", "died")


# The answer: what a host sends is not trusted.


def _unpacked(text: str, decode: t.Callable[[str], bytes]) -> Answer:
    try:
        return _checked(_loaded(_decompressed(decode(text))))
    except (ValueError, RecursionError, zlib.error) as exc:
        raise ExchangeError(f"the host's answer cannot be read: {_printable(str(exc))}", "answer") from exc


def _decompressed(packed: bytes) -> bytes:
    if len(packed) > PACKED_LIMIT:
        raise ValueError(f"it has {len(packed)} bytes, at most {PACKED_LIMIT} are accepted")
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(packed, UNPACKED_LIMIT)
    if not unpacker.eof:
        raise ValueError(f"it is cut off, or unpacks to more than the {UNPACKED_LIMIT} bytes that are accepted")
    return data


def _loaded(data: bytes) -> object:
    text = data.decode("utf-8")
    if _SURROGATE.search(text):
        raise ValueError("it holds half a character")
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> t.NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _checked(answer: object) -> Answer:
    shape = {"ok": bool, "host": dict}
    if isinstance(answer, dict) and answer.get("ok") is True:
        shape["result"] = dict
    else:
        shape.update(error=str, kind=str)
    if not isinstance(answer, dict) or not all(isinstance(answer.get(key), kind) for key, kind in shape.items()):
        raise ValueError(f"it must have {', '.join(shape)}")
    return answer


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text).strip()[:1000]
