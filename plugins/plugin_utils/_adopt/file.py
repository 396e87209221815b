# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One file with certificates, as a discovery found it: its certificate, its key, its chain, and what keeps it from being adopted."""

from __future__ import annotations

import itertools
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.certops.fleet.plugins.module_utils._host.renewers.tracked import CERTBOT_LIVE
from ansible_collections.certops.fleet.plugins.module_utils._host.scan.paths_table import OUR_PREFIX
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.seen import Row, Seen

PEM = "pem"
_KEY_FORMATS = ("pkcs1", "sec1", "pkcs8", "encrypted_pkcs8", "legacy_encrypted", "openssl_dsa")
_OUR = f"/{OUR_PREFIX.decode()}"
_LIVE = CERTBOT_LIVE.decode()


@dataclass(frozen=True, slots=True)
class File:
    """The rows of one file in the order of its certificates, and the row of the key of the first one."""

    rows: tuple[Row, ...]
    key: Row | None

    @property
    def row(self) -> Row:
        return self.rows[0]

    @property
    def path(self) -> str:
        return str(self.row["path"])

    @property
    def paths(self) -> set[str]:
        """Its path and those of the links to it."""
        return {self.path, *self.row["links"]}

    @property
    def kind(self) -> str:
        return str(self.row["class"])

    @property
    def services(self) -> list[str]:
        return list(self.row["services"] or ())

    @property
    def length(self) -> int:
        return len(self.rows)

    @property
    def sha256(self) -> str | None:
        return self.row.get("certificate")

    @property
    def der(self) -> bytes:
        return bytes(self.row["der"])

    @property
    def key_path(self) -> str | None:
        return None if self.key is None else str(self.key["path"])

    @property
    def renewed_by(self) -> str | None:
        """Who renews it today, None where nobody is known."""
        kept = self.row["kept"] or (self.key or {}).get("kept")
        return f"{kept[0]} ({kept[1]})" if kept else None

    @property
    def declared_path(self) -> str:
        return declared_path(self.row)

    @property
    def is_trust(self) -> bool:
        """Only certificates of CAs, and no key: nothing that is renewed."""
        return self.key is None and "der" in self.row and all(row["is_ca"] for row in self.rows)

    def refused(self, now: int, *, takeover: bool) -> str | None:
        """Why it cannot be adopted: everything that can be seen without taking the certificate apart."""
        reasons = [*self._of_file()]
        if not reasons:
            reasons = [*self._of_certificate(now), *self._of_key()]
        if not reasons and self.renewed_by and not takeover:
            reasons = [f"it is renewed by {self.renewed_by}: end that, and adopt it with takeover"]
        return "; ".join(reasons) or None

    def _of_file(self) -> Iterator[str]:
        if "der" not in self.row:
            yield f"it is a locked store of the format {self.row['format']!r}: {self.row['reason']}"
        elif self.row["format"] != PEM:
            yield f"its format is {self.row['format']!r}, and only PEM files are renewed in place"
        elif any(_OUR in path for path in (self.path, *([] if self.key is None else [self.key["path"]]))):
            yield "it was put there by certops, and its declaration is gone: declare it under its old name"
        elif (self.row["hard_links"] or 1) > 1:
            yield f"its file has {self.row['hard_links']} names (hard links), of which a renewal would reach one"

    def _of_certificate(self, now: int) -> Iterator[str]:
        leaves = {row["certificate"] for row in self.rows if not row["is_ca"]}
        if len(leaves) > 1:
            yield f"its file holds {len(leaves)} certificates that are not of CAs, and one is renewed"
        elif self.row["is_ca"]:
            yield "it is the certificate of a CA" if not leaves else "the certificate of a CA stands before its own in the file"
        elif self.row["self_issued"]:
            yield "it is self-signed: who trusts it would not trust its successor"
        if self.row["not_after"] is None:
            yield "the certificate cannot be read"
        elif self.row["not_after"] < now:
            yield "it has expired"

    def _of_key(self) -> Iterator[str]:
        if self.key is None:
            yield "no private key that fits it was found on the host"
        elif self.key["encrypted"]:
            yield f"its private key in {self.key['path']} is encrypted"
        elif self.key["format"] not in _KEY_FORMATS:
            yield f"its private key in {self.key['path']} is in the format {self.key['format']!r}"

    def chain_of(self, seen: Seen) -> str | None:
        """The file of its chain, where a service names one that is this certificate's alone, begins with its issuer and is not its own file."""
        named = {use["chain"] for use in seen.uses if use.get("chain") and use.get("certificate") in self.paths}
        files = [rows for rows in _by_path(seen.places) if {rows[0]["path"], *rows[0]["links"]} & named and rows[0]["path"] != self.path]
        if len(files) != 1 or any("der" not in row or not row["is_ca"] for row in files[0]):
            return None
        first = files[0][0]
        others = {use.get("certificate") for use in seen.uses if use.get("chain") in {first["path"], *first["links"]}} - self.paths
        return None if others or first["subject_json"] != self.row["issuer_json"] else declared_path(first)


def declared_path(row: Mapping[str, t.Any]) -> str:
    """The path to declare: the file itself, but for certbot, which makes a new file each time, the link to it."""
    return next((link for link in sorted(row["links"]) if link.startswith(_LIVE)), str(row["path"]))


def files_of(seen: Seen) -> list[File]:
    """The files of a host, those that services use first."""
    files = [File(rows, _key_of(rows, seen)) for rows in _by_path(seen.places)]
    return sorted(files, key=lambda file: (file.kind != "in_use", file.path))


def _by_path(places: Sequence[Row]) -> list[tuple[Row, ...]]:
    ordered = sorted(places, key=lambda row: (row["path"], row.get("entry") or 0))
    return [tuple(rows) for _path, rows in itertools.groupby(ordered, key=lambda row: row["path"])]


def _key_of(rows: tuple[Row, ...], seen: Seen) -> Row | None:
    """The row of its key: that which a service names, else that which the scan took for its own."""
    row = rows[0]
    fitting = [key for key in seen.keys if key["spki"] and key["spki"] == row.get("spki")]
    named = {use.get("key") for use in seen.uses if use.get("certificate") in {row["path"], *row["links"]}}
    own = (row.get("key") or {}).get("path")
    best = sorted(fitting, key=lambda key: (not named & {key["path"], *key["links"]}, key["path"] != own, key["path"]))
    return {**best[0], "declared_path": declared_path(best[0])} if best else None
