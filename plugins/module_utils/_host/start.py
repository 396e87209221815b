# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text that the host's interpreter reads first: it makes the sources that come with it importable and runs the request."""

import sys

if sys.version_info < (3, 6):
    raise SystemExit("the host program needs Python 3.6 or later, {} is {}.{}".format(sys.executable, *sys.version_info[:2]))

import binascii
import gc
import json
import marshal
import types
import typing as t
import zlib
from importlib.machinery import ModuleSpec

gc.set_threshold(20000)  # what is made here while modules are imported is no garbage, and searching for it takes long
PACKAGE = "ansible_collections.certops.fleet.plugins.module_utils._host"


class Sources:
    """Finder and loader of the sources, so that imports and tracebacks are those of the installed collection (PEP 451).

    A source is text, or the bytes that this version of Python makes of it when it compiles it.
    """

    def __init__(self, sources: t.Dict[str, t.Union[str, bytes]]) -> None:
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
        source = self._sources.get(module.__name__)
        if source is None:
            return  # a package
        # The sources came on the same standard input as this text.
        code = marshal.loads(source) if isinstance(source, bytes) else compile(source, str(module.__file__), "exec", dont_inherit=True)  # noqa: S302
        exec(code, module.__dict__)  # noqa: S102

    def get_source(self, name: str) -> t.Optional[str]:
        source = self._sources.get(name)
        return source if isinstance(source, str) else None


def start(packed_sources: str, packed_request: str) -> None:
    run(unpacked(packed_sources), unpacked(packed_request))


def start_compiled(magic: str, packed_codes: str, packed_request: str, packed_sources: str = "") -> None:
    """Run what another Python compiled if this is the same version, else the sources; where they did not come with it, ask for them."""
    from importlib.util import MAGIC_NUMBER  # noqa: PLC0415 - only who needs it pays for it

    request = unpacked(packed_request)
    if MAGIC_NUMBER.hex() == magic:
        run(marshal.loads(zlib.decompress(binascii.a2b_base64(packed_codes))), request)  # noqa: S302
    elif packed_sources:
        run(unpacked(packed_sources), request)
    else:
        sys.stdout.write("\nCERTOPS-SOURCES {}\n".format(request["nonce"]))


def run(sources: t.Dict[str, t.Union[str, bytes]], request: t.Dict[str, t.Any]) -> None:
    sys.meta_path.insert(0, Sources(sources))
    from ansible_collections.certops.fleet.plugins.module_utils._host.program import main  # noqa: PLC0415 - importable from here on

    main(request)


def unpacked(text: str) -> t.Any:
    return json.loads(zlib.decompress(binascii.a2b_base64(text)).decode("utf-8"))
