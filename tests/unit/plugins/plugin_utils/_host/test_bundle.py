# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundles: their lists of sources, and every Python of this machine that must run them."""

from __future__ import annotations

import ast
import binascii
import json
import platform
import re
import subprocess
import sys
import typing as t
import zlib
from pathlib import Path

import pytest

from ansible_collections.certops.fleet.plugins.module_utils._host import program
from ansible_collections.certops.fleet.plugins.plugin_utils._host import bundle

sys.path.append(str(Path(__file__).resolve().parents[5] / "tests/tools"))
from interpreters import HOST_PYTHONS, find_host_interpreters

PACKAGE = program.__name__.rpartition(".")[0]
NEEDED_BY_ALL = {"accounts.py", "base.py", "evidence.py", "program.py"}


@pytest.fixture(params=HOST_PYTHONS)
def python(request: pytest.FixtureRequest) -> Path:
    found = find_host_interpreters((request.param,))[request.param]
    if found is None:
        pytest.skip(f"this machine has no Python {request.param}")
    return t.cast("Path", found)


def imports(name: str) -> set[str]:
    """Return the files of the host ring that a file of it imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse((bundle.HOST_FOLDER / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(PACKAGE + "."):
            place = str(node.module)[len(PACKAGE) + 1 :].replace(".", "/")
            found |= {f"{place}.py"} if (bundle.HOST_FOLDER / f"{place}.py").is_file() else {f"{place}/{alias.name}.py".lstrip("/") for alias in node.names}
    return found


def closure(names: set[str]) -> set[str]:
    found: set[str] = set()
    while names:
        found |= names
        names = set().union(*map(imports, names)) - found
    return found


@pytest.mark.parametrize("verb", bundle.SOURCES)
def test_sources_are_the_closure_of_the_imports(verb: str) -> None:
    """Each list names exactly what its verb imports, directly or not, besides what every verb needs."""
    expected = closure({f"verb_{verb}.py"}) - NEEDED_BY_ALL
    assert {"missing": expected - set(bundle.SOURCES[verb]), "superfluous": set(bundle.SOURCES[verb]) - expected} == {"missing": set(), "superfluous": set()}


def test_common_sources() -> None:
    """What every verb needs is the closure of the program's imports."""
    assert closure({"program.py"}) == NEEDED_BY_ALL


def test_every_verb_can_be_asked_both_ways() -> None:
    """Each verb file has a list of sources and is carried by the module; the program knows it."""
    files = {path.stem[len("verb_") :] for path in bundle.HOST_FOLDER.glob("verb_*.py")}
    module = (bundle.HOST_FOLDER.parents[1] / "modules/host_program.py").read_text(encoding="utf-8")
    carried = {alias.name for node in ast.walk(ast.parse(module)) if isinstance(node, ast.ImportFrom) and node.module == PACKAGE for alias in node.names}
    assert set(bundle.SOURCES) == files == {name[len("verb_") :] for name in carried}
    assert files <= {*program.LOOKING, *program.CHANGING}


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a verb that returns its arguments and return the name it goes by."""
    source = "import traceback\n\ndef run(args, context):\n    return {'args': args, 'file': __file__, 'trace': traceback.format_stack()[-1]}\n"
    packed = bundle._packed({**bundle._read(()), "verb_scan.py": source})
    monkeypatch.setattr(bundle, "_bundle", lambda verb: packed)
    return "scan"


def request_for(verb: str, args: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"verb": verb, "nonce": "a1", "transaction": None, "actor": "tester", "args": args}


def start(python: Path, text: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([python, "-I", "-S", "-"], input=text.encode(), capture_output=True, check=False, timeout=60)


def answered(output: bytes) -> dict[str, t.Any]:
    packed = output.split(b"CERTOPS-END a1 ")[1]
    return t.cast("dict[str, t.Any]", json.loads(zlib.decompress(binascii.a2b_base64(packed))))


def test_every_python_runs_it(python: Path, echo: str) -> None:
    """A request comes back from a program that was read from standard input; names, files and source lines are the real ones."""
    said = {"text": 'ä"""\\\n\N{LOCK}', "number": 1.5}
    result = answered(start(python, bundle.program_text(echo, request_for(echo, said))).stdout)["result"]
    assert result["args"] == said
    assert result["file"] == PACKAGE.replace(".", "/") + "/verb_scan.py"
    assert "return {'args': args" in result["trace"]


@pytest.mark.parametrize("verb", bundle.SOURCES)
def test_every_python_imports_each_bundle(python: Path, verb: str) -> None:
    """Each bundle is complete and in a language that every supported Python reads."""
    text = bundle.program_text(verb, request_for(verb, {})).rpartition("\n\nstart(")[0]
    text += f'\n\nsys.meta_path.insert(0, Sources(unpacked("""\n{bundle._bundle(verb)}""")))\nimport {PACKAGE}.verb_{verb} as verb\nassert callable(verb.run)\n'
    finished = start(python, text)
    assert (finished.returncode, finished.stderr) == (0, b"")


def test_the_same_python_takes_what_is_compiled() -> None:
    """A host with the controller's Python runs the compiled program, and an error in it is placed all the same."""
    finished = start(Path(sys.executable), bundle.program_text("outcome", request_for("outcome", {}), form="compiled"))
    assert b"CERTOPS-START a1" in finished.stdout
    assert answered(finished.stdout)["error"] == "internal error KeyError in verb_outcome.py (run)"


def test_another_python_asks_for_the_sources(python: Path) -> None:
    """What was compiled by another version of Python is not run; the host says that it wants the sources."""
    finished = start(python, bundle.program_text("scan", request_for("scan", {}), form="compiled"))
    same = subprocess.run([python, "-c", "import importlib.util as u; print(u.MAGIC_NUMBER.hex())"], capture_output=True, text=True, check=True)
    if same.stdout.strip() == bundle.MAGIC_NUMBER.hex():
        assert b"CERTOPS-START a1" in finished.stdout
    else:
        assert (finished.stdout.strip(), finished.stderr, finished.returncode) == (b"CERTOPS-SOURCES a1", b"", 0)


def test_every_python_takes_both(python: Path) -> None:
    """Who is sent the sources as well runs in any case; only the controller's own version runs what has no lines."""
    text = bundle.program_text("outcome", request_for("outcome", {}), form="both")
    error = answered(start(python, text).stdout)["error"]
    compiled = subprocess.run([python, "-c", "import importlib.util as u; print(u.MAGIC_NUMBER.hex())"], capture_output=True, text=True, check=True)
    expected = "internal error KeyError in verb_outcome.py" + ("" if compiled.stdout.strip() == bundle.MAGIC_NUMBER.hex() else r" line \d+")
    assert re.fullmatch(rf"{expected} \(run\)", error)


@pytest.mark.parametrize(
    ("verb", "version", "expected"),
    [
        ("scan", platform.python_version(), "compiled"),
        ("scan", "{}.{}.99".format(*sys.version_info), "compiled"),
        ("outcome", platform.python_version(), "sources"),
        ("outcome", None, "sources"),
        ("scan", "3.6.8", "sources"),
        ("scan", None, "both"),
        ("scan", "", "sources"),
        ("scan", "None", "sources"),
    ],
)
def test_which_hosts_get_it_compiled(monkeypatch: pytest.MonkeyPatch, verb: str, version: str | None, expected: bundle.Form) -> None:
    """Those that are known to have the controller's Python, and who is not known may choose; only of verbs that were prepared."""
    monkeypatch.setattr(bundle, "_PREPARED", set())
    bundle.prepare("scan")
    assert bundle.form_for(verb, version) == expected


def test_an_old_python_is_told() -> None:
    """The first act is to refuse an interpreter that cannot run the rest, with its path."""
    refusal = bundle._START.split("import binascii")[0].replace("sys.version_info", "(3, 5, 3)")
    finished = start(Path(sys.executable), refusal)
    assert finished.stderr.decode() == f"the host program needs Python 3.6 or later, {sys.executable} is 3.5\n"


@pytest.mark.parametrize("form", ["sources", "both"])
def test_a_text_that_is_cut_off_starts_nothing(python: Path, echo: str, form: bundle.Form) -> None:
    """Wherever a connection ends, a part of the program does nothing and shows nearly nothing of the request."""
    secret = "".join(chr(0x4E00 + number * 37 % 20000) for number in range(500))
    request = request_for(echo, {"secret": secret})
    text = bundle.program_text(echo, request, form=form)
    begin = text.index(bundle.packed_request(request)) - 5
    for cut in (10, len(bundle._START), begin - 100, begin + 5, begin + 300, len(text) - 6, len(text) - 3):
        finished = start(python, text[:cut])
        assert b"CERTOPS-START" not in finished.stdout
        assert len(b"".join(finished.stderr.split())) < 300
    assert b"CERTOPS-START" in start(python, text).stdout
