"""The modules as they are served, without comments and spaces, are the same programs."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rtapp import static_files

from .. import npm

SCRIPTS = Path(__file__).parents[2] / "static/js"

# Prints the names of the modules whose syntax trees differ, with the first place that does.
COMPARE = """
const [, , typescript, ...folders] = process.argv;
const ts = require(typescript);
const { readFileSync, readdirSync } = require("node:fs");

function parse(path) {
  const source = readFileSync(path, "utf8");
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, false, ts.ScriptKind.JS);
  return [...file.parseDiagnostics.map((fault) => fault.messageText), ...tokens(file)];
}

function* tokens(node) {
  const { kind, rawText, operator, keywordToken } = node;
  const text = kind === ts.SyntaxKind.SourceFile ? "" : node.text;
  const scope = node.flags & ts.NodeFlags.BlockScoped;
  yield JSON.stringify([ts.SyntaxKind[kind], text, rawText, operator, keywordToken, scope]);
  const children = [];
  ts.forEachChild(node, (child) => void children.push(child));
  for (const child of children) yield* tokens(child);
  yield "end";
}

const differing = {}, invalid = [];
const modules = readdirSync(folders[0], { recursive: true }).filter((name) => name.endsWith(".js"));
let compared = 0;
for (const name of modules) {
  const [source, served] = folders.map((folder) => parse(`${folder}/${name}`));
  if (!source[0].startsWith("[")) invalid.push(`${name}: ${source[0]}`);
  compared += source.length;
  const place = source.findIndex((token, n) => token !== served[n]);
  if (place >= 0 || source.length !== served.length) {
    differing[name] = [source[place], served[place]];
  }
}
console.log(JSON.stringify({ modules: modules.length, compared, differing, invalid }));
"""

# Each is changed by a minifier that takes something in it for a comment, a string or a space.
HARD = {
    "fields.js": "export class A { #x = 1; static #y; get x() { return this.#x?.y ?? A.#y; } }\n",
    "regexes.js": r"""
const a = /[/*'"`]\/\//u.test("b") // a comment
const c = (b) => /[`'"]\p{L}/v.exec(b)?.[0] /* another */ / 2 / 1
export default [a, c]
""",
    "templates.js": "export const a = (b) => `  // ${b ? '  /* no */ ' : \"\"}  '  \n\n ${b}  `;\n",
    "lines.js": "let a = 1\nlet b = a\n++b\n;[a, b] = [b, a]\nexport { a as c }\na = a + +b - -a\n",
    "hidden.js": "export const d = 'ä\u00a0ä  \u2028' + \"  \\\n  // x\";\n",
}
BROKEN = "export const a = (b) => `x ${b ? `  // ${b}  ` : ''}  y`;\n"  # one template in another

Compare = Callable[[Path], dict[str, object]]


@pytest.fixture(scope="module")
def compare(tmp_path_factory: pytest.TempPathFactory) -> Compare:
    """`compare(folder)`: how the modules in it differ from what is served for them."""
    typescript = npm.installed("typescript@5.9.3") / "typescript"

    def compare(folder: Path) -> dict[str, object]:
        served = tmp_path_factory.mktemp("served")
        for module in folder.rglob("*.js"):
            copy = served / module.relative_to(folder)
            copy.parent.mkdir(exist_ok=True, parents=True)
            copy.write_bytes(static_files.minified(module.name, module.read_bytes()))
        script = served / "compare.cjs"
        script.write_text(COMPARE)
        command = ["node", str(script), str(typescript), str(folder), str(served)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        compared: dict[str, object] = json.loads(done.stdout)
        assert compared.pop("invalid") == []
        return compared

    return compare


def test_every_module_is_the_same_program_as_it_is_served(compare):
    result = compare(SCRIPTS)
    assert result["differing"] == {}
    assert result["modules"] == len(list(SCRIPTS.rglob("*.js")))
    assert result["compared"] > 10_000


def test_private_fields_regexes_templates_and_line_ends_survive_being_minified(compare, tmp_path):
    for name, source in HARD.items():
        (tmp_path / name).write_text(source)
    result = compare(tmp_path)
    assert (result["modules"], result["differing"]) == (len(HARD), {})


def test_a_module_that_is_changed_by_being_minified_is_found(compare, tmp_path):
    shutil.copytree(SCRIPTS / "connector", tmp_path / "connector")
    (tmp_path / "connector/broken.js").write_text(BROKEN)
    assert list(compare(tmp_path)["differing"]) == ["connector/broken.js"]


def test_what_is_served_has_no_comment_of_ours():
    sizes = [0, 0]
    for module in SCRIPTS.rglob("*.js"):
        source = module.read_bytes()
        served = static_files.minified(module.name, source)
        assert b"/**" not in served
        sizes[0] += len(source)
        sizes[1] += len(served)
    assert sizes[1] < 0.7 * sizes[0]
