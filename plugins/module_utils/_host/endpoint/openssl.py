# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`openssl s_client` as a second pair of eyes, for what only TLS 1.3 shows and the library does not tell.

That is the whole chain, before Python 3.10, and the OCSP response.
"""

import asyncio
import binascii
import contextlib
import os
import re
import subprocess
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint import hello
from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.wire import ready
from ansible_collections.certops.fleet.plugins.module_utils._host.run import command_environment

_OUTPUT_LIMIT = 1 << 20  # three characters a byte
_CERTIFICATE = re.compile(rb"<<< TLS 1\.3, Handshake \[length [0-9a-f]+\], Certificate\n((?:[ \t]+[0-9a-f]{2}(?: [0-9a-f]{2})* *\n)+)")


async def by_openssl(
    loop: asyncio.AbstractEventLoop, place: str, *, name: t.Optional[str], starttls: str, seconds: float
) -> t.Tuple[t.Tuple[bytes, ...], t.Optional[bytes]]:
    """Chain and OCSP response of a handshake in TLS 1.3 with an address and port; an empty chain where openssl is missing, older than 1.1.1 or refused."""
    argv = ["openssl", "s_client", "-connect", place, "-tls1_3", "-status", "-msg", *(["-servername", name] if name else ["-noservername"])]
    if starttls:
        argv += ["-starttls", starttls, *(["-xmpphost", name] if name and starttls.startswith("xmpp") else [])]
    return read_messages(await _output(loop, argv, seconds))


def read_messages(output: bytes) -> t.Tuple[t.Tuple[bytes, ...], t.Optional[bytes]]:
    """Chain and OCSP response out of what the option -msg prints."""
    found = _CERTIFICATE.search(output)
    if found is None:
        return (), None
    body = binascii.a2b_hex(b"".join(found.group(1).split()))[4:]
    chain, staple = hello.certificate_message13(body)
    return tuple(chain), staple


async def _output(loop: asyncio.AbstractEventLoop, argv: t.Sequence[str], seconds: float) -> bytes:
    """What the command prints within its time, at most _OUTPUT_LIMIT bytes; it does not outlive the call."""
    try:
        # The pylint of ansible-core 2.21 wants AnsibleModule.run_command here; the host program has no AnsibleModule.
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/", env=command_environment(), start_new_session=True
        )
    except OSError:
        return b""
    try:
        return await _read(loop, process.stdout.fileno() if process.stdout else -1, loop.time() + seconds)
    finally:
        with contextlib.suppress(OSError):
            process.kill()
        if process.stdout:
            process.stdout.close()
        process.wait()


async def _read(loop: asyncio.AbstractEventLoop, descriptor: int, deadline: float) -> bytes:
    output = bytearray()
    os.set_blocking(descriptor, False)
    while len(output) < _OUTPUT_LIMIT and await ready(loop, descriptor, False, deadline):
        data = os.read(descriptor, 1 << 16)
        if not data:
            break
        output += data
    return bytes(output)
