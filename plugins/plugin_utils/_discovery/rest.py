# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of a scan that had no room in its answer: asked for part by part, so that each is small for the host and for the controller."""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.fields import Fields

PART = 10000  # certificates that are asked for at once; the host sends as many of them as one answer may hold
MOST_PARTS = 1000
NOT_SENT = "certificates whose bytes the host did not send"

Row = dict[str, t.Any]


def not_in_it(answer: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Of each certificate that an answer names without its bytes, one path where it lies, in the order of the paths."""
    result = Fields(dict(answer), "result")
    sent = answer["certificates"]
    named = [(place.text("path") or "", place.text("certificate") or "") for place in result.objects("places")]
    for bundle in result.objects("bundles"):
        path = next((place.text("path") or "" for place in bundle.objects("places")), "")
        named.extend((path, digest) for digest in bundle.texts("certificates"))
    found: dict[str, str] = {}
    for path, digest in sorted(named):
        if digest not in sent:
            found.setdefault(digest, path)
    return found


def rest_request(request: t.Mapping[str, t.Any], part: t.Mapping[str, str]) -> Row:
    """What the host is asked for these certificates, which lie at these paths: as in the scan itself, but nothing is walked or left behind."""
    paths = sorted(set(part.values()))
    return {**request, "paths": paths, "certificates": list(part), "known_bundles": [], "known_certificates": "", "keep": False, "probe": "none"}


def rest(lacking: t.Mapping[str, str], ask: t.Callable[[dict[str, str]], t.Mapping[str, t.Any]]) -> t.Iterator[dict[str, str]]:
    """Yield the bytes of the certificates that are lacking, by fingerprint and as base64; what the host does not have any more is given up."""
    left = dict(lacking)
    for _part in range(MOST_PARTS):
        part = dict(itertools.islice(left.items(), PART))
        if not part:
            return
        told = ask(part)["certificates"]
        sent = {digest: told[digest] for digest in part if digest in told}
        for digest in sent or part:
            del left[digest]
        yield sent
