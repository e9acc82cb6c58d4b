"""A website on an origin of its own, with a strict policy, that embeds the chat."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from threading import Thread

# No style, picture, connection or script but that of the chat; and no text becomes HTML or script.
STRICT = (
    "default-src 'none'; script-src {ours}; frame-src {ours}; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
OWN_SCRIPT = "default-src 'none'; script-src {ours} 'self'; frame-src {ours}"
WITHOUT_FRAMES = "default-src 'none'; script-src {ours}"

TAG = '<script async src="{ours}/widget.js" data-inbox="{key}"{more}></script>'

# Goes from page to page without loading one, as Turbo does it: by another <body>.
TURBO = """
addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link) return;
  event.preventDefault();
  history.pushState({}, "", link.href);
  const body = document.createElement("body");
  const heading = document.createElement("h1");
  heading.textContent = link.textContent;
  const again = document.createElement("script");
  for (const { name, value } of document.querySelector("script[data-inbox]").attributes) {
    again.setAttribute(name, value);
  }
  body.append(heading, again);
  document.body.replaceWith(body);
});
"""

# Replaces all that the document has, as document.write() and some editors do.
WIPE = "document.documentElement.replaceChildren(document.head, document.createElement('body'));"

# A page that takes the names of the language for its own, before and after the launcher.
HOSTILE_BEFORE = """
Array.prototype.first = function () { return this[0]; };
Array.prototype[Symbol.iterator] = function () { throw new Error("the page's iterator"); };
Object.prototype.extra = "everywhere";
"""
HOSTILE_AFTER = """
const fail = () => { throw new Error("the page's own"); };
Array.prototype.push = Array.prototype.forEach = Array.prototype.map = fail;
Map.prototype.get = Map.prototype.set = Set.prototype.add = fail;
window.Promise = window.MessageChannel = fail;
window.JSON = { parse: fail, stringify: fail };
window.setTimeout = window.clearTimeout = window.requestIdleCallback = fail;
EventTarget.prototype.addEventListener = fail;
window.addEventListener = window.postMessage = fail;
window.localStorage.__proto__.setItem = fail;
window.localStorage.__proto__.getItem = fail;
window.onmessage = (event) => { event.stopImmediatePropagation(); };
rtappChat.on("message", ({ id }) => { document.title = `Message ${id}`; });
rtappChat.identify("a.b.c").then(({ name }) => { document.title = `Contact ${name}`; });
"""

STYLES = """
* { all: unset; }
:not(html, body) { display: none !important; }
html > * { position: static !important; transform: scale(3); opacity: 0.1; }
rtapp-chat, button, iframe { visibility: hidden !important; z-index: -1; }
"""


def page(body: str, head: str = "", lang: str = "en") -> str:
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>A shop</title>{head}</head><body>{body}</body></html>"
    )


class Site:
    """Serves its pages at `origin`, which is another site than that of the chat's server at `ours`:
    localhost is another host than 127.0.0.1."""

    def __init__(self, ours: str, key: str, port: int = 0):
        self.ours = ours
        self.key = key
        self.tag = self.tag_with()
        tall = "<main>" + "<p>A line</p>" * 200 + "</main>"
        self.pages = {
            "/plain": (page(f"<h1>Shop</h1><a href='/other'>Other</a>{self.tag}"), STRICT),
            "/other": (page(f"<h1>Other</h1>{self.tag}"), STRICT),
            "/tall": (page(tall + self.tag), STRICT),
            "/head": (page("<h1>Head</h1>", self.tag.replace(" async", "")), STRICT),
            "/twice": (page(f"<h1>Twice</h1>{self.tag * 2}", self.tag), STRICT),
            "/german": (page(self.tag, lang="de-AT"), STRICT),
            "/accent": (page(self.tag_with(' data-accent="#ffe000" data-lang="de"')), STRICT),
            "/wrong": (page(self.tag_with(' data-accent="red;}*{display:none"')), STRICT),
            "/nokey": (page(self.tag.replace(key, "a/../b?")), STRICT),
            "/rtl": (f'<!doctype html><body dir="rtl"><h1>א</h1>{self.tag}', STRICT),
            "/noframes": (page(self.tag), WITHOUT_FRAMES),
            "/turbo": (
                page(f"<a href='/two'>Two</a>{self.tag}", "<script src=/turbo.js></script>"),
                OWN_SCRIPT,
            ),
            "/hostile": (
                page(
                    f'{self.tag.replace(" async", "")}<script src="/hostile_after.js"></script>',
                    '<script src="/hostile_before.js"></script>',
                ),
                OWN_SCRIPT,
            ),
            "/styled": (
                page(self.tag, '<link rel="stylesheet" href="/styles.css">'),
                OWN_SCRIPT + "; style-src 'self'",
            ),
            "/own": (page(self.tag), OWN_SCRIPT + "; connect-src 'self'"),
            "/isolated": (page(self.tag), STRICT),
            "/empty": (page("<h1>Nothing here</h1>"), "script-src {ours} 'unsafe-inline'"),
        }
        self.files = {
            "/turbo.js": (TURBO, "text/javascript"),
            "/hostile_before.js": (HOSTILE_BEFORE, "text/javascript"),
            "/hostile_after.js": (HOSTILE_AFTER, "text/javascript"),
            "/styles.css": (STYLES, "text/css"),
        }
        self.headers = {"/isolated": {"Cross-Origin-Embedder-Policy": "require-corp",
                                      "Cross-Origin-Opener-Policy": "same-origin"}}  # fmt: skip
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.origin = f"http://localhost:{self._server.server_port}"

    def tag_with(self, more: str = "") -> str:
        return TAG.format(ours=self.ours, key=self.key, more=more)

    def url(self, path: str) -> str:
        return self.origin + path

    def _handler(site) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                headers = dict(site.headers.get(path, {}))
                if path in site.pages:
                    text, policy = site.pages[path]
                    headers["Content-Security-Policy"] = policy.format(ours=site.ours)
                    headers["Content-Type"] = "text/html; charset=utf-8"
                elif path in site.files:
                    text, headers["Content-Type"] = site.files[path]
                else:
                    text = ""
                body = text.encode()
                self.send_response(200 if text else 404)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def start(self) -> None:
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def website(ours: str, key: str) -> Iterator[Site]:
    site = Site(ours, key)
    site.start()
    yield site
    site.stop()
