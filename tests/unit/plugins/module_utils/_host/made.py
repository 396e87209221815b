# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and certificates for tests of the host ring, made by openssl when they are needed and once each."""

import functools
import hashlib
import os
import subprocess
import tempfile

_KEYS = {
    "rsa": ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ec": ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:named_curve"],
    "ec384": ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-pkeyopt", "ec_param_enc:named_curve"],
    "ed25519": ["genpkey", "-algorithm", "ED25519"],
    "ed448": ["genpkey", "-algorithm", "ED448"],
}


def openssl(*argv, given=b""):
    """Run openssl and return its output."""
    return subprocess.run(["openssl", *argv], input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True).stdout


@functools.lru_cache(maxsize=None)  # noqa: UP033 (functools.cache needs Python 3.9)
def key(kind="ec", name=""):
    """A private key in PKCS #8 PEM; another one for another name."""
    return openssl(*_KEYS[kind])


@functools.lru_cache(maxsize=None)  # noqa: UP033 (functools.cache needs Python 3.9)
def certificate(name, kind="ec", *, ca=False, issuer=None):
    """A certificate in PEM for the key of its kind and name; self-signed, or signed by the CA `issuer` of the same kind."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "key"), "wb") as file:
            file.write(key(kind, name))
        constraints = "critical,CA:TRUE" if ca else "critical,CA:FALSE"
        with open(os.path.join(folder, "conf"), "w", encoding="ascii") as file:
            file.write(f"[req]\ndistinguished_name=dn\n[dn]\n[ext]\nbasicConstraints={constraints}\n")
        conf = ["-config", os.path.join(folder, "conf"), "-key", os.path.join(folder, "key"), "-subj", f"/O=Test/CN={name}"]
        if issuer is None:
            return openssl("req", "-x509", "-new", "-days", "30", "-extensions", "ext", *conf)
        request = openssl("req", "-new", *conf)
        for path, content in (("ca", certificate(issuer, kind, ca=True)), ("cakey", key(kind, issuer))):
            with open(os.path.join(folder, path), "wb") as file:
                file.write(content)
        signer = ["-CA", os.path.join(folder, "ca"), "-CAkey", os.path.join(folder, "cakey"), "-set_serial", str(len(name) + 1000)]
        return openssl("x509", "-req", "-days", "30", "-extfile", os.path.join(folder, "conf"), "-extensions", "ext", *signer, given=request)


def in_der(pem):
    """A certificate in DER, by openssl."""
    return openssl("x509", "-outform", "DER", given=pem)


def digest(pem):
    """The SHA-256 of a certificate, by openssl's DER."""
    return hashlib.sha256(in_der(pem)).hexdigest()


def spki(private):
    """The SHA-256 of the public half of a private key, by openssl."""
    return hashlib.sha256(openssl("pkey", "-pubout", "-outform", "DER", given=private)).hexdigest()
