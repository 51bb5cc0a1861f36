"""A page in a headless Chromium, by its DevTools protocol over a pair of pipes: no package and no port is needed."""

import json
import os
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

AXE = Path(os.environ.get("AXE_CORE", Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"))
WITHOUT_AXE = "axe-core is not here: npm install --no-save axe-core@4.14.1"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """The browser of this machine, if it has one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One page. Whatever it logs as an error, or tries to load from elsewhere, is kept in ``troubles``."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._count, self._session = 0, ""
        self._rest = b""
        self.troubles: list[str] = []

    def start(self) -> None:
        """Open the page that all further commands are for."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = str(self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> Mapping[str, object]:
        """One command, and its answer."""
        self._count += 1
        message: dict[str, object] = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        while True:
            found = self._receive()
            if found.get("id") != self._count:
                self._note(found)
                continue
            result = found.get("result")
            assert isinstance(result, dict), found
            return result

    def _receive(self) -> Mapping[str, object]:
        while b"\0" not in self._rest:
            more = os.read(self._reading, 1 << 20)
            assert more, "the browser ended"
            self._rest += more
        first, _, self._rest = self._rest.partition(b"\0")
        found = json.loads(first)
        assert isinstance(found, dict)
        return found

    def _note(self, event: Mapping[str, object]) -> None:
        text = json.dumps(event.get("params"))
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.troubles.append(text)
            case "Log.entryAdded" if '"level": "error"' in text:
                self.troubles.append(text)
            case "Network.requestWillBeSent" if '"url": "file:' not in text and '"url": "data:' not in text:
                self.troubles.append(text)

    def open(self, path: Path, *, width: int = 1440, height: int = 1000, dark: bool = False) -> None:
        """Load a file, and wait until its script is done."""
        mobile = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=path.as_uri())
        self.run("new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', done))")

    def run(self, code: str) -> object:
        """The value of an expression, of a promise what it comes to."""
        found = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        result = found["result"]
        assert isinstance(result, dict)
        return result.get("value")

    def click(self, code: str) -> None:
        """Click with the mouse where an element is, which must be in sight."""
        where = self.run(
            f"(() => {{ const e = {code}; e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect();"
            " return [r.left + Math.min(r.width / 2, 30), r.top + Math.min(r.height / 2, 12)]; })()"
        )
        assert isinstance(where, list)
        x, y = where
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def key(self, key: str, code: int = 0) -> None:
        """Press and release a key."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, text=text, windowsVirtualKeyCode=code)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """A picture of what is seen, or of the whole page."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(b64decode(str(found["data"])))


def barriers(page: Page) -> object:
    """What axe-core finds in the page as it stands: rules that are broken, and by which elements."""
    page.run(AXE.read_text(encoding="utf-8") + "; 0")
    return page.run("axe.run().then(found => found.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")


@contextmanager
def chromium(browser: str, profile: Path) -> Iterator[Page]:
    """A browser with one empty page, ended at the end."""
    to_browser, our_writing = os.pipe()
    our_reading, from_browser = os.pipe()
    # It reads from 3 and writes to 4.
    script = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={profile}")
    with subprocess.Popen(
        ["bash", "-c", script, browser, *flags],
        pass_fds=(to_browser, from_browser),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(to_browser)
        os.close(from_browser)
        page = Page(our_reading, our_writing)
        try:
            page.start()
            yield page
        finally:
            os.close(our_writing)
            os.close(our_reading)
            process.terminate()
