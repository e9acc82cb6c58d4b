"""The TypeScript compiler checks the connector's declarations and the types of all modules."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path

import pytest

from .. import npm

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "static/js"
CONNECTOR = SCRIPTS / "connector/connector.js"
VISITOR = SCRIPTS / "connector/visitor/visitor.js"
DOCS = ROOT / "docs/connector.md"

USES = """
import { ActionError, connect } from "/static/js/connector/connector.js";
import type { Connector, Message } from "/static/js/connector/connector.js";

const connector: Connector = connect({ user: 7, account: "1", cursor: "e-1-0", format: "json" });
const thread = connector.subscribe("conversation:42", {
  onMessageCreated: (message, { id, stream }) => console.log(message.sender.name, id, stream),
  onConversationUpdated: ({ last_message }) => last_message?.preview,
  onTyping: ({ is_typing, expires_in }) => is_typing && expires_in > 0,
  onPresenceUpdate: (presence) => ("left" in presence ? presence.left : presence.online_users),
  onRejected: ({ status }) => status === 401,
  onPing: ({ lag }) => lag,
}, { cursor: "e-2-0" });
const message = await thread.perform<Message>("messages", { content: "Hi" });
const size: number = message.content.length;
await connector.perform("account:1", "presence", { status: "busy" }).catch((error: unknown) => {
  if (error instanceof ActionError) console.log(error.status, error.problem?.errors?.content?.[0]);
});
thread.unsubscribe();
connector.disconnect();
"""

IMPORT = (
    'import { connect } from "/static/js/connector/connector.js";'
    'import { connect as connectVisitor } from "/static/js/connector/visitor/visitor.js";'
)
MISUSES = """
connect({ format: "xml" });
connect({ patient: 1 });
connect({}).subscribe("account:1", { onMessage: () => {} });
connect({}).subscribe("account:1", { onMessageCreated: (message) => message.text });
connect({}).subscribe("account:1", {}).cursor = "e-1-0";
connect({ token: async () => "one" });
connectVisitor({ user: 7 });
connectVisitor({ token: () => 7 });
connectVisitor({ token: () => "one", csrf: "two" });
""".strip().splitlines()

WIDGET_TYPES = """
import type { ChatError, ChatMessage, Contact, RtappChat } from "/static/js/widget/widget";

const chat: RtappChat = window.rtappChat;
const stop: () => void = chat.on("unread", (count) => count.toFixed());
chat.on("message", (message: ChatMessage) => message.sender.name);
chat.on("error", ({ type, message }: ChatError) => `${type}: ${message}`);
chat.on("open", () => stop());
const contact: Contact = await chat.identify("a.b.c");
await chat.identify(async () => contact.name);
await chat.logout();
chat.toggle();
"""
WIDGET_MISUSES = """
window.rtappChat.on("unraed", () => {});
window.rtappChat.on("unread", (count) => count.name);
window.rtappChat.identify(7);
window.rtappChat.identify(() => null);
window.rtappChat.show();
""".strip().splitlines()

# What stands in a module, and a mistake in its place.
MISTAKES = {
    "connector/leader.js": ("this.#connection?.due", "this.#connection.due"),
    "connector/transport.js": ('  wake: "follower",', '  wakes: "follower",'),
    "connector/base.js": ("cursor = this.#options.cursor", "cursor = 1"),
    "inbox/thread.js": ("dataset.truncated) import", "data.truncated) import"),
    "inbox/conversation.js": ('byId("messages")', 'byId("massages")'),
    "widget/widget.js": ('type: "identify", jwt, id', 'type: "identify", jwt'),
    "service_worker.js": ("event.notification.close", "event.notification.closed"),
}

Compiler = Callable[..., str]


@pytest.fixture
def tsc(tmp_path: Path) -> Compiler:
    """`tsc(files, **options)`: the compiler's output, with strict checks."""
    modules = npm.installed("typescript@5.9.3")

    def tsc(files: Sequence[Path], *arguments: str, **options: object) -> str:
        common = {
            "strict": True,
            "noEmit": True,
            "target": "es2022",
            "module": "es2022",
            "moduleResolution": "bundler",
            "types": [],
            "skipDefaultLibCheck": True,
        }
        config = {"compilerOptions": common | options, "files": [str(file) for file in files]}
        (tmp_path / "tsconfig.json").write_text(json.dumps(config))
        compiler = str(modules / "typescript/bin/tsc")
        command = ["node", compiler, "-p", str(tmp_path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=600).stdout

    return tsc


@pytest.fixture
def compiled(tmp_path: Path, tsc: Compiler) -> Callable[[str], str]:
    """`compiled(source)`: the errors in a page's TypeScript."""

    def compiled(source: str) -> str:
        uses = tmp_path / "uses.ts"
        uses.write_text(source)
        return tsc([uses], paths={"/static/*": [f"{ROOT}/static/*"]})

    return compiled


def checked(tsc: Compiler, scripts: Path, *arguments: str) -> str:
    """The errors in all modules below `scripts`."""
    worker = scripts / "service_worker.js"  # it has another global object
    modules = sorted(set(scripts.rglob("*.js")) - {worker})
    library = ["es2023", "dom", "dom.iterable"]
    found = tsc(modules, *arguments, allowJs=True, checkJs=True, lib=library)
    library = ["es2023", "webworker"]
    return found + tsc([worker], *arguments, allowJs=True, checkJs=True, lib=library)


def test_every_module_type_checks_strictly(tsc):
    output = checked(tsc, SCRIPTS, "--listFiles")
    assert "error TS" not in output, output
    assert not {str(module) for module in SCRIPTS.rglob("*.js")} - set(output.splitlines())


def test_no_module_switches_type_checks_off():
    for module in SCRIPTS.rglob("*.js"):
        assert not re.search(r"@ts-(nocheck|ignore|expect-error)", module.read_text()), module


def test_planted_type_errors_are_found(tsc, tmp_path):
    scripts = tmp_path / "js"
    shutil.copytree(SCRIPTS, scripts)
    for name, (right, wrong) in MISTAKES.items():
        source = (scripts / name).read_text()
        assert right in source, f"{name} no longer has {right}"
        (scripts / name).write_text(source.replace(right, wrong, 1))
    found = re.findall(r"js/((?:\w+/)?\w+\.js)\(.*: error TS", checked(tsc, scripts))
    assert set(found) == MISTAKES.keys()


def test_the_connector_imports_nothing_from_the_inbox():
    imports = re.compile(r'(?:from |import\()"(.+?)"')
    folder = SCRIPTS / "connector"
    files = [*folder.rglob("*.js"), *folder.rglob("*.ts")]
    imported = {
        (file.parent / name).resolve()
        for file in files
        for name in imports.findall(file.read_text())
    }
    assert folder / "visitor/fetch_source.js" in imported
    assert {path for path in imported if not path.is_relative_to(folder)} == set()


def test_the_declared_interface_can_be_used(compiled):
    assert compiled(USES) == ""


def test_the_interface_for_visitors_is_the_same_with_a_token(compiled):
    uses = USES.replace("connector/connector.js", "connector/visitor/visitor.js")
    assert compiled(uses.replace('cursor: "e-1-0"', "token: async () => null")) == ""


def test_the_former_address_of_the_connector_has_the_same_interface(compiled):
    assert compiled(USES.replace("js/connector/", "js/rtapp/")) == ""


def test_misuses_of_the_connector_are_type_errors(compiled):
    errors = compiled("\n".join([IMPORT, *MISUSES]))
    lines = {int(line) for line in re.findall(r"uses\.ts\((\d+),", errors)}
    assert lines == set(range(2, 2 + len(MISUSES))), errors


def test_the_examples_in_the_documentation_compile(compiled):
    examples = re.findall(r"^```js\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    assert examples
    for example in examples:
        assert compiled(example) == ""


@pytest.mark.parametrize("module", [CONNECTOR, SCRIPTS / "rtapp/connector.js", VISITOR])
def test_the_connector_exports_what_its_declarations_declare(module):
    node = shutil.which("node")
    if node is None:
        pytest.skip("SKIPPED: there is no node to load the connector")
    script = f"console.log(Object.keys(await import({json.dumps(str(module))})).sort().join())"
    command = [node, "--input-type=module", "-e", script]
    exported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    declarations = CONNECTOR.with_suffix(".d.ts").read_text()
    declared = re.findall(r"^export (?:function|class) (\w+)", declarations, re.MULTILINE)
    assert exported == ",".join(sorted(declared))


def test_the_declared_interface_of_the_launcher_can_be_used_and_not_misused(compiled):
    assert compiled(WIDGET_TYPES) == ""
    imported = 'import "/static/js/widget/widget";'
    errors = compiled("\n".join([imported, *WIDGET_MISUSES]))
    lines = {int(line) for line in re.findall(r"uses\.ts\((\d+),", errors)}
    assert lines == set(range(2, 2 + len(WIDGET_MISUSES))), errors


def test_the_examples_of_the_launcher_compile(compiled):
    document = (ROOT / "docs/widget.md").read_text()
    examples = re.findall(r"^```js\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    assert len(examples) >= 3
    for example in examples:
        named = example.replace("rtappChat.", "window.rtappChat.")
        assert compiled(f'import "/static/js/widget/widget";\n{named}') == ""
