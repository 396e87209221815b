# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeing which certificate a listener really shows: whole handshakes, each for itself, believing nothing."""

import base64
import hashlib
import ipaddress
import re
import socket
import time
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host import tls
from ansible_collections.certops.fleet.plugins.module_utils._host.run import run
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import pem, x509
from ansible_collections.certops.fleet.plugins.module_utils._host.x509.der import DerError

SECONDS = 5.0  # for one look
_CERTIFICATE_LIMIT = 1 << 20
# Below TLS 1.3 the suites say which key the server is to use, from TLS 1.3 on the signature algorithms alone do (RFC 8446 section 4.4.2.2).
_CIPHERS = {"any": tls.EVERYTHING, "rsa": "aRSA:@SECLEVEL=0", "ec": "aECDSA:@SECLEVEL=0"}
_SIGNATURES = {
    "rsa": "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512:RSA+SHA1",
    "ec": "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512:ECDSA+SHA1",
    "ed25519": "ed25519",
}
KEY_TYPES = ("any", "rsa", "ec", "ed25519")
_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*")

Seen = t.Dict[str, t.Any]


class LookError(ValueError):
    """Nothing was seen; the text is the end of a sentence that begins with the listener."""


class NoAnswer(LookError):
    """The listener cannot be connected to, or is silent."""


class HandshakeRefused(LookError):
    """The listener answered, but there was no handshake by the standard library; openssl may see more."""


def look(address: str, port: int, name: str, key_type: str = "any", *, seconds: float = SECONDS, protocol: str = "tls") -> Seen:
    """Make one whole handshake and return what was shown: {"address", "port", "name", "key_type", "sha256", "spki", "der", "error"}.

    `name` is sent as SNI when it is a DNS name; with '' or an address none is sent. `key_type` asks for the certificate of that kind where a
    server has several, `protocol` for TLS by its STARTTLS (starttls.py). Nothing is verified; old protocols and weak keys are welcome; a client
    certificate that is demanded is not needed.
    """
    return _look(Place(address, port, protocol), name, key_type, seconds)[0]


def look_service(
    service: t.Dict[str, t.Any], uses: t.Sequence[t.Dict[str, t.Any]], key_types: t.Sequence[str], times: int = 3, names: t.Sequence[str] = ()
) -> t.List[Seen]:
    """Look `times` in a row at every listener of these uses of a service, for each name and key type; equal results are one.

    A use that has no name to ask for is asked for `names` (those of the certificate), else for none. A listener that cannot be connected to, or is
    silent, is asked once.
    """
    seen: t.List[Seen] = []
    silent: t.Set[Place] = set()
    for place, name, key_type in _questions(service, uses, key_types, names):
        for _again in range(times):
            if place in silent:
                break
            result, answered = _look(place, name, key_type, SECONDS)
            if result not in seen:
                seen.append(result)
            if not answered:
                silent.add(place)
            if result["error"]:
                break
    return seen


class Place(t.NamedTuple):
    """Where to look, and in which protocol."""

    address: str
    port: int
    protocol: str = "tls"

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def _look(place: Place, name: str, key_type: str, seconds: float) -> t.Tuple[Seen, bool]:
    """What was seen, and whether the listener answered at all."""
    seen: Seen = {"address": place.address, "port": place.port, "name": name, "key_type": key_type, "sha256": None, "spki": None, "der": None, "error": None}
    try:
        certificate = _shown(place, server_name(name), key_type, time.monotonic() + seconds)
    except LookError as exc:
        seen["error"] = f"{place} {exc}"
        return seen, not isinstance(exc, NoAnswer)
    seen.update(sha256=hashlib.sha256(certificate).hexdigest(), der=base64.b64encode(certificate).decode())
    try:
        seen["spki"] = x509.facts(certificate).spki
    except DerError as exc:
        seen["error"] = f"{place} showed a certificate that cannot be read: {exc}"
    return seen, True


def _questions(
    service: t.Dict[str, t.Any], uses: t.Sequence[t.Dict[str, t.Any]], key_types: t.Sequence[str], names: t.Sequence[str]
) -> t.List[t.Tuple[Place, str, str]]:
    asked: t.Dict[t.Tuple[Place, str, str], None] = {}
    for use in uses:
        for index in use["listeners"]:
            listener = service["listeners"][index]
            for name in use["names"] or names or [""]:
                for key_type in key_types:
                    asked[(Place(listener["address"], listener["port"], listener.get("protocol", "tls")), name, key_type)] = None
    return list(asked)


def server_name(name: str) -> t.Optional[str]:
    """The name to send (RFC 6066 section 3: DNS names only, no trailing dot)."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        pass
    else:
        return None
    if not name:
        return None
    bare = name[:-1] if name.endswith(".") else name
    if not _NAME.fullmatch(bare):
        raise LookError(f"was not asked, because {name!a} is not a DNS name of ASCII letters")
    return bare


def _shown(place: Place, name: t.Optional[str], key_type: str, end: float) -> bytes:
    """The certificate in DER. The standard library sees most; it cannot ask for a key type in TLS 1.3, and forgets what it saw when a handshake fails."""
    if key_type not in KEY_TYPES:
        raise LookError(f"was not asked, because the key type must be one of {', '.join(KEY_TYPES)}, got {key_type!r}")
    connected = connect(place, name, end)
    peer = Place(connected.getpeername()[0], place.port, place.protocol)
    try:
        if key_type not in _CIPHERS:
            raise HandshakeRefused("was not asked")
        return _of_type(_by_library(connected, name, key_type, end), key_type)
    except HandshakeRefused:
        connected.close()
        certificate = _by_openssl(peer, name, key_type, end)
        if certificate is None and key_type == "any":
            raise
        if certificate is None:
            raise LookError(f"has no certificate with a key of type {key_type!r}") from None
        return _of_type(certificate, key_type)
    finally:
        connected.close()


def _of_type(certificate: bytes, key_type: str) -> bytes:
    if key_type == "any":
        return certificate
    try:
        kind = x509.facts(certificate).key_type
    except DerError:
        kind = "unknown"
    if kind != key_type:
        raise HandshakeRefused(f"showed a certificate with a key of type {kind!r} when asked for {key_type!r}")
    return certificate


def connect(place: Place, name: t.Optional[str], end: float) -> socket.socket:
    """A connection to where TLS begins, after the STARTTLS of the protocol. Raises NoAnswer, or LookError for a server that does not offer it."""
    try:
        connected = socket.create_connection(place[:2], timeout=_left(end))
    except socket.timeout:
        raise _late() from None
    except (OSError, ValueError, OverflowError) as exc:
        raise NoAnswer(f"cannot be connected to: {getattr(exc, 'strerror', None) or exc}") from None
    if place.protocol != "tls":
        try:
            _begin(connected, place.protocol, name, end)
        except LookError:
            connected.close()
            raise
    return connected


def _begin(connected: socket.socket, protocol: str, name: t.Optional[str], end: float) -> None:
    from ansible_collections.certops.fleet.plugins.module_utils._host.services import starttls  # noqa: PLC0415 (few listeners need it)

    try:
        starttls.speak(connected, protocol, name or "", lambda: _left(end))
    except socket.timeout:
        raise _late() from None
    except starttls.StarttlsError as exc:
        raise LookError(str(exc)) from None
    except OSError as exc:
        raise LookError(f"ended before TLS began: {exc.strerror}") from None


def _by_library(connected: socket.socket, name: t.Optional[str], key_type: str, end: float) -> bytes:
    import ssl  # noqa: PLC0415 (20 to 45 ms, and most runs do not look)

    connected.settimeout(_left(end))
    try:
        with _context(key_type).wrap_socket(connected, server_hostname=name, do_handshake_on_connect=False) as channel:
            channel.do_handshake()
            certificate: t.Optional[bytes] = channel.getpeercert(True)
    except socket.timeout:
        raise _late() from None
    except ssl.SSLError as exc:
        raise HandshakeRefused(f"refused the handshake: {(exc.reason or 'it ended early').replace('_', ' ').lower()}") from None
    except (OSError, ValueError) as exc:
        raise HandshakeRefused(f"ended the handshake: {getattr(exc, 'strerror', None) or 'it ended early'}") from None
    if not certificate:
        raise HandshakeRefused("showed no certificate")
    return certificate


def _context(key_type: str) -> t.Any:
    import ssl  # noqa: PLC0415

    context = tls.context(_CIPHERS[key_type])
    if key_type == "any":
        return context
    if hasattr(ssl, "TLSVersion"):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    else:  # Python 3.6
        context.options |= getattr(ssl, "OP_NO_TLSv1_3", 0)
    return context


def _by_openssl(place: Place, name: t.Optional[str], key_type: str, end: float) -> t.Optional[bytes]:
    """Ask again by `openssl s_client`: it shows the certificate also when the handshake does not come to its end. None when there was none."""
    argv = ["openssl", "s_client", "-connect", str(place), "-showcerts", "-no_ticket", "-legacy_server_connect", "-min_protocol", "TLSv1"]
    argv += ["-cipher", tls.EVERYTHING] + (["-servername", name] if name else [])
    if place.protocol != "tls":
        argv += ["-starttls", place.protocol, *(["-xmpphost", name] if name and place.protocol.startswith("xmpp") else [])]
    if key_type in _SIGNATURES:
        argv += ["-sigalgs", _SIGNATURES[key_type]]
    finished = run(argv, _left(end), limit=_CERTIFICATE_LIMIT)
    block = pem.first(finished.output)
    if block is not None and block.content:
        return block.content
    if finished.timed_out:
        raise _late()
    if b"CONNECTED" not in finished.output:
        raise LookError(f"could not be asked by openssl: {finished.reason()}")
    return None


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise _late()
    return left


def _late() -> NoAnswer:
    return NoAnswer("did not answer within the time of a look")
