"""A real browser for tests: Chromium, driven over its DevTools protocol."""

import base64
import contextlib
import json
import pathlib
import subprocess
import time
import typing
from collections.abc import Generator

import websockets.sync.client


FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--remote-debugging-port=0", "--remote-allow-origins=*",
)  # fmt: skip
PATIENCE = 30.0  # seconds for anything to become true


class Tab:
    """One page, what it asked the network for and what its console complained of."""

    def __init__(self, connection: typing.Any):
        self._connection = connection
        self._number = 0
        self.requests: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: typing.Any) -> dict[str, typing.Any]:
        """Sends a command and returns its result, taking in the events that come before it."""
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._connection.recv(timeout=PATIENCE))
            if told.get("id") == self._number:
                assert "error" not in told, told
                return told["result"]
            self._take(told)

    def _take(self, event: dict[str, typing.Any]) -> None:
        told = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(told["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(told["exceptionDetails"]["exception"]["description"])
            case "Runtime.consoleAPICalled" if told["type"] in ("error", "warning"):
                self.complaints.append(str(told["args"]))
            case "Log.entryAdded" if told["entry"]["level"] == "error":
                self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")

    def run(self, script: str) -> typing.Any:
        """The value of an expression in the page; promises are waited for."""
        answer = self._evaluate(script)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def _evaluate(self, script: str) -> dict[str, typing.Any]:
        return self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)

    def wait(self, condition: str, seconds: float = PATIENCE) -> typing.Any:
        """The value of an expression once it is true; an error, on a page that is still coming, is not."""
        until = time.monotonic() + seconds
        while True:
            answer = self._evaluate(condition)
            if "exceptionDetails" not in answer and (found := answer["result"].get("value")):
                return found
            assert time.monotonic() < until, f"never came true: {condition}; {self.complaints}"
            time.sleep(0.05)

    def size(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """The window's size and the reader's preference of light or dark."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.send("Emulation.setScrollbarsHidden", hidden=True)  # a picture would lose their width
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, address: str) -> None:
        self.send("Page.navigate", url=address)

    def click(self, x: float, y: float) -> None:
        """A click of the mouse at a point of the window."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def picture(self, path: pathlib.Path) -> None:
        """A PNG of the whole page."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextlib.contextmanager
def browser(profile: pathlib.Path) -> Generator[Tab]:
    """A tab of a Chromium of its own."""
    command = ["chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with websockets.sync.client.connect(_address(profile), max_size=None, proxy=None) as connection:
            yield Tab(connection)
    finally:
        process.kill()
        process.wait()


def _address(profile: pathlib.Path) -> str:
    """The address of the first tab, once the browser has written down its port."""
    import urllib.request

    told = profile / "DevToolsActivePort"
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(OSError, IndexError, StopIteration):
            port = told.read_text().split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=5) as answer:
                pages = [tab for tab in json.load(answer) if tab["type"] == "page"]
                return pages[0]["webSocketDebuggerUrl"]
        time.sleep(0.05)
    raise TimeoutError("Chromium did not start")
