# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `install`: what it refuses, what it undoes, what it answers when it is asked twice."""

import base64
import errno
import os
import shutil
import stat
import subprocess
import sys
import unittest
import uuid

from ansible_collections.certops.fleet.plugins.module_utils._host import verb_install
from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import journal, namespace
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.little_host import HostCase, openssl

# A validation as nginx has it: certificate and key at their real paths must be a pair. It writes down what it saw.
VALIDATE = """
import ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
with open(sys.argv[1], "rb") as file, open(sys.argv[3], "ab") as seen:
    seen.write(file.read().split(b"-----END")[0] + b"\\n")
context.load_cert_chain(sys.argv[1], sys.argv[2])
"""
CAN_MOUNT = namespace.seen_at((), lambda: True) is not None
WRITE = journal.Journal.write


class TestRefused(HostCase):
    """What is not good never reaches a service."""

    def undone(self, text, **changes):
        """Install with other arguments and see that everything stays as it was."""
        declared, services = self.served_pair()
        before = self.host.public_keys(), self.served(declared, services)
        staged, leaf = self.certified(declared, services)
        args = dict(self.host.install_args(declared, services, leaf, staged), **changes)
        result = verb_install.run(args, self.host.context(staged))
        self.assertEqual(result["outcome"], "undone")
        self.assertIn(text, result["text"])
        self.assertEqual((self.host.public_keys(), self.served(declared, services)), before)
        self.assertEqual(self.host.leftovers(), [])

    def other_leaf(self, **changes):
        """A certificate for another key."""
        request = openssl(
            "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null", "-subj", "/", "-outform", "DER"
        )
        return base64.b64encode(self.host.sign(request, **changes)).decode()

    def test_another_key(self):
        """A certificate that does not belong to the staged key."""
        self.undone("does not belong to the certificate", leaf=self.other_leaf())

    def test_another_name(self):
        """A certificate without a declared name."""
        self.undone("does not hold for www.example.org", leaf=self.other_leaf(names=("other.example.org",)))

    def test_a_chain_that_does_not_lead_up(self):
        """A chain that begins with somebody else."""
        self.undone("is not the issuer of the one before it", chain=[self.other_leaf()])

    def test_a_chain_with_the_right_name_and_the_wrong_key(self):
        """A certificate that only calls itself the issuer."""
        subject = ("-subj", "/CN=Test CA", "-keyout", "/dev/null", "-outform", "DER")
        forged = openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *subject)
        self.undone("does not accept the signature", chain=[base64.b64encode(forged).decode()])

    def test_an_openssl_that_slips_in_another_key(self):
        """The key that was staged is read again here, whatever openssl said."""
        declared, services = self.served_pair()
        staged, leaf = self.certified(declared, services)
        key = os.path.join(self.host.state, "transactions", staged, "key.pem")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        result = self.host.install(declared, services, leaf, staged)
        self.assertEqual(result["outcome"], "undone")
        self.assertIn("the private key that was to be put in place does not belong", result["text"])

    @unittest.skipUnless(os.geteuid() == 0, "needs root to be another user")
    def test_a_key_that_the_service_cannot_read(self):
        """The service's own user is tried."""
        declared, services = self.served_pair()
        services[0]["reads_as"] = "nobody"
        result = self.host.rotate(declared, services)
        self.assertEqual(result["outcome"], "undone")
        self.assertIn("could not be read by user 'nobody'", result["text"])

    def test_a_folder_that_is_full(self):
        """A disk without space is found out before anything is swapped, and is no refusal."""
        if os.geteuid() != 0:
            self.skipTest("needs root for a small filesystem")
        if subprocess.call(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", self.host.folder], stderr=subprocess.DEVNULL):
            self.skipTest("nothing can be mounted here")
        self.addCleanup(subprocess.check_call, ["umount", "-l", self.host.folder])
        declared, services = self.served_pair()
        before = self.host.public_keys()
        staged, leaf = self.certified(declared, services)
        with open(self.host.path("full"), "wb", buffering=0) as file, self.assertRaises(OSError):
            while file.write(b"x" * 512):
                pass
        result = self.host.install(declared, services, leaf, staged)
        self.assertEqual((result["outcome"], self.host.public_keys(), self.host.leftovers()), ("undone", before, []))
        self.assertIn("No space left on device", result["text"])
        self.assertEqual(self.host.inspect(declared, services)[0]["staged"][0]["attempts"], 0)
        os.unlink(self.host.path("full"))
        self.assertEqual(self.host.install(declared, services, leaf, staged)["outcome"], "committed")

    def test_a_state_folder_that_is_full(self):
        """Where the journal cannot be written any more the old files come back, whenever that happens."""
        for state in ("staged", "swapping", "swapped", "reloaded", "looked"):
            with self.subTest(state):
                declared, services = self.served_pair()
                before = self.host.public_keys(), self.served(declared, services)
                staged, leaf = self.certified(declared, services)
                self.fail_from(state)
                result = self.host.install(declared, services, leaf, staged)
                journal.Journal.write = WRITE
                self.assertEqual((result["outcome"], result["verified_reason"]), ("undone", "No space left on device"))
                self.assertEqual((self.host.public_keys(), self.served(declared, services)), before)
                self.host.inspect(declared, services, heal=True)
                self.assertEqual((self.host.public_keys(), self.served(declared, services), self.host.leftovers()), (*before, []))
                os.unlink(os.path.join(self.host.root, "server.pid"))

    def fail_from(self, state):
        """Let every record from this state on fail."""
        failing = []

        def write(record, **changes):
            failing.append(1) if failing or changes.get("state") == state else None
            if failing:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            WRITE(record, **changes)

        journal.Journal.write = write
        self.addCleanup(setattr, journal.Journal, "write", WRITE)

    def test_no_such_key(self):
        """Only what this host staged for this certificate can be installed."""
        declared, services = self.served_pair()
        staged, leaf = self.certified(declared, services)
        for source, name in ((uuid.uuid4().hex, "web"), (staged, "other")):
            with self.subTest(name=name), self.assertRaisesRegex(HostError, "holds no key staged by transaction"):
                self.host.install(dict(declared, name=name), services, leaf, source)

    def test_actions(self):
        """An action that is not known is named with those that are."""
        with self.assertRaisesRegex(HostError, "action must be one of install, chain, attributes, reload, got 'renew'"):
            verb_install.run({"certificate": self.host.declared(), "action": "renew"}, self.host.context(uuid.uuid4().hex))


class TestValidation(HostCase):
    """The service's own check of the new files."""

    def validated_pair(self):
        """A served pair whose service has a validation."""
        declared, services = self.served_pair()
        self.seen = os.path.join(self.host.root, "seen")
        services[0].update(validate=self.validation(VALIDATE, self.seen), validates="pair")
        return declared, services

    def validation(self, program, *arguments):
        """A command that validates the pair."""
        script = os.path.join(self.host.root, "validate")
        with open(script, "w") as file:
            file.write(program)
        return [sys.executable, script, self.host.path("tls.crt"), self.host.path("tls.key"), *arguments]

    @unittest.skipUnless(CAN_MOUNT, "a mount namespace of one's own is not allowed here")
    def test_it_sees_the_staged_files_before_anybody_else(self):
        """The validation reads the new certificate at its real path while the old one is still there."""
        declared, services = self.validated_pair()
        result = self.host.rotate(declared, services)
        self.assertEqual((result["outcome"], result["validated"]), ("committed", "before_swap"), result)
        with open(self.seen, "rb") as file:
            self.assertEqual(len(set(file.read().split(b"-----BEGIN CERTIFICATE-----")[1:])), 2)

    @unittest.skipUnless(CAN_MOUNT, "a mount namespace of one's own is not allowed here")
    def test_what_it_refuses_is_never_swapped(self):
        """The ordinary files keep their identity when the staged ones are refused."""
        declared, services = self.validated_pair()
        staged, leaf = self.certified(declared, services)
        inode = os.stat(self.host.path("tls.crt")).st_ino
        refuse_new = "import os, sys\nsys.exit('refused by taste' if os.stat(sys.argv[1]).st_ino != int(sys.argv[3]) else 0)"
        services[0]["validate"] = self.validation(refuse_new, str(inode))
        result = self.host.install(declared, services, leaf, staged)
        self.assertEqual((result["outcome"], os.stat(self.host.path("tls.crt")).st_ino), ("undone", inode))
        self.assertIn("refused by taste", result["text"])

    def test_it_comes_after_the_swap_where_mounting_is_not_allowed(self):
        """The result says so, and what is refused then is undone."""
        self.addCleanup(setattr, namespace, "seen_at", namespace.seen_at)
        namespace.seen_at = lambda shown, check: None
        declared, services = self.validated_pair()
        result = self.host.rotate(declared, services)
        self.assertEqual((result["outcome"], result["validated"]), ("committed", "after_swap"), result)
        before = self.host.public_keys()
        staged, leaf = self.certified(declared, services)
        services[0]["validate"] = ["grep", "-qxF", openssl("x509", "-in", self.host.path("tls.crt")).decode().split("\n")[3], self.host.path("tls.crt")]
        result = self.host.install(declared, services, leaf, staged)
        self.assertEqual((result["outcome"], self.host.public_keys()), ("undone", before))
        self.assertIn("with the new files service 'little' does not accept its configuration", result["text"])

    def test_a_configuration_that_is_broken_already(self):
        """Nothing is requested and no key is made when a validation fails for another reason."""
        declared, services = self.validated_pair()
        services[0]["validate"] = ["sh", "-c", "echo unknown directive >&2; exit 1"]
        with self.assertRaisesRegex(HostError, "nothing was changed, because already now .*unknown directive"):
            self.host.request(declared, services)
        self.assertEqual(self.host.inspect(declared, services)[0]["staged"], [])

    def test_an_old_pair_that_is_the_reason(self):
        """Where the old pair is broken a failing validation is no reason against a new one."""
        declared, services = self.validated_pair()
        shutil.copyfile(self.host.ca_key, self.host.path("tls.key"))
        self.assertEqual(self.host.rotate(declared, services)["outcome"], "committed")


class TestServices(HostCase):
    """What happens to the services."""

    def test_a_service_that_does_not_run_is_left_alone(self):
        """It is neither started nor looked at, and the result says that nothing was verified."""
        declared, services = self.served_pair()
        self.host.servers[0].kill()
        self.host.servers[0].wait()
        services[0]["start_command"] = ["touch", self.host.path("started")]
        result = self.host.rotate(declared, services)
        self.assertEqual((result["outcome"], result["verified"]), ("committed", False))
        self.assertEqual(result["verified_reason"], "no service that uses these files runs")
        self.assertEqual(result["services"][0]["line"], "little does not run and was left alone")
        self.assertFalse(os.path.exists(self.host.path("started")))

    def test_a_service_that_dies_is_started_again(self):
        """A reload that ends the server is undone, and the server runs with the old certificate as before."""
        declared, services = self.served_pair()
        before = self.served(declared, services)
        script = os.path.join(self.host.root, "start")
        command = self.host.servers[0].args
        with open(script, "w") as file:
            file.write(f"import subprocess\nsubprocess.Popen({list(command)!r}, start_new_session=True)\n")
        services[0].update(reload="dies_on_error", reload_command=["sh", "-c", "kill -9 $0; sleep 0.1", "{pid}"], start_command=[sys.executable, script])
        result = self.host.rotate(declared, services)
        self.addCleanup(self.stop_started)
        self.assertEqual((result["outcome"], self.served(declared, services)), ("undone", before), result)

    def stop_started(self):
        """Stop the server that the transaction started."""
        with open(os.path.join(self.host.root, "server.pid")) as file:
            os.kill(int(file.read()), 9)

    def test_an_old_pair_of_no_use_is_not_put_back(self):
        """A server that does not take the new files keeps them when the old ones have expired; that is a failure, and the result says why."""
        declared, services = self.served_pair(hears="deaf", days="0")
        result = self.host.rotate(declared, services)
        self.assertEqual((result["outcome"], result["verified"]), ("failed", False), result)
        self.assertIn("the old files were not put back, they are of no use", result["text"])
        self.assertEqual(*self.host.public_keys())

    def test_rollback_always(self):
        """By declaration also such a pair is put back."""
        declared, services = self.served_pair(hears="deaf", days="0")
        self.assertEqual(self.host.rotate(dict(declared, rollback="always"), services)["outcome"], "undone")

    def test_verify_required(self):
        """Where seeing is required a certificate that no listener shows is taken back."""
        self.host.write_pair()
        before = self.host.public_keys()
        result = self.host.rotate(self.host.declared(verify="required"), [])
        self.assertEqual((result["outcome"], self.host.public_keys()), ("undone", before))
        self.assertIn("no listener shows the new certificate, and verify is 'required'", result["text"])

    def test_a_check_of_the_users(self):
        """A check that fails undoes everything; one that succeeds is silent."""
        declared, services = self.served_pair()
        before = self.host.public_keys()
        staged, leaf = self.certified(declared, services)
        result = self.host.install(dict(declared, check=["false"]), services, leaf, staged)
        self.assertEqual((result["outcome"], self.host.public_keys()), ("undone", before))
        self.assertIn("the check 'false' failed", result["text"])
        self.assertEqual(self.host.install(dict(declared, check=["true"]), services, leaf, staged)["outcome"], "committed")

    def test_another_kind_of_key(self):
        """A rotation from RSA to ECDSA is verified, and the loss for clients of RSA alone is told."""
        self.host.write_pair(kind=("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"))
        self.host.start_server()
        result = self.host.rotate(self.host.declared(), [self.host.entry()])
        self.assertEqual((result["outcome"], result["verified"]), ("committed", True), result)
        self.assertIn("no longer serves a key of the kind rsa", result["text"])


class TestTwice(HostCase):
    """The same request again, and another try."""

    def test_four_at_once(self):
        """The same request started four times swaps and reloads once, and all four answer the same."""
        declared, services = self.served_pair()
        log = os.path.join(self.host.root, "reloads")
        services[0]["reload_command"] = ["sh", "-c", f"echo x >> {log}; kill -HUP $0", "{pid}"]
        staged, leaf = self.certified(declared, services)
        children = []
        for number in range(4):
            child = os.fork()
            if child == 0:
                try:
                    result = self.host.install(declared, services, leaf, staged)
                    with open(f"{log}.{number}", "w") as file:
                        file.write(repr(sorted(result.items())))
                finally:
                    os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        answers = set()
        for number in range(4):
            with open(f"{log}.{number}") as file:
                answers.add(file.read())
        self.assertEqual(len(answers), 1)
        self.assertIn("'committed'", answers.pop())
        with open(log) as file:
            self.assertEqual(file.read(), "x\n")

    def test_what_was_refused_is_tried_once_more(self):
        """A second try of the same transaction or of another is a real one, a third is refused."""
        for again in ("the same", "another"):
            with self.subTest(again):
                declared, services = self.served_pair(hears="deaf")
                staged, leaf = self.certified(declared, services)
                self.assertEqual(self.host.install(declared, services, leaf, staged)["outcome"], "undone")
                second = staged if again == "the same" else uuid.uuid4().hex
                self.assertEqual(self.host.install(declared, services, leaf, staged, second)["outcome"], "undone")
                waiting = self.host.inspect(declared, services)[0]["staged"]
                self.assertEqual([(one["transaction"], one["attempts"]) for one in waiting if one["spki"] == waiting[-1]["spki"]], [(second, 2)])
                with self.assertRaisesRegex(HostError, "was refused 2 times and is not tried again"):
                    self.host.install(declared, services, leaf, second)
                os.unlink(os.path.join(self.host.root, "server.pid"))

    def test_the_second_try_succeeds(self):
        """A service that was mended in between gets the certificate that was staged."""
        declared, services = self.served_pair(hears="deaf")
        staged, leaf = self.certified(declared, services)
        self.assertEqual(self.host.install(declared, services, leaf, staged)["outcome"], "undone")
        os.unlink(os.path.join(self.host.root, "server.pid"))
        self.host.start_server()
        result = self.host.install(declared, [self.host.entry()], leaf, staged, uuid.uuid4().hex)
        self.assertEqual((result["outcome"], result["verified"]), ("committed", True), result)

    def test_what_is_in_place_already(self):
        """The same content and attributes change nothing."""
        declared, services = self.served_pair()
        staged, leaf = self.certified(declared, services)
        self.assertEqual(self.host.install(declared, services, leaf, staged)["outcome"], "committed")
        before = os.stat(self.host.path("tls.crt"))
        result = self.host.install(declared, services, leaf, None, uuid.uuid4().hex)
        self.assertEqual((result["outcome"], os.stat(self.host.path("tls.crt"))), ("unchanged", before))


class TestSmallActions(HostCase):
    """Changes that need no new certificate."""

    def act(self, action, declared, services):
        """Run one action."""
        found = self.host.inspect(declared, services)[0]
        args = dict(self.host.install_args(declared, services, base64.b64decode(found["certificate"]), None), action=action)
        return verb_install.run(args, self.host.context(uuid.uuid4().hex))

    def test_a_chain_that_was_deleted(self):
        """The chain comes back, the key stays the file that it is."""
        declared, services = self.served_pair()
        leaf = openssl("x509", "-in", self.host.path("tls.crt"))
        self.host.write("tls.crt", leaf, 0o644)
        key = os.stat(self.host.path("tls.key"))
        result = self.act("chain", declared, services)
        self.assertEqual((result["outcome"], result["changed"]), ("committed", [self.host.path("tls.crt")]), result)
        self.assertEqual(os.stat(self.host.path("tls.key")), key)
        self.assertEqual(len(self.host.inspect(declared, services)[0]["chain"]), 1)

    def test_attributes(self):
        """Declared modes are set by new files, and a second time nothing is to be done."""
        declared, services = self.served_pair()
        declared.update(key_mode="0640", mode="0444")
        self.assertEqual(self.act("attributes", declared, services)["outcome"], "committed")
        modes = [stat.S_IMODE(os.stat(self.host.path(name)).st_mode) for name in ("tls.key", "tls.crt")]
        self.assertEqual(modes, [0o640, 0o444])
        self.assertEqual(self.act("attributes", declared, services)["outcome"], "unchanged")

    def test_reload(self):
        """What is on the disk and not served is loaded; a server that does not is told."""
        for hears, outcome in (("hears", "committed"), ("deaf", "failed")):
            with self.subTest(hears):
                declared, services = self.served_pair(hears=hears)
                self.host.write_pair()
                result = self.act("reload", declared, services)
                self.assertEqual((result["outcome"], result["verified"]), (outcome, outcome == "committed"), result)
                os.unlink(os.path.join(self.host.root, "server.pid"))


if __name__ == "__main__":
    unittest.main()
