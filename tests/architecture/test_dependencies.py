"""Every dependency has a reason, and the locks pin them all without naming an index."""

from __future__ import annotations

import re
import tomllib

from tests.architecture.sources import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = ("deploy/requirements.lock", "tests/requirements.lock", "tests/bench/requirements.lock")


def _names(lines):
    return {re.match(r"[A-Za-z0-9._-]+", line)[0] for line in lines}


DECLARED = _names(PROJECT["dependencies"]) | {
    name for extra in PROJECT["optional-dependencies"].values() for name in _names(extra)
}


def test_every_dependency_has_a_reason_and_every_reason_a_dependency():
    page = (ROOT / "docs/dependencies.md").read_text()
    assert set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)) == DECLARED


def test_locks_pin_with_hashes_and_name_no_index():
    for lock in LOCKS:
        text = (ROOT / lock).read_text()
        assert not re.search(r"://|--(extra-)?index|--find-links", text), lock
        for requirement in re.split(r"\n(?=\S)", text.strip()):
            assert re.match(r"[^\s=]+==\S+", requirement), (lock, requirement[:80])
            assert "--hash=sha256:" in requirement, (lock, requirement[:80])


def test_the_product_lock_has_what_the_product_needs():
    pinned = {
        re.split(r"[=\s]", line)[0].lower().replace("_", "-") for line in (ROOT / LOCKS[0]).read_text().splitlines()
    }
    for name in _names(PROJECT["dependencies"]):
        assert name.lower().replace(".", "-").replace("_", "-") in pinned, name
