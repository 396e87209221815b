# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text that the host's interpreter reads first: it makes the sources that come with it importable and runs the request."""

import sys

if sys.version_info < (3, 6):
    sys.exit("the host program needs Python 3.6 or later, {0} is {1}.{2}".format(sys.executable, *sys.version_info[:2]))

import binascii
import json
import zlib
from importlib.machinery import ModuleSpec

PACKAGE = "ansible_collections.certops.fleet.plugins.module_utils._host"


class Sources:
    """Finder and loader of the sources, so that imports and tracebacks are those of the installed collection (PEP 451)."""

    def __init__(self, sources):
        self._sources = {PACKAGE + "." + name[:-3]: source for name, source in sources.items()}
        words = PACKAGE.split(".")
        self._packages = {".".join(words[:count]) for count in range(1, len(words) + 1)}

    def find_spec(self, name, path=None, target=None):
        if name in self._packages:
            return ModuleSpec(name, self, is_package=True)
        if name not in self._sources:
            return None
        spec = ModuleSpec(name, self, origin=name.replace(".", "/") + ".py")
        spec.has_location = True
        return spec

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        source = self.get_source(module.__name__)
        if source is not None:
            exec(compile(source, module.__file__, "exec", dont_inherit=True), module.__dict__)

    def get_source(self, name):
        return self._sources.get(name)


def start(packed_sources, packed_request):
    sys.meta_path.insert(0, Sources(unpacked(packed_sources)))
    from ansible_collections.certops.fleet.plugins.module_utils._host.program import main

    main(unpacked(packed_request))


def unpacked(text):
    return json.loads(zlib.decompress(binascii.a2b_base64(text)).decode("utf-8"))
