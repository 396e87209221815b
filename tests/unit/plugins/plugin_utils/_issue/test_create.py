# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import stat
import threading
import typing as t
from datetime import datetime, timedelta

import pytest
from cryptography import x509

from ansible_collections.certops.fleet.plugins.plugin_utils._issue import create as create_module
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.authority import AuthorityError, read_authority
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.create import Outcome, ensure_authority
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.files import CaFileError
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.keys import CaKeyError
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.settings import authority_settings

FILES = ("root.pem", "root.key", "issuing.pem", "issuing.key")
OPTIONS: dict[str, t.Any] = {
    "common_name": "Test",
    "organization": None,
    "root_key_type": "ecdsa_p384",
    "issuing_key_type": "ecdsa_p256",
    "root_lifetime_days": 3650,
    "issuing_lifetime_days": 1825,
}


@pytest.fixture
def ensure(tmp_path: pathlib.Path, passphrase: bytes, now: datetime) -> t.Callable[..., Outcome]:
    def run(check: bool = False, secret: bytes = passphrase, **options: t.Any) -> Outcome:
        settings = authority_settings({**OPTIONS, **options}, str(tmp_path / "ca"))
        return ensure_authority(settings, secret, now=now, check=check)

    return run


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_second_run_changes_nothing(ensure: t.Callable[..., Outcome], tmp_path: pathlib.Path) -> None:
    """Every file keeps its content, and nothing is said."""
    assert len(ensure().actions) == 4
    before = contents(tmp_path / "ca")
    again = ensure()
    assert (again.actions, again.differences) == ((), ())
    assert contents(tmp_path / "ca") == before
    assert set(before) == set(FILES)


def test_check_mode_says_the_same_and_writes_nothing(ensure: t.Callable[..., Outcome], tmp_path: pathlib.Path) -> None:
    """Actions and difference are those of the real run."""
    told = ensure(check=True, crl_urls=["http://pki.example.com/c.crl"])
    assert not (tmp_path / "ca").exists()
    done = ensure(crl_urls=["http://pki.example.com/c.crl"])
    assert (told.actions, told.before, told.after) == (done.actions, done.before, done.after)
    assert done.before == ""
    assert "commonName=Test Issuing CA; ecdsa_p256; 1825 days" in done.after


def test_nobody_else_can_read_folder_and_keys(ensure: t.Callable[..., Outcome], tmp_path: pathlib.Path) -> None:
    """Whatever the umask; and what was opened up is closed again."""
    mask = os.umask(0)
    try:
        ensure()
    finally:
        os.umask(mask)
    modes = {path: stat.S_IMODE(os.stat(tmp_path / "ca" / path).st_mode) for path in (".", *FILES)}
    assert modes == {".": 0o700, "root.pem": 0o644, "root.key": 0o600, "issuing.pem": 0o644, "issuing.key": 0o600}
    os.chmod(tmp_path / "ca" / "root.key", 0o644)
    assert ensure().actions == (f"set the mode of {tmp_path / 'ca' / 'root.key'} to 0600, it is 0644",)
    assert stat.S_IMODE(os.stat(tmp_path / "ca" / "root.key").st_mode) == 0o600


@pytest.mark.parametrize("key_types", [("ecdsa_p384", "ecdsa_p256"), ("ecdsa_p521", "ecdsa_p384"), ("rsa_3072", "rsa_3072")])
def test_openssl_verifies_the_issuing_ca(
    ensure: t.Callable[..., Outcome], openssl: t.Callable[..., str], tmp_path: pathlib.Path, key_types: tuple[str, str]
) -> None:
    """Strictly by RFC 5280, and the key files open with openssl and the passphrase."""
    ensure(root_key_type=key_types[0], issuing_key_type=key_types[1])
    assert openssl("verify", "-x509_strict", "-check_ss_sig", "-CAfile", "ca/root.pem", "ca/issuing.pem") == "ca/issuing.pem: OK\n"
    public = openssl("pkey", "-in", "ca/issuing.key", "-passin", "pass:correct horse battery", "-pubout")
    assert public == openssl("x509", "-in", "ca/issuing.pem", "-noout", "-pubkey")
    text = openssl("asn1parse", "-in", "ca/issuing.key")
    assert "PBES2" in text
    assert "aes-256-cbc" in text


def test_ca_certificates_have_the_extensions_of_rfc_5280(ensure: t.Callable[..., Outcome], openssl: t.Callable[..., str]) -> None:
    """Path length, usages, identifiers, constraints and URLs as openssl prints them."""
    ensure(permitted_names=["Example.com", "192.0.2.0/24"], excluded_names=["lab.example.com"], root_crl_urls=["http://pki.example.com/root.crl"])
    root, issuing = (openssl("x509", "-in", f"ca/{name}.pem", "-noout", "-text") for name in ("root", "issuing"))
    assert "Basic Constraints: critical\n                CA:TRUE, pathlen:1" in root
    assert "Basic Constraints: critical\n                CA:TRUE, pathlen:0" in issuing
    for text in (root, issuing):
        assert "Key Usage: critical\n                Certificate Sign, CRL Sign" in text
        assert "Subject Key Identifier" in text
    assert "Authority Key Identifier" in issuing
    assert "Name Constraints: critical" in issuing
    assert "Permitted:\n                  DNS:example.com\n                  IP:192.0.2.0/255.255.255.0" in issuing
    assert "Excluded:\n                  DNS:lab.example.com" in issuing
    assert "URI:http://pki.example.com/root.crl" in issuing


def test_the_issuing_ca_ends_with_its_root(ensure: t.Callable[..., Outcome], now: datetime) -> None:
    """A longer lifetime is cut, and that is no difference ever after."""
    found = ensure(root_lifetime_days=100, issuing_lifetime_days=400).authority
    assert found.issuing.not_valid_after_utc == found.root.not_valid_after_utc == now + timedelta(days=100, minutes=-5, seconds=-1)
    assert ensure(root_lifetime_days=100, issuing_lifetime_days=400).differences == ()


def test_serials_are_random_and_short_enough(ensure: t.Callable[..., Outcome]) -> None:
    """More than 64 bits, at most 20 octets (RFC 5280 section 4.1.2.2)."""
    found = ensure().authority
    assert found.root.serial_number != found.issuing.serial_number
    assert all(64 < certificate.serial_number.bit_length() < 160 for certificate in (found.root, found.issuing))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"common_name": "Other"}, "root CA: the subject 'commonName=Other Root CA' is asked for, the certificate that is there has 'commonName=Test Root CA'"),
        ({"organization": "New"}, "issuing CA: the subject 'organizationName=New, commonName=Test Issuing CA' is asked for"),
        ({"root_key_type": "rsa_4096"}, "root CA: the key type 'rsa_4096' is asked for, the certificate that is there has 'ecdsa_p384'"),
        ({"issuing_lifetime_days": 30}, "issuing CA: the lifetime in days '30' is asked for, the certificate that is there has '1825'"),
        (
            {"permitted_names": ["example.com"]},
            "issuing CA: the name constraint 'permitted example.com' is asked for, the certificate that is there has 'none'",
        ),
        ({"root_ocsp_urls": ["http://o.example/"]}, "issuing CA: the URL 'ocsp http://o.example/' is asked for, the certificate that is there has 'none'"),
    ],
)
def test_what_cannot_be_changed_is_told(ensure: t.Callable[..., Outcome], tmp_path: pathlib.Path, options: dict[str, t.Any], told: str) -> None:
    """The files stay as they are."""
    ensure()
    before = contents(tmp_path / "ca")
    outcome = ensure(**options)
    assert any(told in difference and difference.endswith("is not changed in place") for difference in outcome.differences)
    assert outcome.actions == ()
    assert contents(tmp_path / "ca") == before


def test_urls_for_certificates_can_be_changed(ensure: t.Callable[..., Outcome]) -> None:
    """They are written into certificates to come."""
    ensure()
    assert ensure(crl_urls=["http://pki.example.com/a.crl"]).actions == ("write the URLs of the issuing CA to issuing.json",)
    assert ensure(crl_urls=["http://pki.example.com/a.crl"]).actions == ()
    outcome = ensure()
    assert outcome.authority.urls is not None
    assert outcome.authority.urls.crl == ()


@pytest.mark.parametrize("kept", [("root.key",), ("root.key", "root.pem"), ("root.key", "root.pem", "issuing.key")])
def test_an_interrupted_run_is_finished(ensure: t.Callable[..., Outcome], openssl: t.Callable[..., str], tmp_path: pathlib.Path, kept: tuple[str, ...]) -> None:
    """What was written stays, the rest is made."""
    ensure()
    for name in set(FILES) - set(kept):
        (tmp_path / "ca" / name).unlink()
    before = contents(tmp_path / "ca")
    assert ensure().actions
    after = contents(tmp_path / "ca")
    assert {name: after[name] for name in kept} == before
    assert openssl("verify", "-x509_strict", "-CAfile", "ca/root.pem", "ca/issuing.pem") == "ca/issuing.pem: OK\n"


def test_the_root_key_may_be_kept_elsewhere(ensure: t.Callable[..., Outcome], tmp_path: pathlib.Path) -> None:
    """It is needed only for another issuing CA."""
    ensure()
    (tmp_path / "ca" / "root.key").unlink()
    assert ensure().actions == ()


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("root.key", None, None, ""),
        ("issuing.key", None, AuthorityError, "'issuing.key' is missing although there is 'issuing.pem'; put it back"),
        ("root.pem", None, AuthorityError, "'root.pem' is missing although there is an issuing CA; put it back"),
        ("root.pem", b"garbage", AuthorityError, "root.pem' is not the PEM certificate of a CA"),
        ("issuing.key", b"", CaKeyError, "issuing.key' is not a complete encrypted private key"),
        ("issuing.key", "cut", CaKeyError, "issuing.key' is not a complete encrypted private key"),
        ("issuing.key", "root.key", AuthorityError, "issuing.key' is not the key of 'issuing.pem'"),
        ("issuing.pem", "root.pem", AuthorityError, "issuing.key' is not the key of 'issuing.pem'"),
        ("issuing.json", b"[]", AuthorityError, "issuing.json' does not hold the URLs of an issuing CA as JSON"),
        ("root.pem", b"x" * (1 << 21), CaFileError, "root.pem' is larger than 1048576 bytes"),
    ],
)
def test_foreign_files_are_told_and_left_alone(
    *, ensure: t.Callable[..., Outcome], tmp_path: pathlib.Path, name: str, content: bytes | str | None, error: type[ValueError] | None, message: str
) -> None:
    """One sentence with the file, and no file is written."""
    ensure()
    folder = tmp_path / "ca"
    if content is None:
        (folder / name).unlink()
    else:
        cut = (folder / name).read_bytes()[:-60] if content == "cut" else None
        (folder / name).write_bytes(content if isinstance(content, bytes) else cut or (folder / content).read_bytes())
    before = contents(folder)
    if error is not None:
        with pytest.raises(error) as caught:
            ensure()
        assert message in str(caught.value)
        assert str(caught.value).count("\n") == 0
    assert contents(folder) == before


def test_a_wrong_passphrase_is_one_sentence(ensure: t.Callable[..., Outcome], tmp_path: pathlib.Path) -> None:
    """The file is named, the passphrase is not."""
    ensure()
    with pytest.raises(CaKeyError) as caught:
        ensure(secret=b"another passphrase")
    assert str(caught.value) == f"file {str(tmp_path / 'ca' / 'root.key')!r} cannot be decrypted with the passphrase given"


def test_a_foreign_issuing_ca_is_told(ensure: t.Callable[..., Outcome], make_ca: t.Callable[..., t.Any], tmp_path: pathlib.Path) -> None:
    """A certificate of another root."""
    ensure()
    make_ca("other")
    for name in ("issuing.pem", "issuing.key"):
        (tmp_path / "ca" / name).write_bytes((tmp_path / "other" / name).read_bytes())
    with pytest.raises(AuthorityError, match=r"'issuing.pem' was not issued by 'root.pem'"):
        ensure()


def test_a_leaf_is_not_taken_for_a_ca(ensure: t.Callable[..., Outcome], tmp_path: pathlib.Path, openssl: t.Callable[..., str]) -> None:
    """A self-signed certificate without CA:TRUE."""
    (tmp_path / "ca").mkdir(mode=0o700)
    openssl(
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=x",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        "/dev/null",
        "-out",
        "ca/root.pem",
    )
    with pytest.raises(AuthorityError, match="holds a certificate that is not a CA's"):
        read_authority(str(tmp_path / "ca"))


def test_two_runs_at_once_make_one_ca(ensure: t.Callable[..., Outcome], tmp_path: pathlib.Path, openssl: t.Callable[..., str]) -> None:
    """Who comes second gets an error or finishes the same CA; no file is replaced."""
    start = threading.Barrier(4)
    told: list[str] = []

    def run() -> None:
        start.wait()
        try:
            ensure()
        except ValueError as exc:
            told.append(str(exc))

    threads = [threading.Thread(target=run) for _each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ensure()
    assert openssl("verify", "-x509_strict", "-CAfile", "ca/root.pem", "ca/issuing.pem") == "ca/issuing.pem: OK\n"
    assert all("is there already and is not overwritten" in text or "cannot be made" in text or "is not the key" in text for text in told), told
    assert set(contents(tmp_path / "ca")) == set(FILES)


def test_a_file_in_the_place_of_the_folder_is_told(ensure: t.Callable[..., Outcome], tmp_path: pathlib.Path) -> None:
    """Neither followed nor replaced."""
    (tmp_path / "ca").write_text("mine")
    with pytest.raises(CaFileError, match=r"ca/root.pem' cannot be read: Not a directory"):
        ensure()
    assert (tmp_path / "ca").read_text() == "mine"


def test_certificates_are_backdated_by_five_minutes(ensure: t.Callable[..., Outcome], now: datetime) -> None:
    """For hosts whose clock is a little slow."""
    certificate: x509.Certificate = ensure().authority.root
    assert certificate.not_valid_before_utc == now - timedelta(minutes=5) == now - create_module.BACKDATE
