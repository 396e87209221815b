# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The harness's hands inside of a container: one JSON request a line on standard input, one JSON answer a line on standard output.

It knows nothing of the product but the path of its lock. While it does something else, a thread of it compares the public keys of the
certificate and the key that lie in place.
"""

import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time

LOCK = "/var/lib/certops/lock"
STATE = "/var/lib/certops"
KEPT = "/opt/torture/kept"
NEVER = 65535  # a number of calls that no run reaches, the highest that strace takes
TRACE = "/run/torture/strace"
CALLS = "rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,fsync,fdatasync,mount,execve"


def run(argv, data="", seconds=120, environment=None):
    """Run a command; code, standard output and standard error as text."""
    done = subprocess.run(
        argv, input=data.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds, check=False, env={**os.environ, **(environment or {})}
    )
    return {"code": done.returncode, "output": done.stdout.decode(errors="replace"), "error": done.stderr.decode(errors="replace")}


def write(path, text, mode=0o644):
    """Write a file and the folders above it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)


def read(path):
    """The text of a file, None when there is none."""
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return None


def listing(folders):
    """Every path below these folders."""
    found = []
    for top in folders:
        for folder, names, files in os.walk(top):
            found += [os.path.join(folder, name) for name in names + files]
    return sorted(found)


def keep(name, folders):
    """Copy the state folder and these folders aside."""
    shutil.rmtree(os.path.join(KEPT, name), ignore_errors=True)
    for number, folder in enumerate([STATE, *folders]):
        place = os.path.join(KEPT, name, str(number))
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        subprocess.run(["cp", "-a", folder, place], check=True)


def put_back(name, folders):
    """Make them what they were, and remove what the product left beside them."""
    for number, folder in enumerate([STATE, *folders]):
        os.makedirs(folder, exist_ok=True)
        parent = os.path.dirname(folder)
        for entry in os.listdir(parent):
            if entry.startswith(".certops-"):
                shutil.rmtree(os.path.join(parent, entry), ignore_errors=True)
        for entry in os.scandir(folder):
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
        subprocess.run(["cp", "-a", os.path.join(KEPT, name, str(number)) + "/.", folder], check=True)


def served(port, name="", seconds=5):
    """SHA-256 of the certificate that one handshake on this host shows, None when there is none."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with ssl.create_connection(("127.0.0.1", port), seconds) as plain, context.wrap_socket(plain, server_hostname=name or None) as secure:
            return hashlib.sha256(secure.getpeercert(binary_form=True)).hexdigest()
    except OSError:
        return None


def wait_served(port, name, wanted, seconds=15):
    """Wait until five handshakes in a row show this certificate."""
    end = time.monotonic() + seconds
    row = 0
    while row < 5 and time.monotonic() < end:
        row = row + 1 if served(port, name) == wanted else 0
        if not row:
            time.sleep(0.05)
    return row >= 5


def kill(program, call, when, both):
    """Give the program to the interpreter and kill it as it is about to make this call for the `when`th time.

    both: with all that it started, in a process namespace that dies with it, and each of these at its own call, too.
    Else only itself: strace does not follow what it starts.
    """
    os.makedirs(os.path.dirname(TRACE), exist_ok=True)
    argv = ["strace", "-o", TRACE, "-e", "trace=" + CALLS, "-e", f"inject={call}:signal=SIGKILL:when={when}"]
    if both:
        argv += ["-f", "unshare", "--pid", "--fork", "--kill-child"]
    started = time.monotonic()
    done = run([*argv, "python3", "-I", "-S", "-"], program, 400)
    took = time.monotonic() - started
    free = subprocess.run(["flock", "--exclusive", "--timeout", "330", LOCK, "true"], check=False).returncode == 0 if os.path.exists(LOCK) else True
    return dict(done, took=took, waited=time.monotonic() - started - took, free=free, last=(read(TRACE) or "").splitlines()[-4:])


def calls(program):
    """Give the program to the interpreter and let it live; the calls that it made itself after its start, in order: name, how often by then, text."""
    done = kill(program, "execve", NEVER, False)
    found = []
    for line in (read(TRACE) or "").splitlines():
        name = line.partition("(")[0]
        if name in CALLS.split(","):
            found.append([name, 1 + sum(name == other for other, dummy, dummy in found), line])
    return dict(done, calls=found[1:])


class Watch(threading.Thread):
    """Compares the public keys of certificate and key as often as one of the two changes."""

    def __init__(self, certificate, key):
        super().__init__(daemon=True)
        self.paths = (certificate, key)
        self.seen = []  # [seconds, "match" or what is wrong]
        self.known = {}
        self.stopped = threading.Event()
        self.changes = 0  # how often the certificate's name stood for another file

    def run(self):
        last = None
        while not self.stopped.is_set():
            now = self._identities()
            if now != last:
                verdict = self._verdict()
                if now == self._identities():
                    self.changes += last is not None and last[0] != now[0]
                    last = now
                    if not self.seen or self.seen[-1][1] != verdict:
                        self.seen.append([time.monotonic(), verdict])
                    continue
            time.sleep(0.002)

    def _identities(self):
        found = []
        for path in self.paths:
            try:
                status = os.stat(path)
                found.append((status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size))
            except OSError as exc:
                found.append(exc.errno)
        return found

    def _verdict(self):
        certificate = self._public(self.paths[0], ["openssl", "x509", "-noout", "-pubkey"])
        key = self._public(self.paths[1], ["openssl", "pkey", "-pubout"])
        if certificate is None or key is None:
            return "missing or unreadable: " + ("certificate" if certificate is None else "key")
        return "match" if certificate == key else "mismatch"

    def _public(self, path, argv):
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError:
            return None
        asked = (argv[1], hashlib.sha256(content).digest())
        if asked not in self.known:
            done = subprocess.run(argv, input=content, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
            self.known[asked] = done.stdout if done.returncode == 0 else None
        return self.known[asked]


WATCHES = {}


def watch(certificate, key):
    """Begin to watch a pair."""
    watched()
    WATCHES["now"] = Watch(certificate, key)
    WATCHES["now"].start()
    while not WATCHES["now"].seen:
        time.sleep(0.002)


def watched(stop=True):
    """Return for how many seconds the pair was in which state, in order; the last one is the present state."""
    thread = WATCHES.get("now")
    if thread is None:
        return []
    if stop:
        thread.stopped.set()
        thread.join()
        del WATCHES["now"]
    end = time.monotonic()
    seen = list(thread.seen)
    ends = [one[0] for one in seen[1:]] + [end]
    return [[round(until - since, 4), verdict] for (since, verdict), until in zip(seen, ends, strict=True)]


def changes():
    """How often the file of the certificate was replaced since the watch began."""
    return WATCHES["now"].changes


ORDERS = {order.__name__: order for order in (calls, changes, run, write, read, listing, keep, put_back, served, wait_served, kill, watch, watched)}


def main():
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = {"answer": ORDERS[order["order"]](**order["with"])}
        except Exception as exc:  # noqa: BLE001 - whatever goes wrong here is to be told outside
            answer = {"wrong": f"{type(exc).__name__}: {exc}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
