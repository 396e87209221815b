# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of services: where their configuration lies, what their validation proves, how they reload. Users add entries by `certops_services`.

Commands are argument lists, never a shell; `{configuration}` and `{pid}` in them are replaced. A command that is null is systemd's, where the unit is known.
"""

import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError

SYNTAXES = ("nginx", "apache", "haproxy", "declared")
VALIDATES = ("pair", "syntax", "nothing")
RELOADS = ("keeps_old_on_error", "dies_on_error", "restart", "by_itself", "none")

Entry = t.Dict[str, t.Any]

_APACHE = {"syntax": "apache", "validates": "syntax", "reload": "dies_on_error"}  # apache2 -t says "Syntax OK" to a mismatched pair

_SHIPPED: t.Sequence[Entry] = (
    {
        "name": "nginx",
        "syntax": "nginx",
        "configurations": ["/etc/nginx/nginx.conf", "/usr/local/nginx/conf/nginx.conf", "/usr/local/openresty/nginx/conf/nginx.conf"],
        "processes": ["nginx", "openresty"],
        "unit": "nginx.service",
        "validate": ["nginx", "-t", "-q", "-c", "{configuration}"],
        "validates": "pair",  # of an RSA certificate with an EC key, or the other way round, nginx -t says nothing: our own checks do
        "reload": "keeps_old_on_error",
    },
    dict(  # Debian, Ubuntu; SUSE has httpd.conf
        _APACHE,
        name="apache",
        configurations=["/etc/apache2/apache2.conf", "/etc/apache2/httpd.conf"],
        processes=["apache2", "httpd-prefork", "httpd-worker", "httpd-event"],
        unit="apache2.service",
        validate=["apache2ctl", "-t", "-f", "{configuration}"],
    ),
    dict(  # Red Hat and its kin
        _APACHE,
        name="httpd",
        configurations=["/etc/httpd/conf/httpd.conf"],
        processes=["httpd"],
        unit="httpd.service",
        validate=["httpd", "-t", "-f", "{configuration}"],
    ),
    {
        "name": "haproxy",
        "syntax": "haproxy",
        "configurations": ["/etc/haproxy/haproxy.cfg"],
        "processes": ["haproxy"],
        "unit": "haproxy.service",
        "validate": ["haproxy", "-c", "-f", "{configuration}"],
        "validates": "pair",
        "reload": "keeps_old_on_error",
        "loads_folder": True,
    },
)


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


def _list(check: Check) -> Check:
    def checked(value: t.Any) -> t.Optional[str]:
        if not isinstance(value, list):
            return "a list"
        wrong = next(filter(None, map(check, value)), None)
        return wrong and "a list, each of it " + wrong

    return checked


# Of each key: what it must be, and what it is when left out.
_FIELDS: t.Dict[str, t.Tuple[Check, t.Any]] = {
    "name": (_text, None),
    "syntax": (_one_of(SYNTAXES), "declared"),
    "configurations": (_list(_path), []),
    "processes": (_list(_text), []),
    "unit": (_or_null(_text), None),
    "validate": (_or_null(_argv), None),
    "validates": (_one_of(VALIDATES), "nothing"),
    "reload": (_one_of(RELOADS), "keeps_old_on_error"),
    "reload_command": (_or_null(_argv), None),
    "start_command": (_or_null(_argv), None),
    "status_command": (_or_null(_argv), None),
    "pid_file": (_or_null(_path), None),
    "reads_as": (_text, "root"),
    "loads_folder": (_boolean, False),
    "uses": (_list(lambda value: None if isinstance(value, dict) else "a dictionary"), []),
    "listeners": (_list(lambda value: None if isinstance(value, dict) else "a dictionary"), []),
}
_USE_FIELDS: t.Dict[str, t.Tuple[Check, t.Any]] = {
    "certificate": (_or_null(_path), None),
    "key": (_or_null(_path), None),
    "chain": (_or_null(_path), None),
    "folder": (_or_null(_path), None),
    "names": (_list(_text), []),
    "listeners": (_list(_index), []),
}
_LISTENER_FIELDS: t.Dict[str, t.Tuple[Check, t.Any]] = {
    "address": (_text, "127.0.0.1"),
    "port": (_port, None),
    "names": (_list(_text), []),
    "protocol": (_one_of(("tls",)), "tls"),
}


def check_entries(user_entries: t.Any, at: str = "certops_services") -> t.List[Entry]:
    """Return the complete table: the entries shipped, each completed and overruled by the user's entry of its name, and the user's own after them.

    Raises ServiceEntryError that names every wrong place, for example `certops_services[2].reload`. The result given again is returned unchanged.
    """
    if not isinstance(user_entries, list):
        raise ServiceEntryError(f"{at} must be a list of service entries, got {user_entries!r}")
    problems: t.List[str] = []
    table = {entry["name"]: _completed(entry, _FIELDS, "", problems) for entry in _SHIPPED}
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
    entry = _completed(dict(table.get(name, {}), **given), _FIELDS, at, problems)
    if isinstance(entry["uses"], list) and isinstance(entry["listeners"], list):
        entry["uses"] = [_completed(use, _USE_FIELDS, f"{at}.uses[{number}]", problems) for number, use in enumerate(entry["uses"])]
        entry["listeners"] = [_completed(each, _LISTENER_FIELDS, f"{at}.listeners[{number}]", problems) for number, each in enumerate(entry["listeners"])]
    problems.extend(_contradictions(entry, at))
    table[name] = entry


def _from_template(check: Check, value: t.Any) -> t.Any:
    """Before ansible-core 2.19 a template makes text, also of a number and of a truth."""
    if check is _port and isinstance(value, str) and re.match(r"[0-9]{1,5}\Z", value):
        return int(value)
    if check is _boolean and value in ("True", "False"):
        return value == "True"
    return value


def _completed(given: t.Any, fields: t.Dict[str, t.Tuple[Check, t.Any]], at: str, problems: t.List[str]) -> Entry:
    """Return `given` with every field; what is wrong in it is added to `problems`."""
    if not isinstance(given, dict):
        return {}  # told by the check of the list that it stands in
    problems.extend(f"{at}.{key} is not known, accepted are {', '.join(fields)}" for key in given if key not in fields)
    complete = {}
    for key, (check, default) in fields.items():
        complete[key] = value = _from_template(check, given.get(key, list(default) if isinstance(default, list) else default))
        wrong = check(value)
        if wrong:
            problems.append(f"{at}.{key} must be {wrong}, got {value!r}")
    return complete


def _contradictions(entry: Entry, at: str) -> t.Iterator[str]:
    """What is wrong with an entry although each field of it is right."""
    if entry["validates"] in ("pair", "syntax") and entry["validate"] is None:
        yield f"{at}.validate must be a command when validates is {entry['validates']!r}"
    if entry["syntax"] != "declared" and (entry["uses"] or entry["listeners"]):
        yield f"{at}.uses and listeners are for the syntax 'declared', a service of the syntax {entry['syntax']!r} has them from its configuration"
    count = len(entry["listeners"]) if isinstance(entry["listeners"], list) else 0
    for number, use in enumerate(entry["uses"] if isinstance(entry["uses"], list) else ()):
        chosen = use.get("listeners")
        for index in chosen if isinstance(chosen, list) else ():
            if isinstance(index, int) and index >= count:
                yield f"{at}.uses[{number}].listeners must be below the {count} listeners of the entry, got {index!r}"


ENTRIES: t.Sequence[Entry] = tuple(check_entries([]))
