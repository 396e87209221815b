# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of services: where their configuration lies, what their validation proves, how they reload. Users add entries by `certops_services`.

Commands are argument lists, never a shell; `{configuration}` and `{pid}` in them are replaced. A command that is null is systemd's, where the unit is known.
"""

import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.services import entries, shipped

SYNTAXES = ("nginx", "apache", "haproxy", "lines", "yaml", "xml", "arguments", "folder", "exim", "prosody", "declared")
READ_BY_ROWS = ("lines", "yaml", "xml", "arguments", "folder", "exim", "prosody")  # of these `reads` says what counts in them
VALIDATES = ("pair", "syntax", "nothing")
RELOADS = ("keeps_old_on_error", "dies_on_error", "restart", "by_itself", "none")
PROTOCOLS = ("tls", "smtp", "lmtp", "imap", "pop3", "sieve", "ftp", "ldap", "postgres", "mysql", "xmpp", "xmpp-server", "nntp", "irc")

Entry = t.Dict[str, t.Any]


class ServiceEntryError(HostError):
    """An entry of the service table is not as its schema says; the text names the place in it."""


def _text(value: t.Any) -> t.Optional[str]:
    return None if isinstance(value, str) and value and value.isprintable() else "a text that is not empty"


def _path(value: t.Any) -> t.Optional[str]:
    return None if _text(value) is None and value.startswith("/") else "an absolute path"


def _argv(value: t.Any) -> t.Optional[str]:
    return None if _list(_text)(value) is None and value else "a list of texts, the program first"


def _boolean(value: t.Any) -> t.Optional[str]:
    return None if isinstance(value, bool) else "true or false"


def _port(value: t.Any) -> t.Optional[str]:
    return None if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536 else "a port from 1 to 65535"


def _index(value: t.Any) -> t.Optional[str]:
    return None if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else "the number of a listener, the first is 0"


Check = t.Callable[[t.Any], t.Optional[str]]


def _one_of(accepted: t.Sequence[str]) -> Check:
    return lambda value: None if value in accepted else "one of " + ", ".join(accepted)


def _or_null(check: Check) -> Check:
    def checked(value: t.Any) -> t.Optional[str]:
        wrong = None if value is None else check(value)
        return wrong and wrong + " or null"

    return checked


def _names(value: t.Any) -> t.Optional[str]:
    return None if _text(value) is None or _list(_text)(value) is None else "the name of a setting, or a list of names"


def _accepted(value: t.Any) -> t.Optional[str]:
    each_of = _list(lambda one: None if one is None or isinstance(one, bool) else _text(one))
    shape = isinstance(value, dict) and all(isinstance(each, bool) or each_of(each) is None for each in value.values())
    return None if shape else "a dictionary of settings, each with true, false or a list of the values accepted"


def _targets(value: t.Any) -> t.Optional[str]:
    shape = isinstance(value, dict) and all(isinstance(text, str) for pair in value.items() for text in pair)
    return None if shape else "a dictionary of options, each with the file in the folder that it names, or an empty text"


def _dictionary(value: t.Any) -> t.Optional[str]:
    return None if isinstance(value, dict) else "a dictionary"


def _list(check: Check) -> Check:
    def checked(value: t.Any) -> t.Optional[str]:
        if not isinstance(value, list):
            return "a list"
        wrong = next(filter(None, map(check, value)), None)
        return wrong and "a list, each of it " + wrong

    return checked


_PORT_OR_NULL = _or_null(_port)

# Of each key: what it must be; what it is when left out stands in entries.py and shipped.py.
_FIELDS: t.Dict[str, Check] = {
    "name": _text,
    "syntax": _one_of(SYNTAXES),
    "configurations": _list(_path),
    "processes": _list(_text),
    "unit": _or_null(_text),
    "validate": _or_null(_argv),
    "validates": _one_of(VALIDATES),
    "reload": _one_of(RELOADS),
    "reload_command": _or_null(_argv),
    "start_command": _or_null(_argv),
    "status_command": _or_null(_argv),
    "pid_file": _or_null(_path),
    "reads_as": _text,
    "loads_folder": _boolean,
    "argument": _or_null(_text),
    "configuration_arguments": _targets,
    "reads": _dictionary,
    "uses": _list(_dictionary),
    "listeners": _list(_dictionary),
}
_READS_FIELDS: t.Dict[str, Check] = {
    "files": _list(_dictionary),
    "ports": _list(_dictionary),
    "scopes": _list(_text),
    "includes": _list(_text),
    "names": _names,
    "base": _names,
    "also": _list(_text),
    "continued": _boolean,
}
_FILE_FIELDS: t.Dict[str, Check] = {
    "certificate": _names,
    "key": _names,
    "chain": _names,
    "folder": _names,
    "store": _names,
    "client": _boolean,
    "when": _accepted,
}
_PORT_FIELDS: t.Dict[str, Check] = {
    "setting": _names,
    "address": _names,
    "port": _PORT_OR_NULL,
    "protocol": _one_of(PROTOCOLS),
    "when": _accepted,
}
_USE_FIELDS: t.Dict[str, Check] = {
    "certificate": _or_null(_path),
    "key": _or_null(_path),
    "chain": _or_null(_path),
    "folder": _or_null(_path),
    "store": _or_null(_path),
    "names": _list(_text),
    "listeners": _list(_index),
}
_LISTENER_FIELDS: t.Dict[str, Check] = {
    "address": _text,
    "port": _port,
    "names": _list(_text),
    "protocol": _one_of(PROTOCOLS),
}
_USE_DEFAULTS: Entry = {"certificate": None, "key": None, "chain": None, "folder": None, "store": None, "names": [], "listeners": []}
_LISTENER_DEFAULTS: Entry = {"address": "127.0.0.1", "port": None, "names": [], "protocol": "tls"}
_PARTS = (("uses", _USE_FIELDS, _USE_DEFAULTS), ("listeners", _LISTENER_FIELDS, _LISTENER_DEFAULTS))
_ROWS = (("files", _FILE_FIELDS, shipped.FILE_DEFAULTS), ("ports", _PORT_FIELDS, shipped.PORT_DEFAULTS))


def check_entries(user_entries: t.Any, at: str = "certops_services") -> t.List[Entry]:
    """Return the complete table: the entries shipped, each completed and overruled by the user's entry of its name, and the user's own after them.

    Raises ServiceEntryError that names every wrong place, for example `certops_services[2].reload`. The result given again is returned unchanged.
    """
    if not isinstance(user_entries, list):
        raise ServiceEntryError(f"{at} must be a list of service entries, got {user_entries!r}")
    problems: t.List[str] = []
    table = all_shipped()
    seen: t.Set[str] = set()
    for index, given in enumerate(user_entries):
        _add(table, seen, given, f"{at}[{index}]", problems)
    if problems:
        raise ServiceEntryError("; ".join(problems))
    return list(table.values())


def _add(table: t.Dict[str, Entry], seen: t.Set[str], given: t.Any, at: str, problems: t.List[str]) -> None:
    name = given.get("name") if isinstance(given, dict) else None
    if not isinstance(name, str):
        problems.append(f"{at} must be a dictionary with a name, got {given!r}")
        return
    if name in seen:
        problems.append(f"{at}.name must be unique, got {name!r} again")
    seen.add(name)
    before = dict(table.get(name, {}))
    if before.get("syntax") in READ_BY_ROWS and "syntax" not in given and (given.get("uses") or given.get("listeners")):
        before.update(syntax="declared", reads={})  # it says everything itself
    entry = _completed(dict(before, **given), _FIELDS, entries.DEFAULTS, at, problems)
    _complete_parts(entry, _PARTS, at, problems)
    if isinstance(entry["reads"], dict):
        entry["reads"] = _completed(entry["reads"], _READS_FIELDS, entries.READS_DEFAULTS, f"{at}.reads", problems)
        _complete_parts(entry["reads"], _ROWS, f"{at}.reads", problems)
    problems.extend(_contradictions(entry, at))
    table[name] = entry


def _complete_parts(entry: Entry, parts: t.Sequence[t.Tuple[str, t.Dict[str, Check], Entry]], at: str, problems: t.List[str]) -> None:
    for part, fields, defaults in parts:
        if isinstance(entry[part], list):
            entry[part] = [_completed(each, fields, defaults, f"{at}.{part}[{number}]", problems) for number, each in enumerate(entry[part])]


def all_shipped() -> t.Dict[str, Entry]:
    """Every entry that comes with the collection, complete, by its name."""
    table = {entry["name"]: entries.completed(entry) for entry in entries.WEB_SERVERS}
    table.update((name, shipped.entry_of(name)) for name in entries.OTHERS)
    return table


def _from_template(check: Check, value: t.Any) -> t.Any:
    """Before ansible-core 2.19 a template makes text, also of a number and of a truth."""
    if check in (_port, _PORT_OR_NULL) and isinstance(value, str) and re.match(r"[0-9]{1,5}\Z", value):
        return int(value)
    if check is _boolean and value in ("True", "False"):
        return value == "True"
    return value


def _completed(given: t.Any, fields: t.Dict[str, Check], defaults: Entry, at: str, problems: t.List[str]) -> Entry:
    """Return `given` with every field; what is wrong in it is added to `problems`."""
    if not isinstance(given, dict):
        return {}  # told by the check of the list that it stands in
    problems.extend(f"{at}.{key} is not known, accepted are {', '.join(fields)}" for key in given if key not in fields)
    complete = {}
    for key, check in fields.items():
        default = defaults[key]
        value = _from_template(check, given.get(key, list(default) if isinstance(default, list) else default))
        wrong = check(value)
        complete[key] = value if wrong else _shaped(check, value)
        if wrong:
            problems.append(f"{at}.{key} must be {wrong}, got {value!r}")
    return complete


def _shaped(check: Check, value: t.Any) -> t.Any:
    """The value in the one form that the readers know."""
    if check is _names:
        return shipped.names_of(value)
    return shipped.accepted_of(value) if check is _accepted else value


def _contradictions(entry: Entry, at: str) -> t.Iterator[str]:
    """What is wrong with an entry although each field of it is right."""
    if entry["validates"] in ("pair", "syntax") and entry["validate"] is None:
        yield f"{at}.validate must be a command when validates is {entry['validates']!r}"
    if entry["syntax"] in READ_BY_ROWS and isinstance(entry["reads"], dict) and not entry["reads"].get("files"):
        yield f"{at}.reads.files must say which settings name files when syntax is {entry['syntax']!r}"
    if entry["syntax"] != "declared" and (entry["uses"] or entry["listeners"]):
        yield f"{at}.uses and listeners are for the syntax 'declared', a service of the syntax {entry['syntax']!r} has them from its configuration"
    count = len(entry["listeners"]) if isinstance(entry["listeners"], list) else 0
    for number, use in enumerate(entry["uses"] if isinstance(entry["uses"], list) else ()):
        chosen = use.get("listeners")
        for index in chosen if isinstance(chosen, list) else ():
            if isinstance(index, int) and index >= count:
                yield f"{at}.uses[{number}].listeners must be below the {count} listeners of the entry, got {index!r}"
