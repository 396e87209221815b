# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every look at TLS shares: the usual ports of STARTTLS, and a context that takes every certificate, version and suite, and believes nothing."""

import typing as t

# A suite without authentication would show no certificate; weak keys and old versions are looked at, too.
EVERYTHING = "ALL:!aNULL:@SECLEVEL=0"
# What is spoken before TLS at the ports that usually begin in plain text.
STARTTLS_PORTS = {
    21: "ftp",
    25: "smtp",
    110: "pop3",
    119: "nntp",
    143: "imap",
    389: "ldap",
    587: "smtp",
    3306: "mysql",
    4190: "sieve",
    5222: "xmpp",
    5269: "xmpp-server",
    5432: "postgres",
    6667: "irc",
}


def context(ciphers: str = EVERYTHING) -> t.Any:
    """Return an `ssl.SSLContext` that verifies nothing."""
    import ssl  # noqa: PLC0415 (20 to 45 ms, and most runs do not look)

    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.options |= ssl.OP_NO_TICKET | getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)
    made.set_ciphers(ciphers)
    if hasattr(ssl, "TLSVersion"):
        made.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    return made
