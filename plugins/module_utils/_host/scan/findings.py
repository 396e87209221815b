# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scan has found in files: certificates once each, keys without their secrets, and which file holds which."""

import hashlib
import itertools
import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import reading, walk
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, keys, pem, x509

# Certificates as DER hardly shrink, and a packed answer may have 16 MB; what is beyond is counted and told.
MOST_CERTIFICATE_BYTES = 12 << 20
_FORMATS = {"CERTIFICATE": "pem", "X509 CERTIFICATE": "pem", "TRUSTED CERTIFICATE": "trusted_pem"}
_MESSAGES = {"PKCS7", "CMS", "PKCS #7 SIGNED DATA"}
_STORE = "keystore (PKCS #12, JKS, PKCS #7), not opened"
_SEQUENCE_START = b"\x30"
_PKCS12_CONTENT = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"  # a content type of PKCS #7, which also begins what is inside of PKCS #12


class Mark(t.NamedTuple):
    """What places and bundles need to know of a certificate."""

    spki: t.Optional[str]  # None: no parser reads it
    is_anchor: bool
    self_issued: bool


class File:
    """A file that holds certificates or keys, in the order in which they stand in it."""

    __slots__ = ("certificates", "digest", "keys", "links", "path", "status")

    def __init__(self, path: bytes, status: os.stat_result) -> None:
        self.path = path
        self.status = status
        self.links: t.Set[bytes] = set()  # other paths of it, symbolic and hard links alike
        self.certificates: t.List[t.Tuple[str, str]] = []  # (format, SHA-256)
        self.keys: t.List[keys.KeyFacts] = []
        self.digest = ""


class _Certificate(t.NamedTuple):
    format: str
    content: bytes


class _Trouble(t.NamedTuple):
    reason: str
    failure: bool


_Item = t.Union[_Certificate, pem.Block, _Trouble]


class Findings:
    """Reads the files that the walk has found and keeps what is in them."""

    def __init__(self, reader: reading.Reader, ledger: walk.Ledger, run: t.Optional[keys.Run]) -> None:
        self.files: t.Dict[bytes, File] = {}
        self.certificates: t.Dict[str, bytes] = {}
        self.marks: t.Dict[str, Mark] = {}
        self.withheld: t.Set[str] = set()
        self._reader = reader
        self._ledger = ledger
        self._run = run
        self._identities: t.Dict[t.Tuple[int, int], File] = {}
        self._keys: t.Dict[bytes, t.Optional[keys.KeyFacts]] = {}
        self._size = 0

    def known(self, path: bytes, status: os.stat_result) -> t.Optional[File]:
        """Return the file that was found at this canonical path or under another name."""
        return self.files.get(path) or self._identities.get((status.st_dev, status.st_ino))

    def add(self, path: bytes, seen: reading.Seen) -> None:
        """Take what is in the file at `path`."""
        status = seen.status
        file = self.known(path, status)
        if file is not None:
            if file.path != path:
                file.links.add(path)
            return
        try:
            file = self._read(path, seen)
        except (OSError, reading.UnusableError) as exc:
            self._refused(path, exc)
            return
        if file.certificates or file.keys:
            self.files[path] = file
            self._identities[(status.st_dev, status.st_ino)] = file

    def _refused(self, path: bytes, exc: Exception) -> None:
        reason = exc.reason if isinstance(exc, reading.UnusableError) else os.strerror(getattr(exc, "errno", None) or 5)
        self._ledger.problem(path, walk.VANISHED if isinstance(exc, FileNotFoundError) else reason)

    def _read(self, path: bytes, seen: reading.Seen) -> File:
        """Read a file once more when it changed under our eyes; what changes all the time is kept as seen last, and told."""
        for last in (False, True):
            file = File(path, seen.status)
            digest = hashlib.sha256()
            pieces = self._reader.pieces(path) if seen.content is None else iter((seen.content,))
            try:
                for item in _items(_hashed(pieces, digest)):
                    self._take(file, item)
                break
            except reading.UnusableError as exc:
                if last:
                    self._ledger.problem(path, exc.reason)
        file.digest = digest.hexdigest()
        return file

    def _take(self, file: File, item: _Item) -> None:
        if isinstance(item, _Certificate):
            file.certificates.append((item.format, self._certificate(file.path, item.content)))
        elif isinstance(item, pem.Block):
            facts = self._key(item)
            if facts is None:
                self._ledger.problem(file.path, f"private key {len(file.keys)} cannot be read")
            else:
                file.keys.append(facts)
        elif item.failure:
            self._ledger.problem(file.path, item.reason)
        else:
            self._ledger.skip(file.path, item.reason)

    def _certificate(self, path: bytes, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self.marks:
            self.marks[digest] = self._mark(path, content)
            if self._size + len(content) > MOST_CERTIFICATE_BYTES:
                self.withheld.add(digest)
            else:
                self._size += len(content)
                self.certificates[digest] = content
        return digest

    def _mark(self, path: bytes, content: bytes) -> Mark:
        try:
            facts = x509.facts(content)
        except der.DerError as exc:
            self._ledger.problem(path, f"a certificate cannot be read: {exc}")
            return Mark(None, False, False)
        return Mark(facts.spki, facts.is_anchor, facts.self_issued)

    def _key(self, block: pem.Block) -> t.Optional[keys.KeyFacts]:
        digest = hashlib.sha256(block.content or b"").digest()
        if digest not in self._keys:
            try:
                self._keys[digest] = keys.key_facts(block, self._run)
            except der.DerError:  # its text is of no use and must not be near a key
                self._keys[digest] = None
        return self._keys[digest]


def _hashed(pieces: t.Iterable[bytes], digest: t.Any) -> t.Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece


def _items(pieces: t.Iterator[bytes]) -> t.Iterator[_Item]:
    """Yield what stands in the pieces of one file."""
    start = next(pieces, b"")
    if reading.is_other_store(start):
        yield _Trouble(_STORE, False)
    elif start.startswith(_SEQUENCE_START):
        yield from _der_items(start)
    yield from _pem_items(itertools.chain((start,), pieces))


def _pem_items(pieces: t.Iterator[bytes]) -> t.Iterator[_Item]:
    for block in pem.blocks(pieces):
        if block.label in _FORMATS or keys.is_key(block.label):
            if block.content is None:
                yield _Trouble(f"a block {block.label!r} cannot be read: {block.problem}", True)
            elif block.label in _FORMATS:
                yield _Certificate(_FORMATS[block.label], _without_trailer(block.content))
            else:
                yield block
        elif block.label in _MESSAGES:
            yield _Trouble(_STORE, False)


def _without_trailer(content: bytes) -> bytes:
    """Return the certificate without what OpenSSL's TRUSTED CERTIFICATE appends, which is no part of it; all of it when it is no DER."""
    try:
        return der.read(content)[0].raw
    except der.DerError:
        return content


def _der_items(data: bytes) -> t.Iterator[_Item]:
    """Yield the certificates, one behind the other, or the one key that a file in DER consists of."""
    offset = 0
    try:
        while offset < len(data):
            element, offset = der.read(data, offset)
            x509.facts(element.raw)
            yield _Certificate("der", element.raw)
    except der.DerError:
        if offset and _PKCS12_CONTENT in data[:64]:
            yield _Trouble(_STORE, False)
        key = keys.from_der(data)
        if key is not None:
            yield key
