# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures of checkpoints by ssh-keygen, which uses keys of every kind that OpenSSH knows, those of an agent and of hardware too.

The format is U(https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig).
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import os
import subprocess
import tempfile

from ansible_collections.certops.fleet.plugins.plugin_utils._audit.settings import AuditError
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.chain import Checkpoint

NAMESPACE = "certops.fleet.audit"
IDENTITY = "certops"
SECONDS = 30
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_MAGIC = b"SSHSIG\x00\x00\x00\x01"


def sign(checkpoint: Checkpoint, key: str) -> Checkpoint:
    """The checkpoint with its signature. A key that asks for a passphrase must be in an agent: nobody answers. Raises AuditError."""
    code, output, told = _ssh_keygen("sign", "-f", key, payload=checkpoint.payload)
    if code != 0 or not output.startswith(_BEGIN):
        raise AuditError(f"the checkpoint of event {checkpoint.seq} was not signed with {key!r}: {told or 'ssh-keygen gives no reason'}")
    return dataclasses.replace(checkpoint, signature=output)


def refusal(checkpoint: Checkpoint, signers: tuple[str, ...]) -> str | None:
    """Why the signature does not count, None where it does. Without ``signers`` it must only be one of the key that it names."""
    with tempfile.TemporaryDirectory(prefix="certops-audit-") as folder:
        signature, allowed = os.path.join(folder, "signature"), os.path.join(folder, "signers")
        for path, content in ((signature, checkpoint.signature), (allowed, allowed_signers(signers))):
            with open(path, "w", encoding="utf-8") as file:
                file.write(content)
        if not signers:
            code, _output, _told = _ssh_keygen("check-novalidate", "-s", signature, payload=checkpoint.payload)
            return None if code == 0 else "its signature is not one of its content"
        code, _output, _told = _ssh_keygen("verify", "-f", allowed, "-I", IDENTITY, "-s", signature, payload=checkpoint.payload)
    return None if code == 0 else f"its signature is not one of the given signers on its content; it names the key {fingerprint(checkpoint.signature)}"


def allowed_signers(signers: tuple[str, ...]) -> str:
    """A file of signers, see ssh-keygen(1)."""
    return "".join(f'{IDENTITY} namespaces="{NAMESPACE}" {key}\n' for key in signers)


def fingerprint(signature: str) -> str:
    """Of the key that a signature names, as C(ssh-keygen -l) shows it."""
    try:
        blob = base64.b64decode("".join(signature.strip().removeprefix(_BEGIN).removesuffix(_END).split()), validate=True)
    except (binascii.Error, ValueError):
        return "unknown"
    size = int.from_bytes(blob[len(_MAGIC) : len(_MAGIC) + 4], "big")
    key = blob[len(_MAGIC) + 4 : len(_MAGIC) + 4 + size]
    if not blob.startswith(_MAGIC) or not key or len(key) != size:
        return "unknown"
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def public_key_beside(key: str | None) -> tuple[str, ...]:
    """The public key that ssh-keygen wrote beside a private one, where it is there."""
    try:
        with open(f"{key}.pub", encoding="utf-8") as file:
            return (" ".join(file.readline(20_000).split()[:2]),)
    except (OSError, UnicodeDecodeError):
        return ()


def _ssh_keygen(action: str, *arguments: str, payload: str) -> tuple[int, str, str]:
    """Exit code, output, and the last line of what was told."""
    command = ["ssh-keygen", "-Y", action, "-n", NAMESPACE, *arguments]
    environment = {**os.environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, input=payload, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False, env=environment, start_new_session=True
        )
    except FileNotFoundError as exc:
        raise AuditError("checkpoints of the audit log need the program ssh-keygen of OpenSSH 8.1 or later on the controller") from exc
    except subprocess.TimeoutExpired as exc:
        raise AuditError(f"ssh-keygen did not end within {SECONDS} s: a key that waits for a touch or a passphrase signs nothing here") from exc
    return done.returncode, done.stdout, next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "").strip()[:300]
