# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text that the host's interpreter reads first: it makes the sources that come with it importable and runs the request."""

import sys

if sys.version_info < (3, 6):
    raise SystemExit("the host program needs Python 3.6 or later, {} is {}.{}".format(sys.executable, *sys.version_info[:2]))

import binascii
import json
import types
import typing as t
import zlib
from importlib.machinery import ModuleSpec

PACKAGE = "ansible_collections.certops.fleet.plugins.module_utils._host"


class Sources:
    """Finder and loader of the sources, so that imports and tracebacks are those of the installed collection (PEP 451)."""

    def __init__(self, sources: t.Dict[str, str]) -> None:
        self._sources = {PACKAGE + "." + name[:-3].replace("/", "."): source for name, source in sources.items()}
        words = [name.split(".") for name in self._sources]
        self._packages = {".".join(parts[:count]) for parts in words for count in range(1, len(parts))}

    def find_spec(self, name: str, path: t.Any = None, target: t.Any = None) -> t.Optional[ModuleSpec]:
        loader = self  # type: t.Any
        if name in self._packages:
            return ModuleSpec(name, loader, is_package=True)
        if name not in self._sources:
            return None
        spec = ModuleSpec(name, loader, origin=name.replace(".", "/") + ".py")
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        return None  # the default

    def exec_module(self, module: types.ModuleType) -> None:
        source = self.get_source(module.__name__)
        if source is not None:
            # The sources came on the same standard input as this text.
            exec(compile(source, str(module.__file__), "exec", dont_inherit=True), module.__dict__)  # noqa: S102

    def get_source(self, name: str) -> t.Optional[str]:
        return self._sources.get(name)


def start(packed_sources: str, packed_request: str) -> None:
    sys.meta_path.insert(0, Sources(unpacked(packed_sources)))
    from ansible_collections.certops.fleet.plugins.module_utils._host.program import main  # noqa: PLC0415 - importable from here on

    main(unpacked(packed_request))


def unpacked(text: str) -> t.Any:
    return json.loads(zlib.decompress(binascii.a2b_base64(text)).decode("utf-8"))
