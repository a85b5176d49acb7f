"""A headless Chromium for tests, driven through chromedriver's HTTP interface."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

import requests

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader",
    "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip


def why_not() -> str:
    """What is missing for a browser test; empty where nothing is."""
    lacking = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"{' and '.join(lacking)} not installed" if lacking else ""


class Browser:
    """One window; `log` collects what the page writes to its console."""

    def __init__(self, profile: Path):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._driver = subprocess.Popen(
            ["chromedriver", f"--port={port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._address = f"http://127.0.0.1:{port}"
        self._http = requests.Session()
        self._http.trust_env = False
        try:
            self._wait()
            options = {"args": [*FLAGS, f"--user-data-dir={profile}"]}
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": {**options, "binary": shutil.which("chromium")},
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            }
            begun = self._send("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self._session = f"/session/{begun['sessionId']}"
        except BaseException:
            self._stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._send("DELETE", self._session)
        finally:
            self._stop()

    def size(self, width: int, height: int, phone: bool = False) -> None:
        """Set the size of the page in CSS pixels."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=phone,
        )  # fmt: skip

    def open(self, address: str) -> None:
        self._send("POST", f"{self._session}/url", {"url": address})

    def run(self, script: str):
        """The value of a JavaScript function's body."""
        body = {"script": script, "args": []}
        return self._send("POST", f"{self._session}/execute/sync", body)

    def until(self, script: str, seconds: float = 30):
        """Wait until a script gives something that is true, and return it."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.1)
        return value

    def messages(self, level: str = "SEVERE") -> list[str]:
        """What the console holds since the last call, of a level."""
        found = self._send("POST", f"{self._session}/se/log", {"type": "browser"})
        return [item["message"] for item in found if item["level"] == level]

    def requested(self) -> list[str]:
        """Addresses that pages asked for since the last call."""
        found = self._send("POST", f"{self._session}/se/log", {"type": "performance"})
        events = [json.loads(item["message"])["message"] for item in found]
        addresses = [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [a for a in addresses if not a.startswith(("data:", "blob:", "chrome:"))]

    def offline(self) -> None:
        """Cut the network off."""
        self.devtools("Network.enable")
        self.devtools(
            "Network.emulateNetworkConditions",
            offline=True, latency=0, downloadThroughput=0, uploadThroughput=0,
        )  # fmt: skip

    def screenshot(self, path: Path, whole: bool = False) -> None:
        more = {"captureBeyondViewport": True} if whole else {}
        if whole:
            size = self.devtools("Page.getLayoutMetrics")["cssContentSize"]
            more["clip"] = {**size, "x": 0, "y": 0, "scale": 1}
        answer = self.devtools("Page.captureScreenshot", format="png", **more)
        path.write_bytes(base64.b64decode(answer["data"]))

    def pdf(self, path: Path) -> None:
        answer = self.devtools("Page.printToPDF", printBackground=True, paperWidth=8.27,
                               paperHeight=11.69)  # fmt: skip
        path.write_bytes(base64.b64decode(answer["data"]))

    def devtools(self, command: str, **params):
        body = {"cmd": command, "params": params}
        return self._send("POST", f"{self._session}/goog/cdp/execute", body)

    def _wait(self) -> None:
        for _ in range(100):
            try:
                if self._send("GET", "/status")["ready"]:
                    return
            except requests.ConnectionError:
                time.sleep(0.1)
        raise RuntimeError("chromedriver does not answer")

    def _send(self, method: str, path: str, body: dict | None = None):
        answer = self._http.request(method, self._address + path, json=body, timeout=120)
        value = answer.json()["value"]
        assert answer.ok, value
        return value

    def _stop(self) -> None:
        self._driver.terminate()
        self._driver.wait(20)
