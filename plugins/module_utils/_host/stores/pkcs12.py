# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PKCS #12 (RFC 7292), opened by openssl on the host with the first password that fits.

Which one fits is told by the checksum of the store, computed here: most stores whose password nobody gave cost no process. Passwords go to openssl on its
standard input. Keys never leave openssl unencrypted: they come out encrypted for a password made up at the moment, and go back in for their public half.
"""

import hashlib
import hmac
import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.stores.items import Certificate, Item, Key, Locked, Tools, Trouble, alias_text, shown
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, keys, pem, x509

FORMAT = "pkcs12"
MOST_ROUNDS = 1000000  # of a password's derivation; openssl makes 2048, Java 10000
_MOST_KEYS = 16
_VERSION = b"\x02\x01\x03\x30"
_CONTENT = 0xA0
_DIGESTS = {"1.3.14.3.2.26": "sha1", "2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512"}
_OVER = "the time for opening stores is over"
_UNOPENED = "no password is given that opens it, see store_passwords"
_END = b"-----END CERTIFICATE-----"
_ALIAS = re.compile(rb"^ *friendlyName: (.*)$", re.MULTILINE)
_KEY_BAG = re.compile(rb"^(?:Shrouded Keybag|Key bag)", re.MULTILINE)
_OLD = ("-legacy",)  # OpenSSL 3 has RC2 and the like in a provider of its own; those before it do not know the option


class _Checksum(t.NamedTuple):
    """MacData and what it is of (RFC 7292 section 4)."""

    content: bytes
    digest: str
    value: bytes
    salt: bytes
    rounds: int

    def fits(self, password: str) -> bool:
        """Whether the store was made with this password; the empty one may be stored as none at all."""
        forms = [password.encode("utf-16-be") + b"\0\0"] + ([] if password else [b""])
        return any(hmac.compare_digest(hmac.new(self._key(form), self.content, self.digest).digest(), self.value) for form in forms)

    def _key(self, password: bytes) -> bytes:
        """RFC 7292 appendix B.2 for a key (ID 3) that is as long as the digest: one block of it."""
        make = getattr(hashlib, self.digest)
        size = make().block_size
        value = b"\x03" * size + _filled(self.salt, size) + _filled(password, size)
        for _round in range(self.rounds):
            value = make(value).digest()
        return t.cast(bytes, value)


def is_store(data: bytes) -> bool:
    """Whether DER or BER begins like a store."""
    return _VERSION in data[2:10]


def items(data: bytes, tools: Tools) -> t.Iterator[Item]:
    """Yield what stands in a store, or that it is locked."""
    try:
        has_checksum, checksum = _checksum(data)
    except der.DerError as exc:
        yield Trouble(f"PKCS #12 store cannot be read: {exc}", True)
        return
    if checksum is not None and checksum.rounds > MOST_ROUNDS:
        yield Locked(FORMAT, f"a password is tried in {checksum.rounds} rounds, more than {MOST_ROUNDS}")
        return
    if tools.is_over():
        yield Locked(FORMAT, _OVER)
        return
    with tools.timed():
        fitting = [password for password in tools.passwords if checksum is None or checksum.fits(password)]
    if not fitting:
        yield Locked(FORMAT, _UNOPENED, lasting=True)
        return
    with shown(data) as path:
        yield from _opened(path, fitting, tools, () if has_checksum else ("-nomacver",), 2 * len(data) + 65536)


def _checksum(data: bytes) -> t.Tuple[bool, t.Optional[_Checksum]]:
    """Whether there is a checksum, and the checksum unless it is of a kind that openssl has to look at."""
    if data[1] == 0x80:  # BER of indefinite length
        return True, None
    parts = der.members(der.read(data)[0].raw, der.INTEGER, der.SEQUENCE)
    if len(parts) < 3:
        return False, None
    safe = der.members(parts[1].raw, der.OBJECT_IDENTIFIER, _CONTENT)[1]
    told = der.members(parts[2].raw, der.SEQUENCE, der.OCTET_STRING)
    algorithm, value = der.members(told[0].raw, der.SEQUENCE, der.OCTET_STRING)[:2]
    digest = _DIGESTS.get(der.dotted(der.members(algorithm.raw, der.OBJECT_IDENTIFIER)[0].content))
    content = der.whole(safe.content)
    if digest is None or content.tag != der.OCTET_STRING:
        return True, None
    rounds = der.unsigned(told[2].content) if len(told) > 2 else 1
    return True, _Checksum(content.content, digest, value.content, told[1].content, rounds)


def _filled(text: bytes, size: int) -> bytes:
    length = -(-len(text) // size) * size
    return (text * (length // len(text) + 1))[:length] if text else b""


def _opened(path: str, passwords: t.Sequence[str], tools: Tools, options: t.Tuple[str, ...], limit: int) -> t.Iterator[Item]:
    reason = ""
    for password in passwords:
        given = password.encode() + b"\n"
        for more in (options, options + _OLD):
            said = tools.openssl("pkcs12", "-in", path, "-nokeys", "-info", "-passin", "stdin", *more, given=given, limit=limit)
            if said is not None and said.code == 0:
                yield from _certificates(said.output)
                yield from _keys(path, password, tools, more, len(_KEY_BAG.findall(said.error)))
                return
            reason = _reason(said)
    yield Locked(FORMAT, reason, lasting=reason == _UNOPENED)


def _reason(finished: t.Any) -> str:
    """Why openssl did not open it, without what differs from run to run."""
    if finished is None:
        return _OVER
    if finished.timed_out:
        return "openssl did not open it in time"
    if finished.code in (126, 127):
        return "openssl cannot be run on this host"
    if b"invalid password" in finished.error:
        return _UNOPENED
    if b"unsupported" in finished.error:
        return "the host's openssl does not support how it is encrypted"
    return "the host's openssl does not open it"


def _certificates(output: bytes) -> t.Iterator[Item]:
    for part in output.split(_END)[:-1]:
        begin = part.rfind(pem.BEGIN)
        block = pem.first(part[begin:] + _END) if begin >= 0 else None
        if block is not None and block.content is not None:
            aliases = _ALIAS.findall(part[:begin])
            yield Certificate(FORMAT, block.content, alias_text(aliases[-1].strip()) if aliases else None)


def _keys(path: str, password: str, tools: Tools, options: t.Tuple[str, ...], count: int) -> t.Iterator[Item]:
    """Yield the keys, with their public halves where openssl tells them."""
    if not count:
        return
    own = hashlib.sha256(os.urandom(32)).hexdigest()
    given = f"{password}\n{own}\n".encode()
    said = tools.openssl("pkcs12", "-in", path, "-nocerts", "-aes256", "-passin", "stdin", "-passout", "stdin", *options, given=given)
    blocks = list(pem.blocks((said.output,))) if said is not None and said.code == 0 else []
    for number in range(count):
        public = _public(blocks[number], own, tools) if number < min(len(blocks), _MOST_KEYS) else b""
        unknown = keys.KeyFacts("unknown", FORMAT, bool(password), None, None)
        yield Key(keys.from_public(public, FORMAT, encrypted=bool(password)) if public else unknown)


def _public(block: pem.Block, password: str, tools: Tools) -> bytes:
    if block.content is None:
        return b""
    with shown(pem.encode(block.label, block.content)) as path:
        said = tools.openssl("pkey", "-in", path, "-passin", "stdin", "-pubout", "-outform", "DER", given=password.encode() + b"\n")
    usable = said is not None and said.code == 0 and x509.key_type(said.output) != "unknown"
    return bytes(said.output) if usable else b""
