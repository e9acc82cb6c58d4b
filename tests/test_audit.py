"""bin/audit fails on a finding, and prints SKIPPED where nothing was audited."""

import json
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec
from importlib.util import spec_from_loader
from pathlib import Path

import pytest

BIN_AUDIT = Path(__file__).parents[1] / "bin/audit"
CLEAN = {"name": "flask", "version": "3.1.3", "vulns": []}
VULNERABLE = {
    "name": "jinja2",
    "version": "3.1.5",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.6"]}],
}
NOT_LISTED = {"name": "rtapp", "skip_reason": "Dependency not found"}


@pytest.fixture(scope="module")
def audit():
    loader = SourceFileLoader("bin_audit", str(BIN_AUDIT))
    module = module_from_spec(spec_from_loader("bin_audit", loader))
    loader.exec_module(module)
    return module


def report(*packages) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_the_audit_passes_without_findings(audit):
    failed, lines = audit.verdict("a.lock", report(CLEAN), "")
    assert not failed
    assert lines == ["a.lock: 1 packages audited, 0 findings"]


def test_the_audit_fails_on_a_finding_and_names_the_fix(audit):
    failed, lines = audit.verdict("a.lock", report(CLEAN, VULNERABLE), "Found 1 vulnerability")
    assert failed
    assert lines[0] == "a.lock: jinja2 3.1.5: PYSEC-1, fixed in 3.1.6"


def test_the_audit_names_packages_that_the_database_does_not_list(audit):
    failed, lines = audit.verdict("a.lock", report(CLEAN, NOT_LISTED), "")
    assert not failed
    assert lines[-1] == "SKIPPED: the database does not list 1 packages of a.lock: rtapp"


def test_a_database_that_lists_no_package_skips_the_audit_aloud(audit):
    failed, lines = audit.verdict("a.lock", report(NOT_LISTED), "")
    assert not failed
    assert lines == ["SKIPPED: a.lock was not audited: the database lists none of its packages"]


def test_a_database_that_does_not_answer_skips_the_audit_aloud(audit):
    failed, lines = audit.verdict("a.lock", "", "Traceback\nConnectionError: refused")
    assert not failed
    assert lines == ["SKIPPED: a.lock was not audited: ConnectionError: refused"]
