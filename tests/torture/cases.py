# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The further cases: services that lie, full disks, cut connections, a controller that dies, and what must be told between two runs."""

from __future__ import annotations

import os
import signal
import subprocess
import typing as t

from estate import Host, Played, pair
from lab import APACHE, CASES, HAPROXY, SLOW_RELOAD, Lab, case, read_fingerprint

RSA_ONLY = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"
EC_ONLY = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"

__all__ = ["CASES"]


# Services


@case
def reload_that_does_nothing(lab: Lab) -> None:
    """ExecReload=/bin/true: fails and comes back, with one certificate for two runs, and with another one once the unit is mended."""
    host = lab.host()
    before = host.on_disk()
    lab.drop_in(host, "[Service]\nExecReload=\nExecReload=/bin/true\n")
    for _attempt in range(2):
        lab.came_back(host, lab.rotate(), before)
        lab.issued(host, 1)
    lab.check(lab.estate.issuances(host.name)[-1][0] == "issued_nowhere", f"what was refused twice is {lab.estate.issuances(host.name)[-1][0]!r}")
    lab.drop_in(host, "")
    lab.succeeded(host, lab.rotate(), before)
    lab.issued(host, 2)


@case
def wrong_key_slipped_in(lab: Lab) -> None:
    """An openssl in PATH that puts another key in the place of the one that signed the request: apache is up with the old certificate."""
    host = lab.host(APACHE)
    before = host.on_disk()
    host.container.write("/usr/local/sbin/openssl", OPENSSL_OTHER_KEY, 0o755)
    for _attempt in range(2):  # what was refused is tried once more
        lab.came_back(host, lab.rotate(), before)
    lab.check(host.container.sh("cat /run/slipped", check=False), "the wrong key was not slipped in: the case shows nothing")
    lab.check("active" in host.container.sh("systemctl is-active apache2", check=False).split(), "apache does not run")
    host.container.sh("rm /usr/local/sbin/openssl")
    lab.succeeded(host, lab.rotate(), before)


OPENSSL_OTHER_KEY = """#!/bin/sh
# Once it has signed with a key of ours, another one lies in its place.
/usr/bin/openssl "$@"
code=$?
for word; do
    case $word in
    /var/lib/certops/*key.pem)
        [ "$1" = dgst ] || continue
        /usr/bin/openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$word" && echo "$word" >>/run/slipped
        ;;
    esac
done
exit $code
"""


@case
def two_key_types_for_one_name(lab: Lab) -> None:
    """nginx with RSA and ECDSA for one name, only the RSA one is rotated: succeeds, and each client gets its kind."""
    host = lab.host()
    host.put_pair(*pair(host.scenario.name, key_type="rsa"))
    certificate, key = pair(host.scenario.name, days=60)
    host.container.write("/etc/nginx/tls/ec.pem", certificate)
    host.container.write("/etc/nginx/tls/ec.key", key, 0o600)
    more = "ssl_certificate /etc/nginx/tls/ec.pem;\\n    ssl_certificate_key /etc/nginx/tls/ec.key;"
    host.container.sh(f"sed -i 's|^    return.*|    {more}\\n&|' /etc/nginx/conf.d/site.conf && nginx -t -q && systemctl restart nginx")
    before, other = host.on_disk(), read_fingerprint(host, "/etc/nginx/tls/ec.pem")
    name = host.scenario.name
    lab.wait(lambda: host.container.served(name, ciphers=RSA_ONLY) == before, "the old RSA certificate is not served")
    lab.check(not lab.rotate().failed(host.name), "the run failed, it must succeed")
    lab.check(host.on_disk() != before, "there is no new certificate")
    lab.check(host.container.served(name, ciphers=RSA_ONLY) == host.on_disk(), "a client for RSA does not get the new certificate")
    lab.check(host.container.served(name, ciphers=EC_ONLY) == other, "a client for ECDSA does not get what it got")
    lab.matches(host)
    lab.unchanged(host)


@case
def stopped_and_disabled_unit(lab: Lab) -> None:
    """A unit that is stopped and disabled stays so; its files are rotated, and that nothing could be looked at is said."""
    host = lab.host()
    before = host.on_disk()
    host.container.sh("systemctl disable --now nginx")
    played = lab.rotate("-v")
    lab.check(not played.failed(host.name), "the run failed, it must succeed")
    state = host.container.sh("systemctl is-active nginx; systemctl is-enabled nginx", check=False).split()
    lab.check(state == ["inactive", "disabled"], f"the unit is {state}")
    lab.check(host.on_disk() != before, "the files were not rotated")
    lab.check("does not run and was left alone" in played.output, "it is not said that the service was left alone")
    lab.matches(host)
    lab.unchanged(host)


@case
def validation_broken_before(lab: Lab) -> None:
    """`nginx -t` fails already, for another reason: nothing is issued, nothing is touched, and the reason is told."""
    host = lab.host()
    before = host.on_disk()
    host.container.write("/etc/nginx/conf.d/broken.conf", "no_such_directive on;\n")
    played = lab.rotate()
    lab.came_back(host, played, before)
    lab.check("no_such_directive" in played.output, "the reason is not told")
    lab.check(not host.container.sh("find /var/lib/certops -name 'key.pem'", check=False).strip(), "a key was made")
    lab.check(lab.estate.issuances(host.name) == [], "something was asked of the issuer")


@case
def folder_with_a_backup_behind(lab: Lab) -> None:
    """haproxy loads a folder with an RSA backup that comes after the certificate: a client that only speaks RSA gets the new one."""
    host = lab.host(HAPROXY)
    certificate, key = pair(host.scenario.name, key_type="rsa")
    host.put_pair(certificate, key)
    host.container.write("/etc/haproxy/certs/site.pem-backup", certificate + key, 0o600)
    host.container.sh("systemctl restart haproxy")
    before, name = host.on_disk(), host.scenario.name
    lab.wait(lambda: host.container.served(name, ciphers=RSA_ONLY) == before, "the old certificate is not served")
    lab.succeeded(host, lab.rotate(), before)
    lab.check(host.container.served(name, ciphers=RSA_ONLY) == host.on_disk(), "a client for RSA does not get the new certificate")


@case
def folder_with_a_backup_before(lab: Lab) -> None:
    """haproxy loads a folder with an RSA backup that comes first and stays served: the run fails and comes back, it does not claim success."""
    host = lab.host(HAPROXY)
    certificate, key = pair(host.scenario.name, key_type="rsa")
    host.put_pair(certificate, key)
    host.container.write("/etc/haproxy/certs/0-backup.pem", certificate + key, 0o600)
    host.container.sh("systemctl restart haproxy")
    before, name = host.on_disk(), host.scenario.name
    lab.wait(lambda: host.container.served(name, ciphers=RSA_ONLY) == before, "the old certificate is not served")
    lab.came_back(host, lab.rotate(), before)


# Connections


def cut(lab: Lab, host: Host) -> None:
    """Kill every ssh session on the host as the service is about to reload."""
    lab.wait(lambda: host.container.read("/run/reloads"), "the reload was not begun")
    host.container.sh('main=$(systemctl show --property MainPID --value ssh); for pid in $(pgrep -x sshd); do [ "$pid" = "$main" ] || kill -9 "$pid"; done')


def one_swap_one_reload(lab: Lab, host: Host, before: str | None) -> None:
    """After a cut: the files changed once, the service was reloaded once, one certificate was issued."""
    lab.wait(lambda: host.container.order("run", argv=["flock", "-n", "/var/lib/certops/lock", "true"])["code"] == 0, "the lock is held")
    lab.is_new(host, before)
    changes = host.container.order("changes")
    lab.check(changes == 1, f"the certificate's file changed {changes} times")
    reloads = (host.container.read("/run/reloads") or "").count("reload")
    lab.check(reloads == 1, f"the service was reloaded {reloads} times")
    lab.issued(host, 1)


def cut_under_sudo(lab: Lab, way: str, **variables: t.Any) -> None:
    host = lab.host(ansible_user="deploy", ansible_become=True, **variables)
    before = host.on_disk()
    lab.drop_in(host, SLOW_RELOAD)
    if way == "module":
        # A sudo that wants a terminal does not start the program: the module has one.
        host.container.sh("echo 'Defaults requiretty' >>/etc/sudoers.d/fleet && visudo --check --quiet")
    host.container.order("watch", certificate=host.scenario.certificate, key=host.scenario.key)
    run = lab.start_rotate("-vvv" if way == "module" else "-v")
    cut(lab, host)
    played = lab.finish(run)
    used = "AnsiballZ_host_program" in played.output or "certops.fleet.host_program" in played.output
    lab.check(used == (way == "module"), f"the exchange did not go the way {way!r}: the case shows nothing")
    one_swap_one_reload(lab, host, before)
    if "ansible_ssh_retries" in variables:
        lab.check(not played.failed(host.name), "the run failed although the connection may be tried again")
    lab.check(not lab.rotate().failed(host.name), "the next run failed")
    one_swap_one_reload(lab, host, before)
    lab.check(lab.estate.issuances(host.name)[-1][0] == "installed", f"the inventory calls it {lab.estate.issuances(host.name)[-1][0]!r}")


@case
def cut_under_sudo_program(lab: Lab) -> None:
    """ssh is killed in the middle, under sudo with use_pty, by the program: the host ends what it began, one swap, one reload."""
    cut_under_sudo(lab, "program")


@case
def cut_under_sudo_module(lab: Lab) -> None:
    """The same by the module: the host ends what it began, one swap, one reload."""
    cut_under_sudo(lab, "module")


@case
def cut_with_retries_program(lab: Lab) -> None:
    """ssh is cut with ansible_ssh_retries=3, by the program: it is started again, waits, and tells the one result."""
    cut_under_sudo(lab, "program", ansible_ssh_retries=3)


@case
def cut_with_retries_module(lab: Lab) -> None:
    """The same by the module."""
    cut_under_sudo(lab, "module", ansible_ssh_retries=3)


# Disks


@case
def full_target(lab: Lab) -> None:
    """The target's filesystem has no room left: fails, the old pair stays, and with room the same certificate is installed."""
    host = lab.host()
    before = host.on_disk()
    fill = "cp -a /etc/nginx/tls /tmp/tls; mount -t tmpfs -o size=64k tmpfs /etc/nginx/tls; cp -a /tmp/tls/. /etc/nginx/tls/; systemctl reload nginx;"
    host.container.sh(fill + "cat /dev/zero >/etc/nginx/tls/.full 2>/dev/null; true")
    lab.came_back(host, lab.rotate(), before)
    host.container.sh("rm /etc/nginx/tls/.full")
    lab.succeeded(host, lab.rotate(), before)
    lab.issued(host, 1)


@case
def full_state(lab: Lab) -> None:
    """The filesystem of the state folder has no room left: fails with nothing issued, and with room it goes well."""
    host = lab.host()
    before = host.on_disk()
    host.container.sh(
        "mkdir -p -m 700 /var/lib/certops; mount -t tmpfs -o size=64k,mode=700 tmpfs /var/lib/certops; cat /dev/zero >/var/lib/certops/full 2>/dev/null; true"
    )
    lab.came_back(host, lab.rotate(), before)
    lab.issued(host, 0)
    host.container.sh("rm /var/lib/certops/full")
    lab.succeeded(host, lab.rotate(), before)
    lab.issued(host, 1)


@case
def state_full_in_the_middle(lab: Lab) -> None:
    """The state folder has less room with every try, from none to enough: whatever fails comes back, one certificate in total."""
    host = lab.host()
    before = host.on_disk()
    host.container.sh("mkdir -p -m 700 /var/lib/certops; mount -t tmpfs -o size=256k,mode=700 tmpfs /var/lib/certops")
    played = lab.rotate("--check")
    lab.check(not played.failed(host.name), "check mode failed")
    for room in (8, 16, 24, 32, 40):
        host.container.sh(
            f"rm -f /var/lib/certops/full; head -c $((($(df --output=avail -k /var/lib/certops | tail -n 1) - {room}) * 1024)) /dev/zero >/var/lib/certops/full"
        )
        played = lab.rotate()
        if not played.failed(host.name):
            break
        lab.is_as_before(host, before)
    host.container.sh("rm -f /var/lib/certops/full")
    lab.check(not lab.rotate().failed(host.name), "with room the run failed")
    lab.is_new(host, before)
    lab.issued(host, 1)


@case
def read_only_target(lab: Lab) -> None:
    """A target that cannot be written to: fails with nothing issued, and says so."""
    host = lab.host()
    before = host.on_disk()
    host.container.sh("mount --bind /etc/nginx/tls /etc/nginx/tls && mount -o remount,bind,ro /etc/nginx/tls")
    played = lab.rotate()
    lab.came_back(host, played, before)
    lab.check("/etc/nginx/tls" in played.output, "the folder is not named")
    lab.issued(host, 0)


# Controller


WRITES = "fdatasync,fsync,pwrite64"


def traced(lab: Lab, inject: str = "") -> tuple[Played, list[tuple[str, str]]]:
    """A rotation whose controller is traced as it writes to the inventory's files; what it said, and process and call of each write, in order."""
    log, database = lab.estate.folder / "controller.strace", str(lab.estate.database)
    argv = ["strace", "-f", "-qq", "-e", "signal=none", "-o", str(log), "-e", f"trace={WRITES}", *(["-e", inject] if inject else [])]
    argv += [word for path in (database, database + "-wal", database + "-journal") for word in ("-P", path)]
    environment = lab.estate.environment()
    command = [*argv, *lab.estate.command("rotate")]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    lines = (line.partition("(")[0].split() for line in log.read_text().splitlines() if "(" in line)
    return Played(done.returncode, done.stdout + done.stderr), [(words[0], words[1]) for words in lines if len(words) == 2]


def around_commits(writes: list[tuple[str, str]]) -> list[tuple[str, int]]:
    """Of the process that writes most, each call that brings a commit to the disk, and the last write before it: call, and how often until then."""
    processes = [process for process, dummy in writes]
    worker = max(set(processes), key=processes.count)
    calls = [call for process, call in writes if process == worker]
    numbered = [(call, calls[: index + 1].count(call)) for index, call in enumerate(calls)]
    wanted = {index for index, call in enumerate(calls) if call != "pwrite64"}
    return [numbered[index] for index in sorted(wanted | {index - 1 for index in wanted if index})]


def judge_killed_controller(lab: Lab, host: Host, before: str, first: int) -> None:
    lab.check(host.served() in (before, host.on_disk()), "the service serves neither the old certificate nor that of its file")
    lab.check(not lab.rotate().failed(host.name), "the next run failed")
    lab.is_new(host, before)
    issued = lab.estate.issuances(host.name)[first:]
    lab.check([row[0] for row in issued if row[1]] == ["installed"], f"issuances: {[(row[0], bool(row[1])) for row in issued]}")
    lab.check(lab.estate.rows("pragma integrity_check") == [("ok",)], "the inventory is damaged")


def _restore(lab: Lab, host: Host, before: str) -> None:
    lab.estate.put_inventory_back("before")
    host.container.order("put_back", name="before", folders=host.scenario.folders)
    host.container.sh("systemctl reload nginx")
    lab.wait(lambda: host.served() == before, "the old certificate is not served")


@case
def controller_killed(lab: Lab) -> None:
    """The controller is killed right before and after each commit, so between intent, sign, commit, install and record: one certificate in total."""
    host = lab.host()
    lab.rotated(host)
    host.variables["certops_certificates"] = [{**host.scenario.declared, "names": [host.scenario.name, f"more.{host.scenario.name}"]}]
    before, first = host.served() or "", len(lab.estate.issuances(host.name))
    lab.estate.keep_inventory("before")
    host.container.order("keep", name="before", folders=host.scenario.folders)
    calls = around_commits(traced(lab)[1])
    chosen = calls if lab.chance is None else sorted(lab.chance.sample(calls, min(5, len(calls))))
    for call, number in chosen:
        _restore(lab, host, before)
        played, _lines = traced(lab, f"inject={call}:signal=SIGKILL:when={number}")
        lab.log.append(f"killed at {call} {number}: {played.code}\n{played.output}")
        mark = len(lab.problems)
        lab.check(played.code, "the controller was not killed: the case shows nothing")
        judge_killed_controller(lab, host, before, first)
        lab.problems[mark:] = [f"controller killed at {call} {number}: {problem}" for problem in lab.problems[mark:]]


def killed_in_the_swap(lab: Lab, both: bool) -> tuple[Host, str | None]:
    """A real run in which the host's worker dies between the renames of key and certificate."""
    host = lab.host()
    before = host.on_disk()
    container, scenario = host.container, host.scenario
    container.sh("mkdir -p /run/torture && cd /run/torture && touch hold go.1 go.2 go.4")  # the third installs
    run = lab.start_rotate()
    lab.wait(lambda: container.read("/run/torture/waiting.3") is not None, "the installation was not begun")
    container.order("keep", name="swap", folders=scenario.folders)
    calls = container.order("calls", program=container.read("/run/torture/program.3"))["calls"]
    container.order("put_back", name="swap", folders=scenario.folders)
    container.sh("systemctl reload nginx")
    lab.wait(lambda: host.served() == before, "the old certificate is not served")
    name, number = next((name, number) for name, number, text in calls if name == "rename" and f'"{scenario.certificate}")' in text)
    container.order("watch", certificate=scenario.certificate, key=scenario.key)
    container.sh(f"cd /run/torture && echo {name} {number} {'both' if both else 'worker'} >kill.3 && rm hold && touch go.3")
    lab.came_back(host, lab.finish(run), before)
    seen = [verdict for dummy, verdict in container.order("watched")]
    lab.check(seen[-1] == "match" and ("mismatch" in seen or not both), f"the pair was seen as {seen}")  # a guardian may be too fast to be seen
    lab.check("killed by SIGKILL" in (container.read("/run/torture/strace") or ""), "the worker did not die: the case shows nothing")
    container.sh("rm -rf /run/torture")
    return host, before


@case
def host_killed_under_a_controller(lab: Lab) -> None:
    """The worker dies in the swap of a real run: the controller asks the journal and tells what became of it, and a run more heals."""
    host, before = killed_in_the_swap(lab, both=False)
    lab.check("interrupted" in lab.log[-1], "what became of it is not told")
    lab.succeeded(host, lab.rotate(), before)
    lab.issued(host, 1)


@case
def silent_host_under_a_controller(lab: Lab) -> None:
    """Worker and guardian die in the swap of a real run: the controller's question heals the host, and a run more installs it."""
    host, before = killed_in_the_swap(lab, both=True)
    lab.check("interrupted" in lab.log[-1], "what became of it is not told")
    lab.succeeded(host, lab.rotate(), before)
    lab.issued(host, 1)


@case
def all_of_ansible_killed(lab: Lab) -> None:
    """All processes of the controller are killed while the host installs: the host ends what it began, the next run changes nothing."""
    host = lab.host()
    before = host.on_disk()
    lab.drop_in(host, SLOW_RELOAD)
    host.container.order("watch", certificate=host.scenario.certificate, key=host.scenario.key)
    run = lab.start_rotate()
    lab.wait(lambda: host.container.read("/run/reloads"), "the reload was not begun")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    one_swap_one_reload(lab, host, before)
    lab.check(not lab.rotate().failed(host.name), "the next run failed")
    one_swap_one_reload(lab, host, before)
    lab.check(lab.estate.issuances(host.name)[-1][0] == "installed", f"the inventory calls it {lab.estate.issuances(host.name)[-1][0]!r}")


# What must be told between two runs that change nothing


def told(lab: Lab, host: Host, *words: str) -> None:
    """A look tells of it, in check mode, too."""
    checked = lab.rotate("--check", "-v")
    for word in words:
        lab.check(word in checked.output, f"check mode does not tell {word!r}")
    played = lab.rotate("-v")
    for word in words:
        lab.check(word in played.output, f"the run does not tell {word!r}")


@case
def certificate_replaced(lab: Lab) -> None:
    """Another valid certificate for the same key, of the same size and with the same time: told as not ours, and served after the run or undone."""
    host = lab.host()
    lab.rotated(host)
    lab.unchanged(host)
    path = host.scenario.certificate
    text = host.container.read(path) or ""
    other = lab.estate.sign_again(text)
    lab.check(len(other) == len(text), "the other certificate has another size: the case shows nothing")
    host.container.write("/root/other.pem", other)
    host.container.sh(f"touch --reference {path} /root/other.pem && cat /root/other.pem >{path} && touch --reference /root/other.pem {path}")
    told(lab, host, "is not the one that transaction")
    lab.wait(lambda: host.served() == host.on_disk(), "after the run the service shows another certificate than the one in its file", 5)
    lab.matches(host)


@case
def key_replaced(lab: Lab) -> None:
    """Only the key is another one: told, and a new pair is put in place."""
    host = lab.host()
    before = lab.rotated(host)
    path = host.scenario.key
    make = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out /root/new.key"
    host.container.sh(f"cp -p {path} /root/old.key; {make} && cat /root/new.key >{path}; touch --reference /root/old.key {path}")
    told(lab, host, "does not belong to the certificate")
    lab.is_new(host, before)
    lab.unchanged(host)


@case
def key_readable_by_all(lab: Lab) -> None:
    """The key can be read by everybody: told."""
    host = lab.host()
    lab.rotated(host)
    host.container.sh(f"chmod 0644 {host.scenario.key}")
    told(lab, host, "can be read by others")


@case
def served_from_a_copy(lab: Lab) -> None:
    """The service was started by hand from a copy with the old certificate: told that it serves something else than its file."""
    host = lab.host()
    host.container.sh("cp -a /etc/nginx /opt/nginx && sed -i 's|/etc/nginx|/opt/nginx|g' /opt/nginx/nginx.conf /opt/nginx/conf.d/*.conf")
    old = host.on_disk()
    lab.rotated(host)
    lab.unchanged(host)
    host.container.sh(
        "systemctl stop nginx; sed -i '/^pid/d' /opt/nginx/nginx.conf; systemd-run --quiet --property=Type=forking /usr/sbin/nginx -c /opt/nginx/nginx.conf"
    )
    lab.wait(lambda: host.served() == old, "the copy does not serve the old certificate: the case shows nothing")
    played = lab.rotate("-v")
    lab.check("serves another certificate" in played.output or "does not show the certificate" in played.output, "it is not told that something else is served")


@case
def served_from_a_copy_by_the_unit(lab: Lab) -> None:
    """The unit itself was started from a copy of the old pair, and its configuration names the real files again: told, and reloaded."""
    host = lab.host()
    old = host.on_disk()
    host.container.sh("cp -a /etc/nginx/tls /opt/tls && cp -p /etc/nginx/conf.d/site.conf /opt/site.conf")
    new = lab.rotated(host)
    lab.unchanged(host)
    host.container.sh("sed -i 's|/etc/nginx/tls|/opt/tls|' /etc/nginx/conf.d/site.conf && systemctl restart nginx && cp -p /opt/site.conf /etc/nginx/conf.d/")
    lab.wait(lambda: host.served() == old, "the copy does not serve the old certificate: the case shows nothing")
    told(lab, host, "serves another certificate")
    lab.check(host.on_disk() == new and host.served() == new, "the certificate that lies there is not served after the run")
    lab.issued(host, 1)
    lab.unchanged(host)


@case
def chain_deleted(lab: Lab) -> None:
    """The chain is gone from the certificate's file: told, and put back without a new certificate."""
    host = lab.host()
    before = lab.rotated(host)
    path = host.scenario.certificate
    host.container.sh(f"openssl x509 -in {path} -out /root/leaf.pem && cat /root/leaf.pem >{path}")
    lab.check((host.container.read(path) or "").count("BEGIN CERTIFICATE") == 1, "the chain is still there: the case shows nothing")
    told(lab, host, "chain")
    lab.check((host.container.read(path) or "").count("BEGIN CERTIFICATE") > 1, "the chain was not put back")
    lab.check(host.on_disk() == before and host.served() == before, "the certificate is another one now")
    lab.issued(host, 1)
    lab.unchanged(host)
