"""Chromium's own EventSource, or our source over fetch: JSON lines on stdin open sources, JSON
lines on stdout are events.

A separate process, because Playwright's synchronous interface does not work under gevent.
"""

import json
import queue
import sys
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext
from playwright.sync_api import Route
from playwright.sync_api import sync_playwright

from tests.harness.chromium import QUIET

CONNECTOR = Path(__file__).parents[2] / "static/js/connector"
OPEN = """async ({key, url, names, headers, over}) => {
  const fetching = () => import('/connector/visitor/fetch_source.js')
  window.source = over === 'fetch'
    ? new (await fetching()).FetchSource(url, {headers: () => headers})
    : new EventSource(url)
  const fired = (event) =>
    report({key, type: event.type, data: event.data, id: event.lastEventId})
  for (const name of new Set(['message', ...names])) source.addEventListener(name, fired)
  source.addEventListener('error', () =>
    report({key, failed: true, for_good: source.readyState === 2}))
}"""


def report(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def serve_module(route: Route) -> None:
    name = route.request.url.partition("/connector/")[2]
    route.fulfill(path=CONNECTOR / name, content_type="text/javascript")


def main() -> None:
    requests: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def read_stdin() -> None:
        for line in sys.stdin:
            requests.put(json.loads(line))
        requests.put(None)

    threading.Thread(target=read_stdin, daemon=True).start()
    contexts: dict[int, BrowserContext] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=sys.argv[1], args=QUIET)
        idle = browser.new_page()
        while True:
            try:
                request = requests.get_nowait()
            except queue.Empty:
                idle.wait_for_timeout(10)
                continue
            if request is None:
                break
            key = request["key"]
            if not request.get("url"):
                contexts.pop(key).close()
                continue
            over_fetch = request["over"] == "fetch"
            headers = {} if over_fetch else request["headers"]
            context = contexts[key] = browser.new_context(
                extra_http_headers=headers, bypass_csp=True
            )
            if over_fetch:
                context.route("**/connector/**", serve_module)
            page = context.new_page()
            page.expose_function("report", report)
            page.goto(request["page"])
            page.evaluate(OPEN, request)
        browser.close()


main()
