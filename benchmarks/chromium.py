"""Chromium without a window, spoken to through a pipe: what a page asks for, says, costs and looks like."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)  # fmt: skip
_WAIT_S = 60.0
_PAINTED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"


def installed() -> str | None:
    """The program, if there is one."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


class Tab:
    """One page in a browser of its own. requests: addresses that were asked for. complaints: what the console shows."""

    def __init__(self, process: subprocess.Popen[bytes], send: int, receive: int) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._process, self._send, self._receive = process, send, receive
        self._rest, self._number, self._session = b"", 0, None
        self._has_loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol, and its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self._note(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def look(self, *, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """The size of the window in pixels, and which colours are preferred."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, address: str) -> None:
        """Load a page and paint it."""
        self._has_loaded = False
        self.call("Page.navigate", url=address)
        while not self._has_loaded:
            self._note(self._next())
        self.value(_PAINTED)

    def value(self, expression: str) -> Any:
        """What an expression comes to in the page."""
        return self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)[
            "result"
        ].get("value")

    def screenshot(self, *, is_whole: bool = False) -> bytes:
        """A picture of the window, or of the whole page, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=is_whole)["data"])

    def printed(self) -> bytes:
        """The page on paper, as PDF."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=False)["data"])

    def cpu_seconds(self) -> float:
        """User and system time of the browser and all its processes so far."""
        tree = {self._process.pid}
        stats = dict(_stats())
        while found := {pid for pid, (parent, _) in stats.items() if parent in tree} - tree:
            tree |= found
        return sum(stats[pid][1] for pid in tree if pid in stats) / os.sysconf("SC_CLK_TCK")

    def _note(self, event: dict[str, Any]) -> None:
        told = event.get("params", {})
        match event.get("method"):
            case "Page.loadEventFired":
                self._has_loaded = True
            case "Network.requestWillBeSent":
                self.requests.append(told["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(told["entry"]["text"])
            case "Runtime.consoleAPICalled":
                self.complaints.append(str(told["args"]))
            case "Runtime.exceptionThrown":
                self.complaints.append(told["exceptionDetails"]["text"])

    def _next(self) -> dict[str, Any]:
        begun = time.monotonic()
        while b"\0" not in self._rest:
            part = os.read(self._receive, 1 << 20)
            if not part or time.monotonic() - begun > _WAIT_S:
                raise RuntimeError("the browser does not answer")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


def _stats() -> Iterator[tuple[int, tuple[int, int]]]:
    """Of every process: its parent, and the clock ticks that it used."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        yield int(place.name), (int(fields[1]), int(fields[11]) + int(fields[12]))


@contextmanager
def tab() -> Iterator[Tab]:
    """A browser with an empty page; it is ended at the end."""
    program = installed()
    assert program is not None, "install chromium first"
    there, back = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        shell = f'exec "$0" "$@" 3<&{there[0]} 4>&{back[1]}'
        command = ["bash", "-c", shell, program, *_FLAGS, f"--user-data-dir={profile}"]
        process = subprocess.Popen(command, pass_fds=(there[0], back[1]), stderr=subprocess.DEVNULL)
        os.close(there[0])
        os.close(back[1])
        try:
            yield Tab(process, there[1], back[0])
        finally:
            os.close(there[1])
            process.terminate()
            process.wait(_WAIT_S)
            os.close(back[0])
