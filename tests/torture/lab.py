# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cases stand on: an estate of their own, hosts that are put up for them, and checks that collect instead of stopping."""

from __future__ import annotations

import os
import random
import subprocess
import time
import typing as t

from container import fingerprint
from estate import Estate, Host, Played, Scenario

Case = t.Callable[["Lab"], None]
CASES: dict[str, Case] = {}

NGINX = Scenario("nginx", "case", "/etc/nginx/tls/site.pem", "/etc/nginx/tls/site.key")
APACHE = Scenario("apache", "case", "/etc/apache2/tls/site.pem", "/etc/apache2/tls-private/site.key")
HAPROXY = Scenario("haproxy", "case", "/etc/haproxy/certs/site.pem", "/etc/haproxy/certs/site.pem")

SLOW_RELOAD = """[Service]
ExecReload=
ExecReload=/bin/sh -c 'echo reload >>/run/reloads; sleep 3'
ExecReload=/usr/sbin/nginx -g 'daemon on; master_process on;' -s reload
"""


def case(function: Case) -> Case:
    """Add a case; its name is that of the function, its first line of documentation says what must happen."""
    CASES[function.__name__] = function
    return function


class Lab:
    """One case at work."""

    def __init__(self, estate: Estate, chance: random.Random | None = None) -> None:
        self.estate = estate
        self.chance = chance  # where only a sample is wanted
        self.problems: list[str] = []
        self.log: list[str] = []

    def host(self, scenario: Scenario = NGINX, **variables: t.Any) -> Host:
        """A host with an old pair that is due, still valid, and served."""
        host = self.estate.add(scenario)
        host.variables.update(variables)
        self.wait(lambda: host.served() is not None, f"{host.name} does not serve its old certificate")
        return host

    def check(self, fine: object, text: str) -> bool:
        """Note what is not as it must be."""
        if not fine:
            self.problems.append(text)
        return bool(fine)

    def wait(self, condition: t.Callable[[], object], text: str, seconds: float = 180) -> bool:
        """Wait for something; note when it did not come."""
        end = time.monotonic() + seconds
        while not (come := condition()) and time.monotonic() < end:
            time.sleep(0.1)
        return self.check(come, f"{text} (within {seconds:g} s)")

    def rotate(self, *arguments: str) -> Played:
        """One run as a user does it."""
        played = self.estate.play("rotate", *arguments)
        self.log.append(played.output)
        return played

    def start_rotate(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a run."""
        command = self.estate.command("rotate", *arguments)
        environment = self.estate.environment()
        pipes: dict[str, t.Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, env=environment, cwd=self.estate.folder, text=True, start_new_session=True, **pipes)

    def finish(self, run: subprocess.Popen[str], seconds: int = 600) -> Played:
        """Wait for a run that was begun."""
        output, _errors = run.communicate(timeout=seconds)
        self.log.append(output)
        return Played(run.returncode, output)

    def rotated(self, host: Host) -> str:
        """Run once, which must put a new certificate in place and serve it; its SHA-256."""
        before = host.on_disk()
        self.succeeded(host, self.rotate(), before)
        return host.on_disk() or ""

    def succeeded(self, host: Host, played: Played, before: str | None) -> None:
        """The run went well and the new certificate is served."""
        self.check(not played.failed(host.name), "the run failed, it must succeed")
        self.is_new(host, before)

    def is_new(self, host: Host, before: str | None) -> None:
        """Another certificate than before lies there, with its key, and is served."""
        lies = host.on_disk()
        self.check(lies and lies != before, "there is no new certificate")
        self.wait(lambda: host.served() == lies, "the certificate that lies there is not served", 5)
        self.matches(host)

    def is_as_before(self, host: Host, before: str | None) -> None:
        """The old certificate lies there, with its key, and is served."""
        self.check(host.on_disk() == before, "the old certificate does not lie there")
        self.wait(lambda: host.served() == before, "the old certificate is not served", 5)
        self.matches(host)

    def came_back(self, host: Host, played: Played, before: str | None) -> None:
        """The run failed and everything is as before."""
        self.check(played.failed(host.name), "the run succeeded, it must fail")
        self.is_as_before(host, before)

    def matches(self, host: Host) -> None:
        """Certificate and key have one public key, and nothing of ours is left beside them."""
        scenario = host.scenario
        script = 'test "$(openssl x509 -in %s -noout -pubkey)" = "$(openssl pkey -in %s -pubout)" && echo match'
        done = host.container.sh(script % (scenario.certificate, scenario.key), check=False)
        self.check("match" in done, "certificate and key do not match")
        left = [path for path in host.container.order("listing", folders=scenario.folders) if "/.certops-" in path]
        self.check(not left, f"left behind: {', '.join(left)}")

    def issued(self, host: Host, wanted: int) -> None:
        """So many certificates were issued for this host."""
        rows = self.estate.issuances(host.name) if self.estate.database.exists() else []
        certificates = [row for row in rows if row[1]]
        self.check(len(certificates) == wanted, f"{len(certificates)} certificates were issued, expected {wanted}: {[row[0] for row in rows]}")

    def unchanged(self, host: Host) -> Played:
        """One more run, which must change nothing."""
        played = self.rotate()
        self.check(not played.failed(host.name) and played.recap(host.name)["changed"] == 0, f"a run more changed something: {played.recap(host.name)}")
        return played

    def drop_in(self, host: Host, text: str) -> None:
        """Change the unit of the service."""
        host.container.write(f"/etc/systemd/system/{host.scenario.unit}.service.d/torture.conf", text)
        host.container.sh("systemctl daemon-reload")

    def keep(self, name: str) -> str:
        """Write down what the runs said; the name of the folder."""
        folder = self.estate.folder.parent / "evidence" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "problems.txt").write_text("\n".join(self.problems) + "\n")
        (folder / "runs.log").write_text("\n\n".join(self.log))
        for host in self.estate.hosts.values():
            scenario = host.scenario
            folders = " ".join(scenario.folders)
            (folder / f"{host.name}.log").write_text(
                host.container.sh(
                    f"journalctl --no-pager -n 200; ls -laR {folders} /var/lib/certops; tail -n +1 /var/lib/certops/transactions/*/journal.json", check=False
                )
            )
        return os.path.relpath(folder)


def read_fingerprint(host: Host, path: str) -> str | None:
    """SHA-256 of the first certificate of a file."""
    return fingerprint(host.container.read(path))
