"""A real browser for tests: headless Chromium, told what to do through a pipe.

Source: Chrome DevTools Protocol; messages are JSON, each ended by a zero byte.
"""

import base64
import json
import os
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--remote-debugging-pipe"),
)
LIMIT_S = 60.0


class Chromium:
    """One window. Ends with the block."""

    def __init__(self, folder: Path, size: tuple[int, int] = (1100, 900)) -> None:
        assert PROGRAM
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        window = f"--window-size={size[0]},{size[1]}"
        self._process = subprocess.Popen(
            [PROGRAM, *FLAGS, f"--user-data-dir={folder}", window, "about:blank"],
            pass_fds=(theirs_in, theirs_out, 3, 4),
            preexec_fn=lambda: _as_3_and_4(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._from, self._to = open(ours_in, "rb"), open(ours_out, "wb")
        self._rest, self._number, self._session = b"", 0, None
        self.said: list[dict[str, Any]] = []
        [target] = [t for t in self.ask("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        attached = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as stack:
            stack.callback(self._process.wait)
            stack.callback(self._process.kill)
            stack.callback(self._from.close)
            stack.callback(self._to.close)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command; what is said meanwhile is kept in `said`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while True:
            told = self._read()
            if told.get("id") == self._number:
                assert "error" not in told, told["error"]
                result: dict[str, Any] = told["result"]
                return result
            self.said.append(told)

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def visit(self, url: str) -> None:
        self.ask("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def until(self, script: str) -> None:
        end = time.monotonic() + LIMIT_S
        while not self.evaluate(f"Boolean({script})"):
            assert time.monotonic() < end, f"{script}: {self.evaluate('document.body.innerText')}"
            time.sleep(0.05)

    def picture(self, path: Path, dark: bool = False) -> Path:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._from.fileno(), 1 << 16)
            assert more, "the browser ended"
            self._rest += more
        line, self._rest = self._rest.split(b"\0", 1)
        told: dict[str, Any] = json.loads(line)
        return told


def _as_3_and_4(reading: int, writing: int) -> None:
    """Where Chromium has its pipe."""
    reading, writing = os.dup2(reading, 103), os.dup2(writing, 104)
    os.dup2(reading, 3)
    os.dup2(writing, 4)
