# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation of each module that is an action plugin says what the plugin checks."""

from __future__ import annotations

import ast
import functools
import importlib
import pathlib
import typing as t

import pytest
import yaml

PLUGINS = pathlib.Path(__file__).resolve().parents[3] / "plugins"
COMPARED = ("type", "required", "default", "choices", "elements", "aliases")
ABSENT: dict[str, t.Any] = {"type": "str", "required": False, "default": None, "choices": None, "elements": None, "aliases": []}


def _action_plugins() -> list[str]:
    return sorted(path.stem for path in (PLUGINS / "action").glob("*.py"))


def _assigned(path: pathlib.Path) -> dict[str, str]:
    """Texts that a file assigns to names, also inside a class, read without running it."""
    assignments = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Assign)]
    return {
        node.targets[0].id: node.value.value
        for node in assignments
        if isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


@functools.cache
def _module_blocks(name: str) -> dict[str, t.Any]:
    """DOCUMENTATION, with the collection's fragments put in, EXAMPLES and RETURN."""
    texts = _assigned(PLUGINS / "modules" / f"{name}.py")
    blocks = {block: yaml.safe_load(texts.get(block, "")) for block in ("DOCUMENTATION", "EXAMPLES", "RETURN")}
    documentation = blocks["DOCUMENTATION"]
    for fragment in documentation.get("extends_documentation_fragment", ()):
        shared = yaml.safe_load(_assigned(PLUGINS / "doc_fragments" / f"{fragment.rpartition('.')[2]}.py")["DOCUMENTATION"])
        for section, entries in shared.items():
            own = documentation.setdefault(section, {})
            for entry, value in entries.items():
                own[entry] = {**value, **own.get(entry, {})}
    return blocks


def _options(documented: t.Mapping[str, t.Any], inner: str) -> dict[str, t.Any]:
    """Options in the terms of both sides; ``inner`` is what nested options are called there."""
    found = {}
    for name, option in documented.items():
        found[name] = {field: option.get(field, ABSENT[field]) for field in COMPARED}
        if option.get(inner):
            found[name][inner] = _options(option[inner], inner)
    return {name: {("options" if field == inner else field): value for field, value in option.items()} for name, option in found.items()}


@functools.cache
def _action(name: str) -> t.Any:
    return importlib.import_module(f"ansible_collections.certops.fleet.plugins.action.{name}")


@pytest.mark.parametrize("name", _action_plugins())
def test_options_are_those_of_the_argument_spec(name: str) -> None:
    """Names, types, defaults and choices, nested ones too; that a secret is hidden is not a part of the documentation."""
    documented = _module_blocks(name)["DOCUMENTATION"]
    assert _options(documented.get("options", {}), "suboptions") == _options(_action(name).ARGUMENT_SPEC, "options")


@pytest.mark.parametrize("name", _action_plugins())
def test_attributes_are_those_of_the_plugin(name: str) -> None:
    """Whether check mode and diff mode work is documented as the plugin declares it."""
    plugin, attributes = _action(name).ActionModule, _module_blocks(name)["DOCUMENTATION"]["attributes"]
    assert (attributes["check_mode"]["support"] != "none") is plugin._supports_check_mode
    assert (attributes["diff_mode"]["support"] != "none") is getattr(plugin, "_supports_diff", False)


@pytest.mark.parametrize("name", _action_plugins())
def test_examples_call_the_plugin(name: str) -> None:
    """By its full name, with options that exist; every result is described."""
    blocks = _module_blocks(name)
    assert blocks["DOCUMENTATION"]["module"] == name
    tasks = [task for task in blocks["EXAMPLES"] if f"certops.fleet.{name}" in task]
    assert tasks
    for task in tasks:
        assert set(task[f"certops.fleet.{name}"] or {}) <= set(blocks["DOCUMENTATION"].get("options", {}))
    assert all(value["description"] and value["type"] for value in blocks["RETURN"].values())


def _not_text(value: t.Any, path: str) -> list[str]:
    """Where a description has something else than text: YAML takes a sentence with a colon and a space for a dictionary."""
    if isinstance(value, list):
        return [problem for index, item in enumerate(value) for problem in _not_text(item, f"{path}[{index}]")]
    if not isinstance(value, dict):
        return []
    described = value.get("description", "")
    lines = described if isinstance(described, list) else [described]
    own = [f"{path}.description[{index}]: {line!r}" for index, line in enumerate(lines) if not isinstance(line, str)]
    return own + [problem for key, item in value.items() if key != "description" for problem in _not_text(item, f"{path}.{key}")]


@pytest.mark.parametrize("path", sorted(path for kind in PLUGINS.iterdir() for path in kind.glob("*.py")), ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_descriptions_are_text(path: pathlib.Path) -> None:
    """Every line of them, in options, results and fragments alike."""
    blocks = {block: text for block, text in _assigned(path).items() if block in ("DOCUMENTATION", "RETURN")}
    assert [problem for block, text in blocks.items() for problem in _not_text(yaml.safe_load(text), block)] == []


def test_every_action_plugin_has_a_module() -> None:
    """A file of the same name, or ansible-doc knows nothing of it."""
    assert _action_plugins() == [name for name in _action_plugins() if (PLUGINS / "modules" / f"{name}.py").is_file()]
