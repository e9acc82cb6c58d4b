"""connector.d.ts says what connector.js is, read by the TypeScript compiler."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import npm

ROOT = Path(__file__).parents[2]
CONNECTOR = ROOT / "static/js/connector/connector.js"
DOCS = ROOT / "docs/connector.md"

USES = """
import { ActionError, connect, type Connector, type Message } from "/static/js/connector/connector.js";

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

IMPORT = 'import { connect } from "/static/js/connector/connector.js";'
MISUSES = """
connect({ format: "xml" });
connect({ patient: 1 });
connect({}).subscribe("account:1", { onMessage: () => {} });
connect({}).subscribe("account:1", { onMessageCreated: (message) => message.text });
connect({}).subscribe("account:1", {}).cursor = "e-1-0";
""".strip().splitlines()


@pytest.fixture
def compiled(tmp_path):
    """`compiled(source)`: what tsc has to say against it."""
    modules = npm.installed("typescript@5.9.3")

    def compiled(source: str) -> str:
        (tmp_path / "uses.ts").write_text(source)
        options = {
            "strict": True,
            "noEmit": True,
            "target": "es2022",
            "module": "es2022",
            "moduleResolution": "bundler",
            "types": [],
            "paths": {"/static/*": [f"{ROOT}/static/*"]},
        }
        config = {"compilerOptions": options, "files": ["uses.ts"]}
        (tmp_path / "tsconfig.json").write_text(json.dumps(config))
        command = ["node", str(modules / "typescript/bin/tsc"), "-p", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, timeout=100).stdout

    return compiled


def test_what_is_declared_can_be_used_so(compiled):
    assert compiled(USES) == ""


def test_misuses_are_found(compiled):
    errors = compiled("\n".join([IMPORT, *MISUSES]))
    lines = {int(line) for line in re.findall(r"uses\.ts\((\d+),", errors)}
    assert lines == set(range(2, 2 + len(MISUSES))), errors


def test_the_examples_of_the_documentation_compile(compiled):
    examples = re.findall(r"^```js\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    assert examples
    for example in examples:
        assert compiled(example) == ""


def test_what_is_exported_is_what_is_declared():
    node = shutil.which("node")
    if node is None:
        pytest.skip("SKIPPED: there is no node to load the connector")
    script = f"console.log(Object.keys(await import({json.dumps(str(CONNECTOR))})).sort().join())"
    command = [node, "--input-type=module", "-e", script]
    exported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    declarations = CONNECTOR.with_suffix(".d.ts").read_text()
    declared = re.findall(r"^export (?:function|class) (\w+)", declarations, re.MULTILINE)
    assert exported == ",".join(sorted(declared))
