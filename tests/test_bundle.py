"""A script of several modules does what the modules do, or is refused."""

import json
import shutil
import subprocess

import pytest

from rtapp import static_files
from rtapp.bundle import Unbundled
from rtapp.bundle import bundled
from rtapp.config import RESOURCES

MODULES = {
    "a/main.js": (
        'import { one, two as second } from "./b.js";\n'
        'import { Third } from "../c/third.js";\n'
        "console.log(JSON.stringify([one, second(), new Third().name, typeof TIMEOUT]));\n"
    ),
    "a/b.js": (
        'import { TIMEOUT } from "./limits.js";\n'
        'export { Third } from "../c/third.js";\n'
        "export const one = TIMEOUT + 1;\n"
        "export async function later() {}\n"
        "export function two() {\n  return helper();\n}\n"
        'function helper() {\n  return "two";\n}\n'
    ),
    "a/limits.js": "const TIMEOUT = 1;\nexport { TIMEOUT };\n",
    "c/third.js": (
        'import { TIMEOUT } from "../a/limits.js";\n'
        "const helper = TIMEOUT + 2;\n"
        "export class Third {\n  name = `third ${helper}`;\n}\n"
    ),
}
NODE = shutil.which("node")


def run(script: str) -> str:
    if NODE is None:
        pytest.skip("SKIPPED: there is no node to run the script")
    command = [NODE, "--input-type=module", "-e", script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_modules_run_once_in_order_each_with_its_own_names():
    script = bundled("a/main.js", MODULES.__getitem__)
    assert json.loads(run(script)) == [2, "two", "third 3", "undefined"]
    assert script.count("const TIMEOUT = 1;") == 1


@pytest.mark.parametrize(
    "line",
    [
        'import main from "./limits.js";',
        'import * as limits from "./limits.js";',
        'import "./limits.js";',
        'export * from "./limits.js";',
        "export default 1;",
        "export let changing = 1;",
        "export { TIMEOUT as limit };",
        'import { TIMEOUT } from "https://example.com/limits.js";',
    ],
)
def test_another_form_of_an_import_or_export_is_refused(line):
    with pytest.raises(Unbundled):
        bundled("a/main.js", {**MODULES, "a/main.js": f"{line}\n"}.__getitem__)


def test_a_cycle_is_refused():
    cycle = {"a.js": 'import { b } from "./b.js";\n', "b.js": 'import { a } from "./a.js";\n'}
    with pytest.raises(Unbundled, match=r"a\.js imports itself"):
        bundled("a.js", cycle.__getitem__)


def test_the_chats_script_is_valid_and_has_each_module_that_it_needs():
    release = static_files.release_in(str(RESOURCES / "static"))
    script = release.bodies["js/chat/bundle.js"].decode()
    assert "import{" not in script
    assert "class Chat" in script
    assert "class Leader" in script
    if NODE is not None:
        subprocess.run([NODE, "--check", "-"], input=script.encode(), check=True)


def test_the_version_changes_with_the_bundle():
    folder = str(RESOURCES / "static")
    listed = tuple(sorted(static_files.files(folder)))
    static_files.read.cache_clear()
    first = static_files.read(folder, listed).version
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(static_files, "bundled", lambda entry, read: "other()")
        static_files.read.cache_clear()
        assert static_files.read(folder, listed).version != first
    static_files.read.cache_clear()
    assert static_files.read(folder, listed).version == first
