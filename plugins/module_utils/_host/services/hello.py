# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate that a server of TLS 1.0 to 1.2 sends in clear, read from its answer to a greeting: nothing is computed, nothing verified.

Importing the library for whole handshakes costs a host 20 to 45 ms, this a fraction of one. A server that wants TLS 1.3 or breaks off is asked by look.py.
"""

import socket
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.hello import TLS12, Reply, client_hello

_LIMIT = 1 << 18  # bytes of a server's answer


def shown(connected: socket.socket, name: t.Optional[str], left: t.Callable[[], float]) -> t.Optional[bytes]:
    """The server's certificate in DER, None when its answer is another; `left` tells the seconds that remain, or raises. OSError when the connection fails."""
    connected.settimeout(left())
    connected.sendall(client_hello(TLS12, name))
    reply, said = Reply(), 0
    while not (reply.done or reply.certificates) and said <= _LIMIT:
        connected.settimeout(left())
        piece = connected.recv(65536)
        if not piece:
            break
        reply.feed(piece)
        said += len(piece)
    return reply.certificates[0] if reply.certificates else None
