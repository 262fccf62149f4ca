"""What docs/how-to/actions.md shows is right: each example is valid and supported, and no verb is left out."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.api import decode, defaults, schema, structure
from reconciler.api.support import unsupported
from reconciler.api.types import Action, StageLedger
from reconciler.api.validate import validate
from reconciler.compute.cel import compiles
from reconciler.compute.requests import ANNOTATIONS, RESOLVE, Resolution, parse
from reconciler.compute.urlguard import Guard
from tests.docs import pages

PAGE = "docs/how-to/actions.md"
DOCUMENTS = pages.documents(PAGE)
EXAMPLES = [found for found in DOCUMENTS if "actions" in found]


def stageset(example: dict[str, Any]) -> dict[str, Any]:
    """A StageSet whose only stage has the actions of an example."""
    stage = {"name": "database", "sourceRef": {"name": "shop"}, **example}
    metadata = {"name": "release", "namespace": "shop"}
    return {
        "apiVersion": "stages.metio.wtf/v1",
        "kind": "StageSet",
        "metadata": metadata,
        "spec": {"stages": [stage]},
    }


def actions() -> list[Action]:
    """All actions that are shown."""
    specs = [decode.stageset(stageset(example)).spec for example in EXAMPLES]
    return [action for spec in specs for stage in spec.stages for _, action in defaults.actions(stage)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_valid_and_supported(example: dict[str, Any]) -> None:
    raw = stageset(example)
    assert [str(problem) for problem in validate(raw, compile_cel=lambda expression: compiles(expression) or "")] == []
    assert unsupported(decode.stageset(raw).spec) == []


def test_the_stageset_of_the_readme_is_valid_and_supported() -> None:
    (raw,) = pages.documents("README.md")
    assert [str(problem) for problem in validate(raw)] == []
    assert unsupported(decode.stageset(raw).spec) == []


def test_every_verb_scope_and_hook_is_shown() -> None:
    shown = actions()
    assert {defaults.verb(action) for action in shown} == set(defaults.VERBS)
    assert {action.scope for action in shown} >= {None, "Lifetime"}
    assert {hook for example in EXAMPLES for hook in example["actions"]} == {"pre", "post", "onFailure"}
    assert {field for action in shown for field in Action.__struct_fields__ if getattr(action, field)} == {
        *Action.__struct_fields__
    }


def test_patches_and_expressions_that_are_shown_can_be_read() -> None:
    from reconciler.adapters.hands.actions.patch_text import parse as parse_patch

    patches = [action.patch for action in actions() if action.patch is not None]
    assert {parse_patch(patch).type for patch in patches} == {"merge", "json6902"}
    waits = [action.wait for action in actions() if action.wait is not None]
    assert [compiles(wait.expr) for wait in waits if wait.expr] == [None]
    assert {bool(wait.duration) for wait in waits} == {True, False}


def test_what_else_is_shown_is_read_as_it_says() -> None:
    (ledger,) = [found for found in DOCUMENTS if found.get("kind") == "StageLedger"]
    node = schema.of(StageLedger)
    assert [
        *structure.problems(ledger, node, path=""),
        *structure.unknown(ledger | {"metadata": {}}, node, path=""),
    ] == []
    (asked,) = [found["metadata"]["annotations"] for found in DOCUMENTS if "annotations" in found.get("metadata", {})]
    (answer,) = parse(asked)
    assert isinstance(answer, Resolution)
    assert asked.keys() == {ANNOTATIONS[RESOLVE]}


def test_hosts_are_refused_and_opened_as_the_table_says() -> None:
    def passes(url: str, *entries: str) -> bool:
        try:
            Guard.of(entries, flag="--allowed-action-hosts", narrow=True).check_url(url)
        except ValueError:
            return False
        return True

    assert passes("https://hooks.example.com/")
    assert not passes("http://127.0.0.1:8080/")
    assert passes("https://a.b.example.com/", "*.example.com")
    assert not passes("https://hooks.example.org/", "*.example.com")
    assert passes("http://127.0.0.1:8080/", "127.0.0.1:8080")
    assert not passes("http://127.0.0.1:8080/", "127.*")
