# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scan has found in files: certificates once each, keys without their secrets, and which file holds which."""

import hashlib
import itertools
import operator
import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import cache, reading, walk
from ansible_collections.certops.fleet.plugins.module_utils._host.stores import items
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, keys, pem, x509

# Certificates as DER hardly shrink, and a packed answer may have 16 MB with the rows of all; what is beyond is asked for afterwards.
MOST_CERTIFICATE_BYTES = 4 << 20
MOST_BYTES_ALONE = 12 << 20  # in an answer without rows
KNOWN_DIGITS = 16  # of a SHA-256 by which somebody says what he has; who lacks a certificate all the same asks for it
_MOST = 1000  # keys, records, and certificates that stand there already, of one file
FORMATS = {"CERTIFICATE": "pem", "X509 CERTIFICATE": "pem", "TRUSTED CERTIFICATE": "trusted_pem"}
_OTHER_LABELS = frozenset(("X509 CRL", "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST", "PKCS7", "CMS", "PKCS #7 SIGNED DATA"))
_SEQUENCE_START = b"\x30"
_NOTHING: t.Set[str] = set()
_TOLD = operator.attrgetter("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_mtime", "st_ctime")
_T = t.TypeVar("_T")


class Sought(t.NamedTuple):
    """Whose bytes are asked for: those of these certificates alone, or of all but the known."""

    only: t.Optional[t.FrozenSet[str]] = None
    known: t.FrozenSet[str] = frozenset()  # the first digits of each

    def wants(self, digest: str) -> bool:
        """Whether the bytes of this certificate are asked for."""
        return digest[:KNOWN_DIGITS] not in self.known if self.only is None else digest in self.only


class Mark(t.NamedTuple):
    """What places and bundles need to know of a certificate."""

    spki: t.Optional[str]  # None: no parser reads it
    is_anchor: bool
    self_issued: bool


class Held(t.NamedTuple):
    """A certificate in a file."""

    format: str
    sha256: str
    alias: t.Optional[str]


class Status(t.NamedTuple):
    """What is told of a file: a third of what the system says, for there may be many."""

    st_mode: int
    st_nlink: int
    st_uid: int
    st_gid: int
    st_size: int
    st_mtime: float
    st_ctime: float


class File:
    """A file that holds certificates, keys or the like, in the order in which they stand in it."""

    __slots__ = ("certificates", "digest", "keys", "links", "locked", "path", "records", "repeated", "seen", "status")

    def __init__(self, path: bytes, status: os.stat_result) -> None:
        self.path = path
        self.status = Status(*_TOLD(status))
        self.links: t.FrozenSet[bytes] = frozenset()  # other paths of it, symbolic and hard links alike
        self.certificates: t.List[Held] = []
        self.seen: t.Set[str] = set()
        self.repeated = 0
        self.keys: t.Sequence[items.Key] = []
        self.records: t.Sequence[items.Record] = []
        self.locked: t.Optional[items.Locked] = None
        self.digest = ""

    def link(self, path: bytes) -> None:
        """Take another path of it."""
        self.links |= {path}

    def settle(self) -> None:
        """Forget what only reading needed: a scan may meet a hundred thousand files."""
        self.seen = _NOTHING
        self.keys, self.records = tuple(self.keys), tuple(self.records)
        if len(self.certificates) < 2:
            self.digest = ""  # of a bundle


_Item = t.Union[items.Item, pem.Block]


class Findings:
    """Reads the files that the walk has found and keeps what is in them."""

    def __init__(
        self,
        reader: reading.Reader,
        ledger: walk.Ledger,
        run: t.Optional[keys.Run],
        tools: items.Tools,
        known: t.Optional[cache.Cache] = None,
        *,
        sought: Sought,
    ) -> None:
        self.files: t.Dict[bytes, File] = {}
        self.certificates: t.Dict[str, bytes] = {}
        self.marks: t.Dict[str, Mark] = {}
        self.withheld: t.Set[str] = set()
        self._reader = reader
        self._ledger = ledger
        self._run = run
        self._known = known
        self._tools = tools
        self._sought = sought
        self._ssh: t.Set[bytes] = set()  # paths
        self._identities: t.Dict[bytes, File] = {}
        self._keys: t.Dict[bytes, t.Optional[keys.KeyFacts]] = {}
        self._room = MOST_CERTIFICATE_BYTES if sought.only is None else MOST_BYTES_ALONE

    def known(self, path: bytes, status: os.stat_result) -> t.Optional[File]:
        """Return the file that was found at this canonical path or under another name."""
        return self.files.get(path) or self._identities.get(cache.identity_of(status))

    def add(self, path: bytes, seen: reading.Seen) -> None:
        """Take what is in the file at `path`."""
        status = seen.status
        file = self.known(path, status)
        if file is not None:
            if file.path != path:
                file.link(path)
            if self._known is not None and seen.held is None:
                self._known.repeat(status)
            return
        try:
            file = self._file(path, seen)
        except (OSError, reading.UnusableError) as exc:
            self._refused(path, exc)
            return
        if file.certificates or file.keys or file.records or file.locked:
            self.files[path] = file
            self._identities[cache.identity_of(status)] = file
            file.settle()

    def _file(self, path: bytes, seen: reading.Seen) -> File:
        """Return what is in a file: as it is known, as another process has told, or as it is read now."""
        if seen.held is not None and not self._lacking(seen.held):
            return self._recalled(path, seen.status, seen.held)
        if seen.told is None or not self._taken(seen.told):
            return self.read(path, seen)
        if self._known is not None:
            self._known.remember(seen.status, seen.told.held)
        return self._recalled(path, seen.status, seen.told.held)

    def _taken(self, told: reading.Told) -> bool:
        """Take the certificates that came with what another process told, as if read now; False where bytes are lacking for which there is room."""
        for digest, length, content in told.certificates:
            if digest in self.certificates or length > self._room:
                self.withheld.update({digest} - self.certificates.keys())
            elif content is None:
                return False
            else:
                self._keep(digest, content)
        return True

    def _refused(self, path: bytes, exc: Exception) -> None:
        reason = exc.reason if isinstance(exc, reading.UnusableError) else os.strerror(getattr(exc, "errno", None) or 5)
        self._ledger.problem(path, walk.VANISHED if isinstance(exc, FileNotFoundError) else reason)

    def read(self, path: bytes, seen: reading.Seen) -> File:
        """Read a file once more when it changed under our eyes; what changes all the time is kept as seen last, and told."""
        noted = self._ledger.noted
        for last in (False, True):
            file = File(path, seen.status)
            digest = hashlib.sha256()
            pieces = self._reader.pieces(path) if seen.content is None else iter((seen.content,))
            try:
                for item in _items(_hashed(pieces, digest), self._tools):
                    self._take(file, item)
                break
            except reading.UnusableError as exc:
                if last:
                    self._ledger.problem(path, exc.reason)
        file.digest = digest.hexdigest()
        if not last and self._ledger.noted == noted and seen.held is None:  # what was told of a file must be told again
            self._remember(file, seen.status)
        return file

    def _remember(self, file: File, status: os.stat_result) -> None:
        if self._known is None or (file.locked is not None and not file.locked.lasting):
            return
        told_keys = [[list(key.facts), key.alias] for key in file.keys]
        told = [[*held, *self.marks[held.sha256]] for held in file.certificates]
        parts = {"certificates": told, "keys": told_keys, "records": file.records, "locked": file.locked}
        parts["ssh"] = file.path in self._ssh
        self._known.remember(status, {**parts, "digest": file.digest} if any(parts.values()) else {})

    def _lacking(self, held: cache.Held) -> bool:
        """Whether a file is to be read again, because the bytes of a certificate in it are asked for."""
        asked = (each[1] for each in held["certificates"] if self._sought.wants(each[1]))
        return any(digest not in self.certificates and digest not in self.withheld for digest in asked) and self._room > 0

    def _recalled(self, path: bytes, status: os.stat_result, held: cache.Held) -> File:
        """Return a file as `_remember` kept it."""
        file = File(path, status)
        for format_, digest, alias, *mark in held["certificates"]:
            file.certificates.append(Held(format_, digest, alias))
            if digest not in self.marks:
                self.marks[digest] = Mark(*mark)
            if self._sought.wants(digest) and digest not in self.certificates:
                self.withheld.add(digest)
        file.keys = [items.Key(keys.KeyFacts(*facts), alias) for facts, alias in held["keys"]]
        file.records = [items.Record(*record) for record in held["records"]]
        file.digest = held["digest"]
        if held["locked"]:
            file.locked = items.Locked(*held["locked"])
            self._ledger.hide(path)
        if held["ssh"]:
            self._ssh.add(path)
        return file

    def _take(self, file: File, item: _Item) -> None:
        if isinstance(item, items.Certificate):
            self._hold(file, Held(item.format, self._certificate(file.path, item.content), item.alias))
        elif isinstance(item, pem.Block):
            facts = self._key(item)
            if facts is None:
                self._ledger.problem(file.path, f"private key {len(file.keys)} cannot be read")
            else:
                self._append(file, file.keys, items.Key(facts))
        elif isinstance(item, items.Key):
            self._append(file, file.keys, item)
        elif isinstance(item, items.SshCertificate):
            self._ssh.add(file.path)
        else:
            self._take_other(file, item)

    def _take_other(self, file: File, item: t.Union[items.Record, items.Locked, items.Trouble]) -> None:
        if isinstance(item, items.Locked):
            file.locked = item
            self._ledger.hide(file.path)
        elif isinstance(item, items.Record):
            self._append(file, file.records, item)
        elif item.failure:
            self._ledger.problem(file.path, item.reason)
        else:
            self._ledger.skip(file.path, item.reason)

    def _append(self, file: File, held: t.Sequence[_T], item: _T) -> None:
        if len(held) < _MOST:
            t.cast(t.List[_T], held).append(item)
        else:
            self._ledger.problem(file.path, f"more than {_MOST} keys, revocation lists or requests")

    def _hold(self, file: File, held: Held) -> None:
        """Keep a certificate of a file: many different ones are a bundle, many equal ones would only be many rows."""
        file.repeated += held.sha256 in file.seen
        if held.sha256 in file.seen and file.repeated > _MOST:
            self._ledger.problem(file.path, f"certificates that are in it more than once, more than {_MOST} times")
            return
        file.seen.add(held.sha256)
        file.certificates.append(held)

    @property
    def ssh_host_certificates(self) -> int:
        """How many files hold the certificate of an SSH host key."""
        return len(self._ssh)

    def _certificate(self, path: bytes, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self.marks:
            self.marks[digest] = self._mark(path, content)
        if self._sought.wants(digest) and digest not in self.certificates:
            self._keep(digest, content)
        return digest

    def _keep(self, digest: str, content: bytes) -> None:
        if len(content) > self._room:
            self.withheld.add(digest)
        else:
            self.withheld.discard(digest)
            self._room -= len(content)
            self.certificates[digest] = content

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


def _items(pieces: t.Iterator[bytes], tools: items.Tools) -> t.Iterator[_Item]:
    """Yield what stands in the pieces of one file."""
    start = next(pieces, b"")
    if start.startswith((*reading.JAVA, reading.SQLITE, *reading.SSH)):
        yield from _store_items(start, pieces)
        return
    if start.startswith(_SEQUENCE_START):
        start += _rest(start, pieces)
        yield from _der_items(start, tools)
    elif not start.startswith(pem.BEGIN) and reading.may_hold_base64(start):
        start += _rest(start, pieces)
        yield from _base64_items(start, tools)
    yield from _pem_items(itertools.chain((start,), pieces), tools)


def _rest(start: bytes, pieces: t.Iterator[bytes]) -> bytes:
    """Return what follows the first piece, as far as a store may be read at once."""
    parts, size = [], len(start)
    while size <= items.MOST_STORE_BYTES:
        piece = next(pieces, b"")
        if not piece:
            break
        parts.append(piece)
        size += len(piece)
    return b"".join(parts)


def _store_items(start: bytes, pieces: t.Iterator[bytes]) -> t.Iterator[_Item]:
    data = start + _rest(start, pieces)
    if len(data) > items.MOST_STORE_BYTES:
        yield items.Trouble(f"store larger than {items.MOST_STORE_BYTES} bytes", False)
    elif data.startswith(reading.JAVA):
        from ansible_collections.certops.fleet.plugins.module_utils._host.stores import java  # noqa: PLC0415 - few hosts have one

        yield from java.items(data)
    elif data.startswith(reading.SQLITE):
        from ansible_collections.certops.fleet.plugins.module_utils._host.stores import nss  # noqa: PLC0415 - few hosts have one

        yield from nss.items(data)
    else:
        from ansible_collections.certops.fleet.plugins.module_utils._host.stores import ssh  # noqa: PLC0415 - few hosts have one

        if ssh.is_host_certificate(data):
            yield items.SshCertificate()


def _base64_items(data: bytes, tools: items.Tools) -> t.Iterator[_Item]:
    """Yield what stands in a text as base64."""
    from ansible_collections.certops.fleet.plugins.module_utils._host.stores import embedded  # noqa: PLC0415 - few hosts have one

    for content in embedded.contents(data):
        if content.startswith(reading.JAVA):
            yield from _store_items(content, iter(()))
        elif content.startswith(_SEQUENCE_START):
            yield from map(_in_base64, _der_items(content, tools))
        else:
            yield from map(_in_base64, _pem_items(iter((content,)), tools))


def _in_base64(item: _Item) -> _Item:
    """Say of what is no store that it was base64."""
    if isinstance(item, (items.Certificate, items.Record)) and item.format in ("pem", "der"):
        return item._replace(format="base64")
    return item


def _pem_items(pieces: t.Iterator[bytes], tools: items.Tools) -> t.Iterator[_Item]:
    for block in pem.blocks(pieces):
        if block.label not in FORMATS and block.label not in _OTHER_LABELS and not keys.is_key(block.label):
            continue
        if block.content is None:
            yield items.Trouble(f"a block {block.label!r} cannot be read: {block.problem}", True)
        elif block.label in FORMATS:
            yield items.Certificate(FORMATS[block.label], without_trailer(block.content))
        elif block.label in _OTHER_LABELS:
            from ansible_collections.certops.fleet.plugins.module_utils._host.stores import contents  # noqa: PLC0415 - few hosts have one

            yield from contents.of_block(block.label, block.content, tools)
        else:
            yield block


def without_trailer(content: bytes) -> bytes:
    """Return the certificate without what OpenSSL's TRUSTED CERTIFICATE appends, which is no part of it; all of it when it is no DER."""
    try:
        return der.read(content)[0].raw
    except der.DerError:
        return content


def _der_items(data: bytes, tools: items.Tools) -> t.Iterator[_Item]:
    """Yield the certificates, one behind the other, or the one key, store, list or request that DER consists of."""
    offset = count = 0
    try:
        while offset < len(data):
            element, offset = der.read(data, offset)
            x509.facts(element.raw)
            count += 1
            yield items.Certificate("der", element.raw)
    except der.DerError:
        if not count:
            yield from _other_der_items(data, tools)


def _other_der_items(data: bytes, tools: items.Tools) -> t.Iterator[_Item]:
    key = keys.from_der(data)
    if key is not None:
        yield key
        return
    from ansible_collections.certops.fleet.plugins.module_utils._host.stores import contents  # noqa: PLC0415 - few hosts have one

    yield from contents.of_der(data, tools)
