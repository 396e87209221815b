# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PEM out of any bytes."""

import random
import time
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, pem

CONTENT = der.sequence(der.octet_string(bytes(range(100))))
BLOCK = pem.encode("CERTIFICATE", CONTENT)
TEXT = BLOCK.decode()
ONE_LINE = TEXT.strip().replace("\n", "\\n")


def labels(data):
    """What is found in the bytes: (label, whether it has the content)."""
    return [(block.label, block.content == CONTENT) for block in pem.blocks((data,))]


class Blocks(unittest.TestCase):
    def test_forms(self):
        """A block is found in whatever text it stands, however its lines end."""
        forms = {
            "plain": BLOCK,
            "without a last newline": BLOCK.strip(),
            "CRLF": BLOCK.replace(b"\n", b"\r\n"),
            "CR": BLOCK.replace(b"\n", b"\r"),
            "text around": b"subject=/CN=a\n\xff\xfe" + BLOCK + b"trailing -----",
            "indented": BLOCK.replace(b"\n", b"\n    "),
            "one line of base64": b"-----BEGIN CERTIFICATE-----\n" + b"".join(BLOCK.split(b"\n")[1:-2]) + b"\n-----END CERTIFICATE-----",
            "JSON": ('{"certificate": "' + ONE_LINE + '"}').encode(),
            "JSON with CRLF": ('{"certificate": "' + ONE_LINE.replace("\\n", "\\r\\n") + '"}').encode(),
            "program source": "".join(f'    "{line}\\n"\n' for line in TEXT.splitlines()).encode(),
            "blank lines": BLOCK.replace(b"\n", b"\n\n"),
        }
        for name, data in forms.items():
            with self.subTest(form=name):
                self.assertEqual(labels(data), [("CERTIFICATE", True)])

    def test_many(self):
        """Blocks of all kinds come in their order."""
        data = pem.encode("RSA PRIVATE KEY", CONTENT) + b"x" + pem.encode("TRUSTED CERTIFICATE", CONTENT) + BLOCK + pem.encode("X509 CRL", CONTENT)
        self.assertEqual([label for label, _block in labels(data)], ["RSA PRIVATE KEY", "TRUSTED CERTIFICATE", "CERTIFICATE", "X509 CRL"])

    def test_broken(self):
        """A block that cannot be read says why, and the next one is read all the same."""
        cut = BLOCK[: len(BLOCK) // 2]
        broken = {
            "no END line": cut,
            "END line names something else": BLOCK.replace(b"END CERTIFICATE", b"END X509 CRL"),
            "not base64": BLOCK[:60] + b"*" + BLOCK[61:],
        }
        for reason, data in broken.items():
            with self.subTest(reason=reason):
                found = list(pem.blocks((data + b"\n" + BLOCK,)))
                self.assertRegex(found[0].problem, reason)
                self.assertIsNone(found[0].content)
                self.assertEqual(found[-1].content, CONTENT)

    def test_mentions(self):
        """Text and programs that only talk of PEM have no blocks."""
        for data in (
            b"",
            b"-----BEGIN ",
            b"grep -q -- '-----BEGIN CERTIFICATE-----' file && echo '-----END CERTIFICATE-----'",
            b"-----BEGIN CERTIFICATE-----\0-----END CERTIFICATE-----\0",
            b"-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n",
            b"-----BEGIN " + b"A" * 100 + b"-----\nMII\n-----END",
            b"-----BEGIN lower case-----\nMII=\n-----END lower case-----\n",
        ):
            with self.subTest(data=data):
                self.assertEqual(list(pem.blocks((data,))), [])

    def test_encrypted(self):
        """A Proc-Type header says that the content is encrypted."""
        data = BLOCK.replace(b"CERTIFICATE-----\n", b"RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1)
        data = data.replace(b"END CERTIFICATE", b"END RSA PRIVATE KEY")
        block = pem.first(data)
        self.assertEqual((block.label, block.encrypted, block.content), ("RSA PRIVATE KEY", True, CONTENT))

    def test_pieces(self):
        """However a file is cut into pieces, the same blocks come out."""
        data = b"text" + BLOCK * 3 + b"between" + BLOCK[:50] + b"\n" + BLOCK + b"-----BEGIN CERTIFICATE-----\nMII"
        expected = list(pem.blocks((data,)))
        self.assertEqual(len(expected), 6)
        for size in (1, 2, 7, 64, 100, 1000):
            with self.subTest(size=size):
                pieces = (data[at : at + size] for at in range(0, len(data), size))
                self.assertEqual(list(pem.blocks(pieces)), expected)

    def test_linear(self):
        """Megabytes of BEGIN lines, of END lines or of one endless block take no more than their length."""
        begin = b"-----BEGIN CERTIFICATE-----\n"
        for data in (begin * 100000, (begin + b"MIIB\n") * 100000, b"-----END CERTIFICATE-----\n" * 100000, begin + b"MIIB" * 1000000):
            started = time.monotonic()
            pieces = (data[at : at + 65536] for at in range(0, len(data), 65536))
            for block in pem.blocks(pieces):
                self.assertIsNone(block.content)
            self.assertLess(time.monotonic() - started, 20)

    def test_random(self):
        """Damaged blocks never raise anything."""
        source = random.Random(5)
        for _round in range(2000):
            data = bytearray(BLOCK * 2)
            for _change in range(source.choice((1, 3, 30))):
                data[source.randrange(len(data))] = source.choice((source.randrange(256), 45, 10, 61))
            for block in pem.blocks((bytes(data),)):
                self.assertTrue((block.content is None) == (block.problem is not None))
