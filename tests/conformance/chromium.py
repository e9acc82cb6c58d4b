"""Chromium's own EventSource, told by JSON lines what to open, telling by JSON lines what fires.

A process of its own, because Playwright's synchronous interface does not work under gevent.
"""

import json
import queue
import sys
import threading
from typing import Any

from playwright.sync_api import BrowserContext
from playwright.sync_api import sync_playwright

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
         "--disable-component-update", "--no-first-run"]  # fmt: skip

OPEN = """({key, url, names}) => {
  window.source = new EventSource(url)
  const fired = (event) =>
    tell({key, type: event.type, data: event.data, id: event.lastEventId})
  for (const name of new Set(['message', ...names])) source.addEventListener(name, fired)
  source.addEventListener('error', () =>
    tell({key, failed: true, for_good: source.readyState === 2}))
}"""


def tell(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def main() -> None:
    asked: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            asked.put(json.loads(line))
        asked.put(None)

    threading.Thread(target=listen, daemon=True).start()
    contexts: dict[int, BrowserContext] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=sys.argv[1], args=QUIET)
        idle = browser.new_page()
        while True:
            try:
                question = asked.get_nowait()
            except queue.Empty:
                idle.wait_for_timeout(10)
                continue
            if question is None:
                break
            key = question["key"]
            if not question.get("url"):
                contexts.pop(key).close()
                continue
            context = contexts[key] = browser.new_context(
                extra_http_headers=question["headers"], bypass_csp=True
            )
            page = context.new_page()
            page.expose_function("tell", tell)
            page.goto(question["page"])
            page.evaluate(OPEN, question)
        browser.close()


main()
