# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `install`: put a certificate in place in one transaction; also a chain or attributes alone, or only a reload."""

import base64
import binascii
import contextlib
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import Context, HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import (
    baseline,
    declared,
    files,
    found,
    journal,
    material,
    prepare,
    reloading,
    staged,
    transaction,
    verify,
)
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.declared import Declared
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.found import Found
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.journal import CHAIN, KEY, LEAF, Journal
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, x509

ACTIONS = ("install", "chain", "attributes", "reload")

Answer = t.Dict[str, t.Any]


def run(args: Answer, context: Context) -> Answer:
    """Answer `install`; the same transaction asked again gets the result that is in the journal.

    With `places`, the arguments of a scan, the answer to a transaction that was committed now holds what lies at its paths.
    """
    declaration = declared.from_args(args["certificate"])
    action = args.get("action", "install")
    if action not in ACTIONS:
        raise HostError(f"action must be one of {', '.join(ACTIONS)}, got {action!r}")
    name, asked = journal.check_transaction(context.transaction), context.now()
    with prepare.changing(context) as held:
        known = journal.load(context.state, name)
        if known is not None and _answered(known, asked):
            return t.cast(Answer, known.result("install"))
        record = _open(args, context, declaration, known)
        services = baseline.services_here(args["services"])
        work = _work(args, context, declaration, record, held.lock, services=services)
        result = reloading.perform(work) if action == "reload" else transaction.perform(work)
    return dict(result, places=_places(args, context, services)) if args.get("places") and result["outcome"] == "committed" else result


def _places(args: Answer, context: Context, services: t.Sequence[Answer]) -> t.Optional[Answer]:
    """Return what a scan of the declared paths finds now, so that nobody has to come again for it; None where that fails, as what is installed stays."""
    from ansible_collections.certops.fleet.plugins.module_utils._host.scan import paths  # noqa: PLC0415 (only where the inventory wants it)

    try:
        return paths.what_lies_at(args["places"], context, services)
    except Exception:  # noqa: BLE001 - whatever it is, it comes after the transaction
        return None


def _answered(known: Journal, asked: float) -> bool:
    """Is there the result that was asked for? What was undone before this was asked, and still has its key, is asked for once more."""
    if known.result("install") is None:
        return False
    return known.state not in ("undone", "failed") or not known.has(KEY) or known.data["ended"] >= asked


def _open(args: Answer, context: Context, declaration: Declared, known: t.Optional[Journal]) -> Journal:
    """Return the journal to work in: that of a staged key, of this transaction or of the one that is named, or a new one."""
    name = t.cast(str, context.transaction)
    source = args.get("reuse_transaction") or (name if known is not None and known.has(KEY) else None)
    if source is not None:
        return staged.open_staged(context, name, journal.check_transaction(source), declaration.name)
    if known is not None:
        return known
    return journal.begin(context.state, name, context.now(), state="requested", name=declaration.name, declared=args["certificate"], actor=context.actor)


def _work(args: Answer, context: Context, declaration: Declared, record: Journal, lock: int, *, services: t.Sequence[Answer]) -> transaction.Work:
    there = found.look_at(declaration)
    leaf, chain = _certificate(args, there, declaration)
    facts = _facts(declaration, leaf)
    kinds = baseline.key_types(there.key_type, facts.key_type)
    taken = [dict(item, served=baseline.served(declaration, item, kinds)) for item in prepare.baseline_for(declaration, services, there, context)]
    record.write(declared=args["certificate"])
    if record.has(KEY):
        files.replace(record.path(LEAF), material.certificates(leaf))
        files.replace(record.path(CHAIN), material.certificates(*chain))
    return transaction.Work(
        record=record,
        state=context.state,
        lock=lock,
        now=context.now(),
        declared=declaration,
        found=there,
        leaf=leaf,
        chain=chain,
        key=_key(args, there, record, declaration),
        watched=tuple(taken),
        expected=verify.Expected(there.sha256, there.key_type, facts.sha256, facts.key_type),
    )


def _certificate(args: Answer, there: Found, declaration: Declared) -> t.Tuple[bytes, t.Tuple[bytes, ...]]:
    """Return leaf and chain: as sent, else what is there."""
    leaf = there.leaf if args.get("leaf") is None else _der(args["leaf"])
    chain = there.chain if args.get("chain") is None else tuple(_der(one) for one in args["chain"])
    if leaf is None:
        raise HostError(f"certificate {declaration.name!r}: there is none on this host, so it must be sent")
    return leaf, chain


def _key(args: Answer, there: Found, record: Journal, declaration: Declared) -> bytes:
    """Return the staged key; without one what is in place stays, as it is in a file of its own."""
    if record.has(KEY):
        return files.read(record.path(KEY))
    file = there.file("key")
    key = file.content if file is not None and file.key is not None else material.present_key(there)
    if key is None:
        raise HostError(f"certificate {declaration.name!r}: there is no private key on this host that could be used")
    if args.get("leaf") is not None and there.key is not None and there.key.spki != _facts(declaration, _der(args["leaf"])).spki:
        raise HostError(f"certificate {declaration.name!r}: the key of what was issued is on this host no more; another run may have renewed it meanwhile")
    return key


def _facts(declaration: Declared, leaf: bytes) -> x509.CertificateFacts:
    try:
        return x509.facts(leaf)
    except der.DerError as exc:
        raise HostError(f"certificate {declaration.name!r}: what was issued is no certificate that this host can read ({exc})") from None


def _der(text: str) -> bytes:
    with contextlib.suppress(binascii.Error, ValueError):
        return base64.b64decode(text, validate=True)
    raise HostError(f"a certificate must be sent as base64 of its DER, got {text!r}")
