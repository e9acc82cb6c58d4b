"""Tabs that Playwright does not attach to: its own tabs always count as visible and never freeze.

They are driven by the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/), over
a session of Playwright with the browser.
"""

import json
from typing import Any

from playwright.sync_api import Browser

from ..harness.waiting import eventually


class Untouched:
    """A separate signed-in window, whose tabs share cookies."""

    def __init__(self, browser: Browser, server: str, name: str):
        self.server = server
        self._crashed = 0
        self.session = browser.new_browser_cdp_session()
        self.session.on("Target.receivedMessageFromTarget", self._received)
        self.answers: dict[tuple[str, int], Any] = {}
        self._context = self.session.send("Target.createBrowserContext")["browserContextId"]
        tab = self.open("/login")
        tab.expect("document.readyState === 'complete' && document.forms.length > 0")
        fields = json.dumps({"email": f"{name}@example.com", "password": "password"})
        tab.evaluate(f"""(() => {{
            const form = document.querySelector("form:has([name=password])");
            for (const [name, value] of Object.entries({fields})) form.elements[name].value = value;
            form.requestSubmit();
        }})()""")
        tab.expect("location.pathname.endsWith('/conversations')")
        tab.send("Page.navigate", url="about:blank")

    def open(self, path: str) -> "Tab":
        asked = {"url": self.server + path, "browserContextId": self._context}
        target = self.session.send("Target.createTarget", asked)["targetId"]
        attach = {"targetId": target, "flatten": False}
        tab = Tab(self, self.session.send("Target.attachToTarget", attach)["sessionId"])
        tab.send("Inspector.enable")
        return tab

    def open_live(self, path: str) -> "Tab":
        tab = self.open(path)
        tab.expect("document.getElementById('live')?.dataset.state === 'live'")
        return tab

    @property
    def crashed(self) -> int:
        """Return the number of crashed tabs."""
        self.session.send("Target.getTargets")  # processes the received messages
        return self._crashed

    def close(self) -> None:
        self.session.send("Target.disposeBrowserContext", {"browserContextId": self._context})
        self.session.detach()

    def _received(self, event: dict[str, Any]) -> None:
        answer = json.loads(event["message"])
        self._crashed += answer.get("method") == "Inspector.targetCrashed"
        if "id" in answer:
            self.answers[event["sessionId"], answer["id"]] = answer


class Tab:
    def __init__(self, window: Untouched, session: str):
        self._window, self._session, self._asked = window, session, 0

    def tell(self, method: str, **parameters: Any) -> None:
        """Send without waiting for an answer."""
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": parameters}
        asked = {"sessionId": self._session, "message": json.dumps(message)}
        self._window.session.send("Target.sendMessageToTarget", asked)

    def send(self, method: str, **parameters: Any) -> Any:
        self.tell(method, **parameters)
        session, place = self._window.session, (self._session, self._asked)

        def answered() -> bool:
            session.send("Target.getTargets")
            return place in self._window.answers

        eventually(answered, f"{method} is answered")
        answer = self._window.answers.pop(place)
        assert "error" not in answer, answer
        return answer["result"]

    def evaluate(self, expression: str) -> Any:
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = self.send("Runtime.evaluate", **asked)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def expect(self, expression: str) -> None:
        eventually(lambda: self.evaluate(expression), what=expression)

    def crash(self) -> None:
        """Kill the tab's renderer process."""
        self.tell("Page.crash")

    def freeze(self) -> None:
        self.send("Page.setWebLifecycleState", state="frozen")

    def thaw(self) -> None:
        self.send("Page.setWebLifecycleState", state="active")
