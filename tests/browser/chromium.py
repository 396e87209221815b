# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Chromium without a network, driven by its own protocol over a pair of pipes.

https://chromedevtools.github.io/devtools-protocol/; messages are JSON that ends with a NUL byte.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import fcntl
import json
import os
import pathlib
import select
import shutil
import subprocess
import time
import typing as t

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# Nowhere to go: no name is found, and the port that a proxy discards is the proxy.
OPTIONS = (
    "--headless",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
    "--disable-background-networking",
    "--disable-gpu",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)
PATIENCE = 120.0
KEYS = {
    "Tab": (9, ""),
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    " ": (32, " "),
    "PageUp": (33, ""),
    "PageDown": (34, ""),
    "End": (35, ""),
    "Home": (36, ""),
    "ArrowUp": (38, ""),
    "ArrowDown": (40, ""),
    "/": (191, "/"),
}
SHIFT = 8


class BrowserError(Exception):
    """The browser did not do what it was asked for."""


def find_chromium() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are none of the descriptors that a child has by number."""
    ends = os.pipe()
    reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return reading, writing


class Browser:
    """One process with one page; C(events) are those that the page sent, by their name."""

    def __init__(self, path: str, profile: pathlib.Path) -> None:
        to_browser, self._out = _pipe()
        self._in, from_browser = _pipe()
        rights = ["--no-sandbox"] if os.geteuid() == 0 else []  # its sandbox refuses root
        # The protocol wants the descriptors 3 and 4.
        command = ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash", path, *OPTIONS, *rights, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(to_browser, from_browser)
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.events: dict[str, list[dict[str, t.Any]]] = collections.defaultdict(list)
        target = next(target["targetId"] for target in self.call("Target.getTargets")["targetInfos"] if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Performance", "Accessibility"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        with contextlib.suppress(BrowserError, OSError):
            self._session = None
            self.call("Browser.close")
        os.close(self._out)
        os.close(self._in)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def call(self, method: str, **parameters: t.Any) -> dict[str, t.Any]:
        """One command and its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._receive(method)).get("id") != self._number:
            pass
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error'].get('message')}")
        return t.cast("dict[str, t.Any]", answer["result"])

    def _receive(self, what: str) -> dict[str, t.Any]:
        """The next message; an event is kept as well."""
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready = select.select([self._in], [], [], max(0, end - time.monotonic()))[0]
            read = os.read(self._in, 1 << 20) if ready else b""
            if not read:
                raise BrowserError(f"{what}: the browser {'ended' if ready else f'said nothing for {PATIENCE:g} seconds'}")
            self._buffer += read
        text, _end, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, t.Any] = json.loads(text)
        if "method" in message:
            self.events[message["method"]].append(message["params"])
        return message

    def open(self, url: str) -> None:
        """Loads a page and waits for its end; what was told of the one before is forgotten."""
        self.events.clear()
        failed = self.call("Page.navigate", url=url).get("errorText")
        if failed:
            raise BrowserError(f"{url}: {failed}")
        while not self.events["Page.loadEventFired"]:
            self._receive(url)

    def run(self, expression: str) -> t.Any:
        """The value of an expression in the page; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails'].get('exception', {}).get('description')}")
        return answer["result"].get("value")

    def wait(self, expression: str) -> t.Any:
        """Asks at every frame until the expression is true, and gives its value."""
        frames = f"(async () => {{ for (;;) {{ const v = {expression}; if (v) return v; await new Promise(requestAnimationFrame); }} }})()"
        return self.run(frames)

    def settle(self) -> None:
        """Until what was asked for has been painted."""
        self.run("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")

    def press(self, key: str, *, shift: bool = False) -> None:
        code, text = KEYS[key]
        event = {"key": key, "windowsVirtualKeyCode": code, "modifiers": SHIFT if shift else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)
        self.settle()

    def type(self, text: str) -> None:
        """Key by key, as a user does."""
        for character in text:
            self.call("Input.dispatchKeyEvent", type="char", text=character)

    def click(self, selector: str) -> None:
        where = f"document.querySelector({json.dumps(selector)})"
        self.run(f"{where}.scrollIntoView({{block: 'center'}})")
        box = self.run(f"(() => {{ const b = {where}.getBoundingClientRect(); return {{x: b.x + b.width / 2, y: b.y + b.height / 2}}; }})()")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **box)
        self.settle()

    def screen(self, width: int, height: int, *, zoom: float = 1, dark: bool = False) -> None:
        """The window in device pixels; a zoom of 2 leaves a page half of them, as the browser's own zoom does."""
        size = {"width": int(width / zoom), "height": int(height / zoom)}
        self.call("Emulation.setDeviceMetricsOverride", deviceScaleFactor=zoom, mobile=False, **size)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.settle()

    def picture(self, path: pathlib.Path, *, whole: bool = False) -> None:
        """What is seen, or with C(whole) the page from its begin to its end."""
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture["data"]))

    def pdf(self, path: pathlib.Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.printToPDF", printBackground=False, preferCSSPageSize=True)["data"]))

    def longest_task(self, act: t.Callable[[], t.Any]) -> float:
        """Milliseconds of the processor that the longest task of the page's thread took meanwhile; other work on the machine does not count."""
        trace = {"includedCategories": ["toplevel"], "excludedCategories": ["*"]}
        self.call("Tracing.start", traceConfig=trace, transferMode="ReportEvents")
        act()
        self.settle()
        self.call("Tracing.end")
        while not self.events["Tracing.tracingComplete"]:
            self._receive("Tracing.end")
        traced = [event for part in self.events.pop("Tracing.dataCollected", []) for event in part["value"]]
        self.events.pop("Tracing.tracingComplete")
        own = {(event["pid"], event["tid"]) for event in traced if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"}
        return max((event.get("tdur", 0) / 1000 for event in traced if event.get("ph") == "X" and (event["pid"], event["tid"]) in own), default=0.0)

    def metrics(self) -> dict[str, float]:
        return {item["name"]: item["value"] for item in self.call("Performance.getMetrics")["metrics"]}
