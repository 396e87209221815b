# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `request`: see that a new certificate would be of use, make its key here and answer a signing request."""

import base64
import binascii
import hashlib
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import Context, HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import baseline, csr, declared, files, found, journal, material, prepare, staged
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.declared import Declared
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.found import Found
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.journal import KEY, REQUEST, Journal

Answer = t.Dict[str, t.Any]


def run(args: Answer, context: Context) -> Answer:
    """Answer `request`; the same transaction asked again gets the same answer.

    With `inspect`, the arguments of that verb, its answer comes first, and in it as `request` what became of the request for the certificate `name`:
    its answer, or in `refused` why there is none.
    """
    with prepare.changing(context) as held:
        if args.get("inspect"):
            return _inspected(args, context, held.recovered)
        return _requested(args, context, baseline.services_here(args["services"]))


def _inspected(args: Answer, context: Context, recovered: t.List[Answer]) -> Answer:
    from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.inspection import inspect  # noqa: PLC0415 (few requests ask for it)

    services = baseline.services_here(args["inspect"]["services"])
    looked = inspect(args["inspect"], context, services, recovered + staged.expire(context))
    certificate = next(each["declared"] for each in looked["certificates"] if each["name"] == args["name"])
    try:
        request = _requested(dict(args, certificate=certificate), context, services)
    except HostError as exc:
        request = {"refused": str(exc)}
    return dict(looked, request=request)


def _requested(args: Answer, context: Context, services: t.Sequence[Answer]) -> Answer:
    declaration = declared.from_args(args["certificate"])
    record = journal.load(context.state, journal.check_transaction(context.transaction))
    if record is not None and record.state != "failed":
        return _recorded(record)
    return _request(args, context, declaration, services)


def _recorded(record: Journal) -> Answer:
    result = record.result("request")
    if result is None:
        raise HostError(f"transaction {record.transaction!r} is known on this host and was not a request")
    return t.cast(Answer, result)


def _request(args: Answer, context: Context, declaration: Declared, services: t.Sequence[Answer]) -> Answer:
    there = found.look_at(declaration)
    taken = prepare.baseline_for(declaration, services, there, context)
    if not args["key"].get("reuse"):
        baseline.check_key(declaration, taken)
    with_key = {"name": declaration.name, "declared": args["certificate"], "request_digest": args["request_digest"]}
    record = journal.begin(context.state, t.cast(str, context.transaction), context.now(), state="requesting", actor=context.actor, **with_key)
    _make_key(record, args["key"], there)
    spki = csr.public_key(record.path(KEY))
    _check_key(record, spki)
    request = csr.make_request(record.path(KEY), spki, _der(args, "subject"), _der(args, "attributes"))
    files.replace(record.path(REQUEST), request)
    digest = hashlib.sha256(spki).hexdigest()
    result = {"csr": base64.b64encode(request).decode("ascii"), "spki": digest, "staged": record.transaction}
    record.write(state="requested", spki=digest, results=record.with_result("request", result))
    return result


def _make_key(record: Journal, wanted: Answer, there: Found) -> None:
    present = material.present_key(there) if wanted.get("reuse") else None
    if wanted.get("reuse") and present is None and there.key is not None:
        raise HostError(f"certificate {record.data['name']!r}: the present key is to be used again, but cannot be read without a passphrase")
    files.remove(record.path(KEY))
    if present is not None:
        files.create(record.path(KEY), present)
    else:
        csr.make_key(record.path(KEY), wanted)


def _check_key(record: Journal, spki: bytes) -> None:
    """Believe openssl only where the key file says the same."""
    facts = found.key_in(files.read(record.path(KEY)))
    if facts is None or facts.spki != hashlib.sha256(spki).hexdigest():
        raise HostError(f"certificate {record.data['name']!r}: openssl gives a public key that does not belong to the key it made")


def _der(args: Answer, name: str) -> bytes:
    try:
        return base64.b64decode(args[name], validate=True)
    except (binascii.Error, ValueError):
        raise HostError(f"{name} must be base64 of DER, got {args[name]!r}") from None
