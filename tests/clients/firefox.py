"""Firefox, driven by Marionette: its own protocol, of JSON arrays behind their length.

https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
"""

import json
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any
from typing import Self

from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually

PREFERENCES = {
    "marionette.port": 0,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.server": "",
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "extensions.update.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "http://127.0.0.1:9/",
}


def path() -> str | None:
    return shutil.which("firefox-esr") or shutil.which("firefox")


class Firefox:
    """A context manager, without a window, on a profile in `folder`."""

    def __init__(self, folder: Path):
        self._profile = folder
        self._number = 0
        self._window = ""

    def __enter__(self) -> Self:
        command = path()
        assert command is not None, "there is no Firefox"
        (self._profile / "user.js").write_text(
            "".join(f'user_pref("{k}", {json.dumps(v)});\n' for k, v in PREFERENCES.items())
        )
        with (self._profile / "firefox.log").open("wb") as log:
            self._process = subprocess.Popen(
                [command, "--headless", "--marionette", "--no-remote", "--profile", self._profile],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            eventually(self._port, "Firefox is ready")
            self._socket = socket.create_connection(("127.0.0.1", self._port()), timeout=PATIENCE)
            self._file = self._socket.makefile("rb")
            self._message()  # the greeting
            self.command("WebDriver:NewSession")
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()
        self._process.kill()
        self._process.wait()

    def _port(self) -> int:
        file = self._profile / "MarionetteActivePort"
        return int(file.read_text() or 0) if file.exists() else 0

    def command(self, name: str, **parameters: Any) -> Any:
        """Return the command's result. Raises RuntimeError with Firefox's error."""
        self._number += 1
        text = json.dumps([0, self._number, name, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(text), text))
        while (answer := self._message())[1] != self._number:
            pass
        if answer[2]:
            raise RuntimeError(f"{name}: {answer[2]}")
        return answer[3]

    def _message(self) -> Any:
        length = b""
        while (byte := self._file.read(1)) != b":":
            assert byte, "Firefox has ended"
            length += byte
        return json.loads(self._file.read(int(length)))

    def set_cookie(self, url: str, name: str, value: str) -> None:
        """Set a cookie for the host of `url`, a page of which is loaded for that."""
        self.show(self.new_window(), url)
        self.command("WebDriver:AddCookie", cookie={"name": name, "value": value})

    def new_window(self) -> str:
        window: str = self.command("WebDriver:NewWindow", type="tab")["handle"]
        return window

    def show(self, window: str, url: str) -> None:
        self._switch(window)
        self.command("WebDriver:Navigate", url=url)

    def evaluate(self, window: str, expression: str) -> Any:
        """Return the value of a JavaScript expression, in the page of that window."""
        self._switch(window)
        answer = self.command("WebDriver:ExecuteScript", script=f"return {expression}", args=[])
        return answer["value"]

    def _switch(self, window: str) -> None:
        if window != self._window:
            self.command("WebDriver:SwitchToWindow", handle=window, focus=False)
            self._window = window
