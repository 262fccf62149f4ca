"""Every reason that a message can link has a page, and every way an action fails is told of."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from reconciler.adapters import asking
from reconciler.api import reasons
from reconciler.compute import announcements, stageledger
from tests.docs import pages

RUNBOOKS = "docs/runbooks"
PAGES = sorted(str(path.relative_to(pages.ROOT)) for path in (pages.ROOT / RUNBOOKS).glob("*.md"))
HANDS = pages.ROOT / "reconciler/adapters/hands"
REQUESTS = pages.ROOT / "reconciler/adapters/requests"
#: Reasons of the API that nothing has yet, or that became StageFailed.
NOT_USED = {reasons.RBAC_DENIED, reasons.STAGE_PROGRESSING}
_WORD = re.compile(r"[A-Z][A-Za-z]+")


def told_reasons() -> set[str]:
    """Reasons of Kubernetes Events: all of them link."""
    source = Path(announcements.__file__).read_text()
    calls = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and ast.unparse(node.func) == "_told"
    ]
    found = {
        getattr(announcements, ast.unparse(call.args[0]), None) or ast.literal_eval(call.args[0]) for call in calls
    }
    return found | {asking.REQUEST_INVALID, stageledger.BASELINE_INVALID}


def action_reasons() -> set[str]:
    """Reasons that the verbs give, read from their code."""
    return {
        word
        for path in (HANDS / "act.py", *HANDS.glob("actions/*.py"), *REQUESTS.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        for given in _given(node)
        for part in ast.walk(given)
        if isinstance(part, ast.Constant) and isinstance(word := part.value, str) and _WORD.fullmatch(word)
    }


def _given(node: ast.AST) -> list[ast.expr]:
    """Expressions that become a reason."""
    if isinstance(node, ast.Call):
        keywords = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
        return keywords + ([node.args[1]] if ast.unparse(node.func).endswith("._failed") and len(node.args) > 1 else [])
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "reason":
        return [node.value]
    if isinstance(node, ast.FunctionDef):
        named = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        return [default for argument, default in named if argument.arg == "reason" and default is not None]
    return []


def test_every_reason_that_is_linked_has_a_page() -> None:
    linked = (reasons.READY_REASONS - reasons.WITHOUT_RUNBOOK - NOT_USED) | told_reasons()
    at_once = pages.anchors(f"{RUNBOOKS}/README.md")
    assert {
        one for one in linked if f"{RUNBOOKS}/{one.lower()}.md" not in PAGES and one.lower() not in at_once
    } == set()
    own = {Path(page).stem for page in PAGES} - {"README"}
    assert own <= {one.lower() for one in linked}, "a page that nothing links"


def test_every_way_an_action_fails_is_told_of() -> None:
    page = pages.text(f"{RUNBOOKS}/stagefailed.md")
    found = action_reasons()
    assert {"JobFailed", "JobTimeout", "BadStatus", "URLRefused", "AnchorMissing", "ApplyTimeout"} <= found
    assert {one for one in found if not re.search(rf"\b{one}\b", page)} == set()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_begins_with_its_reason_and_its_commands_can_be_typed(page: str) -> None:
    title = pages.text(page).splitlines()[0].removeprefix("# ")
    assert Path(page).stem in {"README", title.lower()}
    lines = [line for block in pages.blocks(page, "console") for line in block.splitlines()]
    assert [line for line in lines if not line.lstrip().startswith("$ ")] == []
    variables = {"NS", "NAME", "STAGE", "ACTION", "ACCOUNT", "OBJECT"} & set(re.findall(r"\$(\w+)", "\n".join(lines)))
    given = " ".join(pages.blocks(page, "sh"))
    assert {one for one in variables if f"{one}=" not in given} <= {"OBJECT"}


@pytest.mark.parametrize(
    "page",
    [
        *PAGES,
        "docs/how-to/actions.md",
        "docs/how-to/demo.md",
        "docs/how-to/install.md",
        "docs/how-to/tenants.md",
        "docs/architecture.md",
        "README.md",
    ],
)
def test_links_lead_somewhere(page: str) -> None:
    for target in pages.links(page):
        path, _, anchor = target.partition("#")
        there = (pages.ROOT / page).parent / path if path else pages.ROOT / page
        assert there.exists(), target
        assert not anchor or anchor in pages.anchors(str(there.resolve().relative_to(pages.ROOT))), target
